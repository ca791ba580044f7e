"""The way to look at something: read-only, straight into the database, beside a server or not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tinode_py.config import ConfigError, Settings, database, postgres
from tinode_py.settings.keys import without_password
from tinode_py.store.browse import Browser
from tinode_py.store.looking import browsing

from .failure import Failure, Unusable


@contextlib.contextmanager
def looking(settings: Settings) -> Iterator[Browser]:
    """A browser of the database that the settings name."""
    url = postgres(settings)
    if url is None:
        with browsing(file_of(settings)) as browser:
            yield browser
        return
    from .postgres import browsing_at

    with browsing_at(url) as found:
        yield found


def file_of(settings: Settings) -> Path:
    """The database file that the settings name, absolute; ConfigError for `memory:`."""
    path = database(settings)
    if path is None:
        raise ConfigError("server.store", "memory: keeps nothing that a command could work on")
    return path.absolute()


def place_of(settings: Settings) -> str:
    """How the database that the settings name is called; ConfigError for `memory:`."""
    if postgres(settings) is not None:
        return without_password(settings.server.store)
    return str(file_of(settings))


def account_of(browser: Browser, name: str) -> str:
    """Whom an operator means; Failure if nobody."""
    user = browser.user_named(name)
    if user is None:
        raise Failure(f"nobody has the login or the number {name!r}")
    return user


def named(settings: Settings, who: str) -> tuple[str, str]:
    """Number and login (else the number again) of an account; Failure if there is none."""
    with looking(settings) as browser:
        account = account_of(browser, who)
        row = browser.user(account)
        return account, str((row or {}).get("login") or account)


def topic_of(browser: Browser, name: str) -> str:
    """Which topic an operator means: a name as in lists; `chn…` is its group."""
    topic = "grp" + name[3:] if name.startswith("chn") else name
    if browser.row("SELECT 1 FROM topic WHERE name = ?", (topic,)) is None:
        raise Failure(f"there is no topic {name!r}: `tinode-py topic list` shows those there are")
    return topic


def time_of(text: str, option: str) -> int:
    """Milliseconds of an ISO time, in UTC unless it says otherwise; 0 for an empty one."""
    if not text:
        return 0
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Unusable(
            f"{option}: {text!r} is no time, write 2026-01-31 or 2026-01-31T12:00"
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp() * 1000)
