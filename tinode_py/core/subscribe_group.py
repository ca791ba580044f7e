"""Coming to a group: making it, joining it, coming back, reading it as a channel."""

from __future__ import annotations

from msgspec import structs

from .. import access
from ..access import JOIN, OWNER, READ
from ..changes import Change, PutSubscription, PutTopic
from ..errors import DENIED, NOT_FOUND, POLICY, USE_OTHER, Refused
from ..queries import SubscriptionOf
from ..records import Subscription, Topic
from . import tags, uploads
from .attach import attach, come_back, mode_text, new_sub, set_part, who_returns, with_private
from .decision import Decision, Env, Facts
from .events import Asked
from .merge import without_marks
from .modes import acs, parse_default, parse_mode
from .state import TopicState


def new_group(state: TopicState, asked: Asked, env: Env) -> Decision:
    """A group that did not exist; its owner is who asks."""
    caller, part = asked.caller, set_part(asked)
    desc = part.desc
    if desc and desc.trusted is not None and not caller.is_root:
        raise Refused(DENIED)
    chosen = tags.normal(part.tags or (), env.settings)
    if tags.restricted(chosen, env.settings):
        raise Refused(DENIED)
    want = access.FULL
    if text := mode_text(asked):
        want = parse_mode(text)
        if want & (JOIN | OWNER) != JOIN | OWNER:
            raise Refused(DENIED)
    defacs = desc.defacs if desc else None
    channel = asked.named.startswith("nch")
    auth = access.CHANNEL_AUTH if channel else access.GROUP_AUTH
    topic = Topic(
        name=state.name,
        created=env.now,
        updated=env.now,
        touched=env.now,
        owner=caller.user,
        channel=channel,
        auth=parse_default(defacs.auth if defacs else "", auth) & ~OWNER,
        anon=parse_default(defacs.anon if defacs else "", access.NONE) & ~OWNER,
        public=without_marks(desc.public) if desc else None,
        trusted=without_marks(desc.trusted) if desc else None,
        tags=chosen,
    )
    sub = new_sub(state.name, caller.user, want, access.FULL, asked, env)
    picture = uploads.linked(state.name, 0, asked.attachments) if topic.public else ()
    claims = tags.claims(state.name, chosen, env.settings)
    changes: tuple[Change, ...] = (*claims, PutTopic(topic), PutSubscription(sub), *picture)
    params = {"acs": acs(sub), "tmpname": asked.named}
    return Decision(changes) + attach(
        state, asked, env, sub, params=params, old=None, named=state.name
    )


def to_group(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """A member attaches, or somebody becomes one."""
    sub = who_returns(state, asked.caller.user)
    if sub is None:
        return _join(state, asked, facts, env)
    restored = sub.given | _default(state.record, asked) & ~OWNER
    return come_back(state, asked, env, sub, restored)


def _default(topic: Topic, asked: Asked) -> int:
    return topic.anon if asked.caller.level <= access.Level.ANON else topic.auth


def _join(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    caller, topic = asked.caller, state.record
    former: Subscription | None = facts[SubscriptionOf(state.name, caller.user)]
    default = _default(topic, asked)
    given = former.given if former else default
    if not given & JOIN:
        raise Refused(DENIED)
    want = default
    if text := mode_text(asked):
        want = parse_mode(text)  # also more than is given: the admins are told
    if sum(1 for _ in state.members()) >= env.settings.limits.topic_subscribers:
        raise Refused(POLICY)
    sub = new_sub(state.name, caller.user, want, given & ~OWNER, asked, env)
    return Decision((PutSubscription(sub),)) + attach(
        state, asked, env, sub, params={"acs": acs(sub)}, old=None
    )


def to_channel(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """A reader attaches, or somebody becomes one: no member, and not counted as one."""
    caller, topic = asked.caller, state.record
    if not topic.channel:
        raise Refused(NOT_FOUND)
    if state.member(caller.user):
        raise Refused(USE_OTHER, {"topic": state.name})
    old: Subscription | None = facts[SubscriptionOf(asked.named, caller.user)]
    if old and not old.deleted and not old.given & JOIN:
        raise Refused(DENIED)
    reader = access.CHANNEL_READER
    asked_for = parse_mode(text) if (text := mode_text(asked)) else reader
    want = asked_for & reader | JOIN | READ  # who comes to read may be without P, no less
    if old is None or old.deleted:
        sub = new_sub(asked.named, caller.user, want, reader, asked, env)
        if old is not None and sub.private is None:
            sub = structs.replace(sub, private=old.private)
        counted = structs.replace(topic, readers=topic.readers + 1)
        changes: tuple[Change, ...] = (PutSubscription(sub), PutTopic(counted))
    else:
        sub = with_private(old, asked, env)
        if mode_text(asked) or not sub.want & JOIN:
            sub = structs.replace(sub, want=want, updated=env.now)
        changes = (PutSubscription(sub),) if sub != old else ()
    params = None if caller.user in state.readers else {"acs": acs(sub)}
    return Decision(changes) + attach(state, asked, env, sub, params=params, old=old)
