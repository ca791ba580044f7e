"""Accounts that nobody can be using are ended, if the operator wants it.

Two kinds. *Never confirmed*: somebody signed up, was asked to confirm an address, never did and
never came in. *Anonymous, and over*: there is no login, and no token lives with which he could
come back. Whoever was seen later, or is here now, is left alone, and so is an account whose
login acts as root.

An account is ended by its own `me` topic, as on a hard {del user}.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import attrs
import trio

from ..access import Level
from ..config import Settings
from ..core import credentials
from ..core.events import Asked, Caller
from ..queries import AccountsAfter, CredentialsOf, LoginsOf, SessionsOf
from ..records import Login
from ..store.base import Store
from ..wire.client_packets import Del
from .rules import Item

log = logging.getLogger(__name__)

PAGE = 100  # accounts looked at in one go
DAY = 86_400_000  # ms


@attrs.define(eq=False)
class Collector:
    """Looks through the accounts. `is_live` says whether a user has a session, `submit` reaches
    his `me`.
    """

    settings: Settings
    store: Store
    now: Callable[[], int]
    is_live: Callable[[str], bool]
    submit: Callable[[str, Item], bool]

    async def collect(self) -> None:
        """One round through all accounts, if any are to be ended; others run in between."""
        rules = self.settings.auth
        if not rules.unvalidated_days and not rules.anonymous_days:
            return
        after = ""
        while page := await self.store.fetch(AccountsAfter(after, PAGE)):
            for user, created, seen in page:
                if await self._is_over(user, created, seen):
                    self._end(user)
            after = page[-1][0]
            await trio.lowlevel.checkpoint()

    async def _is_over(self, user: str, created: int, seen: int) -> bool:
        rules, now = self.settings.auth, self.now()
        unused = rules.unvalidated_days and not seen
        unused = bool(unused) and created < now - rules.unvalidated_days * DAY
        before = now - rules.anonymous_days * DAY - rules.token.expire * 1000
        away = bool(rules.anonymous_days) and max(created, seen) < before
        if not (unused or away) or self.is_live(user):
            return False
        logins = await self.store.fetch(LoginsOf(user))
        if logins:
            return unused and await self._is_unconfirmed(user, logins)
        rows = await self.store.fetch(SessionsOf(user))
        return away and all(row.revoked or row.seen < before for row in rows)

    async def _is_unconfirmed(self, user: str, logins: Iterable[Login]) -> bool:
        """An account that the operator made has no addresses, and stays."""
        level = max(login.level for login in logins)
        if level is Level.ROOT:
            return False
        known = await self.store.fetch(CredentialsOf(user))
        missing = credentials.missing(known, level, self.settings)
        return any(row.method in missing and not row.done for row in known)

    def _end(self, user: str) -> None:
        """At the next round, if the topic is too busy now."""
        caller = Caller("", user, Level.ROOT, user)
        if self.submit(user, Item(Asked(caller, Del(what="user", user=user, hard=True), ""))):
            log.info("an account that nobody uses is ended", extra={"user": user})
