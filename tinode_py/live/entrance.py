"""{hi}, {login} and {acc}: what a session does before it talks to topics.

Rows of new accounts are written here; existing ones belong to their `me` topic, to which a
change is handed on (`Change`).
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
from msgspec import structs

from .. import changes, ids
from ..access import Level
from ..audit import AuditEntry
from ..auth.base import VALIDATED, Identity, Origin, Scheme, with_login_number
from ..auth.invite import check_registration
from ..auth.token import TokenKeeper
from ..changes import Batch, Conflict
from ..changes_backend import PutAudit
from ..config import Settings
from ..core import account, credentials, hello, tags
from ..core.decision import Env
from ..core.events import Asked, Caller, NewLogin
from ..core.merge import DELETE
from ..errors import (
    ALREADY_AUTHENTICATED,
    AUTH_FAILED,
    AUTH_REQUIRED,
    AUTH_RESET,
    CREATED,
    DENIED,
    DUPLICATE_CREDENTIAL,
    MALFORMED,
    OK,
    OUT_OF_SEQUENCE,
    UNKNOWN_SCHEME,
    USER_NOT_FOUND,
    VALIDATE,
    VERSION,
    Answer,
    Refused,
    StoreError,
)
from ..queries import UserById
from ..records import LoginSession, State, User
from ..store.base import Store
from ..wire.client_packets import Acc, Hi, Login
from ..wire.server_parts import Timestamp
from .devices import Devices
from .devices import named as named_device
from .lobby import Lobby
from .logins import Logins
from .newcomers import Newcomers
from .person import Person
from .proofs import Proofs

Params = dict[str, Any]
RESET = "reset"  # no scheme, but asked for as one


@attrs.frozen
class Change:
    """A change of an existing account, for its `me` topic."""

    topic: str
    event: Asked | NewLogin


@attrs.define(eq=False)
class Entrance:
    """How people come in: shared by all sessions of a server."""

    settings: Settings
    store: Store
    schemes: Mapping[str, Scheme]
    tokens: TokenKeeper
    now: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    build: str
    devices: Devices
    proofs: Proofs
    logins: Logins
    newcomers: Newcomers
    forgetting: tuple[Callable[[str], Awaitable[None]], ...] = ()
    lobby: Lobby | None = None

    def origin(self, address: str) -> Origin:
        return Origin(address)

    def _env(self) -> Env:
        return Env(self.settings, self.now(), lambda name: False)

    # --- {hi} ----------------------------------------------------------------------------

    async def greet(self, person: Person, hi: Hi) -> tuple[Answer, Params | None]:
        """The answer to {hi}; Refused if it comes at the wrong time or speaks another version."""
        if person.greeted:
            return await self._greet_again(person, hi), None
        version = hello.parse_version(hi.ver)
        if version is None:
            raise Refused(MALFORMED)
        if version < hello.OLDEST:
            raise Refused(VERSION)
        person.device = named_device(hi.dev)
        person.version = version
        person.user_agent = hi.ua
        person.language = hi.lang
        person.platform = hello.platform(hi.platf, hi.ua)
        person.background = hi.bkg
        answer = OK if person.polls else CREATED
        return answer, hello.params(self.settings, self.build)

    async def _greet_again(self, person: Person, hi: Hi) -> Answer:
        """A later {hi} changes the device or the language, nothing else."""
        if hi.ver and hello.parse_version(hi.ver) != person.version:
            raise Refused(OUT_OF_SEQUENCE)
        if not person.user:
            raise Refused(AUTH_REQUIRED)
        if hi.lang:
            person.language = hi.lang
        device = named_device(hi.dev) if hi.dev else person.device
        changed = device != person.device or hi.dev == DELETE
        if changed:
            await self.devices.change(person, device)
        else:
            await self.devices.seen(person)
        return OK if changed or person.polls else CREATED

    # --- {login} -------------------------------------------------------------------------

    async def log_in(self, person: Person, request: Login) -> tuple[Answer, Params | None]:
        """Log a session in, unless credentials are still to be confirmed (300)."""
        if request.scheme.lower() == RESET:
            secret = request.secret or b""
            await self.proofs.reset(secret, self.schemes, person.language)
            return AUTH_RESET, None
        if person.user:
            raise Refused(ALREADY_AUTHENTICATED)
        scheme = self.schemes.get(request.scheme.lower())
        if scheme is None:
            raise Refused(UNKNOWN_SCHEME)
        identity = await scheme.log_in(request.secret or b"", person.origin, self.now())
        if identity.newcomer is not None:
            identity = await self.newcomers.admit(identity, identity.newcomer)
            await self.welcome(identity.user)
        if scheme is self.tokens and identity.may_log_in:  # a token that is used is renewed
            identity = attrs.evolve(identity, expires=0)
        user = await self.store.fetch(UserById(identity.user))
        _check_state(user)
        row = await self.logins.check(identity)
        if not identity.validated:
            row = None  # it may change while addresses are confirmed
            missing = await self.proofs.missing(identity, request.cred)
            if missing:
                return VALIDATE, await self._to_validate(person, identity, missing, {})
        params = await self._enter(person, identity, row=row)
        await self.devices.logged_in(person)
        return OK, params

    async def _enter(
        self,
        person: Person,
        identity: Identity,
        more: Params | None = None,
        row: LoginSession | None = None,
    ) -> Params:
        """Who proved himself is in, unless his proof was for one purpose only."""
        if identity.may_log_in:
            number = person.number = await self.logins.enter(person, identity, row)
            person.user = identity.user
            person.level = identity.level
        else:
            number = await self.logins.wait(person, identity)
        features = with_login_number(identity.features | VALIDATED, number)
        return self._token_params(identity, features, more or {})

    async def _to_validate(
        self, person: Person, identity: Identity, missing: tuple[str, ...], more: Params
    ) -> Params:
        """A token that is to come back with a response; it leads to no session before."""
        number = await self.logins.wait(person, identity)
        features = with_login_number(0, number)
        return self._token_params(identity, features, {"cred": list(missing), **more})

    def _token_params(self, identity: Identity, features: int, more: Params) -> Params:
        """A token, and what goes with it. It lives no longer than what it was given for."""
        now, user, level = self.now(), identity.user, identity.level
        life = self.settings.auth.token.expire
        if identity.expires:
            life = min(life, max(1, (identity.expires - now) // 1000))
        secret, expires = self.tokens.make(user, level, features, now, expire=life)
        token = base64.b64encode(secret).decode("ascii")
        return account.login_params(identity.user, identity.level, token, Timestamp(expires), more)

    async def admit(self, person: Person, user: str) -> Params:
        """Log a session in for whom somebody else has vouched; Refused if the account may not."""
        _check_state(await self.store.fetch(UserById(user)))
        params = await self._enter(person, Identity(user, Level.AUTH, VALIDATED))
        await self.devices.logged_in(person)
        return params

    async def by_token(self, secret: bytes) -> Identity:
        """Whom a login token names, for requests outside of sessions: Refused wherever {login}
        with it would lead to no session. Renews nothing.
        """
        identity = self.tokens.check(secret, self.now())
        if not identity.may_log_in:
            raise Refused(AUTH_FAILED)
        _check_state(await self.store.fetch(UserById(identity.user)))
        await self.logins.check(identity)
        if await self.proofs.missing(identity, ()):
            raise Refused(AUTH_FAILED)
        return identity

    # --- {acc} ---------------------------------------------------------------------------

    async def create(
        self, person: Person, acc: Acc, attachments: tuple[str, ...] = ()
    ) -> tuple[Answer, Params]:
        """Open an account, and log in with it if asked to (protocol notes, 3.6).

        `attachments` are addresses of uploads to which its description refers.
        """
        if acc.login and person.user:
            raise Refused(ALREADY_AUTHENTICATED)
        scheme = self.schemes.get(acc.scheme.lower())
        if scheme is None:
            raise Refused(MALFORMED)
        root = person.level is Level.ROOT
        if not root:
            check_registration(self.settings.auth, ((cred.meth, cred.resp) for cred in acc.cred))
        name = "usr" + ids.new_body(self.random_bytes)
        row = await scheme.enroll(name, acc.secret or b"", person.origin)
        try:
            user = account.new_user(name, acc, row, self._env(), root=root)
            rows: tuple[changes.Change, ...] = account.creation(user, row, attachments)
            if person.by is not None:
                rows += (PutAudit(AuditEntry(self.now(), person.by, "user.create", user.id)),)
            await self._store_new(person, acc, user, rows, scheme.level)
        except (Refused, StoreError):
            await self.ended(name)
            raise
        await self.welcome(user.id)
        created = await self._created(person, acc, user, scheme.level)
        if person.user == user.id:
            await self.devices.logged_in(person)
        return created

    async def welcome(self, user: str) -> None:
        """An account was opened: it joins the lobby, if there is one."""
        if self.lobby is not None:
            await self.lobby.welcome(user)

    async def _store_new(
        self, person: Person, acc: Acc, user: User, made: tuple[changes.Change, ...], level: Level
    ) -> None:
        """Write a new account with its addresses, then send the codes that confirm them."""
        claims = tags.claims(user.id, user.tags, self.settings)
        wanted = credentials.at_sign_up(acc.cred, level, self.settings)
        await self.proofs.check_new(wanted)
        rows, letters = self.proofs.first(user.id, wanted, person.language)
        outcome = await self.store.commit(Batch((*claims, *made, *rows)))
        if isinstance(outcome, Conflict):
            raise Refused(DUPLICATE_CREDENTIAL, {"what": outcome.what})
        for letter in letters:
            self.proofs.send(letter)

    async def _created(
        self, person: Person, acc: Acc, user: User, level: Level
    ) -> tuple[Answer, Params]:
        more = {"desc": account.description(user)}
        missing = credentials.required(self.settings, level)
        if acc.login and missing:
            identity = Identity(user.id, level)
            return VALIDATE, await self._to_validate(person, identity, missing, more)
        if acc.login:
            identity = Identity(user.id, level, VALIDATED)
            return OK, await self._enter(person, identity, more)
        return CREATED, {"user": user.id, "authlvl": level.text, **more}

    async def ended(self, user: str) -> None:
        """An account is over, or did not come to be: those outside who know it are told."""
        for forget in self.forgetting:
            await forget(user)

    async def over(self, user: str) -> None:
        """Somebody asked to end an account: where that was done, it is told outside."""
        row = await self.store.fetch(UserById(user))
        if row is None or row.state is State.DELETED:
            await self.ended(user)

    async def change(self, person: Person, acc: Acc, caller: Caller) -> Change:
        """What an {acc} for an existing account asks of its `me` topic (notes, 3.7)."""
        if acc.tmpscheme:
            return await self._with_authority(person, acc, caller)
        if not person.user:
            raise Refused(DENIED)
        target = acc.user or caller.user
        if target != caller.user and not caller.is_root:
            raise Refused(DENIED)
        if not ids.is_user(target):
            raise Refused(MALFORMED)
        if acc.status and not caller.is_root:
            raise Refused(DENIED)
        asked = Asked(caller, acc, "")
        if not acc.scheme:
            return Change(target, asked)
        return Change(target, await self._new_login(target, acc, asked, person))

    async def _new_login(self, user: str, acc: Acc, asked: Asked, person: Person) -> NewLogin:
        scheme = self.schemes.get(acc.scheme.lower())
        if scheme is None:
            raise Refused(MALFORMED)
        login = await scheme.change(user, acc.secret or b"", person.origin)
        return NewLogin(asked, login)

    async def _with_authority(self, person: Person, acc: Acc, caller: Caller) -> Change:
        """A token that was made for this one change stands in for being logged in."""
        if person.user:
            raise Refused(ALREADY_AUTHENTICATED)
        scheme = self.schemes.get(acc.tmpscheme.lower())
        if scheme is None:
            raise Refused(UNKNOWN_SCHEME)
        try:
            identity = await scheme.log_in(acc.tmpsecret or b"", person.origin, self.now())
            await self.logins.check(identity)
        except Refused as no:
            raise Refused(no.answer, {"what": "auth"}) from None
        _check_state(await self.store.fetch(UserById(identity.user)))
        user = identity.user
        caller = structs.replace(caller, user=user, actor=user, level=identity.level)
        asked = Asked(caller, acc, "")
        if not acc.scheme:
            raise Refused(MALFORMED)
        return Change(user, await self._new_login(user, acc, asked, person))


def _check_state(user: User | None) -> None:
    if user is None:
        raise Refused(USER_NOT_FOUND)
    if user.state is not State.OK:
        raise Refused(DENIED)
