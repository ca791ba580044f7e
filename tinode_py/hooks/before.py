"""A service that is asked before a message is stored: it may let it pass, refuse or rewrite it.

Asked in the task of the session that publishes, before the topic hears of it: who waits is that
session alone. What comes back is read as a {pub} of a client would be, with the same bounds, and
the topic decides about it as about any other. Where the service is down, late or answers what
cannot be used, `webhooks.before.on_failure` counts.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Callable

import attrs
import msgspec
from msgspec import structs

from ..config import ConfigError
from ..errors import POLICY, UNAVAILABLE, Refused
from ..outbound.client import Client
from ..settings.services import BeforeHook
from ..wire.client_packets import Pub
from ..wire.codec import Malformed, WireLimits, decode_json
from ..wire.parts import Json
from .address import Forbidden, check_url
from .post import HookError, Poster, new_client

log = logging.getLogger(__name__)

CONNECTIONS = 64
LONGEST_REASON = 200  # characters
_ANYWHERE = tuple(map(ipaddress.ip_network, ("0.0.0.0/0", "::/0")))  # the operator named it


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    """`refuse` is the reason; `head` and `content` replace what was sent."""

    refuse: str | None = None
    head: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    content: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_READER = msgspec.json.Decoder(_Answer)


@attrs.frozen
class Before:
    """Asks the service."""

    poster: Poster
    rules: BeforeHook
    limits: WireLimits

    def concerns(self, topic: str) -> bool:
        return topic[:3] in self.rules.topics

    async def asked(self, user: str, topic: str, pub: Pub) -> Pub:
        """What is to be published in place of `pub`, or itself. Refused: 422 with the service's
        `reason`, 503 if there is no answer and that is the policy.
        """
        question: dict[str, object] = {"user": user, "topic": topic}
        if pub.head is not None:
            question["head"] = msgspec.Raw(pub.head)
        question["content"] = msgspec.Raw(pub.content or b"null")
        try:
            text = await self.poster.post(msgspec.json.encode(question), {})
            return self._verdict(text, pub)
        except (HookError, Malformed, ValueError, RecursionError) as error:
            log.warning("no use of what was asked before a message: %s", error)
        if self.rules.on_failure == "refuse":
            raise Refused(UNAVAILABLE, {"what": "before"})
        return pub

    def _verdict(self, text: bytes, pub: Pub) -> Pub:
        answer = _READER.decode(text) if text.strip() else _Answer()
        if answer.refuse is not None:
            raise Refused(POLICY, {"reason": answer.refuse[:LONGEST_REASON]})
        members = {
            name: value
            for name in ("head", "content")
            if (value := getattr(answer, name)) is not msgspec.UNSET
        }
        if not members:
            return pub
        written = msgspec.json.encode({"pub": {"topic": pub.topic, **members}})
        new = decode_json(written, self.limits).request
        assert isinstance(new, Pub)
        head = new.head if "head" in members else pub.head
        content = (new.content or Json(b"null")) if "content" in members else pub.content
        return structs.replace(pub, head=head, content=content)


@attrs.define(eq=False)
class Befores:
    """Makes those who are asked, as the settings change. Connections are closed with `open`."""

    open: contextlib.AsyncExitStack
    now: Callable[[], int]
    _clients: dict[tuple[str, float], Client] = attrs.field(factory=dict)

    def of(self, rules: BeforeHook, limits: WireLimits) -> Before | None:
        """None if nobody is to be asked. Raises ConfigError for an address that makes no sense."""
        if not rules.url:
            return None
        try:
            check_url(rules.url)
        except Forbidden as error:
            raise ConfigError("webhooks.before.url", str(error)) from None
        client = self._client(rules.url, rules.timeout)
        return Before(
            Poster(client, rules.url, rules.secret, rules.timeout, self.now), rules, limits
        )

    def _client(self, url: str, timeout: float) -> Client:
        """One for each address, so that what is under way ends in good order."""
        if (url, timeout) not in self._clients:
            client = self._clients[url, timeout] = new_client(_ANYWHERE, timeout, CONNECTIONS)
            self.open.push_async_callback(client.aclose)
        return self._clients[url, timeout]


@contextlib.asynccontextmanager
async def befores(
    rules: BeforeHook, limits: WireLimits, now: Callable[[], int]
) -> AsyncIterator[tuple[Befores, Before | None]]:
    """Who is asked for the time of the block, and at its start. ConfigError as of `Befores.of`."""
    async with contextlib.AsyncExitStack() as stack:
        made = Befores(stack, now)
        yield made, made.of(rules, limits)
