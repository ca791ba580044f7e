"""Properties of the codec over generated packets, values and bytes."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import cbor2
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinode_py.wire.cbor import check, from_json
from tinode_py.wire.client_packets import REQUESTS, Pub, Request
from tinode_py.wire.codec import (
    Malformed,
    WireLimits,
    decode_cbor,
    decode_json,
    encode_cbor,
    encode_json,
    time_text,
)
from tinode_py.wire.parts import Json, Time
from tinode_py.wire.server_packets import PACKETS, Data, ServerPacket
from tinode_py.wire.shape import Field, Kind, fields_of, is_packet

few = settings(deadline=None, max_examples=60)
many = settings(deadline=None, max_examples=300)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def json_texts(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> Json:
    """A value as JSON text in one of the many ways to write it."""
    text = json.dumps(
        draw(values),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (" ,\t", " :\n")])),
        indent=draw(st.sampled_from([None, 1])),
    )
    return Json(text.encode())


KINDS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: TEXTS,
    Kind.NUMBER: st.integers(-(2**31), 2**31 - 1),
    Kind.FLAG: st.booleans(),
    Kind.JSON: json_texts(),
    Kind.TIME: st.integers(0, 2**42),
    Kind.BINARY: st.binary(max_size=8),
    Kind.PARAMS: st.dictionaries(TEXTS, VALUES, max_size=3),
}


def members(field: Field) -> st.SearchStrategy[Any]:
    one = KINDS[field.kind] if field.part is None else parts(field.part)
    if field.wire == "head":
        one = json_texts(st.dictionaries(TEXTS, VALUES, max_size=3))
    if field.many:
        one = st.lists(one, max_size=3).map(tuple)
    return one if field.required else st.just(field.default) | one


def parts(cls: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{field.name: members(field) for field in fields_of(cls)})


TO_CLIENTS = st.one_of([parts(cls) for cls in PACKETS])
FROM_CLIENTS = st.one_of([parts(cls) for cls in REQUESTS.values()])


@few
@given(TO_CLIENTS)
def test_packets_to_clients_read_the_same_in_json_and_cbor(packet: ServerPacket):
    value = json.loads(encode_json(packet))
    encoded = encode_cbor(packet)
    check(encoded, 256)
    assert cbor2.loads(encoded) == value
    (members_sent,) = value.values()
    for field in fields_of(type(packet)):
        if field.required:
            assert field.wire in members_sent


def as_sent(part: Any, in_cbor: bool) -> dict[str, Any]:
    """A client's packet as a client would write it; JSON text as the value it is."""
    sent: dict[str, Any] = {}
    for field in fields_of(type(part)):
        value = getattr(part, field.name)
        if value == field.default:
            continue
        if field.part is not None:
            value = (
                [as_sent(one, in_cbor) for one in value] if field.many else as_sent(value, in_cbor)
            )
        elif field.kind is Kind.TIME:
            value = time_text(value)
        elif field.kind is Kind.JSON:
            value = json.loads(value)
        elif field.kind is Kind.BINARY and not in_cbor:
            value = base64.b64encode(value).decode()
        sent[field.wire] = value
    return sent


def values_of(part: Any) -> Any:
    """A packet with JSON text replaced by its value, to compare what differs only in writing."""
    if isinstance(part, tuple):
        return [values_of(one) for one in part]
    if not is_packet(type(part)):
        return part
    return {
        field.name: json.loads(value)
        if field.kind is Kind.JSON and value is not None
        else values_of(value)
        for field in fields_of(type(part))
        for value in [getattr(part, field.name)]
    }


@few
@given(FROM_CLIENTS, st.booleans())
def test_requests_come_back(request: Request, in_cbor: bool):
    name = next(name for name, cls in REQUESTS.items() if cls is type(request))
    sent = {name: as_sent(request, in_cbor)}
    packet = decode_cbor(cbor2.dumps(sent)) if in_cbor else decode_json(json.dumps(sent))
    assert drop_nulls(values_of(packet.request)) == drop_nulls(values_of(request))


def drop_nulls(value: Any) -> Any:
    """Members that are null or absent, at any depth, do not count."""
    if isinstance(value, dict):
        return {name: drop_nulls(one) for name, one in value.items() if one is not None}
    return [drop_nulls(one) for one in value] if isinstance(value, list) else value


@few
@given(json_texts())
def test_content_is_the_same_bytes_in_and_out(content: Json):
    request = decode_json(b'{"pub":{"content":' + content + b"}}").request
    assert isinstance(request, Pub)
    assert request.content == content.strip()
    sent = encode_json(Data("grpA", Time(0), request.content, 1))
    assert sent.endswith(b',"content":' + content + b"}}")
    assert from_json(content) == json.loads(content)


@few
@given(st.binary(max_size=200))
def test_any_bytes_raise_only_malformed(data: bytes):
    for decode in (decode_json, decode_cbor):
        with contextlib.suppress(Malformed):
            decode(data)


SEEDS = st.sampled_from(
    [
        b'{"pub":{"id":"1","topic":"grpA","head":{"a":"\\ud83d"},"content":{"x":[1e3,-0.5,"\\n"]}}}',
        b'{"get":{"what":"data","data":{"ranges":[{"low":1,"hi":2}]},"desc":{"ims":"2026-01-02T'
        b'03:04:05Z"}},"extra":{"obo":"usrA"}}',
        b'{"acc":{"user":"new","secret":"YWI=","tags":["a"],"desc":{"public":{"fn":"\xc3\xa9"}}}}',
    ]
)
JUNK = st.sampled_from(b'{}[]",:\\0123456789eE+-.utfn \n\xff\xed\xa0\x80\x00'.decode("latin-1"))


@many
@given(SEEDS, st.lists(st.tuples(st.integers(0, 150), st.integers(0, 2), JUNK), max_size=4))
def test_what_is_taken_is_json(seed: bytes, edits: list[tuple[int, int, str]]):
    data = seed
    for place, cut, junk in edits:
        data = data[:place] + junk.encode("latin-1") + data[place + cut :]
    try:
        request = decode_json(data).request
    except Malformed:
        return
    json.loads(data, parse_constant=refuse)
    for value in json_members(request):
        json.loads(value, parse_constant=refuse)
        cbor2.dumps(from_json(value))


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} was taken")


def json_members(part: Any) -> list[bytes]:
    found: list[bytes] = []
    for field in fields_of(type(part)):
        value = getattr(part, field.name)
        if field.kind is Kind.JSON and value is not None:
            found.append(value)
        elif field.part is not None and value:
            for one in value if field.many else (value,):
                found += json_members(one)
    return found


@many
@given(SEEDS, st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=3))
def test_changed_cbor_raises_only_malformed(seed: bytes, edits: list[tuple[int, int]]):
    data = bytearray(cbor2.dumps(json.loads(seed.replace(b"\\ud83d", b""))))
    for place, byte in edits:
        data[place % len(data)] = byte
    try:
        request = decode_cbor(bytes(data)).request
    except Malformed:
        return
    for value in json_members(request):
        json.loads(value, parse_constant=refuse)


@few
@given(st.binary(max_size=60))
def test_the_checked_layer_lets_through_only_what_the_library_reads(data: bytes):
    try:
        check(data, WireLimits().depth)
    except Malformed:
        return
    cbor2.loads(data, allow_indefinite=False, str_errors="replace")


@many
@given(st.lists(st.sampled_from(["a", "\\", '\\"', "\\u", "0", "d8", "F", "\n", "\x1f", "é"])))
def test_a_text_as_content_is_what_json_takes_for_one(pieces: list[str]):
    """It is looked at only where the library passes over it."""
    written = f'{{"pub":{{"content":"{"".join(pieces)}"}}}}'
    with contextlib.suppress(ValueError):
        assume("\0" not in json.loads(written)["pub"]["content"])
    try:
        json.loads(written)
    except ValueError:
        with pytest.raises(Malformed):
            decode_json(written)
    else:
        assert decode_json(written).request
