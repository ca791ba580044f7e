"""A value of a wrong type in any member of any request is refused; one of the right type is not.

The cases are read off the packet classes, so that a new member is covered from the start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tinode_py.wire.cbor import dumps
from tinode_py.wire.client_packets import REQUESTS
from tinode_py.wire.client_parts import Extra
from tinode_py.wire.codec import Malformed, decode_cbor, decode_json
from tinode_py.wire.shape import Field, Kind, fields_of

RIGHT: dict[Kind, list[Any]] = {
    Kind.TEXT: ["", "x"],
    Kind.NUMBER: [0, 7, -1, 2**31 - 1, -(2**31)],
    Kind.FLAG: [True, False],
    Kind.JSON: [{}, {"a": [1, 2.5, None, "x"]}],
    Kind.TIME: ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456+01:30"],
    Kind.BINARY: ["", "YWJj", "YWI="],
    Kind.PART: [{}],
}
WRONG: dict[Kind, list[Any]] = {
    Kind.TEXT: [1, 1.5, True, [], {}, ["x"]],
    Kind.NUMBER: ["1", 1.0, 1.5, True, [], {}, 2**31, -(2**31) - 1, 10**30],
    Kind.FLAG: [0, 1, "true", [], {}],
    Kind.JSON: [],
    Kind.TIME: [1, True, [], {}, "", "yesterday", "2026-13-01T00:00:00Z", "2026-01-02"],
    Kind.BINARY: [1, True, [], {}, "YWI", "YW==YW==", "-_==", "Y W=", "é"],
    Kind.PART: [1, "x", True, [], [{}]],
}
Path = tuple[str, ...]


def members(cls: type[Any], path: Path) -> Iterator[tuple[Path, Field]]:
    for field in fields_of(cls):
        yield (*path, field.wire), field
        if field.part is not None:
            inner = (*path, field.wire, "[]") if field.many else (*path, field.wire)
            yield from members(field.part, inner)


def packet(path: Path, value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = [value] if name == "[]" else {name: value}
    return value if "extra" not in value else {"leave": {}, **value}


ROOTS: dict[str, type[Any]] = {**REQUESTS, "extra": Extra}
MEMBERS = [one for name, cls in ROOTS.items() for one in members(cls, (name,))]


def wrong_values(field: Field) -> list[Any]:
    wrong = WRONG[field.kind]
    if field.wire == "head":
        return [1, "x", True, []]
    if field.many:
        return [1, "x", True, {}, *([value] for value in wrong), [None]]
    return wrong


@pytest.mark.parametrize(("path", "field"), MEMBERS, ids=[".".join(p) for p, _ in MEMBERS])
def test_types_of_a_member(path: Path, field: Field):
    for value in RIGHT[field.kind]:
        good = packet(path, [value] if field.many else value)
        assert decode_json(msgspec.json.encode(good)) == decode_cbor(dumps(good))
    for value in wrong_values(field):
        bad = json.dumps(packet(path, value))
        with pytest.raises(Malformed):
            decode_json(bad)
        with pytest.raises(Malformed):
            decode_json(bad.replace(f'"{path[-1]}"', f'"{path[-1].upper()}"'))


@pytest.mark.parametrize(("path", "field"), MEMBERS, ids=[".".join(p) for p, _ in MEMBERS])
def test_null_is_absence(path: Path, field: Field):
    if not field.null_is_value:
        empty = packet(path[:-1], {})
        assert decode_json(json.dumps(packet(path, None))) == decode_json(json.dumps(empty))


@pytest.mark.parametrize(("path", "field"), MEMBERS, ids=[".".join(p) for p, _ in MEMBERS])
def test_a_byte_string_stands_only_for_base64(path: Path, field: Field):
    value: Any = [b"ab"] if field.many else b"ab"
    if field.kind is Kind.BINARY or (field.kind is Kind.JSON and field.wire != "head"):
        text = ["YWI="] if field.many else "YWI="
        same = packet(path, text)
        if path == ("pub", "content"):
            same["pub"]["head"] = {"bin": True}  # the one place where it is remembered
        assert decode_cbor(dumps(packet(path, value))) == decode_cbor(dumps(same))
    else:
        with pytest.raises(Malformed):
            decode_cbor(dumps(packet(path, value)))
