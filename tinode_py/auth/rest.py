"""The scheme `rest`: a service outside knows the accounts, asked by JSON over HTTP.

What is asked and answered is in docs/auth.md. The secret is passed on as it came. A first login
may open an account here (`auth.rest.allow_new_accounts`): the service then answers with what is
to be in it, and is told its number (`link`). Who fails waits before his next try, and one
connection asks one thing at a time.
"""

from __future__ import annotations

import base64
import functools
import logging
import re

import attrs
import msgspec
import trio

from .. import errors, ids
from ..access import LEVELS, Level
from ..errors import Answer, Refused
from ..outbound.base import TooLong, Unanswered
from ..outbound.client import Client
from ..records import Login
from ..settings.accounts import Rest as Rules
from .base import NO_LOGIN, VALIDATED, Identity, Newcomer, Origin

log = logging.getLogger(__name__)

SCHEME = "rest"
LONGEST_ANSWER = 1 << 20  # bytes
CONNECTIONS = 16
DELAY = 0.4  # seconds before another try of who failed
ERRORS: dict[str, Answer] = {
    "internal": errors.INTERNAL,
    "malformed": errors.MALFORMED,
    "failed": errors.AUTH_FAILED,
    "duplicate value": errors.DUPLICATE_CREDENTIAL,
    "unsupported": errors.NOT_IMPLEMENTED,
    "expired": errors.AUTH_FAILED,
    "policy": errors.POLICY,
    "credentials": errors.VALIDATE,
    "not found": errors.NOT_FOUND,
    "denied": errors.DENIED,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_NAMESPACE = re.compile(r"[a-z]\w{1,15}")


class Record(msgspec.Struct, omit_defaults=True):
    """What the service says of a person: `rec`."""

    uid: str = ""
    authlvl: str = ""
    lifetime: str = ""
    features: int = 0
    tags: list[str] = []


class NewAccount(msgspec.Struct):
    """What is to be in an account that is opened by its first login: `newacc`."""

    auth: str = ""
    anon: str = ""
    public: msgspec.Raw = msgspec.Raw(b"null")
    private: msgspec.Raw = msgspec.Raw(b"null")


class Reply(msgspec.Struct):
    err: str = ""
    rec: Record | None = None
    byteval: str = ""
    boolval: bool = False
    strarr: list[str] = []
    newacc: NewAccount | None = None


def seconds(duration: str) -> float:
    """A text like `1h20m` or `10000s`, 0 for an empty one; ValueError for any other."""
    total, end = 0.0, 0
    while end < len(duration) and (part := _PART.match(duration, end)):
        total, end = total + float(part[1]) * _SECONDS[part[2]], part.end()
    if end < len(duration):
        raise ValueError(f"no duration: {duration!r}")
    return total


def new_client(rules: Rules) -> Client:
    """Connections to the service."""
    return Client(rules.timeout, CONNECTIONS)


@attrs.frozen
class Rest:
    """Asks the service who somebody is, and lets it keep logins."""

    client: Client
    rules: Rules
    level: Level = Level.AUTH

    async def log_in(self, secret: bytes, origin: Origin, now: int) -> Identity:
        """Whom the service names. An `Identity` without a user has a `newcomer`.

        Refused: what the service answered, 503 if it could not be asked, 403 for a newcomer
        where none is wanted, 300 with a `challenge` that the service wants met.
        """
        async with origin.turn:
            await trio.sleep_until(origin.not_before)
            try:
                reply = await self._ask("auth", secret)
            except Refused:
                origin.not_before = trio.current_time() + DELAY
                raise
        if reply.byteval:
            raise Refused(errors.CHALLENGE, {"challenge": reply.byteval})
        return self._identity(reply, secret, now)

    async def enroll(self, user: str, secret: bytes, origin: Origin) -> Login | None:
        """A row that tells that the service has a login of this account."""
        async with origin.turn:
            if not (await self._ask("checkunique", secret)).boolval:
                raise Refused(errors.DUPLICATE_CREDENTIAL, {"what": "auth"})
            reply = await self._ask("add", secret, Record(uid=_uid(user)))
        level = _level(reply.rec.authlvl) if reply.rec else self.level
        return _row(user, level)

    async def change(self, user: str, secret: bytes, origin: Origin) -> Login:
        """The row, once the service has taken the new secret."""
        async with origin.turn:
            reply = await self._ask("upd", secret, Record(uid=_uid(user)))
        return _row(user, _level(reply.rec.authlvl) if reply.rec else self.level)

    async def forget(self, user: str) -> None:
        """The account is over. That the service keeps accounts itself, or is away, is no error."""
        try:
            await self._ask("del", b"", Record(uid=_uid(user)))
        except Refused as refused:
            if refused.answer not in (errors.NOT_IMPLEMENTED, errors.NOT_FOUND):
                log.warning("the rest service keeps a login that is over", extra={"user": user})

    async def tag_namespaces(self) -> tuple[str, ...]:
        """Namespaces of tags that only the service writes, none if it does not say."""
        try:
            reply = await self._ask("rtagns", b"")
        except Refused as refused:
            if refused.answer in (errors.NOT_IMPLEMENTED, errors.NOT_FOUND, errors.MALFORMED):
                return ()
            raise
        return tuple(name for name in reply.strarr if _NAMESPACE.fullmatch(name))

    # --- asking --------------------------------------------------------------------------

    def _identity(self, reply: Reply, secret: bytes, now: int) -> Identity:
        record = reply.rec or Record()
        level = _level(record.authlvl)
        features = record.features & (VALIDATED | NO_LOGIN)
        try:
            lifetime = int(seconds(record.lifetime))
        except ValueError:
            raise _odd("lifetime") from None
        expires = now + lifetime * 1000 if lifetime else 0
        if record.uid:
            user = f"usr{record.uid}"
            if not ids.is_user(user):
                raise _odd("uid")
            return Identity(user, level, features, expires)
        if reply.newacc is None:
            raise Refused(errors.AUTH_FAILED)
        if not self.rules.allow_new_accounts:
            raise Refused(errors.DENIED)
        newcomer = Newcomer(
            tuple(record.tags),
            reply.newacc.auth,
            reply.newacc.anon,
            _document(reply.newacc.public),
            _document(reply.newacc.private),
            functools.partial(self._link, secret, level),
        )
        return Identity("", level, features, expires, newcomer)

    async def _link(self, secret: bytes, level: Level, user: str) -> Login:
        await self._ask("link", secret, Record(uid=_uid(user), authlvl=level.text))
        return _row(user, level)

    async def _ask(self, endpoint: str, secret: bytes, record: Record | None = None) -> Reply:
        body: dict[str, object] = {"endpoint": endpoint}
        if secret:
            body["secret"] = base64.b64encode(secret).decode()
        if record:
            body["rec"] = record
        url = self.rules.url
        if self.rules.use_separate_endpoints:
            url = f"{url.rstrip('/')}/{endpoint}"
        text = await self._post(url, msgspec.json.encode(body))
        try:
            reply = msgspec.json.decode(text, type=Reply)
        except msgspec.DecodeError:
            raise _odd(endpoint) from None
        if reply.err:
            raise Refused(ERRORS.get(reply.err, errors.INTERNAL))
        return reply

    async def _post(self, url: str, body: bytes) -> bytes:
        """The body of the answer, whatever its code: the service may say `err` with any."""
        headers = {"content-type": "application/json"}
        try:
            answer = await self.client.post(
                url,
                body,
                headers,
                within=self.rules.timeout,
                longest=LONGEST_ANSWER,
                errors_too=True,
            )
        except TooLong:
            raise _odd("length") from None
        except Unanswered as error:
            log.warning("the rest service gave no answer: %s", error.brief)
            raise Refused(errors.UNAVAILABLE) from None
        if answer.status >= 500 and not answer.body.lstrip().startswith(b"{"):
            log.warning("the rest service is ill: it answered %d", answer.status)
            raise Refused(errors.UNAVAILABLE)
        return answer.body


def _uid(user: str) -> str:
    return user.removeprefix("usr")


def _row(user: str, level: Level) -> Login:
    return Login(SCHEME, _uid(user), user, "", level)


def _level(text: str) -> Level:
    """Accounts are worth `auth` unless the service says else."""
    if text and text not in LEVELS:
        raise _odd("authlvl")
    return LEVELS[text] if text else Level.AUTH


def _document(raw: msgspec.Raw) -> bytes | None:
    text = bytes(raw)
    return None if text == b"null" else text


def _odd(what: str) -> Refused:
    log.warning("the rest service answered what is no answer: %s", what)
    return Refused(errors.INTERNAL)
