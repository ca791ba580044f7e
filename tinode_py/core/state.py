"""What a topic's task keeps in memory about a p2p conversation, a group, `slf` or `sys`.

`TopicState` mirrors rows of the store: it is built from them and changed only by `apply`,
with the very changes that the store commits (a property test holds the two equal). The table
of attached sessions beside it is not durable and survives a reload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs
import msgspec
from msgspec import structs

from .. import ids
from ..access import JOIN, PRES, READ
from ..changes import (
    AppendMessage,
    Change,
    DeleteMessages,
    DeleteTopic,
    PutSubscription,
    PutTopic,
    SetMarks,
)
from ..ids import Kind
from ..records import Subscription, Topic
from .effects import (
    Attach,
    Attached,
    Call,
    CallIs,
    Deferred,
    Detach,
    Effect,
    Forget,
    Online,
    Settled,
    Silenced,
)

HEARS = READ | PRES  # who has both is told who comes and goes


@attrs.define
class Attachments:
    """Which sessions are attached to a topic. `version` grows with every change."""

    by_sid: dict[str, Attached] = attrs.field(factory=dict)
    version: int = 0
    _of: dict[str, tuple[str, ...]] = attrs.field(factory=dict)  # sids by user
    _foreground: int = 0

    def add(self, item: Attached) -> None:
        self.remove(item.sid)
        self.by_sid[item.sid] = item
        self._of[item.user] = (*self.of(item.user), item.sid)
        self._foreground += not item.background
        self.version += 1

    def remove(self, sid: str) -> Attached | None:
        item = self.by_sid.pop(sid, None)
        if item is None:
            return None
        self.version += 1
        self._foreground -= not item.background
        left = tuple(other for other in self._of[item.user] if other != sid)
        if left:
            self._of[item.user] = left
        else:
            del self._of[item.user]
        return item

    def get(self, sid: str) -> Attached | None:
        return self.by_sid.get(sid)

    def is_online(self, user: str) -> bool:
        """Whether the user has a foreground session here."""
        return self.count(user) > 0

    def count(self, user: str) -> int:
        """How many foreground sessions the user has here."""
        return sum(not self.by_sid[sid].background for sid in self.of(user))

    @property
    def users(self) -> tuple[str, ...]:
        """Users who are here, in the order in which they came."""
        return tuple(self._of)

    @property
    def count_users(self) -> int:
        return len(self._of)

    @property
    def anyone_online(self) -> bool:
        return self._foreground > 0

    def of(self, user: str) -> tuple[str, ...]:
        """The user's sessions here, in the order in which they came."""
        return self._of.get(user, ())

    def __iter__(self) -> Iterator[Attached]:
        return iter(tuple(self.by_sid.values()))

    def __len__(self) -> int:
        return len(self.by_sid)


@attrs.frozen
class Promise:
    """Modes that are in a member's row, and in force here only later (decisions/0004)."""

    want: int
    given: int
    until: int  # ms

    def kept(self, sub: Subscription) -> Subscription:
        return structs.replace(sub, want=self.want, given=self.given)


_CALL = msgspec.json.Decoder(Call)


@attrs.define
class TopicState:
    """A topic and its subscriptions. `topic` None: it does not exist (yet, or any more).

    `subs` holds members by user, with the modes in force; for a p2p conversation also rows that
    have ended. `readers` holds only the readers of a channel who are attached. Nobody of whom a
    session is attached has a promise.
    """

    name: str
    topic: Topic | None = None
    subs: dict[str, Subscription] = attrs.field(factory=dict)
    readers: dict[str, Subscription] = attrs.field(factory=dict)
    attached: Attachments = attrs.field(factory=Attachments)
    online: bool = False  # as it was announced to the members
    off_at: int = 0  # when to announce that nobody is here any more; 0: no plan
    version: int = 0  # of the modes in force
    call: Call | None = None
    silenced: frozenset[str] = frozenset()  # suspended users, see `is_silent`
    promises: dict[str, Promise] = attrs.field(factory=dict)  # by user
    kind: Kind = attrs.field(init=False)
    _hearing: dict[str, Attached] = attrs.field(factory=dict, eq=False)
    _hearing_at: int = attrs.field(default=-1, eq=False)  # the version for which that holds
    _reading: tuple[str, ...] = attrs.field(default=(), eq=False)
    _reading_at: int = attrs.field(default=-1, eq=False)  # as above

    @kind.default
    def _kind(self) -> Kind:
        return ids.kind_of(self.name)

    @property
    def is_void(self) -> bool:
        """Whether there is nothing of this name."""
        return self.topic is None

    @property
    def last_seq(self) -> int:
        """The number of the last message that can be read again; 0: there is none."""
        return 0 if self.topic is None else self.topic.seq

    @property
    def wake_at(self) -> int:
        """When something is due here; 0: nothing is."""
        rings_until, look_at = (self.call.ends_at, self.call.look_at) if self.call else (0, 0)
        kept = min((promise.until for promise in self.promises.values()), default=0)
        found = (self.off_at, rings_until, look_at, kept)
        return min((at for at in found if at > 0), default=0)

    @property
    def is_silent(self) -> bool:
        """Whether nobody may publish: one of the two, or the owner, is suspended."""
        if not self.silenced or self.topic is None:
            return False
        return self.kind is Kind.P2P or self.topic.owner in self.silenced

    def load(
        self, topic: Topic | None, subs: Iterable[Subscription], silenced: Iterable[str] = ()
    ) -> None:
        """Take the rows of the store; attached sessions stay."""
        self.topic = topic
        self._take_call(look_at=-1)
        self.silenced = frozenset(silenced)
        self.subs = {sub.user: sub for sub in subs}
        self.promises.clear()
        self.version += 1

    @property
    def record(self) -> Topic:
        """The topic's row; only for topics that exist."""
        assert self.topic is not None, self.name
        return self.topic

    def member(self, user: str) -> Subscription | None:
        """The subscription in force of a member (not of a channel's reader)."""
        sub = self.subs.get(user)
        return None if sub is None or sub.deleted else sub

    def stored(self, user: str) -> Subscription | None:
        """A member's subscription with the modes of its row, if they are not yet in force too."""
        sub, promise = self.member(user), self.promises.get(user)
        return promise.kept(sub) if sub and promise else sub

    def members(self) -> Iterator[Subscription]:
        return (sub for sub in self.subs.values() if not sub.deleted)

    def present(self) -> Iterator[tuple[Subscription, bool]]:
        """Members, and those readers of a channel of whom a session is attached (True)."""
        yield from ((sub, False) for sub in self.members())
        yield from ((sub, True) for sub in self.readers.values())

    def subscription(self, attached: Attached) -> Subscription | None:
        """The row under which an attached session is here."""
        if attached.reader:
            return self.readers.get(attached.user)
        return self.member(attached.user)

    def mode(self, attached: Attached) -> int:
        sub = self.subscription(attached)
        return sub.mode if sub else 0

    def who_read(self) -> tuple[str, ...]:
        """Members with J and R. For topics of few members: kept until a mode changes."""
        if self._reading_at != self.version:
            self._reading_at = self.version
            need = JOIN | READ
            self._reading = tuple(sub.user for sub in self.members() if sub.mode & need == need)
        return self._reading

    def address(self, user: str, *, reader: bool = False) -> str:
        """The topic as `user` calls it."""
        return ids.seen_by(self.name, user, reader=reader)

    def holders(
        self, need: int, *, skip_sid: str = "", skip_user: str = "", readers: bool = True
    ) -> tuple[str, ...]:
        """Sessions attached here whose mode has every bit of `need`."""
        if need == HEARS:
            found: Iterable[Attached] = self._hearers().values()
        else:
            found = (item for item in self.attached if self.mode(item) & need == need)
        return tuple(
            item.sid
            for item in found
            if item.sid != skip_sid and item.user != skip_user and (readers or not item.reader)
        )

    def _hearers(self) -> dict[str, Attached]:
        """Sessions that are told who comes and goes. Kept from one change of the modes to the
        next: whenever one of thousands comes, nobody else is looked at.
        """
        if self._hearing_at != self.version:
            self._hearing_at = self.version
            self._hearing = {i.sid: i for i in self.attached if self.mode(i) & HEARS == HEARS}
        return self._hearing

    # --- the table of sessions -----------------------------------------------------------

    def follow(self, effect: Effect) -> None:
        """Keep the table in step with the effects that are carried out."""
        match effect:
            case Attach():
                if effect.reader is not None:
                    self.readers[effect.attached.user] = effect.reader
                self.attached.add(effect.attached)
                self._hear(effect.attached)
                self.off_at = 0
            case Detach():
                self._detach(effect.sid)
            case Online():
                self.online = effect.on
            case CallIs():
                self.call = effect.call
            case Silenced(on=True):
                self.silenced |= {effect.user}
            case Silenced():
                self.silenced -= {effect.user}
            case Forget():
                self.subs.pop(effect.user, None)
                self.promises.pop(effect.user, None)
                self.version += 1
            case Deferred():
                self._defer(effect)
            case Settled():
                self._settle(effect.user)
            case _:
                pass  # the rest concerns others

    def _hear(self, item: Attached) -> None:
        if self._hearing_at == self.version:
            self._hearing.pop(item.sid, None)
            if self.mode(item) & HEARS == HEARS:
                self._hearing[item.sid] = item

    def _detach(self, sid: str) -> None:
        item = self.attached.remove(sid)
        self._hearing.pop(sid, None)
        if item is not None and item.reader and not self.attached.of(item.user):
            self.readers.pop(item.user, None)

    def _defer(self, effect: Deferred) -> None:
        row = self.subs[effect.user]
        self.promises[effect.user] = Promise(row.want, row.given, effect.until)
        self.subs[effect.user] = structs.replace(row, want=effect.want, given=effect.given)
        self.version += 1

    def _settle(self, user: str) -> None:
        promise = self.promises.pop(user, None)
        if promise is not None:
            self.subs[user] = promise.kept(self.subs[user])
            self.version += 1

    # --- applying changes ----------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Change the state as the store will change its rows. Foreign rows are no concern."""
        match change:
            case AppendMessage():
                self._append(change)
            case SetMarks():
                self._marks(change)
            case PutSubscription():
                self._put(change.subscription)
            case PutTopic():
                if change.topic.name == self.name:
                    self.topic = change.topic
                    self._take_call(look_at=0)
            case DeleteMessages():
                self._forget(change)
            case DeleteTopic():
                if change.topic == self.name:
                    self.load(None, ())
            case _:
                pass  # users, logins and secrets are not mirrored here

    def _take_call(self, *, look_at: int) -> None:
        """The call of the topic's row. One that was known before goes on as it was."""
        kept = self.topic.call if self.topic else None
        call = structs.replace(_CALL.decode(kept), look_at=look_at) if kept else None
        known = self.call and structs.replace(self.call, look_at=look_at)
        if call != known:
            self.call = call

    def _append(self, change: AppendMessage) -> None:
        message = change.message
        if message.topic == self.name:
            self.topic = self.record.with_message(message.seq, message.ts)

    def _rows(self, topic: str) -> dict[str, Subscription]:
        if topic == self.name:
            return self.subs
        return self.readers if ids.is_channel(topic) and ids.group_of(topic) == self.name else {}

    def _marks(self, change: SetMarks) -> None:
        rows = self.subs if change.topic == self.name else self._rows(change.topic)
        sub = rows.get(change.user)
        if sub is not None:
            read = change.read if change.read > sub.read else sub.read  # `max` is a call
            recv = change.recv if change.recv > sub.recv else sub.recv
            rows[change.user] = sub.with_marks(read, recv)

    def _put(self, sub: Subscription) -> None:
        rows = self._rows(sub.topic)
        self.version += 1
        if rows is self.subs:
            self.promises.pop(sub.user, None)
        if rows is self.readers and sub.user not in rows:
            return  # of readers only those are kept who are attached
        if sub.deleted and self.kind is not Kind.P2P:
            rows.pop(sub.user, None)
        else:
            rows[sub.user] = sub

    def _forget(self, change: DeleteMessages) -> None:
        if change.topic != self.name:
            return
        self.topic = structs.replace(self.record, delid=change.delid)
        meant = (change.user,) if change.user in self.subs else ()
        for user in meant if change.user else tuple(s.user for s in self.members()):
            self.subs[user] = structs.replace(self.subs[user], clear=change.delid)
