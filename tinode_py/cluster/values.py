"""Values of one annotation: as the plain values that CBOR has, and back."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .items import BadMessage

Step = Callable[[Any], Any]
SCALARS: frozenset[type] = frozenset({str, int, bool, bytes, float, type(None)})


@attrs.frozen
class Shape:
    """`write` makes a plain value of one that the annotation allows; None: it is one already.
    `read` does the reverse, and raises BadMessage for a plain value that is none of these.

    `kind`: a type whose plain values are taken as they are, without a call of `read`.
    `classes`: of the objects that these values are, if they are objects.
    """

    write: Step | None
    read: Step
    kind: type | None = None
    classes: frozenset[type] = frozenset()


def told(raw: Any) -> str:
    """What was not wanted, for an error: of texts the beginning, of others the kind alone."""
    return repr(raw[:40]) if type(raw) is str else type(raw).__name__


def key(raw: Any) -> str:
    """`raw` as the key of a map."""
    if type(raw) is not str:
        raise BadMessage(f"wants a text as key, not {told(raw)}")
    return raw


def scalar(kind: type) -> Shape:
    def read(raw: Any) -> Any:
        if type(raw) is not kind:
            raise BadMessage(f"wants {kind.__name__}, not {told(raw)}")
        return raw

    return Shape(None, read, kind)


def enumeration(cls: type[enum.Enum]) -> Shape:
    """Members by their names."""
    members = dict(cls.__members__)
    return Shape({member: name for name, member in members.items()}.__getitem__, _picking(members))


def literal(options: tuple[Any, ...]) -> Shape:
    """One of some texts."""
    if any(type(option) is not str for option in options):
        raise TypeError("a Literal of more than texts")
    return Shape(None, _picking({option: option for option in options}))


def optional(shape: Shape) -> Shape:
    """The same, or None."""
    step, back = shape.write, shape.read

    def write(value: Any) -> Any:
        return None if value is None or step is None else step(value)

    def read(raw: Any) -> Any:
        return None if raw is None else back(raw)

    return Shape(None if step is None else write, read, shape.kind, shape.classes)


def sequence(item: Shape) -> Shape:
    """An array, which comes back as a tuple."""
    step, back = item.write, item.read

    def write(values: Any) -> Any:
        return values if step is None else [step(value) for value in values]

    def read(raw: Any) -> Any:
        if type(raw) is not list:
            raise BadMessage(f"wants an array, not {told(raw)}")
        return tuple([back(value) for value in raw])

    return Shape(None if step is None else write, read)


def collection(item: Shape) -> Shape:
    """A set. Equal ones are equal bytes, if the items have an order."""
    array = sequence(item)
    step = array.write

    def write(values: frozenset[Any]) -> Any:
        return ordered(values) if step is None else step(ordered(values))

    return Shape(write, lambda raw: frozen(array.read(raw)))


def mapping(item: Shape) -> Shape:
    """A map with keys of text."""
    step, back = item.write, item.read

    def write(values: Mapping[str, Any]) -> Any:
        return dict(values) if step is None else {name: step(values[name]) for name in values}

    def read(raw: Any) -> Any:
        if type(raw) is not dict:
            raise BadMessage(f"wants a map, not {told(raw)}")
        return {key(name): back(value) for name, value in raw.items()}

    return Shape(write, read)


def ordered(values: frozenset[Any]) -> list[Any]:
    """A set's items in their order, or in any if they have none."""
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def frozen(values: tuple[Any, ...]) -> frozenset[Any]:
    """A set of values that came."""
    try:
        return frozenset(values)
    except TypeError:
        raise BadMessage("a set of what cannot be in one") from None


def _picking(options: Mapping[str, Any]) -> Step:
    def read(raw: Any) -> Any:
        if type(raw) is not str or raw not in options:
            raise BadMessage(f"wants one of {', '.join(map(repr, options))}, not {told(raw)}")
        return options[raw]

    return read
