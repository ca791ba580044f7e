"""Who may open a websocket, decided from the request's head.

The order is the reference's: the API key, the method, the handshake; then the origin.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

import attrs
import h11
from wsproto.utilities import generate_accept_token

from ..config import ConfigError, Settings
from ..errors import DENIED, KEY_REQUIRED, NOT_ALLOWED, Answer
from ..settings.serving import Web
from .apikey import ApiKeys, find_key, named
from .head import RequestHead

PATH = "/v0/channels"
BAD_HANDSHAKE = Answer(400, "Bad Request")
_VERSION = "13"
_NONCE = 16  # bytes
_SWITCHING = b"Switching Protocols"


@attrs.define(eq=False)
class Doors:
    """What a client must show: a key, and, where `origins` are listed, one of these."""

    keys: ApiKeys
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, web: Web, now: Callable[[], int] = lambda: 0) -> Doors:
        """As the settings say. ValueError if the salt is not base64."""
        origins = frozenset(origin.lower().rstrip("/") for origin in web.origins)
        return cls(
            ApiKeys(web.api_salt, web.api_keys, (web.former_api_salt, web.former_api_until), now),
            origins,
        )

    def ready_for(self, settings: Settings) -> Callable[[], None]:
        """What makes these the doors of other settings. ConfigError if they make no sense."""
        try:
            new = Doors.of(settings.web, self.keys.now)
        except ValueError as error:
            raise ConfigError("web.api_salt", str(error)) from None

        def put_in_force() -> None:
            self.keys.become(new.keys)
            self.origins = new.origins

        return put_in_force

    def refusal(self, head: RequestHead, form: Mapping[str, str]) -> Answer | None:
        """Why `head` opens no websocket; None: it does."""
        if not self.keys.valid(key_of(head, form)):
            return KEY_REQUIRED
        if head.method != "GET":
            return NOT_ALLOWED
        if not _proper(head):
            return BAD_HANDSHAKE
        return None if self.admits(head.header("origin")) else DENIED

    def admits(self, origin: str) -> bool:
        """Whether pages from `origin` may talk to us."""
        # Those without an origin are not browsers, and could send any.
        return not (self.origins and origin) or origin.lower() in self.origins


def key_of(head: RequestHead, form: Mapping[str, str]) -> str:
    return find_key(head.header("x-tinode-apikey"), head.query, form, head.header("cookie"))


def ticket_of(head: RequestHead) -> str:
    """The ticket with which a websocket is opened, "" if it is none."""
    return named(head.query, "ticket")


def accepted(head: RequestHead, parser: h11.Connection) -> bytes:
    """The answer to a good handshake, by the parser that has read it. Byte for byte what
    trio-websocket answers, without its task and its second look at the request; no extensions.
    """
    token = generate_accept_token(head.header("sec-websocket-key").encode("ascii"))
    headers = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", token),
    ]
    switching = h11.InformationalResponse(status_code=101, headers=headers, reason=_SWITCHING)
    return bytes(parser.send(switching) or b"")


def _proper(head: RequestHead) -> bool:
    return (
        head.version == "1.1"
        and "websocket" in _tokens(head.header("upgrade"))
        and "upgrade" in _tokens(head.header("connection"))
        and head.header("sec-websocket-version") == _VERSION
        and _is_nonce(head.header("sec-websocket-key"))
    )


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")]


def _is_nonce(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _NONCE
    except (binascii.Error, ValueError):
        return False
