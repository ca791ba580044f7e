"""Credentials where sessions meet them: at sign-up, at login, and when a password is lost.

What the rules are is in `core.credentials`; here they meet the store and the couriers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ..auth import code as code_scheme
from ..auth.base import Identity
from ..auth.code import Waiting
from ..changes import Batch, Change, PutCredential, PutLogin
from ..core import codes, credentials
from ..core.decision import Env
from ..core.effects import SendCode
from ..core.events import Confirmed
from ..errors import (
    DUPLICATE_CREDENTIAL,
    MALFORMED,
    NOT_FOUND,
    NOT_IMPLEMENTED,
    Refused,
)
from ..queries import ConfirmedBy, CredentialsOf, LoginByName, LoginsOf
from ..records import Credential, Login
from ..store.base import Store
from ..wire import parts


@attrs.frozen
class Proofs:
    """What a server asks of people's addresses. `send` hands a code to a courier; `confirmed`
    lets a user's `me` know of a new tag.
    """

    store: Store
    env: Callable[[], Env]
    send: Callable[[SendCode], None]
    confirmed: Callable[[str, Confirmed], None]

    # --- sign-up -------------------------------------------------------------------------

    async def check_new(self, wanted: Iterable[parts.Credential]) -> None:
        """Refused if one of the addresses is confirmed as somebody's."""
        for item in wanted:
            if await self.store.fetch(ConfirmedBy(item.meth, item.val)) is not None:
                raise Refused(DUPLICATE_CREDENTIAL)

    def first(
        self, user: str, wanted: Iterable[parts.Credential], language: str
    ) -> tuple[tuple[Change, ...], tuple[SendCode, ...]]:
        """The rows of a new account's addresses, and the codes to be sent once they are stored."""
        env = self.env()
        pairs = [credentials.fresh(user, c.meth, c.val, env, language) for c in wanted]
        return tuple(PutCredential(row) for row, _ in pairs), tuple(code for _, code in pairs)

    # --- login ---------------------------------------------------------------------------

    async def missing(
        self, identity: Identity, answers: Iterable[parts.Credential]
    ) -> tuple[str, ...]:
        """Take the responses that came with a {login}; which methods are still unconfirmed."""
        env = self.env()
        if identity.validated or not credentials.required(env.settings, identity.level):
            return ()
        known = await self.store.fetch(CredentialsOf(identity.user))
        for item in answers:
            if item.resp and item.meth in credentials.methods(env.settings):
                known = await self._respond(identity.user, item, known)
        return credentials.missing(known, identity.level, env.settings)

    async def _respond(
        self, user: str, item: parts.Credential, known: tuple[Credential, ...]
    ) -> tuple[Credential, ...]:
        """A wrong response is no error here; what it leaves unconfirmed is asked for again."""
        settings = self.env().settings
        answered = credentials.respond(item, known, settings)
        outcome = await self.store.commit(Batch((answered.change,)))
        if answered.right and not hasattr(outcome, "what"):
            tag = credentials.tag(item.meth, answered.row.value, settings)
            self.confirmed(user, Confirmed(tag))
        return await self.store.fetch(CredentialsOf(user))

    # --- a lost password -----------------------------------------------------------------

    async def reset(self, secret: bytes, schemes: Iterable[str], language: str) -> None:
        """Send a code to an address, if it is somebody's; who asks is not told whether it is.

        Refused: 400 for what cannot be read, 501 for an unknown scheme or method, 409 while an
        earlier code waits.
        """
        env = self.env()
        try:
            scheme, method, value = secret.decode().split(":", 2)
        except ValueError:
            raise Refused(MALFORMED) from None
        if scheme not in schemes or method not in credentials.methods(env.settings):
            raise Refused(NOT_IMPLEMENTED)
        user = await self.store.fetch(ConfirmedBy(method, value.lower()))
        if user is None:
            return
        logins = await self.store.fetch(LoginsOf(user))
        if all(login.scheme != scheme for login in logins):
            raise Refused(NOT_FOUND)
        await self._send_reset(user, method, value.lower(), language)

    async def _send_reset(self, user: str, method: str, value: str, language: str) -> None:
        env = self.env()
        name = f"{method}:{value}"
        earlier = await self.store.fetch(LoginByName(code_scheme.SCHEME, name))
        if earlier is not None and earlier.expires > env.now:
            raise Refused(DUPLICATE_CREDENTIAL)
        code = codes.make(env.settings.auth.code.length, env.random_bytes)
        salt = codes.fresh_salt(env.random_bytes)
        waiting = Waiting(salt, codes.digest(salt, code))
        expires = env.now + env.settings.auth.code.expire * 1000
        row = Login(code_scheme.SCHEME, name, user, str(waiting), expires=expires)
        await self.store.commit(Batch((PutLogin(row),)))
        self.send(SendCode(method, value, code, "reset", language))
