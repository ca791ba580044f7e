"""What nodes say to each other: every word comes back as it went, and nothing else passes."""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, NewType

import attrs
import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinode_py.access import Level
from tinode_py.cluster import items, protocol
from tinode_py.cluster.protocol import BadMessage, pack, unpack
from tinode_py.cluster.shapes import Shapes
from tinode_py.core import effects, events
from tinode_py.errors import EVICTED
from tinode_py.records import State
from tinode_py.wire.client_packets import REQUESTS, Pub
from tinode_py.wire.codec import Form
from tinode_py.wire.parts import Acs, Json, Time
from tinode_py.wire.server_packets import Ctrl
from tinode_py.wire.server_parts import RawJson, Timestamp

MESSAGES = sorted(protocol.MESSAGES, key=lambda cls: cls.__name__)
EVENTS = [*typing.get_args(events.Event)]
CALLER = events.Caller("sid", "usrA", Level.AUTH, "usrA")
ASKED = events.Asked(CALLER, Pub("1", "grpA", content=Json(b"1")), "grpA")
SUBMIT = protocol.Submit("grpA", ASKED, "sid", Form.CBOR_FRAME)

scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.text(), st.binary()),
    st.floats(allow_nan=False),
)
free = st.recursive(
    scalars
    | st.frozensets(st.text())
    | st.sampled_from([*Level, *State])
    | st.builds(Timestamp, st.integers(0, 2**53))
    | st.builds(Acs, st.text(), st.text()),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Whatever an annotation allows."""
    if isinstance(hint, NewType):
        return of(hint.__supertype__)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return free
    if hint == events.Event:  # each has a test of its own
        return st.sampled_from([ASKED, events.Woken(), events.Gone("sid", others=("sie",))])
    if origin in (types.UnionType, typing.Union):
        return st.one_of([of(option) for option in args])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(of(args[0]), max_size=3).map(tuple)
    if origin is frozenset:
        return st.frozensets(of(args[0]), max_size=3)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(st.text(), of(args[1]), max_size=3)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    if hint is int:
        return st.integers(-(2**63), 2**63)
    return instances(hint) if fields(hint) is not None else st.from_type(hint)


def fields(cls: type) -> list[str] | None:
    if issubclass(cls, msgspec.Struct):
        return [info.name for info in msgspec.structs.fields(cls)]
    return [field.name for field in attrs.fields(cls)] if attrs.has(cls) else None


@functools.cache
def instances(cls: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    names = fields(cls)
    assert names is not None
    return st.deferred(lambda: st.builds(cls, **{name: of(hints[name]) for name in names}))


def comes_back(message: Any) -> None:
    data = pack(message)
    back = unpack(data)
    assert back == message
    assert type(back) is type(message)
    assert pack(back) == data  # 1 is True, but not in bytes


# --- what goes ---------------------------------------------------------------------------


@pytest.mark.parametrize("cls", MESSAGES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_message_comes_back(cls: type, data: st.DataObject) -> None:
    comes_back(data.draw(instances(cls)))


@pytest.mark.parametrize("cls", EVENTS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_event_comes_back(cls: type, data: st.DataObject) -> None:
    comes_back(protocol.Told("grpA", data.draw(instances(cls))))


@pytest.mark.parametrize("cls", REQUESTS.values())
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_request_comes_back(cls: type, data: st.DataObject) -> None:
    request = data.draw(instances(cls))
    comes_back(protocol.Submit("grpA", events.Asked(CALLER, request, "grpA")))


@given(free)
@settings(max_examples=100, deadline=None)
def test_what_a_question_carries_comes_back(value: Any) -> None:
    comes_back(protocol.Call(1, "name", {"value": value}))


def test_a_list_comes_back_as_a_tuple() -> None:
    assert unpack(pack(protocol.Result(1, [[1], "a"]))) == protocol.Result(1, ((1,), "a"))


def test_a_packet_with_all_kinds_of_parameters_comes_back() -> None:
    params = {
        "at": Timestamp(5),
        "acs": Acs("JRW", "JR", "JR"),
        "raw": RawJson(b'{"a":1}'),
        "": {"": "set", "of": (1,)},
    }
    ctrl = Ctrl(EVICTED.code, EVICTED.text, Time(1), params=params)
    comes_back(protocol.End(effects.EndSessions("usrA", ctrl, keep=3)))


def test_what_has_its_default_is_left_out() -> None:
    assert cbor2.loads(pack(protocol.Fan("grpA", 1, b"x"))) == {
        "": "Fan",
        "topic": "grpA",
        "group": 1,
        "frames": b"x",
    }


@pytest.mark.parametrize("value", [object(), 1j, protocol.Fan, {1, 2}, CALLER.by.__class__])
def test_what_is_no_plain_value_does_not_go(value: object) -> None:
    with pytest.raises(TypeError, match="nothing that goes from node to node"):
        pack(protocol.Result(1, value))


def test_a_message_that_is_too_long_does_not_go() -> None:
    frames = bytes(items.LARGEST)
    with pytest.raises(BadMessage, match="of 67108864 at most"):
        pack(protocol.Fan("grpA", 1, frames))
    with pytest.raises(BadMessage, match="of 67108864 at most"):
        unpack(frames + b"\0")


# --- another version ---------------------------------------------------------------------


def changed(message: protocol.Message, *path: str, **values: Any) -> bytes:
    """A message with other values somewhere in it; None: without the field."""
    raw = cbor2.loads(pack(message))
    place = raw
    for name in path:
        place = place[name]
    for name, value in values.items():
        place[name] = value
        if value is None:
            del place[name]
    return cbor2.dumps(raw)


@pytest.mark.parametrize("path", [(), ("event",), ("event", "caller"), ("event", "request")])
def test_fields_that_are_not_known_are_dropped(path: tuple[str, ...]) -> None:
    news = {"newer": {"": "Newer", "x": [1]}, "newest": 5}
    assert unpack(changed(SUBMIT, *path, **news)) == SUBMIT


def test_fields_that_are_missing_have_their_defaults() -> None:
    assert unpack(changed(SUBMIT, form=None)) == protocol.Submit("grpA", ASKED, "sid")


def test_fields_without_a_default_must_be_there() -> None:
    with pytest.raises(BadMessage, match=r"Submit\.event: Asked: .*'named'"):
        unpack(changed(SUBMIT, "event", named=None))
    with pytest.raises(BadMessage, match=r"Result: .*'no'"):
        unpack(changed(protocol.Result(1), no=None))


@pytest.mark.parametrize("name", ["Newer", "core.Gone", "wire.Pub", "access.Level", "set", 5, []])
def test_a_class_that_is_no_message_is_refused(name: object) -> None:
    with pytest.raises(BadMessage, match=r"not known here|wants an object"):
        unpack(changed(SUBMIT, **{"": name}))


@pytest.mark.parametrize("name", ["core.Newer", "core.Caller", "Fan", "wire.Ctrl", True])
def test_a_class_in_the_wrong_place_is_refused(name: object) -> None:
    with pytest.raises(BadMessage, match=r"Submit\.event: Asked\.request: "):
        unpack(changed(SUBMIT, "event", "request", **{"": name}))


# --- what does not pass ------------------------------------------------------------------

WRONG = [[[]], {"": "Newer"}, {"x": 1.5}, 1.5, cbor2.undefined, cbor2.CBORSimpleValue(99)]


@pytest.mark.parametrize("cls", [*MESSAGES, *EVENTS])
def test_every_field_is_held_to_its_annotation(cls: type) -> None:
    """Whatever is in a field: it is read, and then it is what the annotation says, or refused."""
    name = next(name for name, known in protocol.KNOWN.items() if known is cls)
    for field in fields(cls) or ():
        for value in WRONG:
            raw = {"": name, field: value}
            whole = raw if cls in MESSAGES else {"": "Told", "topic": "grpA", "event": raw}
            if (cls, field) == (protocol.Result, "value"):
                continue  # anything may be there
            with pytest.raises(BadMessage, match=rf"{cls.__name__}(\.{field})?: "):
                unpack(cbor2.dumps(whole))


def test_an_error_says_where_it_is() -> None:
    with pytest.raises(BadMessage) as caught:
        unpack(changed(SUBMIT, "event", "caller", level="EMPEROR"))
    assert str(caught.value).startswith("Submit.event: Asked.caller: Caller.level: wants one of ")
    assert str(caught.value).endswith("not 'EMPEROR'")


@pytest.mark.parametrize(
    "item",
    [
        b"\xc0\x601",  # a time
        b"\xc2\x49" + b"\xff" * 9,  # a long integer
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list that holds itself
        b"\xd9\x01\x02\x81\x01",  # a set
        b"\xd9\x99\x99\x01",  # a tag that means nothing
        b"\x9f\xff",  # an indefinite length
        b"\xa1\x01\x02",  # a key that is no text
        b"\xa1\x41a\x02",  # the same
        b"\xa2\x61a\x01\x61a\x02",  # a key twice
        b"\x61\xff",  # no UTF-8
        b"\x81" * 100 + b"\x01",  # deep
        b"\x9b" + b"\xff" * 8,  # long, as it says
        b"\x5b\x00\x00\x00\x10" + b"\0" * 4,
        b"\xfc",  # reserved
        b"\xf7",  # undefined
        b"",
    ],
    ids=bytes.hex,
)
def test_what_nodes_do_not_write_is_refused(item: bytes) -> None:
    with pytest.raises(BadMessage):
        unpack(b"\xa3\x60\x66Result\x62no\x01\x65value" + item)


def test_there_is_one_item_and_no_more() -> None:
    data = pack(SUBMIT)
    for more in (b"\0", data, b"\xff"):
        with pytest.raises(BadMessage, match=r"bytes after the item|not CBOR"):
            unpack(data + more)


def test_half_a_message_is_none() -> None:
    data = pack(SUBMIT)
    for length in range(len(data)):
        with pytest.raises(BadMessage):
            unpack(data[:length])


@given(st.binary(max_size=64))
@settings(max_examples=150, deadline=None)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        unpack(data)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_message_with_a_wrong_byte_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(pack(SUBMIT))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = unpack(bytes(whole))
    except BadMessage:
        return
    assert unpack(pack(message)) == message


def test_a_set_of_what_cannot_be_in_one_is_refused() -> None:
    with pytest.raises(BadMessage, match="a set of what cannot be in one"):
        unpack(changed(protocol.Result(1), value={"": "set", "of": [{}]}))


# --- annotations -------------------------------------------------------------------------


@attrs.frozen
class Odd:
    field: tuple[int, str]


@attrs.frozen
class Mixed:
    field: int | str


class Plain:
    pass


@pytest.mark.parametrize(
    ("cls", "why"),
    [(Odd, r"Odd\.field: nothing"), (Mixed, r"Mixed\.field: a union"), (Plain, "no class of data")],
)
def test_a_class_that_cannot_be_read_again_is_seen_at_once(cls: type, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        Shapes({"Odd": cls})
