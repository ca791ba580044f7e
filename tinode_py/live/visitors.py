"""Who is behind a single HTTP request: a login without a session.

The same rules as for {login}: the account must be there and in force, what proves it must not
have been revoked, its required addresses must be confirmed.
"""

from __future__ import annotations

import attrs

from ..access import Level
from ..auth.base import Origin
from ..errors import AUTH_FAILED, AUTH_REQUIRED, DENIED, MALFORMED, Refused
from ..queries import UserById
from ..records import State
from .entrance import Entrance

_UNFIT = frozenset({"anonymous", "code"})  # makes accounts; is for one purpose only


@attrs.frozen
class Visitor:
    """A user, and with what rights he is here."""

    user: str
    level: Level


@attrs.frozen
class Visitors:
    entrance: Entrance

    async def admit(self, scheme: str, secret: bytes, address: str) -> Visitor:
        """Who this is. Refused: 400 for a scheme or a secret that is none, 401, 403 suspended.

        `address` is the client's, for the throttle of password checks.
        """
        entrance = self.entrance
        known = entrance.schemes.get(scheme.lower())
        if known is None or scheme.lower() in _UNFIT:
            raise Refused(MALFORMED)
        identity = await known.log_in(secret, Origin(address), entrance.now())
        if identity.newcomer is not None or not identity.may_log_in:
            raise Refused(AUTH_FAILED)
        user = await entrance.store.fetch(UserById(identity.user))
        if user is None:
            raise Refused(AUTH_FAILED)
        if user.state is not State.OK:
            raise Refused(DENIED)
        await entrance.logins.check(identity)
        if await entrance.proofs.missing(identity, ()):
            raise Refused(AUTH_REQUIRED)
        return Visitor(identity.user, identity.level)
