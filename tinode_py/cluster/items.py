"""CBOR items read by cbor2, with everything switched off that nodes do not write."""

from __future__ import annotations

from typing import Any

import cbor2

LARGEST = 67_108_864  # bytes of one message
DEPTH = 64  # of nesting


class BadMessage(Exception):
    """Bytes that are no message, or a message that is too long; the text says where and why."""


def _no_tag(*_: object) -> Any:
    raise ValueError("a tag")


# Those of which cbor2 would make something of its own.
_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004)
_NO_TAGS = dict.fromkeys((*_TAGS, 43000, 55799), _no_tag)
# cbor2 does not say whether bytes are left after an item. So it is given an array of the item
# and an end, before which nothing else may stand. (Who writes the end himself may go on after
# it; that is not read.)
_PAIR, _END = b"\x82", "that was all"
_LAST = cbor2.dumps(_END)


def write(plain: Any) -> bytes:
    """A plain value as one item. BadMessage if it is too long."""
    data = cbor2.dumps(plain)
    if len(data) > LARGEST:
        raise BadMessage(f"{len(data)} bytes, of {LARGEST} at most")
    return data


def read(data: bytes) -> Any:
    """The one item that `data` is: None, bool, int, float, str, bytes, list, dict with keys of
    text or bytes, or a simple value of cbor2's. Raises BadMessage.

    Takes time and memory linear in the length of `data`, whatever lengths it declares.
    """
    if len(data) > LARGEST:
        raise BadMessage(f"{len(data)} bytes, of {LARGEST} at most")
    try:
        item, end = cbor2.loads(
            b"%b%b%b" % (_PAIR, data, _LAST),
            max_depth=DEPTH + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
            semantic_decoders=_NO_TAGS,
            tag_hook=_no_tag,
        )
    except (cbor2.CBORError, ValueError) as error:
        raise BadMessage(f"not CBOR: {error}") from None
    if end != _END:
        raise BadMessage("bytes after the item")
    return item
