"""Packets to clients as bytes: what is left out, what is always there, and the finished forms."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest

from tinode_py.records import Message
from tinode_py.wire.codec import (
    Form,
    encode,
    encode_cbor,
    encode_each,
    encode_json,
    encode_page,
    parse_time,
    time_text,
)
from tinode_py.wire.frames import binary_frame, text_frame
from tinode_py.wire.parts import Acs, DefAcs, Json, SeqRange, Time
from tinode_py.wire.server_packets import PACKETS, Ctrl, Data, Info, Meta, Pres, ServerPacket
from tinode_py.wire.server_parts import (
    DelValues,
    Desc,
    Inbox,
    InboxItem,
    RawJson,
    Seen,
    SubRow,
    Timestamp,
)

TS = Time(1767323045678)
TEXT = "2026-01-02T03:04:05.678Z"
DATA = Data("grpA", TS, Json(b'{"txt" : "h\xc3\xa9",\n"n":1.0}'), 7, "usrB", Json(b'{"a":1}'))


@pytest.mark.parametrize(
    ("packet", "value"),
    [
        (
            Ctrl(202, "accepted", TS, "1", "grpA", {"seq": 3}),
            {"code": 202, "text": "accepted", "ts": TEXT, "id": "1", "topic": "grpA"}
            | {"params": {"seq": 3}},
        ),
        (Ctrl(400, "malformed", TS), {"code": 400, "text": "malformed", "ts": TEXT}),
        (
            Ctrl(200, "ok", TS, null_params=True),
            {"code": 200, "text": "ok", "ts": TEXT, "params": None},
        ),
        (Meta(TS, "me", tags=("a",)), {"ts": TEXT, "topic": "me", "tags": ["a"]}),
        (
            Meta(TS, "me", sub=(SubRow(topic="usrA", acs=Acs(), deleted=TS),)),
            {"ts": TEXT, "topic": "me", "sub": [{"topic": "usrA", "acs": {}, "deleted": TEXT}]},
        ),
        (
            Meta(TS, "grpA", "2", del_=DelValues(3, (SeqRange(1), SeqRange(3, 5)))),
            {"ts": TEXT, "topic": "grpA", "id": "2"}
            | {"del": {"clear": 3, "delseq": [{"low": 1}, {"low": 3, "hi": 5}]}},
        ),
        (
            Meta(TS, "me", desc=Desc(Time(0), seen=Seen(TS), public=Json(b"null"))),
            {"ts": TEXT, "topic": "me"}
            | {
                "desc": {
                    "created": "1970-01-01T00:00:00.000Z",
                    "seen": {"when": TEXT},
                    "public": None,
                }
            },
        ),
        (
            Meta(TS, "me", inbox=Inbox(1, 0, ())),
            {"ts": TEXT, "topic": "me", "inbox": {"first": 1, "last": 0, "items": []}},
        ),
        (
            Meta(TS, "me", inbox=Inbox(1, 1, (InboxItem(1, "usrA", 3, from_="usrA"),), True)),
            {"ts": TEXT, "topic": "me"}
            | {
                "inbox": {
                    "first": 1,
                    "last": 1,
                    "items": [{"n": 1, "topic": "usrA", "seq": 3, "from": "usrA"}],
                    "more": True,
                }
            },
        ),
        (
            DATA,
            {"topic": "grpA", "from": "usrB", "seq": 7, "ts": TEXT, "head": {"a": 1}}
            | {"content": {"txt": "hé", "n": 1.0}},
        ),
        (
            Data('a"\n', TS, Json(b"null"), 1),
            {"topic": 'a"\n', "seq": 1, "ts": TEXT, "content": None},
        ),
        (
            Pres("me", "acs", "usrA", dacs=Acs(want="+RW")),
            {"topic": "me", "what": "acs", "src": "usrA", "dacs": {"want": "+RW"}},
        ),
        (
            Info("grpA", "kp", from_="usrA"),
            {"topic": "grpA", "what": "kp", "from": "usrA"},
        ),
    ],
)
def test_members_are_there_or_left_out(packet: ServerPacket, value: dict[str, Any]):
    whole = {PACKETS[type(packet)]: value}
    assert json.loads(encode_json(packet)) == whole
    assert cbor2.loads(encode_cbor(packet)) == whole


def test_params_may_hold_parts():
    params = {
        "desc": Desc(created=TS, defacs=DefAcs("JRW", "N")),
        "acs": Acs("JR", "JRW", "JR"),
        "expires": Timestamp(TS),
        "ice": RawJson(b'[{"urls": ["stun:x"]}]'),
        "reqCred": None,
        "list": [SeqRange(1, 2), {"n": 0, "no": False, "none": ()}],
    }
    value = {
        "desc": {"created": TEXT, "defacs": {"auth": "JRW", "anon": "N"}},
        "acs": {"want": "JR", "given": "JRW", "mode": "JR"},
        "expires": TEXT,
        "ice": [{"urls": ["stun:x"]}],
        "reqCred": None,
        "list": [{"low": 1, "hi": 2}, {"n": 0, "no": False, "none": []}],
    }
    packet = Ctrl(200, "ok", TS, params=params)
    assert json.loads(encode_json(packet))["ctrl"]["params"] == value
    assert cbor2.loads(encode_cbor(packet))["ctrl"]["params"] == value
    assert b'[{"urls": ["stun:x"]}]' in encode_json(packet)


def test_content_is_sent_as_it_came():
    assert b',"head":{"a":1},"content":{"txt" : "h\xc3\xa9",\n"n":1.0}}}' in encode_json(DATA)


@pytest.mark.parametrize("reader", [False, True])
def test_a_page_is_its_messages_one_by_one(reader: bool):
    page = [
        Message("grpA", seq, author, TS + seq, head, b'"' + b"x" * size + b'"')
        for seq, (author, head, size) in enumerate(
            [
                ("usrA", None, 3),
                ("usrB", b'{"mime":"text/x-drafty"}', 200),
                ("usrA", b"{}", 70_000),
                ("", None, 0),
            ],
            start=1,
        )
    ]
    alone = [
        encode(
            Data(
                'chn"A',
                Time(it.ts),
                Json(it.content),
                it.seq,
                "" if reader else it.sender,
                None if it.head is None else Json(it.head),
            ),
            Form.JSON_FRAME,
        )
        for it in page
    ]
    assert encode_page(page, 'chn"A', reader=reader) == b"".join(alone)
    assert encode_each(page, 'chn"A', reader=reader) == alone


def test_finished_forms():
    assert encode(DATA, Form.JSON_FRAME) == text_frame(encode_json(DATA))
    assert encode(DATA, Form.CBOR_FRAME) == binary_frame(encode_cbor(DATA))
    assert encode(DATA, Form.JSON_LINE) == encode_json(DATA) + b"\n"


@pytest.mark.parametrize("at", [0, 1, 999, 1767323045000, 1767323045670, 253402300799999])
def test_times_are_24_characters_and_come_back(at: int):
    assert len(time_text(at)) == 24
    assert parse_time(time_text(at)) == at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1970-01-01T00:00:00.123456789Z", 123),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00-00:30", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00+23:59", -62135683140000),
    ],
)
def test_rfc3339_is_read(text: str, at: int):
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z"),
        *("2026-02-30T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:60Z"),
        *("0000-01-01T00:00:00Z", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05.Z"),
        *("٢٠٢٦-01-02T03:04:05Z", "2026-01-02T03:04:05Z\n", "2026-01-02t03:04:05z"),
    ],
)
def test_other_times_are_refused(text: str):
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)
