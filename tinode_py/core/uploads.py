"""Which uploads a request refers to: the addresses in `extra.attachments`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from ..changes import Change, LinkUploads

PATH = "/v0/file/s/"  # what the addresses of uploads begin with
MOST = 64  # uploads to which one message or picture can refer
_ADDRESS = re.compile(re.escape(PATH) + r"([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])")


def named(attachments: Iterable[str]) -> tuple[str, ...]:
    """The ids of uploads among addresses, each once. Others' addresses are nobody's business."""
    found = (_ADDRESS.match(address) for address in attachments)
    return tuple(dict.fromkeys(match[1] for match in found if match))[:MOST]


def linked(owner: str, seq: int, attachments: Iterable[str]) -> tuple[Change, ...]:
    """What is stored for the attachments of a message, or of a picture (`seq` 0)."""
    uploads = named(attachments)
    return (LinkUploads(owner, seq, uploads),) if uploads else ()


def picture(
    owner: str, before: bytes | None, after: bytes | None, attachments: Iterable[str]
) -> tuple[Change, ...]:
    """What is stored for the picture of somebody or something whose `public` has changed.

    Where no upload is named, the former one is let go of if the picture itself (`photo`) is
    another one now, or none: a small one stands in the description, and needs no upload. One
    to which the new picture still refers stays.
    """
    if found := linked(owner, 0, attachments):
        return found
    was, now = _photo(before), _photo(after)
    if was is None or was == now:
        return ()
    ref = now.get("ref") if isinstance(now, dict) else None
    return (LinkUploads(owner, 0, named([ref] if isinstance(ref, str) else [])),)


def _photo(public: bytes | None) -> Any:
    found = msgspec.json.decode(public) if public else None
    return found.get("photo") if isinstance(found, dict) else None
