"""Requests and answers about users, their devices and their logins."""

from __future__ import annotations

from typing import Annotated, Literal

import attrs
import msgspec

from .operation import OWN, Operation
from .types import NULL, ExternalId, Json, Limit, Long, Mode, Moment, Page, Short, Tags, Users


@attrs.frozen
class NewUser:
    """An account to be made.

    - `external_id`: the back end's own id, unique per key; the user can be named `ext:…` by it.
    - `name`: what others see, short for `public` with this `fn`.
    - `public`: what others see.
    - `trusted`: what the operators vouch for.
    - `private`: the user's own notes on himself.
    - `tags`: what he is found by.
    - `login`: a name to log in with; without it he comes in by tickets.
    - `password`: with `login`.
    """

    external_id: ExternalId | None = None
    name: Short = ""
    public: Json = NULL
    trusted: Json = NULL
    private: Json = NULL
    tags: Tags = ()
    login: Short = ""
    password: Short = attrs.field(default="", repr=False)


@attrs.frozen
class UserChange:
    """What is to be changed of an account; what is absent stays.

    - `public`: what others see, merged into what is there.
    - `trusted`: what the operators vouch for, merged.
    - `tags`: what he is found by, instead of those he has.
    - `state`: `susp` suspends the account, `ok` ends that.
    """

    public: Json = NULL
    trusted: Json = NULL
    tags: Tags | None = None
    state: Literal["ok", "susp"] | None = None


@attrs.frozen
class OneUser:
    """An account.

    - `id`: its name on the wire.
    - `external_id`: the back end's own id, of the key that asks.
    - `created`, `updated`: when.
    - `state`: `ok`, `susp` or `del`.
    - `public`, `trusted`: what others see.
    - `tags`: what he is found by.
    - `online`: whether he has a live session.
    - `seen`: when he was last seen.
    """

    id: str
    external_id: str | None
    created: Moment
    updated: Moment
    state: str
    public: Json
    trusted: Json
    tags: tuple[str, ...]
    online: bool
    seen: Moment | None


@attrs.frozen
class UserList:
    """Accounts, by name.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneUser, ...]
    next: str


@attrs.frozen
class Search:
    """A search, in the language of the topic `fnd`.

    - `query`: tags; with blanks between them all must match, with commas any.
    - `limit`: rows.
    """

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    limit: Limit = 50


@attrs.frozen
class Hard:
    """How an account ends.

    - `hard`: its rows are removed; else it is left as deleted, without personal data.
    """

    hard: bool = False


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
class ManyUsers:
    """Whom the question is about.

    - `users`: their names.
    """

    users: Users


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


@attrs.frozen
class ForceOff:
    """How a user is forced offline.

    - `reason`: what his sessions are told.
    - `session`: only this one; empty: all.
    - `revoke`: his tokens are void, too, so that he must log in anew.
    """

    reason: Long = ""
    session: Short = ""
    revoke: bool = False


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
    - `created`, `seen`: when.
    - `user_agent`, `platform`: what the device said of itself.
    - `revoked`: when it was ended.
    - `live`: whether a session of it is live.
    """

    number: int
    created: Moment
    seen: Moment
    user_agent: str
    platform: str
    revoked: Moment | None
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
    - `created`, `updated`: when.
    - `public`, `trusted`, `private`: descriptions.
    - `tags`: what he is found by.
    - `auth`, `anon`: what others may do by default.
    """

    id: str
    created: Moment | None
    updated: Moment | None
    public: Json
    trusted: Json
    private: Json
    tags: tuple[str, ...]
    auth: str
    anon: str


@attrs.frozen
class ProfileChange:
    """What the user changes of himself; what is absent stays.

    - `public`, `private`: merged into what is there.
    - `tags`: what he is found by, instead of those he has.
    - `auth`, `anon`: what others may do by default.
    """

    public: Json = NULL
    private: Json = NULL
    tags: Tags | None = None
    auth: Mode | None = None
    anon: Mode | None = None


@attrs.frozen
class FoundRow:
    """A user or a group that was found.

    - `user`: the user's name, or empty.
    - `topic`: the group's name, or empty.
    - `public`, `trusted`: descriptions.
    - `tags`: those that matched.
    """

    user: str
    topic: str
    public: Json
    trusted: Json
    tags: tuple[str, ...]


@attrs.frozen
class FoundRows:
    """What a search found.

    - `items`: the best first.
    """

    items: tuple[FoundRow, ...]


_USER = "/v1/users/{user}"


@attrs.frozen
class Person:
    """Somebody who is online.

    - `user`: his number.
    - `public`: what he shows of himself.
    """

    user: str
    public: Json


@attrs.frozen
class People:
    """Users who are online, by number; not the one who asks.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[Person, ...]
    next: str


OPERATIONS = (
    Operation(
        "createUser", "POST", "/v1/users", "users:write",
        "Make an account.", body=NewUser, answer=OneUser, status=201,
    ),
    Operation(
        "listUsers", "GET", "/v1/users", "users:read",
        "List accounts.", query=Page, answer=UserList,
    ),
    Operation(
        "searchUsers", "GET", "/v1/search", "users:read",
        "Find users and groups by tags.", query=Search, answer=FoundRows,
    ),
    Operation("readUser", "GET", _USER, "users:read", "Read an account.", answer=OneUser),
    Operation(
        "changeUser", "PATCH", _USER, "users:write",
        "Change or suspend an account.", body=UserChange, answer=OneUser,
    ),
    Operation(
        "deleteUser", "DELETE", _USER, "users:write", "End an account.", query=Hard, status=204
    ),
    Operation(
        "readOnline", "GET", _USER + "/online", "users:read",
        "Ask whether a user is online, and by which devices.", answer=OnlineUser,
    ),
    Operation(
        "queryOnline", "POST", "/v1/online", "users:read",
        "Ask for many users whether they are online.", body=ManyUsers, answer=OnlineList,
    ),
    Operation(
        "listOnline", "GET", "/v1/online", "users:read",
        "List who is online.", query=Page, answer=OnlineList,
    ),
    Operation(
        "forceOffline", "POST", _USER + "/offline", "users:write",
        "End a user's live sessions.", body=ForceOff, answer=ForcedOff,
    ),
    Operation(
        "listLogins", "GET", _USER + "/sessions", "users:read",
        "List a user's logins.", answer=LoginRows,
    ),
    Operation(
        "endLogin", "DELETE", _USER + "/sessions/{number}", "users:write",
        "End one login: its tokens are void.", status=204,
    ),
    Operation("readOwnProfile", "GET", "/v1/me", OWN, "Read one's profile.", answer=Profile),
    Operation(
        "changeOwnProfile", "PATCH", "/v1/me", OWN,
        "Change one's profile.", body=ProfileChange, answer=Profile,
    ),
    Operation(
        "listPeopleOnline", "GET", "/v1/me/people", OWN,
        "List all who are online, where `users.directory` is `open`; else 403.",
        query=Page, answer=People,
    ),
    Operation(
        "searchAsSelf", "GET", "/v1/me/search", OWN,
        "Find users and groups by tags.", query=Search, answer=FoundRows,
    ),
)  # fmt: skip
