"""Reading CBOR packets: the same as JSON, and each class of attack refused at little cost."""

from __future__ import annotations

import gc
import json
import struct
import time
from collections.abc import Iterator
from typing import Any

import cbor2
import pytest

from tinode_py.wire.cbor import check, from_json
from tinode_py.wire.client_packets import ClientPacket, Get, Leave, Login, Pub, Sub
from tinode_py.wire.client_parts import Extra, GetData, GetDesc, GetQuery
from tinode_py.wire.codec import Malformed, WireLimits, decode_cbor
from tinode_py.wire.parts import Base64, SeqRange, Time

SLOWEST = 5  # seconds of the processor: what is not linear takes far longer


@pytest.fixture(autouse=True, scope="module")
def frozen_heap() -> Iterator[None]:
    """As in `serve`: collections do not walk what was there before, here other tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def publication(content: bytes) -> bytes:
    """A {pub} whose content is this CBOR item."""
    return b"\xa1\x63pub\xa1\x67content" + content


def content_of(item: bytes, limits: WireLimits | None = None) -> bytes | None:
    request = decode_cbor(publication(item), limits or WireLimits()).request
    assert isinstance(request, Pub)
    return request.content


def test_a_packet_is_the_same_as_in_json():
    value = {
        "Sub": {
            "id": "1",
            "topic": "me",
            "get": {"what": "data", "data": {"ranges": [{"low": 1}]}},
        },
        "extra": {"obo": "usrA"},
        "unknown": {"x": b"\0"},
    }
    assert decode_cbor(cbor2.dumps(value)) == ClientPacket(
        Sub(
            id="1",
            topic="me",
            get=GetQuery(what="data", data=GetData(ranges=(SeqRange(1),))),
        ),
        Extra(obo="usrA"),
    )


def test_a_secret_is_bytes_or_base64():
    for secret in (b"a:b\xff\0", "YTpi/wA="):
        packet = decode_cbor(cbor2.dumps({"login": {"scheme": "basic", "secret": secret}}))
        assert packet.request == Login(scheme="basic", secret=Base64(b"a:b\xff\0"))


def test_times_are_text():
    packet = cbor2.dumps({"get": {"desc": {"ims": "2026-01-02T03:04:05Z"}}})
    assert decode_cbor(packet).request == Get(desc=GetDesc(ims=Time(1767323045000)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, -1, 1.5, True, False, None, "é\n"]}, '{"a":[1,-1,1.5,true,false,null,"é\\n"]}'),
        (b"\xff\xfe", '"//4="'),
        ([[], {}, "", b""], '[[],{},"",""]'),
        (2**63 - 1, "9223372036854775807"),
        (-(2**63), "-9223372036854775808"),
        (1e300, "1e300"),
        (-0.0, "-0.0"),
    ],
)
def test_content_becomes_json_text(value: Any, text: str):
    assert content_of(cbor2.dumps(value)) == text.encode()


def test_floats_of_every_width_and_lengths_of_every_width():
    assert content_of(b"\xf9\x3e\x00") == b"1.5"
    assert content_of(b"\xfa\x3f\xc0\x00\x00") == b"1.5"
    assert content_of(b"\x78\x01a") == b'"a"'
    assert content_of(b"\x7b" + (1).to_bytes(8, "big") + b"a") == b'"a"'
    assert content_of(b"\x9a\x00\x00\x00\x01\x1b" + (5).to_bytes(8, "big")) == b"[5]"


@pytest.mark.parametrize("tag", [*range(0, 60), 100, 256, 258, 260, 261, 1004, 43000, 55799, 2**40])
def test_tags_are_refused(tag: int):
    item = cbor2.dumps(cbor2.CBORTag(tag, "2026-01-02T03:04:05Z"))
    with pytest.raises(Malformed, match="tag"):
        content_of(item)
    with pytest.raises(Malformed, match="tag"):
        decode_cbor(b"\xc1" + publication(b"\x01"))


@pytest.mark.parametrize("item", [b"\x7f\x61a\xff", b"\x5f\x41a\xff", b"\x9f\x01\xff", b"\xbf\xff"])
def test_indefinite_lengths_are_refused(item: bytes):
    with pytest.raises(Malformed, match="indefinite"):
        content_of(item)
    with pytest.raises(Malformed, match="indefinite"):
        decode_cbor(item)


@pytest.mark.parametrize("first", [m << 5 | info for m in range(8) for info in (28, 29, 30)])
def test_reserved_heads_are_refused(first: int):
    with pytest.raises(Malformed):
        content_of(bytes([first]) + bytes(8))


@pytest.mark.parametrize(
    "item", [b"\xa2\x61a\x01\x61a\x02", b"\xa2\x61a\x01\x78\x01a\x02", b"\x81\xa2\x60\xf6\x60\xf6"]
)
def test_duplicate_keys_are_refused(item: bytes):
    with pytest.raises(Malformed, match=r"(?i)duplicate"):
        content_of(item)


@pytest.mark.parametrize(
    "key", [b"\x01", b"\x20", b"\x41a", b"\x80", b"\xa0", b"\xf5", b"\xf6", b"\xf9\x3e\x00"]
)
def test_keys_that_are_not_text_are_refused(key: bytes):
    with pytest.raises(Malformed, match="key"):
        content_of(b"\xa1" + key + b"\x01")
    with pytest.raises(Malformed, match="key"):
        content_of(b"\xa2\x61a\x01" + key + b"\x01")


@pytest.mark.parametrize("item", [b"\xf7", b"\xe0", b"\xf3", b"\xf8\x20", b"\xf8\x14", b"\xff"])
def test_undefined_and_simple_values_are_refused(item: bytes):
    with pytest.raises(Malformed):
        content_of(item)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("first", "form"), [(0xF9, ">e"), (0xFA, ">f"), (0xFB, ">d")])
def test_nan_and_infinity_are_refused(value: float, first: int, form: str):
    with pytest.raises(Malformed, match="NaN or infinity"):
        content_of(bytes([first]) + struct.pack(form, value))


@pytest.mark.parametrize(
    "item", [b"\x1b\x80" + bytes(7), b"\x3b\x80" + bytes(7), b"\x1b" + b"\xff" * 8]
)
def test_integers_beyond_64_bits_are_refused(item: bytes):
    with pytest.raises(Malformed, match="64 bits"):
        content_of(item)


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x61a"])
def test_deep_nesting_is_refused(opening: bytes):
    assert content_of(opening * 253 + b"\x80")
    for item in (opening * 254 + b"\x80", opening * 255 + b"\x01", opening * 5000 + b"\x01"):
        with pytest.raises(Malformed, match="nested deeper than 256"):
            content_of(item)
    with pytest.raises(Malformed, match="nested deeper than 256"):
        content_of(opening * 1_000_000 + b"\x01", WireLimits(message_size=2**30))


@pytest.mark.parametrize("first", [0x5A, 0x7A, 0x9A, 0xBA, 0x5B, 0x7B, 0x9B, 0xBB])
def test_huge_declared_lengths_are_refused_at_once(first: int):
    width = 4 if first & 31 == 26 else 8
    for length in (2**31, 2 ** (8 * width) - 1):
        started = time.process_time()
        with pytest.raises(Malformed, match="too early"):
            content_of(bytes([first]) + length.to_bytes(width, "big") + bytes(100))
        assert time.process_time() - started < SLOWEST


@pytest.mark.parametrize(
    "item", [b"\x61", b"\x19\x01", b"\x82\x01", b"\xa1\x61a", b"\xf9\x3e", b""]
)
def test_truncation_is_refused(item: bytes):
    with pytest.raises(Malformed, match="too early"):
        content_of(item)


def test_trailing_bytes_are_refused():
    with pytest.raises(Malformed, match="after"):
        decode_cbor(publication(b"\x01") + b"\x00")


@pytest.mark.parametrize("item", [b"\x61\xff", b"\x63\xed\xa0\x80", b"\xa1\x61\xff\x01"])
def test_text_that_is_not_utf8_is_refused(item: bytes):
    with pytest.raises(Malformed):
        content_of(item)


@pytest.mark.parametrize(
    "item", [b"\x80", b"\x01", b"\x60", b"\xf6", b"\x40", b"\xa0", b"\xa1\x61x\xa0"]
)
def test_what_is_not_a_packet_is_refused(item: bytes):
    with pytest.raises(Malformed):
        decode_cbor(item)


def test_nul_in_a_text_is_refused_but_not_in_an_id():
    assert decode_cbor(cbor2.dumps({"leave": {"id": "\0"}})).request == Leave(id="\0")
    for value in ({"leave": {"topic": "\0"}}, {"pub": {"content": ["\0"]}}):
        with pytest.raises(Malformed, match=r"U\+0000"):
            decode_cbor(cbor2.dumps(value))


def test_size_counts_as_cbor_and_as_json():
    with pytest.raises(Malformed, match="larger than 64 bytes"):
        decode_cbor(publication(b"\x58\x40" + bytes(64)), WireLimits(message_size=64))
    with pytest.raises(Malformed, match="larger than 96 bytes"):
        content_of(b"\x58\x40" + bytes(64), WireLimits(message_size=96))


def colliding_keys(size: int) -> bytes:
    """Integers with one hash: the attack on dictionaries that text keys rule out."""
    keys = [number * (2**61 - 1) for number in range(1, 5)]
    heads = b"".join(b"\x1b" + key.to_bytes(8, "big") + b"\x00" for key in keys)
    return b"\xb9" + (size // 10).to_bytes(2, "big") + heads * (size // 40)


@pytest.mark.parametrize(
    "item",
    [
        colliding_keys(131_000),
        b"\x9a\x00\x01\xff\x00" + b"\x01" * 0x1FF00,
        b"\x9a\x00\x01\xff\x00" + b"\x80" * 0x1FF00,
        b"\x99\xff\x00" + b"\x81\x01" * 0xFF00,
        b"\x99\xa0\x00" + b"\x19\x01\x00" * 0xA000,
        b"\xb9\xa0\x00" + b"".join(b"\x62" + b"%02x" % (n % 256) + b"\x00" for n in range(0xA000)),
    ],
    ids=["colliding keys", "numbers", "arrays", "nested", "wide numbers", "keys"],
)
def test_no_packet_of_the_greatest_size_holds_the_loop_up(item: bytes):
    started = time.process_time()
    with pytest.raises(Malformed):
        content_of(item[:131_000])
    assert time.process_time() - started < SLOWEST


def test_integers_of_json_beyond_64_bits_become_floats():
    assert from_json(b'[18446744073709551616,{"a":-9223372036854775809}]') == [
        18446744073709551616.0,
        {"a": -9223372036854775808.0},
    ]
    value = from_json(b"[9223372036854775807,true]")
    assert json.dumps(value) == "[9223372036854775807, true]"


def test_the_check_agrees_with_the_library_on_plain_values():
    values: list[Any] = [
        0,
        23,
        24,
        255,
        256,
        65536,
        2**32,
        -1,
        -25,
        "x" * 300,
        b"y" * 70000,
        [[]] * 30,
    ]
    for value in values:
        check(cbor2.dumps(value), 8)
