"""Files that are in the folder of another node: found by asking, handed on in pieces.

Each node keeps what was uploaded there, and nobody writes down who has what: a node that lacks a
file asks all the others at once. Of a file that is handed on there is one piece on its way at a
time; the next is asked for when the client has taken the last, so that a slow client slows down
nobody, and what nodes tell each other waits for some pieces at most.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import attrs
import trio

from ..errors import NOT_FOUND, UNAVAILABLE, UNREACHABLE, Refused
from ..media.folder import Folder
from ..media.work import Run
from ..records import Upload
from .placement import Companions

PIECE = 65_536  # bytes
AT_ONCE = 32  # files that a node fetches from others; pieces that it reads for them
ASKING = 1.0  # seconds for an answer to who has a file
PATIENCE = 10.0  # seconds for a piece


@attrs.define(eq=False)
class Lending:
    """What a node asks the others for, and gives them, of the files in its own folder."""

    folder: Folder
    companions: Companions
    run: Run
    fetching: int = 0  # files, now
    handed: int = 0  # bytes fetched for clients, so far
    _reading: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(AT_ONCE))

    def open(self) -> None:
        """The others may ask from now on."""
        self.companions.answerers.update({"has_file": self._has, "piece": self._piece})

    # --- asked by others -----------------------------------------------------------------

    async def _has(self, upload: str) -> bool:
        return _is_name(upload) and await self.folder.has(upload)

    async def _piece(self, upload: str, first: int) -> bytes:
        """At most PIECE bytes, from `first` on; empty beyond the end."""
        if not _is_name(upload) or not isinstance(first, int) or first < 0:
            raise Refused(NOT_FOUND)
        async with self._reading:
            try:
                return await self.run(lambda: _read(self.folder.path(upload), first))
            except FileNotFoundError:
                raise Refused(NOT_FOUND) from None
            except OSError:
                raise Refused(UNAVAILABLE) from None

    # --- asking others -------------------------------------------------------------------

    async def find(self, upload: Upload) -> Loan:
        """The file at whoever has it. Refused with 503 if nobody does who can be asked."""
        holders: list[int] = []
        with trio.move_on_after(ASKING):
            async with trio.open_nursery() as nursery:
                for node in self.companions.nodes():
                    nursery.start_soon(self._ask, node, upload.id, holders, nursery.cancel_scope)
        if not holders:
            raise Refused(UNAVAILABLE, {"reason": "no node that can be reached has this file"})
        return Loan(self, upload, holders[0])

    async def _ask(self, node: int, name: str, holders: list[int], found: trio.CancelScope) -> None:
        try:
            has = await self.companions.ask(node, "has_file", upload=name)
        except Refused:
            return  # an older version does not know the question
        if has is True:
            holders.append(node)
            found.cancel()


@attrs.frozen
class Loan:
    """One file of another node."""

    lending: Lending
    upload: Upload
    node: int

    def begin(self) -> None:
        """A client is to get it, until `end`. Refused with 503 if too many do already."""
        if self.lending.fetching >= AT_ONCE:
            why = {"reason": "too many files are fetched from other nodes"}
            raise Refused(UNAVAILABLE, why)
        self.lending.fetching += 1

    def end(self) -> None:
        self.lending.fetching -= 1

    async def piece(self, first: int) -> bytes:
        """What follows from the byte `first` on, at least one and PIECE at most. Refused with 502
        if the node is lost, or the file is.
        """
        data = b""
        with trio.move_on_after(PATIENCE):
            try:
                asked = self.lending.companions.ask
                data = await asked(self.node, "piece", upload=self.upload.id, first=first)
            except Refused as no:
                raise Refused(UNREACHABLE) from no
        if not isinstance(data, bytes) or not 0 < len(data) <= PIECE:
            raise Refused(UNREACHABLE)
        self.lending.handed += len(data)
        return data


def _is_name(name: object) -> bool:
    return isinstance(name, str) and Folder.is_name(name)


def _read(path: Path, first: int) -> bytes:
    file: BinaryIO
    with path.open("rb") as file:
        file.seek(first, os.SEEK_SET)
        return file.read(PIECE)
