"""The packet classes as data: which members they have, of which kind, and when one is absent.

Decoding, encoding, the schemas and the documentation all go by what this module reads off the
classes of packets and their parts, so that a new member is written down once.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import msgspec

from . import client_packets, client_parts, parts, server_packets, server_parts

_MODULES = (parts, client_parts, client_packets, server_parts, server_packets)


class Kind(enum.Enum):
    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    JSON = "JSON"
    TIME = "time"
    BINARY = "binary"
    PARAMS = "params"
    PART = "part"


_KINDS: dict[Any, Kind] = {
    str: Kind.TEXT,
    int: Kind.NUMBER,
    bool: Kind.FLAG,
    parts.Json: Kind.JSON,
    parts.Time: Kind.TIME,
    parts.Base64: Kind.BINARY,
}

# Members that steer the encoder and are not sent themselves.
_NOT_SENT = {(server_packets.Ctrl, "null_params")}
# Classes that only mark a value for the encoder, and the pair of request and extra.
_PARAM_MARKS = {server_parts.Timestamp, server_parts.RawJson, client_packets.ClientPacket}


@attrs.frozen
class Field:
    """One member. `name` is the attribute, `wire` the name in a packet; `part` is the class of
    a `PART`. `none_only`: None alone means absent, else any empty value does.
    """

    name: str
    wire: str
    kind: Kind
    part: type[Any] | None
    many: bool
    required: bool
    none_only: bool
    default: Any

    @property
    def null_is_value(self) -> bool:
        """Whether JSON `null` in this member is a value rather than its absence."""
        return self.wire == "content"


def fields_of(cls: type[Any]) -> tuple[Field, ...]:
    """The members of a packet class, in the order in which they are written down."""
    return _FIELDS[cls]


def folded_names(cls: type[Any]) -> Mapping[str, Field]:
    """The members of a packet class by case-folded name."""
    return _FOLDED[cls]


def is_packet(cls: Any) -> bool:
    """Whether this is a class of a packet or a part: attrs', or a struct where every publication
    makes one (docs/decisions/0017).
    """
    return isinstance(cls, type) and (attrs.has(cls) or issubclass(cls, msgspec.Struct))


def with_parts(classes: Iterable[type[Any]]) -> list[type[Any]]:
    """These classes, each followed by the parts it is made of; none twice."""
    found: dict[type[Any], None] = {}
    for cls in classes:
        found.setdefault(cls)
        parts = [field.part for field in fields_of(cls) if field.part is not None]
        for part in with_parts(parts):
            found.setdefault(part)
    return list(found)


def summary_of(cls: type[Any]) -> str:
    """The docstring up to its list of members, as one paragraph."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").partition("- `")[0].split())


def meaning_of(cls: type[Any], field: Field) -> str:
    """What the class's docstring says of a member. Raises KeyError if it says nothing."""
    meanings: dict[str, str] = {}
    for line in re.split(r"^- (?=`)", inspect.cleandoc(cls.__doc__ or ""), flags=re.MULTILINE)[1:]:
        names, _, meaning = line.partition(": ")
        meanings |= dict.fromkeys(re.findall(r"`(\w+)`", names), " ".join(meaning.split()))
    return meanings[field.wire]


def _read_fields(cls: type[Any]) -> tuple[Field, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        _field(name, hints[name], default)
        for name, default in _declared(cls)
        if (cls, name) not in _NOT_SENT
    )


def _declared(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """The members of a class with their defaults, `attrs.NOTHING` where there is none."""
    if attrs.has(cls):
        yield from ((attribute.name, attribute.default) for attribute in attrs.fields(cls))
    else:
        for member in msgspec.structs.fields(cls):
            missing = member.default is msgspec.NODEFAULT
            yield member.name, attrs.NOTHING if missing else member.default


def _field(name: str, hint: Any, default: Any) -> Field:
    inner, nullable = _without_none(hint)
    many = typing.get_origin(inner) is tuple
    if many:
        inner = typing.get_args(inner)[0]
    if typing.get_origin(inner) is dict:
        kind, part = Kind.PARAMS, None
    elif is_packet(inner):
        kind, part = Kind.PART, inner
    else:
        kind, part = _KINDS[inner], None
    return Field(
        name=name,
        wire=name.rstrip("_"),
        kind=kind,
        part=part,
        many=many,
        required=default is attrs.NOTHING,
        none_only=nullable and not many,
        default=default,
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (inner,) = [one for one in typing.get_args(hint) if one is not type(None)]
        return inner, True
    return hint, False


# All packet classes and parts, each once: modules import from each other.
CLASSES: tuple[type[Any], ...] = tuple(
    dict.fromkeys(
        one
        for module in _MODULES
        for one in vars(module).values()
        if is_packet(one) and one not in _PARAM_MARKS
    )
)
_FIELDS: Mapping[type[Any], tuple[Field, ...]] = types.MappingProxyType(
    {cls: _read_fields(cls) for cls in CLASSES}
)
_FOLDED: Mapping[type[Any], Mapping[str, Field]] = types.MappingProxyType(
    {cls: {field.wire.casefold(): field for field in fields} for cls, fields in _FIELDS.items()}
)
