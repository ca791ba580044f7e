"""What a search topic keeps in memory."""

from __future__ import annotations

import attrs
import msgspec

from .. import access, ids
from ..changes import Change, PutFindQuery, PutSubscription
from ..records import Subscription, User
from .effects import Attach, Detach, Effect, Kept
from .state import Attachments

CLEARED = b"null"  # what a public query reads as once it was deleted


@attrs.define
class FindState:
    """A user's `fnd`: his persistent query, and those of the sessions that are here."""

    name: str
    user: User | None = None
    query: bytes | None = None
    want: int = access.ME  # own mode; given is always JPS
    public: dict[str, bytes] = attrs.field(factory=dict)
    attached: Attachments = attrs.field(factory=Attachments)
    online: bool = False
    off_at: int = 0

    @property
    def last_seq(self) -> int:
        """Messages are not numbered here, or not kept."""
        return 0

    @property
    def is_void(self) -> bool:
        """Whether there is nothing of this name."""
        return self.user is None

    @property
    def wake_at(self) -> int:
        """When something is due here; 0: nothing is."""
        return self.off_at

    def load(self, user: User | None, query: bytes | None, sub: Subscription | None) -> None:
        """Take the rows of the store; sessions and their queries stay."""
        self.user = user
        self.query = query
        self.want = sub.want if sub else access.ME

    def apply(self, change: Change) -> None:
        match change:
            case PutFindQuery() if change.user == ids.owner_of(self.name):
                self.query = change.query
            case PutSubscription() if change.subscription.topic == self.name:
                self.want = change.subscription.want
            case _:
                pass  # nothing else is kept here

    def follow(self, effect: Effect) -> None:
        """Keep the table in step with the effects that are carried out."""
        match effect:
            case Attach():
                self.attached.add(effect.attached)
                self.off_at = 0
            case Detach():
                self.attached.remove(effect.sid)
                self.public.pop(effect.sid, None)
            case Kept():
                self.public[effect.sid] = effect.query
            case _:
                pass  # the rest concerns others

    def address(self, user: str, *, reader: bool = False) -> str:
        """The topic as its user calls it."""
        return ids.seen_by(self.name, user)

    def wanted(self, sid: str) -> str:
        """The query in force for a session, "" if there is none."""
        text = self.public.get(sid)
        if text is None or text == CLEARED:
            text = self.query
        value = msgspec.json.decode(text) if text else ""
        return value if isinstance(value, str) else ""
