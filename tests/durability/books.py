"""What a person was told of his private conversations, beside what the server says of them later.

His inbox is dense and holds all that was acknowledged, each message once, also one that was sent
again under its key. A mark that somebody was told of is never forgotten, and none is made up.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import attrs

from tests.process import Packet

MARKS = ("recv", "read")
Marks = Mapping[tuple[str, str], int]  # (user, what): number
KEYED = "sent again if need be, "  # how a message begins that has a key


def _numbers() -> dict[Any, int]:
    return defaultdict(int)


@attrs.define(eq=False)
class Book:
    """By those with whom he talks. `wrong` tells what should not have been."""

    name: str
    wrong: list[str] = attrs.field(factory=list)
    upto: int = 0  # the last place of his inbox that he has seen
    more: bool = False  # of them wait to be asked for
    items: dict[tuple[str, int], Any] = attrs.field(factory=dict)  # (peer, number): the message
    unread: dict[str, int] = attrs.field(factory=_numbers)  # the last of a peer that is to be noted
    noted: dict[str, int] = attrs.field(factory=_numbers)  # up to which he said that he has read
    last: dict[str, int] = attrs.field(factory=_numbers)  # of all that he knows to be stored
    own: dict[str, int] = attrs.field(factory=_numbers)  # and of those that are his
    told: dict[tuple[str, str], int] = attrs.field(factory=_numbers)  # marks of others
    set: dict[str, int] = attrs.field(factory=_numbers)  # the last {set}, acknowledged
    tried: dict[str, int] = attrs.field(factory=_numbers)  # or not

    # --- as it comes ---------------------------------------------------------------------

    def take_inbox(self, part: Packet, me: str) -> None:
        self.more = part.get("more", False)
        if part["first"] > self.upto + 1:
            self._is_wrong(f"the inbox begins at {part['first']}, and {self.upto} was the last")
        for item in part["items"]:
            if item["n"] != self.upto + 1:
                self._is_wrong(f"{item['n']} after {self.upto} in the inbox")
            self.upto = item["n"]
            if "kind" not in item:
                self._take_item(item, me)

    def _take_item(self, item: Packet, me: str) -> None:
        place = item["topic"], item["seq"]
        if place in self.items:
            self._is_wrong(f"{place} twice in the inbox")
        self.items[place] = item["content"]
        self.knows(*place, is_own=item["from"] == me)
        if item["from"] != me:
            self.unread[item["topic"]] = item["seq"]

    def knows(self, peer: str, seq: int, *, is_own: bool) -> None:
        """A message is stored."""
        self.last[peer] = max(self.last[peer], seq)
        if is_own:
            self.own[peer] = max(self.own[peer], seq)

    def take_mark(self, info: Packet) -> None:
        mark = info["from"], info["what"]
        if info["seq"] < self.told[mark]:
            self._is_wrong(f"was told {info} after {self.told[mark]}")
        self.told[mark] = info["seq"]

    # --- afterwards ----------------------------------------------------------------------

    def has(self, peer: str, upto: int) -> bool:
        """Whether his inbox had all of a conversation up to a number."""
        return all((peer, number) in self.items for number in range(1, upto + 1))

    def check_once(self) -> None:
        """What was sent again under its key is there once."""
        keyed = (it for it in map(json.dumps, self.items.values()) if KEYED in it)
        for text, times in Counter(keyed).items():
            if times > 1:
                self._is_wrong(f"{text} is there {times} times")

    def check_members(self, rows: list[Packet], told: Marks) -> None:
        """Members of a conversation, as {get sub} has them, and what he had been told before."""
        there = {(row["user"], what): row.get(what, 0) for row in rows for what in MARKS}
        for mark, seq in there.items():
            if seq < told.get(mark, 0):
                self._is_wrong(f"was told {mark} {told[mark]}, and it is {seq}")

    def check_contact(self, row: Packet, told: Mapping[str, int]) -> None:
        """A peer, as {get sub} on `me` has him, and what he had been told of marks here. One's
        own messages are read.
        """
        peer = row["topic"]
        if row.get("seq", 0) < self.last[peer]:
            self._is_wrong(f"{row} lacks {self.last[peer]}")
        for what in MARKS:
            most = max(self.noted[peer], self.own[peer])
            if not told[what] <= row.get(what, 0) <= most:
                self._is_wrong(f"{what} of {row} is not from {told[what]} to {most}")
        private = row.get("private") or {}
        if not self.set[peer] <= int(private.get("comment", 0)) <= self.tried[peer]:
            self._is_wrong(f"{row} had {self.set[peer]} in private")

    def _is_wrong(self, what: str) -> None:
        self.wrong.append(f"{self.name}: {what}")
