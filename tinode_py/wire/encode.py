"""From a packet to the finished bytes that a socket takes.

A packet becomes plain values once; JSON and CBOR differ only in what they do with JSON text
inside. {data} and {ctrl}, sent more often than all others together, have paths of their own.
"""

from __future__ import annotations

import enum
import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import msgspec

from ..records import Message
from . import cbor, server_packets, server_parts
from .frames import binary_frame, text_frame, text_head
from .shape import CLASSES, Field, Kind, fields_of
from .times import time_text

_json_text = msgspec.json.Encoder().encode


class Form(enum.Enum):
    """The finished forms of a packet to a client."""

    JSON_FRAME = "a websocket text frame with JSON"
    CBOR_FRAME = "a websocket binary frame with CBOR"
    JSON_LINE = "JSON and a line feed"


def encode(packet: server_packets.ServerPacket, form: Form) -> bytes:
    """The packet as the bytes to write. Equal packets give equal bytes."""
    if form is Form.JSON_FRAME:
        if type(packet) is server_packets.Ctrl and not packet.null_params:  # what is sent most
            return text_frame(_ctrl_text(packet))
        return text_frame(encode_json(packet))
    if form is Form.JSON_LINE:
        return encode_json(packet) + b"\n"
    return binary_frame(encode_cbor(packet))


def encode_json(packet: server_packets.ServerPacket) -> bytes:
    """The packet as JSON; JSON text inside is the bytes that came, never re-encoded."""
    if type(packet) is server_packets.Data:
        return _data_text(packet)
    if type(packet) is server_packets.Ctrl and not packet.null_params:
        return _ctrl_text(packet)
    return _json_text(_AS_JSON.packet(packet))


def encode_cbor(packet: server_packets.ServerPacket) -> bytes:
    """The packet as a CBOR map with text keys: times are text; no tags, lengths definite."""
    plain = _AS_CBOR.packet(packet)
    if type(packet) is server_packets.Data:
        cbor.restore(plain["data"])
    elif type(packet) is server_packets.Meta and packet.inbox is not None:
        for item in plain["meta"]["inbox"].get("items", ()):
            cbor.restore(item)
    return cbor.dumps(plain)


def encode_page(messages: Iterable[Message], address: str, *, reader: bool) -> bytes:
    """Stored messages, which have numbers, as finished frames with {data} in JSON.

    `address`: the topic as the receiver knows it; a channel's `reader` is not told who wrote.
    """
    opening = b'{"data":{"topic":' + _json_text(address)
    openings: dict[str, bytes] = {}  # by author
    parts: list[bytes] = []
    for m in messages:  # written out: a call for each costs a third of it
        sender = "" if reader else m.sender
        begun = openings.get(sender)
        if begun is None:
            author = b',"from":' + _json_text(sender) if sender else b""
            begun = openings[sender] = opening + author + b',"ts":"'
        head = b"" if m.head is None else b',"head":' + m.head
        rest = (begun, _time_text(m.ts), m.seq, head, m.content)
        text = b'%b%b","seq":%d%b,"content":%b}}' % rest
        parts += (text_head(len(text)), text)
    return b"".join(parts)


def encode_each(messages: Iterable[Message], address: str, *, reader: bool) -> list[bytes]:
    """Each message as a finished frame, as in `encode_page`."""
    return [text_frame(text) for text in _message_texts(messages, address, reader=reader)]


def _message_texts(messages: Iterable[Message], address: str, *, reader: bool) -> list[bytes]:
    opening = b'{"data":{"topic":' + _json_text(address)
    openings: dict[str, bytes] = {}  # by author
    texts = []
    for m in messages:  # written out: a call for each costs a third of it
        sender = "" if reader else m.sender
        begun = openings.get(sender)
        if begun is None:
            author = b',"from":' + _json_text(sender) if sender else b""
            begun = openings[sender] = opening + author
        seq = b',"seq":%d' % m.seq if m.seq else b""
        head = b"" if m.head is None else b',"head":' + m.head
        rest = (begun, _time_text(m.ts), seq, head, m.content)
        texts.append(b'%b,"ts":"%b"%b%b,"content":%b}}' % rest)
    return texts


@functools.lru_cache(maxsize=1024)
def _time_text(at: int) -> bytes:
    return time_text(at).encode()


def _data_text(data: server_packets.Data) -> bytes:
    topic = _json_text(data.topic)
    return _message_text(topic, data.from_, data.ts, data.seq, data.head, data.content)


def _message_text(
    topic: bytes, sender: str, ts: int, seq: int, head: bytes | None, content: bytes
) -> bytes:
    return b'{"data":{"topic":%b%b,"ts":"%b"%b%b,"content":%b}}' % (
        topic,
        b',"from":' + _json_text(sender) if sender else b"",
        _time_text(ts),
        b',"seq":%d' % seq if seq else b"",
        b',"head":' + head if head is not None else b"",
        content,
    )


def _ctrl_text(ctrl: server_packets.Ctrl) -> bytes:
    ident = b',"id":' + _json_text(ctrl.id) if ctrl.id else b""
    topic = b',"topic":' + _json_text(ctrl.topic) if ctrl.topic else b""
    params = b""
    if ctrl.params is not None:
        params = _params_text(ctrl.params)
    return _ctrl_opening(ctrl.code, ctrl.text, ctrl.ts) + b"%b%b%b}}" % (ident, topic, params)


@functools.lru_cache(maxsize=256)
def _ctrl_opening(code: int, text: str, ts: int) -> bytes:
    """What the answers of one moment have in common."""
    return b'{"ctrl":{"code":%d,"text":%b,"ts":"%b"' % (code, _json_text(text), _time_text(ts))


def _params_text(params: Mapping[str, Any]) -> bytes:
    if len(params) == 1 and type(seq := params.get("seq")) is int:  # of every publication
        return b',"params":{"seq":%d}' % seq
    return b',"params":' + _json_text(_AS_JSON.param(params))


# Of one member: its name in the packet; whether only None is left out, not every empty value;
# and what turns it into a plain value.
_Member = tuple[str, bool, Callable[[Any], Any] | None]
# Of one class: what reads all members at once, and how to send each.
_Plan = tuple[Callable[[Any], tuple[Any, ...]], tuple[_Member, ...]]


def _plans(writer: _Writer) -> Mapping[type[Any], _Plan]:
    return {cls: writer.plan(cls) for cls in CLASSES}


_PLAIN = frozenset({int, str})


@attrs.frozen
class _Writer:
    """Turns packets into plain values; `leaf` takes the JSON text inside."""

    leaf: Callable[[bytes], Any]
    plans: Mapping[type[Any], _Plan] = attrs.field(
        init=False, default=attrs.Factory(_plans, takes_self=True)
    )

    def packet(self, packet: server_packets.ServerPacket) -> dict[str, Any]:
        members = self.members(packet)
        if type(packet) is server_packets.Ctrl and packet.null_params and packet.params is None:
            members["params"] = None
        return {server_packets.PACKETS[type(packet)]: members}

    def members(self, part: Any) -> dict[str, Any]:
        """The members of a packet or part that are present."""
        read, plan = self.plans[type(part)]
        members: dict[str, Any] = {}
        for place, value in enumerate(read(part)):
            wire, keep, step = plan[place]
            if value or (keep and value is not None):
                members[wire] = value if step is None else step(value)
        return members

    def many(self, parts: tuple[Any, ...]) -> list[dict[str, Any]]:
        return [self.members(part) for part in parts]

    def param(self, value: Any) -> Any:
        """A value among `Ctrl.params`, which are free in form."""
        if type(value) in _PLAIN:
            return value
        if isinstance(value, dict):
            return {
                name: member if type(member) in _PLAIN else self.param(member)
                for name, member in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.param(item) for item in value]
        if isinstance(value, server_parts.Timestamp):
            return time_text(value.at)
        if isinstance(value, server_parts.RawJson):
            return self.leaf(value.text)
        return self.members(value) if type(value) in self.plans else value

    def plan(self, cls: type[Any]) -> _Plan:
        """How to read the members of a class (it has two at least), and how to send them."""
        fields = fields_of(cls)
        return operator.attrgetter(*(field.name for field in fields)), tuple(
            (field.wire, field.required or field.none_only, self.step(field)) for field in fields
        )

    def step(self, field: Field) -> Callable[[Any], Any] | None:
        """What turns a present member into a plain value, if anything must."""
        if field.kind is Kind.PART:
            return self.many if field.many else self.members
        steps: dict[Kind, Callable[[Any], Any]] = {
            Kind.TIME: time_text,
            Kind.JSON: self.leaf,
            Kind.PARAMS: self.param,
        }
        return steps.get(field.kind)


_AS_JSON = _Writer(msgspec.Raw)
_AS_CBOR = _Writer(cbor.from_json)
