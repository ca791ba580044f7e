"""A client's connection, straight to a session: what it sends, and what it holds of what comes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import attrs
import trio

from tinode_py.ids import is_user, p2p_name
from tinode_py.live.outbox import ConnectionInfo
from tinode_py.live.session import Session
from tinode_py.wire.frames import payload_of

from .history import History
from .machine import Machine, Run

PATIENCE = 20.0  # seconds for an answer


class Lost(Exception):
    """The connection is over."""


@attrs.define(eq=False)
class Asked:
    kind: str
    topic: str
    content: str = ""
    since: int = 0
    code: int = 0
    params: dict[str, Any] = attrs.field(factory=dict)
    done: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Reading:
    """A topic that the device is attached to. `last`: the message that came last; None before
    it is known which will be the first.
    """

    last: int | None = None
    history: set[int] | None = None  # what has come of what was asked for


@attrs.define(eq=False)
class Device:
    """One connection of one user: an `Outlet`."""

    label: str
    run: Run
    history: History
    scope: trio.CancelScope
    closed: bool = False
    queued: int = 0
    reason: str = ""
    user: str = ""
    session: Session | None = None
    readings: dict[str, Reading] = attrs.field(factory=dict)
    follows: int | None = None  # the inbox, up to here
    online: dict[str, bool] = attrs.field(factory=dict)  # contacts, as far as it was told
    members: dict[str, set[str]] = attrs.field(factory=dict)  # online in groups, as last asked
    on_me: bool = False
    _asked: dict[str, Asked] = attrs.field(factory=dict)
    _last_id: int = 0
    _acknowledged: dict[str, tuple[int, int]] = attrs.field(factory=dict)  # id, seq; by topic

    # --- the connection ------------------------------------------------------------------

    def open(self) -> None:
        assert self.run.server is not None
        info = ConnectionInfo("127.0.0.1", "ws", "")
        self.session = self.run.server.new_session(self, info)
        self.run.drops[self.session.link.sid] = self.drop
        self.history.note(self.label, "connects to", self.run.name, self.session.link.sid)

    def drop(self) -> None:
        """The server is gone without a word."""
        self.closed, self.session = True, None
        self.scope.cancel()

    def close(self) -> None:
        """The connection ends, and the server sees it."""
        self.closed = True
        if self.session is not None:
            self.history.note(self.label, "is disconnected", self.reason)
            self.run.drops.pop(self.session.link.sid, None)
            session, self.session = self.session, None
            session.end()

    def finish(self, code: int = 1000, reason: str = "") -> None:
        self.closed = True
        self.reason = self.reason or f"{code} {reason}"
        self.scope.cancel()

    def hang_up(self) -> None:
        self.finish(0, "hung up")

    def abort(self) -> None:
        self.finish(0, "aborted")

    def push(self, frame: bytes) -> None:
        at = 0
        while not self.closed and at < len(frame):
            begin, at = payload_of(frame, at)
            self._take(json.loads(frame[begin:at]))

    # --- requests ------------------------------------------------------------------------

    async def send(self, kind: str, topic: str = "", **members: Any) -> Asked:
        """Send a request; `content` is a publication's."""
        self._last_id += 1
        ident = str(self._last_id)
        asked = self._asked[ident] = Asked(kind, topic, members.get("content", ""))
        if kind == "sub" and "data" in members.get("get", {}):
            asked.since = members["get"]["data"]["since"]
        body = {"id": ident, **({"topic": topic} if topic else {}), **members}
        if self.session is None:
            raise Lost
        await self.session.receive(json.dumps({kind: body}))
        return asked

    async def ask(self, kind: str, topic: str = "", **members: Any) -> Asked:
        """Send a request and wait for its answer."""
        asked = await self.send(kind, topic, **members)
        with trio.move_on_after(PATIENCE):
            await asked.done.wait()
        if not asked.code:
            self.history.complain(f"{self.label}: {kind} {topic} has no answer")
            raise Lost
        return asked

    async def log_in(self, name: str, *, new: bool = False) -> int:
        await self.ask("hi", ver="0.25", ua=name)
        secret = base64.b64encode(f"{name}:{name}-password".encode()).decode()
        how = {"scheme": "basic", "secret": secret}
        if new:
            asked = await self.ask("acc", user="new", login=True, desc={"public": name}, **how)
        else:
            asked = await self.ask("login", **how)
        self.user = asked.params.get("user", "")
        return asked.code

    def stored(self, topic: str) -> str:
        """A topic's name in the store."""
        return p2p_name(self.user, topic) if is_user(topic) else topic

    # --- what comes ----------------------------------------------------------------------

    def _take(self, packet: dict[str, Any]) -> None:
        ((kind, body),) = packet.items()
        takes: dict[str, Callable[[dict[str, Any]], None]] = {
            "ctrl": self._ctrl,
            "data": self._data,
            "meta": self._meta,
            "pres": self._pres,
        }
        if kind in takes:
            takes[kind](body)

    def _ctrl(self, ctrl: dict[str, Any]) -> None:
        asked = self._asked.get(ctrl.get("id", ""))
        if asked is None:
            self.history.note(self.label, "is told", ctrl["code"], ctrl.get("topic"))
            return
        code, params = ctrl["code"], ctrl.get("params") or {}
        if asked.done.is_set():  # of the {get} in a {sub}
            if asked.topic == "me" and code >= 500:
                self.hang_up()  # it has no inbox and no contacts: it begins again
            self._end_of_history(asked, code, params)
            return
        asked.code, asked.params = code, params
        asked.done.set()
        words = (asked.kind, asked.topic, asked.content, code, params.get("seq", ""))
        self.history.note(self.label, "is answered", *words)
        if asked.kind == "sub":
            self._joined(asked)
        elif asked.kind == "leave" and code < 400:
            self._left(asked.topic)
        elif asked.kind == "pub":
            self._published(ctrl["id"], asked)

    def _joined(self, asked: Asked) -> None:
        if asked.code >= 300:
            return
        if asked.topic == "me":
            self.on_me = True
        else:
            self.readings[asked.topic] = Reading(None, set() if asked.since else None)

    def _left(self, topic: str) -> None:
        self.readings.pop(topic, None)
        if topic == "me":
            self.on_me, self.follows = False, None

    def _published(self, ident: str, asked: Asked) -> None:
        seq = asked.params.get("seq", 0)
        self.history.answered(asked.code, asked.content, self.stored(asked.topic), seq)
        if asked.code >= 300:
            return
        number, before = self._acknowledged.get(asked.topic, (0, 0))
        if seq <= before and int(ident) > number:
            self.history.complain(f"{self.label}: {asked.topic} {seq} after {before}")
        self._acknowledged[asked.topic] = int(ident), seq

    def _data(self, data: dict[str, Any]) -> None:
        topic, seq = data["topic"], data["seq"]
        self.history.seen += 1
        self.history.note(self.label, "sees", topic, seq, data.get("content"))
        reading = self.readings.get(topic)
        if reading is None:
            self.history.complain(f"{self.label} gets {topic} {seq} and is not there")
        elif reading.history is not None:
            if seq in reading.history:
                self.history.complain(f"{self.label} gets {topic} {seq} twice")
            reading.history.add(seq)
        else:
            if reading.last is not None and seq != reading.last + 1:
                self.history.complain(f"{self.label} gets {topic} {seq} after {reading.last}")
            reading.last = seq

    def _end_of_history(self, asked: Asked, code: int, params: dict[str, Any]) -> None:
        reading = self.readings.get(asked.topic)
        if reading is None or reading.history is None:
            return
        found, reading.history = reading.history, None
        self.history.note(self.label, "has", asked.topic, sorted(found), code)
        if code >= 400:
            reading.last = None
        elif reading.last is None:
            self.history.complain(f"{self.label} was not told how far {asked.topic} is")
        elif found != set(range(asked.since, reading.last + 1)) and len(found) < 100:
            wanted = f"{asked.since} to {reading.last}"
            self.history.complain(f"{self.label} asked for {asked.topic} {wanted}: {found}")

    def _meta(self, meta: dict[str, Any]) -> None:
        topic = meta["topic"]
        reading = self.readings.get(topic)
        asked = self._asked.get(meta.get("id", ""))
        if asked is not None and asked.kind == "get":
            asked.code = 200
            asked.done.set()
        if "desc" in meta and reading is not None:
            seq = meta["desc"].get("seq", 0)
            if reading.last is not None and reading.last != seq:
                self.history.complain(f"{self.label} is told {topic} {seq} at {reading.last}")
            reading.last = seq
        if "inbox" in meta:
            self._inbox(meta["inbox"], bool(meta.get("id")))
        if "sub" in meta and topic == "me":
            self.online.update({s["topic"]: s.get("online", False) for s in meta["sub"]})
        elif "sub" in meta:
            self.members[topic] = {s["user"] for s in meta["sub"] if s.get("online")}

    def _inbox(self, inbox: dict[str, Any], asked: bool) -> None:
        numbers = [item["n"] for item in inbox["items"]]
        self.history.note(self.label, "has of the inbox", numbers)
        if self.follows is None:
            self.follows = inbox["last"] - len(numbers)
        for n in numbers:
            if n != self.follows + 1:
                self.history.complain(f"{self.label} gets {n} of the inbox after {self.follows}")
            self.follows = n

    def _pres(self, pres: dict[str, Any]) -> None:
        if pres["what"] in ("on", "off") and pres["topic"] == "me":
            self.history.note(self.label, "is told of", pres["src"], pres["what"])
            self.online[pres["src"]] = pres["what"] == "on"


def connected(label: str, machine: Machine, history: History) -> Device:
    """A device that has just connected to a machine that runs."""
    assert machine.current is not None
    device = Device(label, machine.current, history, trio.CancelScope())
    device.open()
    return device
