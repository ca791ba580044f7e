"""Drafty, the format of styled messages: what is wrong with a document, and how to say it short.

A document is `{"txt": text, "fmt": [styles], "ent": [entities]}`. A style covers `len` grapheme
clusters from `at` on, and is a decoration (`tp`) or points at an entity (`key`); absent numbers
are 0, holes in both lists may be null, `at` -1 is an attachment. A message of any other shape
is stored and sent all the same, as clients expect: what is found out here only decides what a
push notification shows.

`plain_text` and `preview` never raise. They answer None for what is neither text nor a
document; styles that do not fit are passed over. Both look at the beginning of a long document
only, so that their cost is bounded (`MAX_TEXT`, `MAX_STYLES`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import msgspec

from .graphemes import split

MIME = "text/x-drafty"
SHOWN = 128  # length of what a notification shows
MAX_TEXT = 1024  # code points that are looked at
MAX_STYLES = 512  # styles and entities that are looked at
MAX_VALUE = 128  # longest text of an entity in a preview
MAX_DEPTH = 8  # nesting of an entity's data in a valid document

_MARKS = {"ST": "*", "EM": "_", "DL": "~", "CO": "`"}
_LABELS = {"IM": "IMAGE", "EX": "FILE", "AU": "AUDIO", "VD": "VIDEO"}
_HIDDEN = frozenset({"QQ", "HD"})  # quotes, and what is not to be shown
_LIGHT = frozenset(
    {"act", "aonly", "duration", "height", "incoming", "mime", "name", "premime", "preview"}
    | {"ref", "size", "state", "title", "url", "val", "width"}
)
_WITH_VALUE = frozenset({"MN", "HT", "LN", "BN"})  # elsewhere `val` is a whole file


@attrs.frozen
class Entity:
    tp: str
    data: dict[str, Any]


@attrs.frozen
class Style:
    """From `at` up to `end`, in grapheme clusters; `entity` None: a decoration."""

    at: int
    end: int
    tp: str
    entity: Entity | None = None

    @property
    def attached(self) -> bool:
        return self.at < 0


@attrs.frozen
class Document:
    """A document, or its beginning: the styles fit the text and lie inside one another."""

    text: tuple[str, ...]  # grapheme clusters
    styles: tuple[Style, ...]  # by place, the longer first
    attached: tuple[Style, ...] = ()


# --- validation --------------------------------------------------------------------------


def problem(value: Any) -> str:
    """What is wrong with a document, "" if nothing is. A plain text is a valid message.

    Places in a text longer than `MAX_TEXT` are held against its code points.
    """
    if isinstance(value, str):
        return ""
    wrong = _wrong_shape(value)
    if wrong:
        return wrong
    styles, entities = value.get("fmt") or [], value.get("ent") or []
    if max(len(styles), len(entities)) > MAX_STYLES:
        return f"more than {MAX_STYLES} styles or entities"
    if any(entity is not None and _too_deep(entity, MAX_DEPTH) for entity in entities):
        return "an entity is nested too deep"
    text = value.get("txt") or ""
    size = len(split(text)) if len(text) <= MAX_TEXT else len(text)
    for style in filter(None, styles):
        at, length = style.get("at") or 0, style.get("len") or 0
        if at < -1 or length < 0 or at + length > size:
            return "a style is outside of the text"
        if not style.get("tp") and not 0 <= (style.get("key") or 0) < len(entities):
            return "a style points at no entity"
    return ""


def _wrong_shape(value: Any) -> str:
    """Whether a field has a wrong type."""
    if not isinstance(value, dict):
        return "neither a text nor an object"
    if value.keys().isdisjoint(("txt", "fmt", "ent")):
        return "none of txt, fmt, ent"
    if not isinstance(value.get("txt") or "", str):
        return "txt is no text"
    for field in ("fmt", "ent"):
        items = value.get(field)
        if items is not None and not isinstance(items, list):
            return f"{field} is no list"
        for item in (items or [])[:MAX_STYLES]:
            wrong = item is not None and not (isinstance(item, dict) and _fits(item))
            if wrong:
                return f"an item of {field} has a wrong type"
    return ""


def _fits(item: dict[str, Any]) -> bool:
    numbers = all(
        item.get(name) is None or (isinstance(item[name], int) and not isinstance(item[name], bool))
        for name in ("at", "len", "key")
    )
    return (
        numbers
        and isinstance(item.get("tp") or "", str)
        and (isinstance(item.get("data") or {}, dict))
    )


def _too_deep(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if not left:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_too_deep(item, left - 1) for item in inner)


# --- reading -----------------------------------------------------------------------------


def read(value: Any) -> Document | None:
    """A text, or a document; None if it is neither."""
    if isinstance(value, str):
        return Document(tuple(split(value[:MAX_TEXT])), ())
    if _wrong_shape(value):
        return None
    text = tuple(split((value.get("txt") or "")[:MAX_TEXT]))
    entities = (value.get("ent") or [])[:MAX_STYLES]
    written = (value.get("fmt") or [])[:MAX_STYLES]
    if not written and entities:
        written = [{}]  # the first entity, from the beginning: all zeroes were left out
    found = [s for item in written if item is not None and (s := _style(item, entities))]
    inside = sorted(
        (s for s in found if 0 <= s.at <= s.end <= len(text)), key=lambda s: (s.at, -s.end)
    )
    attached = tuple(s for s in found if s.attached)
    return Document(text, tuple(_nested(inside)), attached)


def _style(item: dict[str, Any], entities: Sequence[Any]) -> Style | None:
    at = item.get("at") or 0
    length = max(item.get("len") or 0, 0)
    tp = item.get("tp")
    if tp:
        return Style(at, at + length, tp) if length and at >= 0 else None
    key = item.get("key") or 0
    if not 0 <= key < len(entities) or entities[key] is None:
        return None
    kind, data = entities[key].get("tp") or "", entities[key].get("data") or {}
    return Style(at, at + length, kind, Entity(kind, data))


def _nested(styles: Sequence[Style]) -> Iterator[Style]:
    """Those that do not cross the border of one before them."""
    open_: list[Style] = []
    for style in styles:
        while open_ and open_[-1].end <= style.at:
            open_.pop()
        if open_ and style.end > open_[-1].end:
            continue
        open_.append(style)
        yield style


# --- as plain text -----------------------------------------------------------------------


def plain_text(value: Any, limit: int = SHOWN) -> str | None:
    """The message as text with marks like those that people type, for a notification.

    Cut to `limit` code points and an ellipsis; None if it is no message that can be shown. A
    document that was read already is taken as well.
    """
    if isinstance(value, str):
        return shortened(value, limit)
    document = value if isinstance(value, Document) else read(value)
    return None if document is None else shortened(_spoken(document).strip(), limit)


def shortened(text: str, limit: int) -> str:
    """The text, or its first `limit` code points and an ellipsis."""
    return text if len(text) <= limit else text[:limit] + "…"


def _spoken(document: Document) -> str:
    text, out, at = document.text, [""], 0
    open_: list[Style] = []

    def close(until: int) -> None:
        nonlocal at
        while open_ and open_[-1].end <= until:
            style = open_.pop()
            out.extend(text[at : style.end])
            out.append(_after(style))
            at = max(at, style.end)

    for style in document.styles:
        close(style.at)
        if style.at < at:
            continue  # inside of something that is shown as a whole
        out.extend(text[at : style.at])
        at = style.at
        whole = _whole(style)
        if whole is None:
            out.append(_before(style))
            open_.append(style)
        else:
            out.append(whole)
            at = style.end
    close(len(text))
    out.extend(text[at:])
    out.extend(f" {_whole(style) or ''}" for style in document.attached)
    return "".join(out)


def _whole(style: Style) -> str | None:
    """What stands for a style and all inside of it; None if its text is shown."""
    if style.tp in _HIDDEN:
        return ""
    if style.tp == "BR":
        return "\n"
    if style.tp == "VC":
        return "[CALL]"
    if style.entity is not None and style.tp in _LABELS:
        name = style.entity.data.get("name")
        return f"[{_LABELS[style.tp]} '{name if name and isinstance(name, str) else '?'}']"
    return None


def _before(style: Style) -> str:
    return "[" if style.tp == "LN" else _MARKS.get(style.tp, "")


def _after(style: Style) -> str:
    if style.tp == "LN":
        url = style.entity.data.get("url") if style.entity else None
        return f"]({url if isinstance(url, str) else ''})"
    return _MARKS.get(style.tp, "")


# --- as a short document -----------------------------------------------------------------


def preview(value: Any, limit: int = SHOWN) -> bytes | None:
    """The message as a Drafty document for one line, as JSON; None if it cannot be shown.

    Quotes and leading line breaks are gone, other line breaks are spaces, entities have lost
    what is large. At most `limit` grapheme clusters, the last of them an ellipsis where more
    follows.
    """
    document = value if isinstance(value, Document) else read(value)
    if document is None:
        return None
    text = list(document.text)
    gone = _left_out(document)
    for style in document.styles:
        if style.tp == "BR":
            text[style.at : style.end] = [" "] * (style.end - style.at)
    # Where each cluster of the original is in the preview: places of what is gone collapse.
    places, kept = [0], list[str]()
    for at, cluster in enumerate(text):
        if not gone[at] and (kept or not cluster.isspace()):
            kept.append(cluster)
        places.append(len(kept))
    if not kept and text and not all(gone):
        kept, places = [" "], [0, *(1 for _ in text)]
    whole = len(kept) <= limit
    shown = kept if whole else [*kept[: limit - 1], "…"]
    return msgspec.json.encode(_short(document, shown, places, limit if whole else limit - 1))


def _left_out(document: Document) -> list[bool]:
    gone = [False] * len(document.text)
    for style in document.styles:
        if style.tp in _HIDDEN:
            gone[style.at : style.end] = [True] * (style.end - style.at)
    return gone


def _short(document: Document, shown: list[str], places: list[int], limit: int) -> dict[str, Any]:
    styles: list[dict[str, Any]] = []
    entities: list[dict[str, Any]] = []
    for style in (*document.styles, *document.attached):
        if style.tp in _HIDDEN or style.tp == "BR":
            continue
        at, end = (-1, -1) if style.attached else (places[style.at], min(places[style.end], limit))
        if not style.attached and (at >= limit or (end <= at and style.end > style.at)):
            continue
        item: dict[str, Any] = {"at": at, "len": end - at}
        if style.entity is None:
            item["tp"] = style.tp
        else:
            item["key"] = len(entities)
            entities.append(_light(style.entity))
        styles.append(item)
    found: dict[str, Any] = {"txt": "".join(shown)}
    if split(found["txt"]) != shown:
        return found  # marks have joined what stood before a quote: no place is right any more
    if styles:
        found["fmt"] = styles
    if entities:
        found["ent"] = entities
    return found


def _light(entity: Entity) -> dict[str, Any]:
    data = {
        name: value
        for name, value in entity.data.items()
        if name in _LIGHT
        and (name != "val" or entity.tp in _WITH_VALUE)
        and (isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MAX_VALUE))
    }
    return {"tp": entity.tp, "data": data} if data else {"tp": entity.tp}
