"""Requests and answers about users, their devices and their logins.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given, place


@attrs.frozen
class OneUser:
    """An account.

    - `id`: its name on the wire.
    - `external_id`: the back end's own id, of the key that asks.
    - `created`: when.
    - `updated`: when.
    - `state`: `ok`, `susp` or `del`.
    - `public`: what others see.
    - `trusted`: what others see.
    - `tags`: what he is found by.
    - `online`: whether he has a live session.
    - `seen`: when he was last seen.
    """

    id: str
    external_id: str | None
    created: datetime
    updated: datetime
    state: str
    public: Any
    trusted: Any
    tags: tuple[str, ...]
    online: bool
    seen: datetime | None


@attrs.frozen
class UserList:
    """Accounts, by name.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneUser, ...]
    next: str

    def rows(self) -> tuple[OneUser, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class FoundRow:
    """A user or a group that was found.

    - `user`: the user's name, or empty.
    - `topic`: the group's name, or empty.
    - `public`: descriptions.
    - `trusted`: descriptions.
    - `tags`: those that matched.
    """

    user: str
    topic: str
    public: Any
    trusted: Any
    tags: tuple[str, ...]


@attrs.frozen
class FoundRows:
    """What a search found.

    - `items`: the best first.
    """

    items: tuple[FoundRow, ...]


@attrs.frozen
class LiveDevice:
    """A live session.

    - `session`: its id.
    - `platform`: `web`, `ios`, `android`, `desktop` or empty.
    - `login`: the number of its login, 0 for none.
    - `on_me`: whether it is attached to `me`, and so hears of private messages.
    """

    session: str
    platform: str
    login: int
    on_me: bool


@attrs.frozen
class OnlineUser:
    """Whether a user is online, and by which devices.

    - `user`: as he was named.
    - `online`: whether he has a live session.
    - `devices`: his live sessions.
    """

    user: str
    online: bool
    devices: tuple[LiveDevice, ...]


@attrs.frozen
class OnlineList:
    """Users and whether they are online.

    - `items`: in the order asked for, else by name.
    - `next`: what to ask after for the page that follows; empty if there is none.
    - `total`: how many users are online.
    """

    items: tuple[OnlineUser, ...]
    next: str
    total: int

    def rows(self) -> tuple[OnlineUser, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class ForcedOff:
    """What was ended.

    - `sessions`: how many live sessions.
    """

    sessions: int


@attrs.frozen
class LoginRow:
    """A login of a user on one device.

    - `number`: to end it by.
    - `created`: when.
    - `seen`: when.
    - `user_agent`: what the device said of itself.
    - `platform`: what the device said of itself.
    - `revoked`: when it was ended.
    - `live`: whether a session of it is live.
    """

    number: int
    created: datetime
    seen: datetime
    user_agent: str
    platform: str
    revoked: datetime | None
    live: bool


@attrs.frozen
class LoginRows:
    """The logins of a user.

    - `items`: all there are, by number.
    """

    items: tuple[LoginRow, ...]


@attrs.frozen
class Profile:
    """The user himself.

    - `id`: his name on the wire.
    - `created`: when.
    - `updated`: when.
    - `public`: descriptions.
    - `trusted`: descriptions.
    - `private`: descriptions.
    - `tags`: what he is found by.
    - `auth`: what others may do by default.
    - `anon`: what others may do by default.
    """

    id: str
    created: datetime | None
    updated: datetime | None
    public: Any
    trusted: Any
    private: Any
    tags: tuple[str, ...]
    auth: str
    anon: str


@attrs.frozen
class Person:
    """Somebody who is online.

    - `user`: his number.
    - `public`: what he shows of himself.
    """

    user: str
    public: Any


@attrs.frozen
class People:
    """Users who are online, by number; not the one who asks.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[Person, ...]
    next: str

    def rows(self) -> tuple[Person, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


def create_user(
    *,
    external_id: str | None = None,
    name: str = "",
    public: Any = None,
    trusted: Any = None,
    private: Any = None,
    tags: Sequence[str] = (),
    login: str = "",
    password: str = "",
) -> Call[OneUser]:
    """Make an account.

    - `external_id`: the back end's own id, unique per key; the user can be named `ext:…` by it.
    - `name`: what others see, short for `public` with this `fn`.
    - `public`: what others see.
    - `trusted`: what the operators vouch for.
    - `private`: the user's own notes on himself.
    - `tags`: what he is found by.
    - `login`: a name to log in with; without it he comes in by tickets.
    - `password`: with `login`.
    """
    return Call(
        "POST",
        "/v1/users",
        OneUser,
        body=given(
            ("external_id", external_id, None),
            ("name", name, ""),
            ("public", public, None),
            ("trusted", trusted, None),
            ("private", private, None),
            ("tags", tags, ()),
            ("login", login, ""),
            ("password", password, ""),
        ),
    )


def list_users(*, after: str = "", limit: int = 50) -> Call[UserList]:
    """List accounts.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/users",
        UserList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def search_users(query: str, *, limit: int = 50) -> Call[FoundRows]:
    """Find users and groups by tags.

    - `query`: tags; with blanks between them all must match, with commas any.
    - `limit`: rows.
    """
    return Call(
        "GET",
        "/v1/search",
        FoundRows,
        query={"query": query, **given(("limit", limit, 50))},
        repeatable=True,
    )


def read_user(user: str) -> Call[OneUser]:
    """Read an account."""
    return Call("GET", place("/v1/users/{user}", user=user), OneUser, repeatable=True)


def change_user(
    user: str,
    *,
    public: Any = None,
    trusted: Any = None,
    tags: Sequence[str] | None = None,
    state: str | None = None,
) -> Call[OneUser]:
    """Change or suspend an account.

    - `public`: what others see, merged into what is there.
    - `trusted`: what the operators vouch for, merged.
    - `tags`: what he is found by, instead of those he has.
    - `state`: `susp` suspends the account, `ok` ends that.
    """
    return Call(
        "PATCH",
        place("/v1/users/{user}", user=user),
        OneUser,
        body=given(
            ("public", public, None),
            ("trusted", trusted, None),
            ("tags", tags, None),
            ("state", state, None),
        ),
        repeatable=True,
    )


def delete_user(user: str, *, hard: bool = False) -> Call[None]:
    """End an account.

    - `hard`: its rows are removed; else it is left as deleted, without personal data.
    """
    return Call(
        "DELETE",
        place("/v1/users/{user}", user=user),
        None,
        query=given(("hard", hard, False)),
        repeatable=True,
    )


def read_online(user: str) -> Call[OnlineUser]:
    """Ask whether a user is online, and by which devices."""
    return Call("GET", place("/v1/users/{user}/online", user=user), OnlineUser, repeatable=True)


def query_online(users: Sequence[str]) -> Call[OnlineList]:
    """Ask for many users whether they are online.

    - `users`: their names.
    """
    return Call("POST", "/v1/online", OnlineList, body={"users": users}, repeatable=True)


def list_online(*, after: str = "", limit: int = 50) -> Call[OnlineList]:
    """List who is online.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/online",
        OnlineList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def force_offline(
    user: str, *, reason: str = "", session: str = "", revoke: bool = False
) -> Call[ForcedOff]:
    """End a user's live sessions.

    - `reason`: what his sessions are told.
    - `session`: only this one; empty: all.
    - `revoke`: his tokens are void, too, so that he must log in anew.
    """
    return Call(
        "POST",
        place("/v1/users/{user}/offline", user=user),
        ForcedOff,
        body=given(("reason", reason, ""), ("session", session, ""), ("revoke", revoke, False)),
    )


def list_logins(user: str) -> Call[LoginRows]:
    """List a user's logins."""
    return Call("GET", place("/v1/users/{user}/sessions", user=user), LoginRows, repeatable=True)


def end_login(user: str, number: int) -> Call[None]:
    """End one login: its tokens are void."""
    return Call(
        "DELETE",
        place("/v1/users/{user}/sessions/{number}", user=user, number=number),
        None,
        repeatable=True,
    )


def read_own_profile() -> Call[Profile]:
    """Read one's profile."""
    return Call("GET", "/v1/me", Profile, repeatable=True)


def change_own_profile(
    *,
    public: Any = None,
    private: Any = None,
    tags: Sequence[str] | None = None,
    auth: str | None = None,
    anon: str | None = None,
) -> Call[Profile]:
    """Change one's profile.

    - `public`: merged into what is there.
    - `private`: merged into what is there.
    - `tags`: what he is found by, instead of those he has.
    - `auth`: what others may do by default.
    - `anon`: what others may do by default.
    """
    return Call(
        "PATCH",
        "/v1/me",
        Profile,
        body=given(
            ("public", public, None),
            ("private", private, None),
            ("tags", tags, None),
            ("auth", auth, None),
            ("anon", anon, None),
        ),
        repeatable=True,
    )


def list_people_online(*, after: str = "", limit: int = 50) -> Call[People]:
    """List all who are online, where `users.directory` is `open`; else 403.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/me/people",
        People,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def search_as_self(query: str, *, limit: int = 50) -> Call[FoundRows]:
    """Find users and groups by tags.

    - `query`: tags; with blanks between them all must match, with commas any.
    - `limit`: rows.
    """
    return Call(
        "GET",
        "/v1/me/search",
        FoundRows,
        query={"query": query, **given(("limit", limit, 50))},
        repeatable=True,
    )
