"""Between JSON and the attrs classes of requests and answers.

The library reads a request in one pass into throw-away structs that refuse wrong types,
over-long values and unknown names; from these the classes are built. The same structs tell the
library's schema generation what a request may hold.
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Any, cast

import attrs
import msgspec


def wire_name(attribute: str) -> str:
    """`from_` is sent as `from`."""
    return attribute.removesuffix("_")


def hints_of(cls: type[Any]) -> Mapping[str, Any]:
    return _hints_of(cast(Hashable, cls))


def struct_of(
    cls: type[Any], *, for_schema: bool = False, lenient: bool = False
) -> type[msgspec.Struct]:
    """The struct that reads a class; made once. `for_schema`: the one that describes it.

    `lenient`: the one that passes over unknown names, as a client of a newer server must.
    """
    return _struct_of(cast(Hashable, cls), for_schema, lenient)


@functools.cache
def _hints_of(cls: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


@functools.cache
def _struct_of(cls: Any, for_schema: bool, lenient: bool) -> type[msgspec.Struct]:
    meanings = meanings_of(cls) if for_schema else {}
    kind = _Kind(for_schema, lenient)
    members = [
        (field.name, *_member(field, hints_of(cls)[field.name], meanings, kind))
        for field in attrs.fields(cls)
    ]
    struct = msgspec.defstruct(
        cls.__name__,
        members,
        rename={field.name: wire_name(field.name) for field in attrs.fields(cls)},
        forbid_unknown_fields=not lenient,
        kw_only=True,
        module=cls.__module__,
    )
    struct.__doc__ = summary_of(cls)
    return struct


@attrs.frozen
class _Kind:
    """Which struct of a class."""

    for_schema: bool
    lenient: bool


def _member(
    field: attrs.Attribute[Any], hint: Any, meanings: Mapping[str, str], kind: _Kind
) -> tuple[Any, ...]:
    read = _read_type(hint, kind)
    if kind.for_schema:
        read = typing.Annotated[read, msgspec.Meta(description=meanings[wire_name(field.name)])]
    if field.default is attrs.NOTHING:
        return (read,)
    made = getattr(field.default, "factory", None)  # of a default that is made each time
    if made is not None:
        return (read, msgspec.field(default_factory=made))
    raw = isinstance(field.default, msgspec.Raw) and kind.for_schema
    return (read, None if raw else field.default)


def _read_type(hint: Any, kind: _Kind) -> Any:
    """The hint with structs in place of classes."""
    if hint is msgspec.Raw:
        return Any if kind.for_schema else hint
    if isinstance(hint, type) and attrs.has(hint):
        return struct_of(hint, for_schema=kind.for_schema, lenient=kind.lenient)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        read = _read_type(inner[0], kind)
        return typing.Annotated[(read, *hint.__metadata__)]
    if origin is tuple:
        item = _read_type(inner[0], kind)
        return types.GenericAlias(tuple, (item, ...))
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(_read_type(one, kind) for one in inner)]  # noqa: UP007
    return hint


def built(struct: Any, cls: type[Any]) -> Any:
    """The class that a struct was read for."""
    plan = _plan_of(cls)
    values = [*plan.read(struct)]
    for place in plan.texts:
        if values[place] is not None:
            values[place] = values[place].copy()  # without the rest of the request's bytes
    for place, part in plan.parts:
        if values[place]:
            values[place] = _each(built, values[place], part)
    return cls(*values)


def sent(value: Any) -> Any:
    """What the library writes for an answer: all members, under their names on the wire."""
    plan = _plan_of(type(value))
    values = [*plan.read(value)]
    for place, _ in plan.parts:
        if values[place]:
            values[place] = _each(sent, values[place])
    return dict(zip(plan.names, values, strict=True))


def _each(made: Callable[..., Any], value: Any, *more: Any) -> Any:
    """Of a member what is made of it, or of each in a tuple."""
    if isinstance(value, tuple):
        return tuple([made(one, *more) for one in value])
    return made(value, *more)


@attrs.frozen
class _Plan:
    """What reads all members of a class at once, from an instance or a struct; how they are
    called on the wire; which are classes, or tuples of them, and which texts in JSON.
    """

    read: Callable[[Any], tuple[Any, ...]]
    names: tuple[str, ...]
    parts: tuple[tuple[int, type[Any]], ...]
    texts: tuple[int, ...]


def _made_plan(cls: Any) -> _Plan:
    hints, names = hints_of(cls), [field.name for field in attrs.fields(cls)]
    read = operator.attrgetter(*names)
    found = [(place, _part_of(hints[name])) for place, name in enumerate(names)]
    return _Plan(
        read if len(names) > 1 else lambda one: (read(one),),
        tuple(map(wire_name, names)),
        tuple((place, part) for place, part in found if part is not None),
        tuple(place for place, name in enumerate(names) if _is_text(hints[name])),
    )


_plan_of = cast("Callable[[type[Any]], _Plan]", functools.cache(_made_plan))


def _is_text(hint: Any) -> bool:
    return hint is msgspec.Raw or msgspec.Raw in typing.get_args(hint)


def _part_of(hint: Any) -> type[Any] | None:
    """The class of a member, or of its items."""
    if isinstance(hint, type) and attrs.has(hint):
        return hint
    found = (_part_of(one) for one in typing.get_args(hint))
    return next((part for part in found if part is not None), None)


# --- what docstrings say -----------------------------------------------------------------


def summary_of(cls: type[Any]) -> str:
    """The docstring up to its list of members, as one paragraph."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").partition("- `")[0].split())


def meanings_of(cls: type[Any]) -> Mapping[str, str]:
    """What the docstring says of each member, by its name on the wire."""
    found: dict[str, str] = {}
    lines = re.split(r"^- (?=`)", inspect.cleandoc(cls.__doc__ or ""), flags=re.MULTILINE)[1:]
    for line in lines:
        names, _, meaning = line.partition(": ")
        for name in re.findall(r"`(\w+)`", names):
            found[wire_name(name)] = " ".join(meaning.split())
    return found
