"""Requests and answers about topics and their members."""

from __future__ import annotations

from typing import Literal

import attrs

from .operation import OWN, Operation
from .types import NULL, Days, Json, Limit, Mode, Moment, Page, Short, Tags, UserRef, Users


@attrs.frozen
class NewTopic:
    """A group to be made.

    - `owner`: the user who owns it.
    - `name`: what others see, short for `public` with this `fn`.
    - `public`: what others see.
    - `trusted`: what the operators vouch for.
    - `tags`: what it is found by.
    - `channel`: whether it can be read as a channel.
    - `auth`, `anon`: what users who join may do; empty: the usual.
    - `members`: who is in it from the start, beside the owner.
    - `publish`: whether clients may publish there; if not, messages come from the back end.
    """

    owner: UserRef
    name: Short = ""
    public: Json = NULL
    trusted: Json = NULL
    tags: Tags = ()
    channel: bool = False
    auth: Mode = ""
    anon: Mode = ""
    members: Users = ()
    publish: bool = True


@attrs.frozen
class TopicChange:
    """What is to be changed of a group; what is absent stays.

    - `public`, `trusted`: merged into what is there.
    - `tags`: what it is found by, instead of those it has.
    - `auth`, `anon`: what users who join may do.
    - `publish`: whether clients may publish there. This alone can be changed of a private chat.
    """

    public: Json = NULL
    trusted: Json = NULL
    tags: Tags | None = None
    auth: Mode | None = None
    anon: Mode | None = None
    publish: bool | None = None


@attrs.frozen
class OneTopic:
    """A topic.

    - `name`: its own name, `grp…` or `p2p…`.
    - `kind`: `group`, `channel` or `p2p`.
    - `owner`: the user who owns it, empty for none.
    - `created`, `updated`, `touched`: when it was made, changed, written in.
    - `seq`: the number of its last message.
    - `public`, `trusted`: descriptions.
    - `tags`: what it is found by.
    - `auth`, `anon`: what users who join may do.
    - `members`: how many, readers of the channel included.
    - `online`: how many users are attached to it.
    - `publish`: whether clients may publish there.
    """

    name: str
    kind: Literal["group", "channel", "p2p"]
    owner: str
    created: Moment
    updated: Moment
    touched: Moment | None
    seq: int
    public: Json
    trusted: Json
    tags: tuple[str, ...]
    auth: str
    anon: str
    members: int
    online: int
    publish: bool


@attrs.frozen
class TopicList:
    """Topics, by name.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneTopic, ...]
    next: str


@attrs.frozen
class Member:
    """A user in a topic.

    - `user`: the user's name.
    - `want`, `given`, `mode`: what he asks for, what he is granted, what is in force.
    - `read`, `recv`: how far he has read and received.
    - `created`: when he joined.
    - `online`: whether he is attached to the topic.
    """

    user: str
    want: str
    given: str
    mode: str
    read: int
    recv: int
    created: Moment
    online: bool


@attrs.frozen
class MemberPage:
    """Which members.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    - `online`: only those who are attached to the topic.
    """

    after: Short = ""
    limit: Limit = 50
    online: bool = False


@attrs.frozen
class Members:
    """Members, by name.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    - `total`: how many there are.
    """

    items: tuple[Member, ...]
    next: str
    total: int


@attrs.frozen
class Membership:
    """How a user is in a topic.

    - `mode`: what he may do; empty: the usual.
    """

    mode: Mode = ""


@attrs.frozen
class Leaving:
    """How a member goes.

    - `ban`: he is kept out, so that he cannot come back by himself.
    """

    ban: bool = False


@attrs.frozen
class Retention:
    """How long a topic keeps its messages.

    - `days`: for so many days; 0: for ever; null: as `messages.retention_days` says.
    """

    days: Days | None


@attrs.frozen
class OwnTopic:
    """A subscription of a user.

    - `topic`: the topic as he calls it.
    - `name`: its own name.
    - `mode`: what he may do there.
    - `seq`, `read`, `recv`: the last message, and how far he has come.
    - `touched`: when it was last written in.
    - `public`, `trusted`, `private`: descriptions.
    - `members`: how many, of a group.
    - `online`: whether the other user, or the group, is online.
    """

    topic: str
    name: str
    mode: str
    seq: int
    read: int
    recv: int
    touched: Moment | None
    public: Json
    trusted: Json
    private: Json
    members: int
    online: bool


@attrs.frozen
class OwnTopics:
    """Subscriptions of a user, the latest written in first.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OwnTopic, ...]
    next: str


_TOPIC = "/v1/topics/{topic}"
_MEMBER = _TOPIC + "/members/{user}"

OPERATIONS = (
    Operation(
        "createTopic", "POST", "/v1/topics", "topics:write",
        "Make a group.", body=NewTopic, answer=OneTopic, status=201,
    ),
    Operation(
        "listTopics", "GET", "/v1/topics", "topics:read",
        "List all topics, with counts.", query=Page, answer=TopicList,
    ),
    Operation("readTopic", "GET", _TOPIC, "topics:read", "Read a topic.", answer=OneTopic),
    Operation(
        "changeTopic", "PATCH", _TOPIC, "topics:write",
        "Change a group.", body=TopicChange, answer=OneTopic,
    ),
    Operation("deleteTopic", "DELETE", _TOPIC, "topics:write", "End a topic.", status=204),
    Operation(
        "readRetention", "GET", _TOPIC + "/retention", "topics:read",
        "Read how long a topic keeps its messages.", answer=Retention,
    ),
    Operation(
        "putRetention", "PUT", _TOPIC + "/retention", "topics:write",
        "Say how long a topic keeps its messages; older ones are deleted for all, within the hour.",
        body=Retention, answer=Retention,
    ),
    Operation(
        "listMembers", "GET", _TOPIC + "/members", "topics:read",
        "List the members of a topic, or those who are online in it.",
        query=MemberPage, answer=Members,
    ),
    Operation(
        "putMember", "PUT", _MEMBER, "topics:write",
        "Let a user join a group, or give him another mode.", body=Membership, answer=Member,
    ),
    Operation(
        "removeMember", "DELETE", _MEMBER, "topics:write",
        "Remove a member from a group.", query=Leaving, status=204,
    ),
    Operation(
        "listTopicsOfUser", "GET", "/v1/users/{user}/topics", "topics:read",
        "List the topics of a user.", query=Page, answer=OwnTopics,
    ),
    Operation(
        "listOwnTopics", "GET", "/v1/me/topics", OWN,
        "List one's topics.", query=Page, answer=OwnTopics,
    ),
    Operation(
        "listMembersAsSelf", "GET", "/v1/me/topics/{topic}/members", OWN,
        "List the members of a topic.", query=MemberPage, answer=Members,
    ),
)  # fmt: skip
