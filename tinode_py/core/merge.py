"""Merging JSON documents, as {set} does with `public`, `private`, `trusted` and `aux`.

Objects merge recursively; keys that are missing or null stay as they are; the string U+2421
deletes a key, or the whole document; anything else replaces (protocol notes, 5.8). What many
requests have merged is no longer than what one may bring.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import TOO_LARGE, Refused

DELETE = "\u2421"
LONGEST = 131_072  # bytes of a merged document, unless the request is longer

_DELETE_TEXT = frozenset({b'"\xe2\x90\xa1"', b'"\\u2421"'})


def is_delete(text: bytes | None) -> bool:
    """Whether the JSON text is the deletion mark itself."""
    return text in _DELETE_TEXT


def merge(old: bytes | None, new: bytes | None) -> tuple[bytes | None, bool]:
    """The merged document, and whether `new` asked for anything at all.

    `{}` and null ask for nothing, as members either; a deletion inside an object always counts
    as asking.
    Refused if the document became too long.
    """
    if new is None or new.strip() in (b"null", b"{}"):
        return old, False
    if is_delete(new):
        return None, old is not None
    if not new.lstrip().startswith(b"{"):
        return new, True
    patch = msgspec.json.decode(new)
    if not _asks(patch):
        return old, False
    if old is None or not old.lstrip().startswith(b"{"):
        return _keep_text(new, patch), True
    merged = msgspec.json.encode(_merged(msgspec.json.decode(old), patch))
    if len(merged) > max(LONGEST, len(new)):
        raise Refused(TOO_LARGE)
    return merged, True


def without_marks(text: bytes | None) -> bytes | None:
    """A document as it is stored when nothing was there before: a lone mark is nothing."""
    if text is None or is_delete(text) or text.strip() == b"null":
        return None
    return text


def _asks(patch: Any) -> bool:
    """Whether anything in a patch is to change, however little."""
    if isinstance(patch, dict):
        return any(_asks(value) for value in patch.values())
    return patch is not None


def _keep_text(text: bytes, patch: Any) -> bytes:
    cleaned = _merged({}, patch)
    return text if cleaned == patch else msgspec.json.encode(cleaned)


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value == DELETE:
            result.pop(key, None)
        elif value is not None:
            result[key] = _merged(result.get(key), value)
    return result
