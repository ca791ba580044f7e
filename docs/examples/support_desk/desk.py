"""A support desk: visitors without a name write to it, agents answer from a queue.

    python desk.py URL PASSWORD AGENT...      (AGENT: the user id of somebody who answers)

A visitor writes to the account `desk`. Each visitor is a case with a group of its own, which the
agents in charge are in. What the visitor writes goes to the group, what agents write there goes
to the visitor. The queue is a group of all agents, where cases are told of.

    take 3          in the queue: I answer case 3
    hand usrX       in a case: usrX answers it from now on, and I do not
    close           in a case: it is done

The desk keeps nothing: a case's group says in its public data whose it is. Every message is
passed on under a key made of its number, so that after a crash none is passed on twice.
"""

from __future__ import annotations

import re
import sys

import attrs
import trio

from tinode_py.client import Chat, FilePositions, Message, Register, stay_connected

ACCOUNT = {"desc": {"public": {"fn": "Support"}, "defacs": {"auth": "JRWP", "anon": "JRWP"}}}


@attrs.define
class Case:
    number: int
    topic: str  # the group of those who answer
    visitor: str


@attrs.define
class Desk:
    chat: Chat
    agents: list[str]
    queue: str = ""
    cases: list[Case] = attrs.field(factory=list)

    async def run(self) -> None:
        for contact in await self.chat.contacts():
            public = contact.public or {}
            if public.get("desk") == "queue":
                self.queue = contact.topic
            elif "visitor" in public:
                self.cases.append(Case(public["case"], contact.topic, public["visitor"]))
        self.queue = self.queue or await self.group("Queue", desk="queue")
        for topic in (self.queue, *(case.topic for case in self.cases)):
            await self.chat.follow(topic)
        for agent in self.agents:
            await self.invite(self.queue, agent)
        print(self.queue, flush=True)
        async for message in self.chat.messages():
            await self.take(message)

    async def take(self, message: Message) -> None:
        key = f"{message.topic} {message.seq}"
        case = next((it for it in self.cases if it.topic == message.topic), None)
        if message.topic == self.queue:
            await self.command_in_queue(message, key)
        elif case is not None:
            await self.command_in_case(case, message, key)
        else:
            case = await self.case_of(message.topic, message.text, key)
            await self.chat.publish(case.topic, f"Visitor: {message.text}", idem=key)

    async def case_of(self, visitor: str, question: str, key: str) -> Case:
        for case in self.cases:
            if case.visitor == visitor:
                return case
        number = len(self.cases) + 1
        topic = await self.group(f"Case {number}", case=number, visitor=visitor)
        self.cases.append(case := Case(number, topic, visitor))
        await self.chat.follow(topic, since=1)
        await self.chat.publish(self.queue, f"case {number}: {question}", idem=key)
        await self.chat.publish(visitor, "Somebody will be with you soon.", idem=key)
        return case

    async def command_in_queue(self, message: Message, key: str) -> None:
        found = re.fullmatch(r"take (\d+)", message.text)
        if found and 0 < int(found[1]) <= len(self.cases):
            case = next(it for it in self.cases if it.number == int(found[1]))
            await self.invite(case.topic, message.sender)
            await self.chat.publish(self.queue, f"case {case.number} is taken", idem=key)

    async def command_in_case(self, case: Case, message: Message, key: str) -> None:
        found = re.fullmatch(r"hand (usr\S+)", message.text)
        if found and found[1] in self.agents:
            await self.invite(case.topic, found[1])
            session = await self.chat.session()
            await session.del_("sub", topic=case.topic, user=message.sender)
        elif message.text == "close":
            await self.chat.publish(case.visitor, "The case is closed. Goodbye!", idem=key)
        else:
            await self.chat.publish(case.visitor, message.text, idem=key)

    async def group(self, name: str, **marks: object) -> str:
        session = await self.chat.session()
        return (await session.sub("new", set={"desc": {"public": {"fn": name, **marks}}})).topic

    async def invite(self, topic: str, user: str) -> None:
        await (await self.chat.session()).set(topic, sub={"user": user, "mode": "JRWPS"})


async def main(url: str, password: str, *agents: str) -> None:
    login = Register("desk", password, ACCOUNT)
    positions = FilePositions("desk.json")
    async with stay_connected(url, login, positions=positions) as chat:
        await Desk(chat, list(agents)).run()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
