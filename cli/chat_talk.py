"""A person in a conversation: what is shown, and what a typed line does.

Built on the public client library alone, so that another interface can take its place.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Awaitable, Callable

import attrs
import trio

from tinode_py.client import (
    Chat,
    ClientError,
    Connected,
    Detached,
    Disconnected,
    Event,
    Message,
    Note,
    Notice,
    Presence,
)

from .chat_emoji import page, with_emoji
from .chat_lines import Lines, Terminal
from .chat_people import People

TYPING = 3.0  # seconds between two words of it
HELP = """\
:all                 this list
:topics              conversations, with what is unread
:open TOPIC          go there: a name, a user's id or login, a group's id
:new NAME            make a group and go there
:members             who is in the current topic
:history [COUNT]     its newest messages
:q WORD              its messages with a word; alone it quits
:q!                  quit
:olu                 which people are online
:pu PREFIX           people whose name begins so
:info                who and where you are
:emoji [PAGE]        names that become characters, such as :smile:
:delay TEXT SECONDS  say it later
:ai / :qai           be answered by nobody / stop that
USER;;TEXT           say something to one person
TEXT                 say it in the current topic"""
Command = Callable[[str], Awaitable[None]]


@attrs.define(eq=False)
class Talk:
    """One sitting at the terminal."""

    lines: Lines
    topic: str = ""
    on_message: str = ""
    as_json: bool = False
    _alone: bool = False  # :ai
    _said: set[tuple[str, int]] = attrs.field(factory=set)
    _saying: dict[str, int] = attrs.field(factory=dict)
    _settled: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)
    _typed: float = -TYPING
    chat: Chat = attrs.field(init=False)
    people: People = attrs.field(init=False)
    _nursery: trio.Nursery = attrs.field(init=False)

    async def run(self, chat: Chat) -> None:
        """Talk until the lines end or somebody quits."""
        self.chat, self.people = chat, People(chat)
        async with trio.open_nursery() as self._nursery:
            await self._arrive()
            self._nursery.start_soon(self._show_messages)
            self._nursery.start_soon(self._show_events)
            chat.on_notice(self._notice)
            if self.on_message:
                chat.on_message(self._hand_out)
            while (line := await self.lines.next()) is not None and await self._do(line):
                pass
            self._nursery.cancel_scope.cancel()

    async def _arrive(self) -> None:
        self._watch_typing()
        self.show(f"* you are {self.chat.user}")
        for contact in await self.people.learn():
            if contact.topic.startswith("grp"):
                await self._follow(contact.topic)
        await self._topics("")
        if self.topic:
            await self._open(self.topic)

    def _watch_typing(self) -> None:
        if isinstance(self.lines, Terminal):
            token = trio.lowlevel.current_trio_token()
            self.lines.on_typing(lambda: token.run_sync_soon(self._tell_typing))

    def show(self, line: str) -> None:
        if not self.as_json:
            self.lines.show(line)

    # --- what comes ----------------------------------------------------------------------

    async def _show_messages(self) -> None:
        async for message in self.chat.messages(own=True):
            if not await self._is_from_here(message):
                await self._show_message(message)

    async def _is_from_here(self, message: Message) -> bool:
        """Whether it was typed here: it stands on the screen."""
        if message.sender != self.chat.user:
            return False
        while self._saying.get(message.topic):
            await self._settled.park()
        if (message.topic, message.seq) not in self._said:
            return False
        self._said.discard((message.topic, message.seq))
        return True

    async def _show_message(self, message: Message) -> None:
        if self.as_json:
            self.lines.show(_json(message))
            return
        self.show(await self._as_line(message))
        if message.topic == self.topic and message.sender != self.chat.user:
            await self._quietly(self.chat.mark_read(message))

    async def _as_line(self, message: Message) -> str:
        sender = await self.people.name(message.sender) if message.sender else ""
        text = message.text or json.dumps(message.content, ensure_ascii=False)
        mark = " (edited)" if message.replaces else ""
        if message.topic.startswith("usr"):
            where = (
                ""
                if message.sender == message.topic
                else "to " + (await self.people.name(message.topic))
            )
            return f"{where or sender}: {text}{mark}"
        return f"{await self.people.name(message.topic)} | {sender}: {text}{mark}"

    async def _show_events(self) -> None:
        async for event in self.chat.events():
            line = await self._told(event)
            if line:
                self.show("* " + line)

    async def _told(self, event: Event) -> str:
        match event:
            case Disconnected(reason, retry_in):
                return f"the connection is lost ({reason}); next try in {retry_in:.1f} s"
            case Connected():
                return "connected"
            case Detached(topic, _, text):
                return f"{await self.people.name(topic)}: {text}"
            case Presence(topic="me", what="on" | "off" as what, src=src):
                if src.startswith("usr"):
                    return f"{await self.people.name(src)} is {what}line"
            case Note(what="kp", sender=sender):
                return f"{await self.people.name(sender)} is typing"
        return ""

    async def _notice(self, notice: Notice) -> None:
        self.show(f"* {notice.kind}: {await self.people.name(notice.topic)}")
        if notice.kind == "invite" and notice.topic.startswith("grp"):
            await self._follow(notice.topic)

    async def _follow(self, topic: str) -> None:
        try:
            await self.chat.follow(topic)
        except ClientError as error:
            self.show(f"* {topic}: {error.text}")

    async def _hand_out(self, message: Message) -> None:
        done = await trio.run_process(
            shlex.split(self.on_message),
            stdin=(_json(message) + "\n").encode(),
            stdout=subprocess.DEVNULL if self.as_json else None,
            check=False,
        )
        if done.returncode:
            self.show(f"* {self.on_message} ended with {done.returncode}")

    # --- what is typed -------------------------------------------------------------------

    async def _do(self, line: str) -> bool:
        """Carry out a line; False if it was to quit."""
        line = line.strip()
        if line in (":q", ":q!"):
            return False
        try:
            await self._carry_out(line)
        except ClientError as error:
            self.show(f"! {error.text}")
        except ValueError as error:
            self.show(f"! {error}")
        return True

    async def _carry_out(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        user, private, text = line.partition(";;")
        if name in self._commands():
            await self._commands()[name](rest.strip())
        elif line.startswith(":") and not line.endswith(":"):
            raise ValueError(f"{name} is nothing that can be typed; :all shows what can")
        elif private and user and text.strip():
            await self._say(await self.people.user(user.strip()), text.strip())
        elif self._alone and line:
            self.show("AI: " + line.replace("?", "!").replace("are you", "I am"))
        elif line:
            await self._say(self._here(), line)

    def _commands(self) -> dict[str, Command]:
        return {
            ":all": self._all, ":topics": self._topics, ":open": self._open, ":new": self._new,
            ":members": self._members, ":history": self._history, ":q": self._search,
            ":olu": self._online, ":pu": self._prefix, ":info": self._info, ":emoji": self._emoji,
            ":delay": self._delay, ":ai": self._ai, ":qai": self._qai,
        }  # fmt: skip

    def _here(self) -> str:
        if not self.topic:
            raise ValueError("no topic is open: type :topics, and :open one")
        return self.topic

    async def _say(self, topic: str, text: str) -> None:
        self._saying[topic] = self._saying.get(topic, 0) + 1
        try:
            seq = await self.chat.publish(topic, with_emoji(text))
            self._said.add((topic, seq))
        finally:
            self._saying[topic] -= 1
            self._settled.unpark_all()

    def _tell_typing(self) -> None:
        now = trio.current_time()
        if self.topic and now - self._typed >= TYPING:
            self._typed = now
            self._nursery.start_soon(self._quietly, self.chat.typing(self.topic))

    async def _quietly(self, work: Awaitable[None]) -> None:
        with contextlib.suppress(ClientError):  # nobody need know
            await work

    async def _all(self, _: str) -> None:
        for line in HELP.splitlines():
            self.lines.show(line)

    async def _topics(self, _: str) -> None:
        for contact in await self.people.learn():
            unread = f", {contact.unread} unread" if contact.unread else ""
            online = ", online" if contact.online else ""
            self.show(f"  {contact.name or contact.topic} ({contact.topic}){online}{unread}")

    async def _open(self, wanted: str) -> None:
        self.topic = await self.people.topic(wanted)
        await self.chat.follow(self.topic)
        self.show(f"* in {await self.people.name(self.topic)} ({self.topic})")

    async def _new(self, name: str) -> None:
        if not name:
            raise ValueError(":new needs a name")
        session = await self.chat.session()
        made = await session.sub("new", set={"desc": {"public": {"fn": name}}})
        await self._open(made.topic)

    async def _members(self, _: str) -> None:
        for member in await self.chat.members(self._here()):
            name = member.name or await self.people.name(member.user)
            self.lines.show(f"  {name} ({member.user}){', online' if member.online else ''}")

    async def _history(self, count: str) -> None:
        limit = int(count) if count.isdecimal() else 24
        for message in await self.chat.history(self._here(), limit=min(max(limit, 1), 100)):
            self.lines.show(f"  {message.ts:%Y-%m-%d %H:%M} {await self._as_line(message)}")

    async def _search(self, word: str) -> None:
        before = 0
        while page_ := await self.chat.history(self._here(), before=before, limit=100):
            for message in page_:
                if word.casefold() in message.text.casefold():
                    self.lines.show(f"  {message.seq} {await self._as_line(message)}")
            before = page_[0].seq

    async def _online(self, _: str) -> None:
        for person in await self.chat.people():
            self.lines.show(f"  {person.name or person.user} ({person.user})")

    async def _prefix(self, prefix: str) -> None:
        contacts = await self.people.learn()
        known = {it.topic: it.name for it in contacts if it.topic.startswith("usr")}
        known.update({person.user: person.name for person in await self.chat.people()})
        for user, name in known.items():
            if name.casefold().startswith(prefix.casefold()):
                self.lines.show(f"  {name} ({user})")

    async def _info(self, _: str) -> None:
        name = await self.people.name(self.chat.user)
        where = f" in {await self.people.name(self.topic)}" if self.topic else ""
        self.lines.show(f"  {name} ({self.chat.user}){where}")

    async def _emoji(self, number: str) -> None:
        for line in page(int(number) if number.isdecimal() else 1):
            self.lines.show("  " + line)

    async def _delay(self, rest: str) -> None:
        text, _, seconds = rest.rpartition(" ")
        if not text or not seconds.isdecimal():
            raise ValueError(":delay needs a text and a number of seconds")
        self._nursery.start_soon(self._say_later, self._here(), text, int(seconds))

    async def _say_later(self, topic: str, text: str, seconds: int) -> None:
        await trio.sleep(seconds)
        try:
            await self._say(topic, text)
            self.show(f"* said: {text}")
        except ClientError as error:
            self.show(f"! {text}: {error.text}")

    async def _ai(self, _: str) -> None:
        self._alone = True
        self.show("* nobody hears you now; :qai ends that")

    async def _qai(self, _: str) -> None:
        self._alone = False
        self.show("* people hear you")


def _json(message: Message) -> str:
    known = attrs.asdict(message)
    known["ts"] = message.ts.isoformat()
    return json.dumps(known, ensure_ascii=False)
