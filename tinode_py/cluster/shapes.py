"""Objects of known classes as CBOR and back, by their annotations.

An object is a map: the name of its class under the empty key, its fields under theirs. A field
that has its default is left out. What comes is held to the annotations; a field that is not
known is dropped and one that is missing has its default, so that two versions understand each
other: a default never changes, and a new field has one.

Annotations may be `str`, `int`, `float`, `bool`, `bytes`, `Any`, enums (by their names),
`Literal` of texts, `tuple[X, ...]`, `frozenset[X]`, maps with keys of `str`, known classes, unions
of these, and any of them or None. In an `Any`, arrays come back as tuples; sets, enums and objects
as what they are; nothing but that and plain values may be there.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import NoneType
from typing import Any, Literal, NewType

import attrs
import msgspec

from . import items, values
from .items import BadMessage
from .values import SCALARS, Shape, Step

_SENT = object()  # in place of a default: the field is always sent


class Shapes:
    """Writes and reads objects of the classes in `known`, by the names given there.

    Making one looks at every annotation: TypeError names the first that is not allowed.
    """

    def __init__(self, known: Mapping[str, type]) -> None:
        self._known = known
        self._all = frozenset(known.values())
        self._enums = {
            name: values.enumeration(cls)
            for name, cls in known.items()
            if issubclass(cls, enum.Enum)
        }
        self._writers: dict[type, Step] = {
            **dict.fromkeys(SCALARS, lambda value: value),
            list: self._write_array,
            tuple: self._write_array,
            dict: self._write_map,
            frozenset: lambda v: {"": "set", "of": self._write_array(values.ordered(v))},
        }
        for name in self._enums:
            self._writers[known[name]] = _naming(name)
        self._readers: dict[str, Step] = {}
        for name in known.keys() - self._enums.keys():
            self._add(name, known[name])

    def pack(self, value: Any) -> bytes:
        """One object. BadMessage if it is too long; TypeError for what has no business in it."""
        return items.write(self._write(value))

    def unpack(self, data: bytes, of: frozenset[type]) -> Any:
        """The object that `data` is; its class must be in `of`. Raises BadMessage."""
        return self._read_object(items.read(data), of)

    # --- objects -------------------------------------------------------------------------

    def _add(self, name: str, cls: type) -> None:
        hints = typing.get_type_hints(cls)
        defaults = dict(_fields(cls))
        shapes = {}
        for field in defaults:
            try:
                shapes[field] = self._shape(hints[field])
            except TypeError as error:
                raise TypeError(f"{cls.__name__}.{field}: {error}") from None
        plan = [(field, defaults[field], shape.write) for field, shape in shapes.items()]
        self._writers[cls] = self._made_when_used(cls, lambda: _object_writer(name, plan))
        self._readers[name] = _object_reader(
            cls, {field: (shape.kind, shape.read) for field, shape in shapes.items()}
        )

    def _made_when_used(self, cls: type, make: Callable[[], Step]) -> Step:
        """Most classes are never sent: making all writers takes longer than all else here."""

        def write(value: Any) -> Any:
            made = self._writers[cls] = make()
            return made(value)

        return write

    def _read_object(self, raw: Any, of: frozenset[type]) -> Any:
        name = raw.get("") if type(raw) is dict else None
        if type(name) is not str:
            raise BadMessage(f"wants an object, not {values.told(raw)}")
        if name not in self._readers or self._known[name] not in of:
            raise BadMessage(f"{name[:40]!r} is not known here")
        return self._readers[name](raw)

    # --- values of one annotation --------------------------------------------------------

    def _shape(self, hint: Any) -> Shape:
        if isinstance(hint, NewType):
            return self._shape(hint.__supertype__)
        if hint is Any:
            return Shape(self._write, self._read_free)
        if isinstance(hint, type) and hint in SCALARS:
            return values.scalar(hint)
        if isinstance(hint, type) and hint in self._all:
            if issubclass(hint, enum.Enum):
                return values.enumeration(hint)
            return self._objects([hint])
        return self._composed(hint, typing.get_origin(hint), typing.get_args(hint))

    def _composed(self, hint: Any, origin: Any, of: tuple[Any, ...]) -> Shape:
        if origin is Literal:
            return values.literal(of)
        if origin in (types.UnionType, typing.Union):
            shape = self._union([self._shape(option) for option in of if option is not NoneType])
            return values.optional(shape) if NoneType in of else shape
        if origin is tuple and of[1:] == (...,):
            return values.sequence(self._shape(of[0]))
        if origin is frozenset:
            return values.collection(self._shape(of[0]))
        if isinstance(origin, type) and issubclass(origin, Mapping) and of[0] is str:
            return values.mapping(self._shape(of[1]))
        raise TypeError(f"nothing that goes from node to node: {hint}")

    def _union(self, options: list[Shape]) -> Shape:
        if len(options) == 1:
            return options[0]
        if not all(option.classes for option in options):
            raise TypeError("a union of others than classes")
        return self._objects([cls for option in options for cls in option.classes])

    def _objects(self, classes: Iterable[type]) -> Shape:
        bases = tuple(classes)
        of = frozenset(cls for cls in self._all if issubclass(cls, bases))
        return Shape(self._write, lambda raw: self._read_object(raw, of), None, of)

    # --- values of any kind --------------------------------------------------------------

    def _write(self, value: Any) -> Any:
        writer = self._writers.get(type(value))
        if writer is None:
            raise TypeError(f"nothing that goes from node to node: {type(value).__name__}")
        return writer(value)

    def _write_array(self, array: Iterable[Any]) -> list[Any]:
        return [self._write(value) for value in array]

    def _write_map(self, value: dict[str, Any]) -> dict[str, Any]:
        raw = {key: self._write(item) for key, item in value.items()}
        return {"": "map", "of": raw} if "" in raw else raw

    def _read_free(self, raw: Any) -> Any:
        if type(raw) in SCALARS:
            return raw
        if type(raw) is list:
            return tuple([self._read_free(item) for item in raw])
        if type(raw) is not dict:
            raise BadMessage(f"does not want {values.told(raw)}")
        if "" not in raw:
            return self._read_map(raw)
        name, of = raw[""], raw.get("of")
        if name == "map" and type(of) is dict:
            return self._read_map(of)
        if name == "set" and type(of) is list:
            return values.frozen(self._read_free(of))
        if type(name) is str and name in self._enums:
            return self._enums[name].read(of)
        return self._read_object(raw, self._all)

    def _read_map(self, raw: dict[Any, Any]) -> dict[str, Any]:
        return {values.key(key): self._read_free(item) for key, item in raw.items()}


def _fields(cls: type) -> Iterator[tuple[str, Any]]:
    """The fields of an attrs or msgspec class, with their defaults; `_SENT` if there is none."""
    if issubclass(cls, msgspec.Struct):
        for info in msgspec.structs.fields(cls):
            yield info.name, _SENT if info.default is msgspec.NODEFAULT else info.default
    elif attrs.has(cls):
        for field in attrs.fields(cls):
            yield field.name, _SENT if field.default is attrs.NOTHING else field.default
    else:
        raise TypeError(f"{cls.__name__} is no class of data")


def _object_writer(name: str, plan: list[tuple[str, Any, Step | None]]) -> Step:
    """Written out for each class, as attrs and dataclasses do: three times as fast as a loop.

    Defaults are compared by identity. An equal value that is sent does no harm.
    """
    lines = [f"def write(value):\n    raw = {{'': {name!r}}}"]
    known: dict[str, Any] = {}
    for number, (key, default, step) in enumerate(plan):
        known[f"default{number}"], known[f"step{number}"] = default, step
        written = "field" if step is None else f"step{number}(field)"
        lines.append(
            f"    field = value.{key}\n"
            f"    if field is not default{number}:\n"
            f"        raw[{key!r}] = {written}"
        )
    exec("\n".join([*lines, "    return raw"]), known)  # field names, which are our own
    write: Step = known["write"]
    return write


def _object_reader(cls: type, plan: Mapping[str, tuple[type | None, Step]]) -> Step:
    unknown = (None, None)

    def read(raw: dict[str, Any]) -> Any:
        fields: dict[str, Any] = {}
        for key, value in raw.items():
            kind, step = plan.get(key, unknown)
            if type(value) is kind:
                fields[key] = value
            elif step is not None:
                try:
                    fields[key] = step(value)
                except BadMessage as error:
                    raise BadMessage(f"{cls.__name__}.{key}: {error}") from None
        try:
            return cls(**fields)
        except TypeError as error:  # a field is missing
            raise BadMessage(f"{cls.__name__}: {error}") from None

    return read


def _naming(name: str) -> Step:
    return lambda member: {"": name, "of": member.name}
