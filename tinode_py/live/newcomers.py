"""Accounts that are opened by a first login, for people whom an authenticator already knows."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from msgspec import structs

from .. import ids
from ..auth.base import Identity, Newcomer
from ..changes import Batch, Conflict, DeleteUser, PutLogin
from ..core import account, tags
from ..core.decision import Env
from ..errors import DUPLICATE_CREDENTIAL, Refused
from ..records import User
from ..store.base import Store
from ..wire.client_packets import Acc
from ..wire.client_parts import SetDesc
from ..wire.parts import DefAcs, Json


@attrs.frozen
class Newcomers:
    """Opens accounts; shared by all sessions of a server."""

    store: Store
    env: Callable[[], Env]
    random_bytes: Callable[[int], bytes]

    async def admit(self, identity: Identity, newcomer: Newcomer) -> Identity:
        """The identity with its account, which the authenticator has taken note of.

        Refused if the authenticator does not take it, or a unique tag is somebody's; then there
        is no account.
        """
        env = self.env()
        user = _account("usr" + ids.new_body(self.random_bytes), newcomer, env)
        claims = tags.claims(user.id, user.tags, env.settings)
        outcome = await self.store.commit(Batch((*claims, *account.creation(user, None))))
        if isinstance(outcome, Conflict):
            raise Refused(DUPLICATE_CREDENTIAL, {"what": outcome.what})
        try:
            login = await newcomer.link(user.id)
        except Refused:
            await self.store.commit(Batch((DeleteUser(user.id, True, env.now),)))
            raise
        await self.store.commit(Batch((PutLogin(login),)))
        return attrs.evolve(identity, user=user.id, newcomer=None)


def _account(name: str, newcomer: Newcomer, env: Env) -> User:
    defaults = DefAcs(newcomer.auth, newcomer.anon)
    desc = SetDesc(defaults, _json(newcomer.public), private=_json(newcomer.private))
    user = account.new_user(name, Acc(desc=desc), None, env)
    return structs.replace(user, tags=tags.normal(newcomer.tags, env.settings))


def _json(text: bytes | None) -> Json | None:
    return None if text is None else Json(text)
