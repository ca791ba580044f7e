"""Writes the methods of the clients, and the classes of answers, from the API's own declarations.

`python -m tinode_py.backend.making` writes `tinode_py/backend/calls/` anew, in a checkout; a
test holds the files equal to what this writes. The declarations are those by which the server
reads (`web/v1/shape_….py`) and from which `schema/openapi.json` is made.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from ..web.v1 import contract
from ..web.v1.members import hints_of, meanings_of, summary_of, wire_name
from ..web.v1.operation import Operation

FOLDER = Path(__file__).resolve().parent / "calls"
_RULES = FOLDER.parents[2] / "pyproject.toml"
LEFT_OUT: Mapping[str, str] = {
    "readContract": "the description itself, for tools; no call of a back end",
    "readEvents": "a stream that goes on: `events()`, written by hand",
}
_KEYED = {"sendMessage", "sendMessages", "sendOwnMessage"}
_HARMLESS = {"createTicket", "queryOnline"}  # POST, and yet a repeat does no harm
_HARMFUL = {"editMessage", "editOwnMessage"}  # PATCH, and yet each one stores something
_TOP = '"""{about}\n\nMade by `python -m tinode_py.backend.making`: do not edit.\n"""\n'
_IMPORTS = """
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given, place
"""


def files() -> dict[str, str]:
    """What the folder holds, by name."""
    shapes = _shapes()
    made = {f"{name}.py": _module(shape) for name, shape in shapes.items()}
    made["methods.py"] = _methods(shapes, "methods on Trio", "Asked", "All")
    made["blocking_methods.py"] = _methods(
        shapes, "methods that block", "AskedBlocking", "AllBlocking"
    )
    made["__init__.py"] = _index(shapes)
    return {name: _formatted(text) for name, text in made.items()}


def _shapes() -> dict[str, types.ModuleType]:
    """The modules that declare requests, by the last part of their names."""
    found = [it for it in vars(contract).values() if isinstance(it, types.ModuleType)]
    return {it.__name__.rpartition("shape_")[2]: it for it in found if "shape_" in it.__name__}


def _formatted(text: str) -> str:
    for command in (["check", "-q", "--fix", "--select", "I,F401"], ["format", "-q"]):
        line = [sys.executable, "-m", "ruff", *command, "--config", str(_RULES), "-"]
        done = subprocess.run(line, input=text, capture_output=True, text=True, check=True)
        text = done.stdout
    return text


def method_name(operation: str) -> str:
    """`sendMessage` is called `send_message`."""
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), operation)


def _module(shape: types.ModuleType) -> str:
    operations = [it for it in shape.OPERATIONS if it.id not in LEFT_OUT]
    top = _TOP.format(about=(shape.__doc__ or "").strip().splitlines()[0])
    parts = [_class(cls, shape) for cls in _classes(operations)]
    parts += [_function(operation) for operation in operations]
    return top + _IMPORTS + "\n\n" + "\n\n".join(parts)


# --- classes ------------------------------------------------------------------------------


def _classes(operations: Sequence[Operation]) -> list[type[Any]]:
    """Answers with all their parts, and parts of bodies; parts first."""
    found: dict[type[Any], None] = {}
    for operation in operations:
        if operation.body is not None:
            for part in _parts(operation.body):
                _gather(part, found)
        if operation.answer is not None:
            _gather(operation.answer, found)
    return list(found)


def _gather(cls: type[Any], found: dict[type[Any], None]) -> None:
    for part in _parts(cls):
        _gather(part, found)
    found[cls] = None


def _parts(hint: Any) -> Iterator[type[Any]]:
    inner = hints_of(hint).values() if attrs.has(hint) else typing.get_args(hint)
    for one in inner:
        if isinstance(one, type) and attrs.has(one):
            yield one
        elif typing.get_origin(one) is not None:
            yield from _parts(one)


def _class(cls: type[Any], shape: types.ModuleType) -> str:
    assert cls.__module__ == shape.__name__, f"{cls.__name__} is declared elsewhere"
    lines = ["@attrs.frozen", f"class {cls.__name__}:", _docstring(cls, hints_of(cls)), ""]
    for field in attrs.fields(cls):
        kind = annotation(hints_of(cls)[field.name], "tuple")
        lines.append(f"    {field.name}: {kind}{_preset(field)}")
    return "\n".join([*lines, *_paging(cls), ""])


def _preset(field: attrs.Attribute[Any]) -> str:
    """The default of a member; what is secret is not shown by `repr`."""
    default = "" if field.default is attrs.NOTHING else _default(field)
    if field.repr is False:
        return f" = attrs.field({f'default={default}, ' if default else ''}repr=False)"
    return f" = {default}" if default else ""


def _paging(cls: type[Any]) -> Iterator[str]:
    """How the rows of a page, and the next page, are got at."""
    hints = hints_of(cls)
    for rows, mark, asked in (("items", "next", "after"), ("messages", "before", "before")):
        if {rows, mark} <= hints.keys():
            yield f"\n    def rows(self) -> {annotation(hints[rows], 'tuple')}:"
            yield f"        return self.{rows}"
            yield "\n    def onward(self) -> dict[str, Any]:"
            yield f'        return {{"{asked}": self.{mark}}} if self.{mark} else {{}}'


def _has_pages(operation: Operation) -> bool:
    if operation.query is None or operation.answer is None:
        return False
    asked = hints_of(operation.query).keys() & {"after", "before"}
    return bool(asked) and any(_paging(operation.answer))


def _docstring(cls: type[Any], names: Mapping[str, Any], summary: str = "") -> str:
    meanings = meanings_of(cls)
    rows = [f"- `{name}`: {meanings[wire_name(name)]}" for name in names]
    return _quoted(summary or summary_of(cls), rows)


def _quoted(summary: str, rows: Sequence[str]) -> str:
    lines = textwrap.wrap(summary, 90)
    for number, row in enumerate(rows):
        lines += [] if number else [""]
        lines += textwrap.wrap(row, 94, subsequent_indent="  ")
    if len(lines) == 1:
        return f'    """{lines[0]}"""'
    first, *rest = lines
    body = "\n".join(f"    {line}".rstrip() for line in rest)
    return f'    """{first}\n{body}\n    """'


# --- functions ----------------------------------------------------------------------------


def _function(operation: Operation) -> str:
    """The function that describes a call."""
    path = re.findall(r"{(\w+)}", operation.path)
    members = [*_members(operation.query), *_members(operation.body)]
    answer = operation.answer.__name__ if operation.answer else "None"
    signature = [f"{name}: {'int' if name in ('seq', 'number') else 'str'}" for name in path]
    signature += [f"{it.name}: {_taken(it)}" for it in members if it.needed]
    options = [f"{it.name}: {_taken(it)} = {it.default}" for it in members if not it.needed]
    if options:
        signature += ["*", *options]
    rows = [f"- `{it.name}`: {it.meaning}" for it in members]
    lines = [
        f"def {method_name(operation.id)}({', '.join(signature)}) -> Call[{answer}]:",
        _quoted(operation.summary, rows),
        f"    return Call({', '.join(_request(operation, path))})",
    ]
    return "\n".join(lines) + "\n"


def _request(operation: Operation, path: Sequence[str]) -> Iterator[str]:
    """The arguments of the Call."""
    yield repr(operation.method)
    named = "".join(f", {name}={name}" for name in path)
    yield f"place({operation.path!r}{named})" if path else repr(operation.path)
    yield operation.answer.__name__ if operation.answer else "None"
    if operation.query is not None:
        yield f"query={_filled(operation.query)}"
    if operation.body is not None:
        yield f"body={_filled(operation.body)}"
    if _repeatable(operation):
        yield "repeatable=True"
    if operation.id in _KEYED:
        yield "keyed=True"


def _repeatable(operation: Operation) -> bool:
    match operation.method:
        case "GET" | "PUT":
            return True
        case "DELETE":
            return operation.answer is None
        case "PATCH":
            return operation.id not in _HARMFUL
    return operation.id in _HARMLESS


def _filled(cls: type[Any]) -> str:
    members = list(_members(cls))
    needed = [f'"{it.sent}": {it.name}' for it in members if it.needed]
    options = [f'("{it.sent}", {it.name}, {it.default})' for it in members if not it.needed]
    spread = [f"**given({', '.join(options)})"] if options else []
    return "{" + ", ".join(needed + spread) + "}" if needed else f"given({', '.join(options)})"


@attrs.frozen
class _Member:
    name: str
    sent: str
    hint: Any
    needed: bool
    default: str
    meaning: str


def _members(cls: type[Any] | None) -> Iterator[_Member]:
    if cls is None:
        return
    meanings = meanings_of(cls)
    for field in attrs.fields(cls):
        sent = wire_name(field.name)
        needed = field.default is attrs.NOTHING
        default = "" if needed else _default(field)
        yield _Member(field.name, sent, hints_of(cls)[field.name], needed, default, meanings[sent])


def _taken(member: _Member) -> str:
    return annotation(member.hint, "Sequence")


def _default(field: attrs.Attribute[Any]) -> str:
    return "None" if isinstance(field.default, msgspec.Raw) else repr(field.default)


def annotation(hint: Any, many: str) -> str:
    """A hint of the declarations as a caller sees it; `many`: what holds several."""
    if hint is msgspec.Raw:
        return "Any"
    if hint is type(None):
        return "None"
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__name__
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return "datetime" if _is_moment(hint) else annotation(inner[0], many)
    if origin is typing.Literal:
        return "str"  # a newer server may know more
    if origin is tuple:
        item = annotation(inner[0], many)
        return f"tuple[{item}, ...]" if many == "tuple" else f"{many}[{item}]"
    assert origin in (types.UnionType, typing.Union), hint
    return " | ".join(annotation(one, many) for one in inner)


def _is_moment(hint: Any) -> bool:
    schemas = [it.extra_json_schema for it in hint.__metadata__ if isinstance(it, msgspec.Meta)]
    return any(schema and schema.get("format") == "date-time" for schema in schemas)


# --- methods ------------------------------------------------------------------------------


def _methods(shapes: Mapping[str, types.ModuleType], about: str, one: str, every: str) -> str:
    """A class with a method for each call, and one for all pages of each list."""
    lines = [
        _TOP.format(about=f"All calls as {about}."),
        "from __future__ import annotations\n",
        f"from ..asking import {one}, {every}",
        f"from . import {', '.join(shapes)}\n\n",
        "class Methods:",
        f'    """The requests of the business API as {about}. `list_…` and `read_…` give one',
        "    page; `all_…` gives the rows of all pages, asked for as they are needed.",
        '    """\n',
    ]
    for module, shape in shapes.items():
        for operation in shape.OPERATIONS:
            if operation.id in LEFT_OUT:
                continue
            name = method_name(operation.id)
            lines.append(f"    {name} = {one}({module}.{name})")
            if _has_pages(operation):
                lines.append(f"    all_{name.partition('_')[2]} = {every}({module}.{name})")
    return "\n".join(lines) + "\n"


def _index(shapes: Mapping[str, types.ModuleType]) -> str:
    """All classes under one name."""
    names: dict[str, list[str]] = {}
    for module, shape in shapes.items():
        operations = [it for it in shape.OPERATIONS if it.id not in LEFT_OUT]
        names[module] = sorted(cls.__name__ for cls in _classes(operations))
    lines = [_TOP.format(about="What calls take and give.")]
    lines += [f"from .{module} import {', '.join(found)}" for module, found in names.items()]
    lines.append(f"__all__ = {sorted(name for found in names.values() for name in found)!r}")
    return "\n".join(lines) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
