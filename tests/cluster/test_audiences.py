"""Members who are told on `me`, on another node, are named to it once."""

from __future__ import annotations

import attrs

from tests.cluster.parts import nodes
from tinode_py.client import Client
from tinode_py.cluster.audiences import Heard, Named
from tinode_py.cluster.protocol import Audience, Message, ToldUsers, Word
from tinode_py.live.fanout import Afar, OnMe
from tinode_py.wire.server_packets import Pres

PRES = Pres(topic="me", what="msg", src="grpA", seq=1)


@attrs.define
class Line:
    """What is sent over a link, until it is full."""

    sent: list[Message] = attrs.field(factory=list)
    full: bool = False

    def send(self, message: Message) -> bool:
        if not self.full:
            self.sent.append(message)
        return not self.full

    def taken(self) -> list[Message]:
        sent, self.sent = self.sent, []
        return sent


def afar(address: str, count: int, *here: str) -> Afar:
    return Afar(2, address, tuple(f"usr{i}" for i in range(count)), frozenset(here))


def test_they_are_named_once_and_again_when_they_have_changed():
    line = Line()
    named = Named(line.send, line.send)
    six, seven = afar("grpA", 6, "s1"), afar("grpA", 7, "s1")
    assert named.word(six, PRES)
    assert line.taken() == [Audience(1, six.users, six.here), Word(1, PRES)]
    assert named.word(afar("grpA", 6, "s1"), PRES)
    assert line.taken() == [Word(1, PRES)]
    assert named.word(seven, PRES)
    assert line.taken() == [Audience(1, seven.users, seven.here), Word(1, PRES)]
    assert named.word(afar("grpA", 7), PRES)
    assert line.taken() == [Audience(1, seven.users), Word(1, PRES)]
    assert named.word(afar("grpB", 6), PRES)
    assert line.taken() == [Audience(2, six.users), Word(2, PRES)]


def test_few_and_very_many_are_named_each_time():
    line = Line()
    named = Named(line.send, line.send, most=10)
    for count in (1, 4, 11):
        assert named.word(afar("grpA", count), PRES)
        (told,) = line.taken()
        assert isinstance(told, ToldUsers)
        assert len(told.users) == count


def test_the_oldest_is_forgotten_on_both_sides():
    line = Line()
    named, heard = Named(line.send, line.send, most=12), Heard()
    for address in ("grpA", "grpB", "grpC", "grpA"):
        assert named.word(afar(address, 6), PRES)
    known: dict[int, Audience] = {}
    for message in line.taken():
        if isinstance(message, Audience):
            heard.take(message)
            known[message.no] = message
            if not message.users:
                del known[message.no]
        else:
            assert isinstance(message, Word)
            assert message.no in known
    assert sorted(known) == [3, 4]
    on_me = OnMe()
    on_me.add("usr3", "s9")
    assert heard.needing(3, on_me)[0] == ("usr3",)
    assert heard.needing(1, on_me)[0] == ()


def test_who_names_more_than_he_may_has_the_oldest_forgotten():
    heard, on_me = Heard(most=12), OnMe()
    on_me.add("usr1", "s1")
    six, few = tuple(f"usr{n}" for n in range(6)), tuple(f"usr{n}" for n in range(4))

    def known() -> list[int]:
        return [no for no in range(1, 9) if heard.needing(no, on_me)[0]]

    for no in (1, 2, 1, 3):
        heard.take(Audience(no, six))
    assert known() == [1, 3]
    heard.take(Audience(4, six * 3))
    assert known() == [1, 3]
    heard.take(Audience(3))
    heard.take(Audience(5, few))
    assert known() == [1, 5]


def test_what_did_not_fit_is_not_taken_for_known():
    line = Line(full=True)
    named = Named(line.send, line.send)
    assert not named.word(afar("grpA", 6), PRES)
    line.full = False
    assert named.word(afar("grpA", 6), PRES)
    assert [type(message) for message in line.taken()] == [Audience, Word]


def test_who_needs_it_is_looked_up_when_somebody_has_come_or_gone():
    heard, on_me = Heard(), OnMe()
    heard.take(Audience(1, ("usr1", "usr2", "usr3"), frozenset({"s1"})))
    assert heard.needing(1, on_me) == ((), frozenset({"s1"}))
    on_me.add("usr1", "s1")
    on_me.add("usr2", "s2")
    assert heard.needing(1, on_me)[0] == ("usr2",)
    on_me.add("usr1", "s3")
    assert heard.needing(1, on_me)[0] == ("usr1", "usr2")
    on_me.remove("usr2", "s2")
    assert heard.needing(1, on_me)[0] == ("usr1",)


async def next_word(client: Client) -> tuple[str, int]:
    """Who wrote, and the number, as it is told on `me`."""
    while True:
        pres = (await client.receive()).get("pres", {})
        if pres.get("what") == "msg":
            return pres.get("act", ""), pres["seq"]


async def test_members_on_another_node_hear_of_each_message(autojump_clock):
    async with nodes("a", "b") as (_, (one, two)):
        owner = await one.user("owner")
        group = (await owner.sub("new", set={"desc": {"defacs": {"auth": "JRWPS"}}})).topic
        members = [await two.user(f"m{i}") for i in range(6)]
        for member in members:
            await member.sub(group)
            await member.sub("me")
        for member in members[1:]:
            await member.leave(group)
        assert await owner.pub(group, "one") == 1
        for member in members[1:]:
            assert await next_word(member) == (owner.user, 1)
        await members[0].leave(group)
        await members[1].sub(group)
        assert await members[1].pub(group, "two") == 2
        for member in (members[0], *members[2:]):
            assert await next_word(member) == (members[1].user, 2)
