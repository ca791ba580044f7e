"""Requests and answers about topics and their members.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given, place


@attrs.frozen
class OneTopic:
    """A topic.

    - `name`: its own name, `grp…` or `p2p…`.
    - `kind`: `group`, `channel` or `p2p`.
    - `owner`: the user who owns it, empty for none.
    - `created`: when it was made, changed, written in.
    - `updated`: when it was made, changed, written in.
    - `touched`: when it was made, changed, written in.
    - `seq`: the number of its last message.
    - `public`: descriptions.
    - `trusted`: descriptions.
    - `tags`: what it is found by.
    - `auth`: what users who join may do.
    - `anon`: what users who join may do.
    - `members`: how many, readers of the channel included.
    - `online`: how many users are attached to it.
    - `publish`: whether clients may publish there.
    """

    name: str
    kind: str
    owner: str
    created: datetime
    updated: datetime
    touched: datetime | None
    seq: int
    public: Any
    trusted: Any
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

    def rows(self) -> tuple[OneTopic, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class Retention:
    """How long a topic keeps its messages.

    - `days`: for so many days; 0: for ever; null: as `messages.retention_days` says.
    """

    days: int | None


@attrs.frozen
class Member:
    """A user in a topic.

    - `user`: the user's name.
    - `want`: what he asks for, what he is granted, what is in force.
    - `given`: what he asks for, what he is granted, what is in force.
    - `mode`: what he asks for, what he is granted, what is in force.
    - `read`: how far he has read and received.
    - `recv`: how far he has read and received.
    - `created`: when he joined.
    - `online`: whether he is attached to the topic.
    """

    user: str
    want: str
    given: str
    mode: str
    read: int
    recv: int
    created: datetime
    online: bool


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

    def rows(self) -> tuple[Member, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class OwnTopic:
    """A subscription of a user.

    - `topic`: the topic as he calls it.
    - `name`: its own name.
    - `mode`: what he may do there.
    - `seq`: the last message, and how far he has come.
    - `read`: the last message, and how far he has come.
    - `recv`: the last message, and how far he has come.
    - `touched`: when it was last written in.
    - `public`: descriptions.
    - `trusted`: descriptions.
    - `private`: descriptions.
    - `members`: how many, of a group.
    - `online`: whether the other user, or the group, is online.
    """

    topic: str
    name: str
    mode: str
    seq: int
    read: int
    recv: int
    touched: datetime | None
    public: Any
    trusted: Any
    private: Any
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

    def rows(self) -> tuple[OwnTopic, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


def create_topic(
    owner: str,
    *,
    name: str = "",
    public: Any = None,
    trusted: Any = None,
    tags: Sequence[str] = (),
    channel: bool = False,
    auth: str = "",
    anon: str = "",
    members: Sequence[str] = (),
    publish: bool = True,
) -> Call[OneTopic]:
    """Make a group.

    - `owner`: the user who owns it.
    - `name`: what others see, short for `public` with this `fn`.
    - `public`: what others see.
    - `trusted`: what the operators vouch for.
    - `tags`: what it is found by.
    - `channel`: whether it can be read as a channel.
    - `auth`: what users who join may do; empty: the usual.
    - `anon`: what users who join may do; empty: the usual.
    - `members`: who is in it from the start, beside the owner.
    - `publish`: whether clients may publish there; if not, messages come from the back end.
    """
    return Call(
        "POST",
        "/v1/topics",
        OneTopic,
        body={
            "owner": owner,
            **given(
                ("name", name, ""),
                ("public", public, None),
                ("trusted", trusted, None),
                ("tags", tags, ()),
                ("channel", channel, False),
                ("auth", auth, ""),
                ("anon", anon, ""),
                ("members", members, ()),
                ("publish", publish, True),
            ),
        },
    )


def list_topics(*, after: str = "", limit: int = 50) -> Call[TopicList]:
    """List all topics, with counts.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/topics",
        TopicList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def read_topic(topic: str) -> Call[OneTopic]:
    """Read a topic."""
    return Call("GET", place("/v1/topics/{topic}", topic=topic), OneTopic, repeatable=True)


def change_topic(
    topic: str,
    *,
    public: Any = None,
    trusted: Any = None,
    tags: Sequence[str] | None = None,
    auth: str | None = None,
    anon: str | None = None,
    publish: bool | None = None,
) -> Call[OneTopic]:
    """Change a group.

    - `public`: merged into what is there.
    - `trusted`: merged into what is there.
    - `tags`: what it is found by, instead of those it has.
    - `auth`: what users who join may do.
    - `anon`: what users who join may do.
    - `publish`: whether clients may publish there. This alone can be changed of a private chat.
    """
    return Call(
        "PATCH",
        place("/v1/topics/{topic}", topic=topic),
        OneTopic,
        body=given(
            ("public", public, None),
            ("trusted", trusted, None),
            ("tags", tags, None),
            ("auth", auth, None),
            ("anon", anon, None),
            ("publish", publish, None),
        ),
        repeatable=True,
    )


def delete_topic(topic: str) -> Call[None]:
    """End a topic."""
    return Call("DELETE", place("/v1/topics/{topic}", topic=topic), None, repeatable=True)


def read_retention(topic: str) -> Call[Retention]:
    """Read how long a topic keeps its messages."""
    return Call(
        "GET", place("/v1/topics/{topic}/retention", topic=topic), Retention, repeatable=True
    )


def put_retention(topic: str, days: int | None) -> Call[Retention]:
    """Say how long a topic keeps its messages; older ones are deleted for all, within the hour.

    - `days`: for so many days; 0: for ever; null: as `messages.retention_days` says.
    """
    return Call(
        "PUT",
        place("/v1/topics/{topic}/retention", topic=topic),
        Retention,
        body={"days": days},
        repeatable=True,
    )


def list_members(
    topic: str, *, after: str = "", limit: int = 50, online: bool = False
) -> Call[Members]:
    """List the members of a topic, or those who are online in it.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    - `online`: only those who are attached to the topic.
    """
    return Call(
        "GET",
        place("/v1/topics/{topic}/members", topic=topic),
        Members,
        query=given(("after", after, ""), ("limit", limit, 50), ("online", online, False)),
        repeatable=True,
    )


def put_member(topic: str, user: str, *, mode: str = "") -> Call[Member]:
    """Let a user join a group, or give him another mode.

    - `mode`: what he may do; empty: the usual.
    """
    return Call(
        "PUT",
        place("/v1/topics/{topic}/members/{user}", topic=topic, user=user),
        Member,
        body=given(("mode", mode, "")),
        repeatable=True,
    )


def remove_member(topic: str, user: str, *, ban: bool = False) -> Call[None]:
    """Remove a member from a group.

    - `ban`: he is kept out, so that he cannot come back by himself.
    """
    return Call(
        "DELETE",
        place("/v1/topics/{topic}/members/{user}", topic=topic, user=user),
        None,
        query=given(("ban", ban, False)),
        repeatable=True,
    )


def list_topics_of_user(user: str, *, after: str = "", limit: int = 50) -> Call[OwnTopics]:
    """List the topics of a user.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        place("/v1/users/{user}/topics", user=user),
        OwnTopics,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def list_own_topics(*, after: str = "", limit: int = 50) -> Call[OwnTopics]:
    """List one's topics.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/me/topics",
        OwnTopics,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def list_members_as_self(
    topic: str, *, after: str = "", limit: int = 50, online: bool = False
) -> Call[Members]:
    """List the members of a topic.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    - `online`: only those who are attached to the topic.
    """
    return Call(
        "GET",
        place("/v1/me/topics/{topic}/members", topic=topic),
        Members,
        query=given(("after", after, ""), ("limit", limit, 50), ("online", online, False)),
        repeatable=True,
    )
