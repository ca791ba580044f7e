"""Groups and private chats: lists, counts, members; joining, leaving, other modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

from ... import access, ids
from ...access import Level
from ...core.me import readable
from ...errors import Refused
from ...live.asking import NAME, Answers, Asker, ask, set_publish
from ...live.routing import new_group
from ...queries import ContactsOf, MembersOf, SubscriptionOf, TopicByName, UserById
from ...queries_backend import TopicsAfter
from ...records import Contact, Subscription, Topic
from ...wire.client_packets import Del, Request, Set, Sub
from ...wire.client_parts import SetDesc, SetQuery, SetSub
from ...wire.parts import DefAcs
from ...wire.times import time_text
from .backend import Backend, Call, Handler
from .people import is_p2p, topic_of, user_of, users_of
from .problem import Problem, refused
from .shape_topics import (
    Member,
    Members,
    NewTopic,
    OneTopic,
    OwnTopic,
    OwnTopics,
    TopicChange,
    TopicList,
)
from .users import moment, optional, public_of, raw


def shown(topic: Topic, members: int, online: int) -> OneTopic:
    kind: Literal["group", "channel", "p2p"] = "channel" if topic.channel else "group"
    return OneTopic(
        topic.name,
        "p2p" if is_p2p(topic.name) else kind,
        topic.owner,
        time_text(topic.created),
        time_text(topic.updated),
        moment(topic.touched),
        topic.seq,
        raw(topic.public),
        raw(topic.trusted),
        topic.tags,
        access.text(topic.auth),
        access.text(topic.anon),
        members,
        online,
        topic.publish,
    )


async def _counted(backend: Backend, topic: Topic) -> OneTopic:
    rows = await backend.store.fetch(MembersOf(topic.name))
    return shown(topic, len(rows) + topic.readers, len(await _here(backend, topic.name)))


async def _members_of(backend: Backend, topic: Topic, counted: int) -> int:
    """How many members a topic of a list has: those of private chats are not counted there."""
    if not is_p2p(topic.name):
        return counted
    rows = await backend.store.fetch(MembersOf(topic.name))
    return len(rows) + topic.readers


async def _here(backend: Backend, topic: str) -> frozenset[str]:
    """Users who are attached to a topic now, on whichever node."""
    return (await backend.hub.everywhere.users_in((topic,)))[topic]


async def list_topics(call: Call) -> TopicList:
    page, backend = call.query, call.backend
    found = await backend.store.fetch(TopicsAfter(page.after, page.limit))
    rows = [row for row in found if call.caller.may_topic(row[0])]
    here = await backend.hub.everywhere.users_in([topic.name for topic, _ in rows])
    items = tuple(
        [
            shown(topic, await _members_of(backend, topic, members), len(here[topic.name]))
            for topic, members in rows
        ]
    )
    return TopicList(items, found[-1][0].name if len(found) == page.limit else "")


async def read_topic(call: Call) -> OneTopic:
    return await _counted(call.backend, await topic_of(call, call.path["topic"]))


# --- making, changing, ending ------------------------------------------------------------


async def create_topic(call: Call) -> OneTopic:
    """A group of its owner's, then its members one by one; who cannot be invited is 404."""
    wanted, backend = call.body, call.backend
    if call.caller.narrow and not set(wanted.tags) & set(_tags(call)):
        raise Problem(403, "the key is limited: give one of its tags")
    owner = await user_of(call, wanted.owner)
    members = await users_of(call, wanted.members)
    for name, user in members.items():
        if user is None:
            raise Problem(404, f"there is no user {name!r}")
    limit = backend.settings.limits.topic_subscribers
    if len(members) >= limit:
        raise Problem.field("members", f"a group has at most {limit}")
    topic = new_group(backend.random_bytes)
    named = "nch" if wanted.channel else "new"
    request = Sub(id=NAME, topic=named, set=SetQuery(desc=_described(wanted), tags=wanted.tags))
    by = call.caller.by
    asker = Asker(owner.id, Level.ROOT, by=by)
    (await ask(backend.hub, asker, topic, named, request)).checked()
    if not wanted.publish:
        await _set_publish(call, topic, on=False)
    for user in members.values():
        if user is not None and user.id != owner.id:
            invitation = Set(id=NAME, topic=topic, sub=SetSub(user=user.id))
            (await _ask(backend, Asker(owner.id, by=by), topic, invitation)).checked()
    return await _again(backend, topic)


def _tags(call: Call) -> Sequence[str]:
    return call.caller.key.tags if call.caller.key else ()


def _described(wanted: NewTopic) -> SetDesc:
    public = public_of(wanted.name, wanted.public)
    defaults = DefAcs(wanted.auth, wanted.anon) if wanted.auth or wanted.anon else None
    return SetDesc(defacs=defaults, public=public, trusted=optional(wanted.trusted))


async def _again(backend: Backend, name: str) -> OneTopic:
    topic = await backend.store.fetch(TopicByName(name))
    if topic is None:
        raise Problem(404, f"there is no topic {name!r}")
    return await _counted(backend, topic)


async def _ask(backend: Backend, asker: Asker, topic: str, request: Request) -> Answers:
    return await ask(backend.hub, asker, topic, topic, request)


def _owner(call: Call, topic: Topic) -> Asker:
    """In whose name a group is changed: its owner's, with root's rights to vouch."""
    if not topic.owner:
        raise Problem(409, f"{topic.name} is a private chat: it belongs to the two")
    return Asker(topic.owner, Level.ROOT, by=call.caller.by)


async def change_topic(call: Call) -> OneTopic:
    wanted: TopicChange = call.body
    topic, backend = await topic_of(call, call.path["topic"]), call.backend
    if wanted.publish is not None:
        await _set_publish(call, topic.name, on=wanted.publish)
        if attrs.evolve(wanted, publish=None) == TopicChange():  # a private chat has nothing else
            return await _again(backend, topic.name)
    asker = _owner(call, topic)
    defaults = DefAcs(wanted.auth or "", wanted.anon or "")
    public, trusted = optional(wanted.public), optional(wanted.trusted)
    if public is not None or trusted is not None or defaults != DefAcs():
        desc = SetDesc(defacs=defaults, public=public, trusted=trusted)
        _changed(await _ask(backend, asker, topic.name, Set(id=NAME, topic=topic.name, desc=desc)))
    if wanted.tags is not None:
        request = Set(id=NAME, topic=topic.name, tags=wanted.tags)
        _changed(await _ask(backend, asker, topic.name, request))
    return await _again(backend, topic.name)


async def _set_publish(call: Call, topic: str, *, on: bool) -> None:
    asker = Asker("", Level.ROOT, by=call.caller.by)
    _changed(await set_publish(call.backend.hub, asker, topic, on=on))


def _changed(answers: Answers) -> None:
    """Refused unless it was changed, or was so before."""
    if answers.code != 304:
        answers.checked()


async def delete_topic(call: Call) -> None:
    topic = await topic_of(call, call.path["topic"])
    request = Del(id=NAME, topic=topic.name, what="topic")
    (await _ask(call.backend, _owner(call, topic), topic.name, request)).checked()


# --- members -----------------------------------------------------------------------------


async def list_members(call: Call) -> Members:
    return await _members(call, (await topic_of(call, call.path["topic"])).name)


async def _members(call: Call, topic: str) -> Members:
    page, backend = call.query, call.backend
    members = await backend.store.fetch(MembersOf(topic))
    rows = sorted(members, key=lambda row: row.user)
    here = await _here(backend, topic)
    chosen = [row for row in rows if row.user in here] if page.online else rows
    found = [row for row in chosen if row.user > page.after][: page.limit]
    items = tuple(_member(row, online=row.user in here) for row in found)
    return Members(items, found[-1].user if len(found) == page.limit else "", len(chosen))


def _member(row: Subscription, *, online: bool) -> Member:
    return Member(
        row.user,
        access.text(row.want),
        access.text(row.given),
        access.text(row.mode),
        row.read,
        row.recv,
        time_text(row.created),
        online,
    )


async def put_member(call: Call) -> Member:
    """As the owner invites, or gives another mode."""
    backend, topic = call.backend, await topic_of(call, call.path["topic"])
    user = await user_of(call, call.path["user"])
    known = await backend.store.fetch(SubscriptionOf(topic.name, user.id))
    if call.body.mode or known is None or known.deleted:
        part = SetSub(user=user.id, mode=call.body.mode)
        request = Set(id=NAME, topic=topic.name, sub=part)
        owner = attrs.evolve(_owner(call, topic), level=Level.AUTH)
        _changed(await _ask(backend, owner, topic.name, request))
    row = await backend.store.fetch(SubscriptionOf(topic.name, user.id))
    if row is None:
        raise Problem(409, "the member is gone again")
    return _member(row, online=user.id in await _here(backend, topic.name))


async def remove_member(call: Call) -> None:
    """He may come back with what was given to him, unless he is kept out."""
    backend, topic = call.backend, await topic_of(call, call.path["topic"])
    user = await user_of(call, call.path["user"])
    owner = attrs.evolve(_owner(call, topic), level=Level.AUTH)
    if user.id == topic.owner:
        raise Problem(409, "the owner cannot be removed; end the group, or let him pass it on")
    row = await backend.store.fetch(SubscriptionOf(topic.name, user.id))
    if row is None or row.deleted:
        raise Problem(404, f"{user.id} is no member of {topic.name}")
    request: Request = Del(id=NAME, topic=topic.name, what="sub", user=user.id)
    if call.query.ban:
        request = Set(id=NAME, topic=topic.name, sub=SetSub(user=user.id, mode="N"))
    try:
        _changed(await _ask(backend, owner, topic.name, request))
    except Refused as no:
        raise refused(no) from None


# --- topics of a user --------------------------------------------------------------------


async def list_topics_of_user(call: Call) -> OwnTopics:
    return await _topics_of(call, (await user_of(call, call.path["user"])).id)


async def list_own_topics(call: Call) -> OwnTopics:
    return await _topics_of(call, call.caller.user)


async def _topics_of(call: Call, user: str) -> OwnTopics:
    page, backend = call.query, call.backend
    start = int(page.after) if page.after.isascii() and page.after.isdecimal() else 0
    found = await backend.store.fetch(ContactsOf(user))
    account = await backend.store.fetch(UserById(user))
    hears = account is not None and bool(account.want & access.ME & access.PRES)
    rows = [row for row in found if call.caller.may_topic(row.topic)][start : start + page.limit]
    items = tuple([_own_topic(user, row, hears and await _is_on(backend, row)) for row in rows])
    return OwnTopics(items, str(start + page.limit) if len(rows) == page.limit else "")


async def _is_on(backend: Backend, row: Contact) -> bool:
    """Whether a user who hears of presence would be told on `me` that a contact is there."""
    sub, peer = row.subscription, row.peer if is_p2p(row.topic.name) else None
    online = backend.hub.env().online
    if not sub.mode & access.PRES or ids.is_channel(sub.topic):
        return False
    if peer is None:
        return online(row.topic.name)
    if not online(peer.id):
        return False
    theirs = await backend.store.fetch(SubscriptionOf(row.topic.name, peer.id))
    return theirs is not None and not theirs.deleted and bool(theirs.mode & access.JOIN)


def _own_topic(user: str, row: Contact, online: bool) -> OwnTopic:
    """What {get sub} on `me` tells: someone who is banned sees his modes and little else."""
    sub, topic = row.subscription, row.topic
    reads, joined = readable(sub.mode), sub.mode & access.JOIN
    reader = ids.is_channel(sub.topic)
    peer = row.peer if is_p2p(topic.name) else None
    return OwnTopic(
        ids.seen_by(topic.name, user, reader=reader),
        topic.name,
        access.text(sub.mode),
        topic.seq if reads else 0,
        sub.read if reads else 0,
        sub.recv if reads else 0,
        moment(topic.touched) if joined else None,
        raw(peer.public if peer else topic.public),
        raw(peer.trusted if peer else topic.trusted),
        raw(sub.private),
        row.members if joined and not is_p2p(topic.name) else 0,
        online,
    )


HANDLERS: Mapping[str, Handler] = {
    "createTopic": create_topic,
    "listTopics": list_topics,
    "readTopic": read_topic,
    "changeTopic": change_topic,
    "deleteTopic": delete_topic,
    "listMembers": list_members,
    "putMember": put_member,
    "removeMember": remove_member,
    "listTopicsOfUser": list_topics_of_user,
    "listOwnTopics": list_own_topics,
}
