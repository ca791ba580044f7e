"""Reading JSON packets: what is taken, byte for byte, and what is refused and why."""

from __future__ import annotations

import json

import pytest

from tinode_py.wire.client_packets import (
    ClientPacket,
    Del,
    Get,
    Hi,
    Leave,
    Login,
    Note,
    Pub,
    Request,
    Set,
)
from tinode_py.wire.client_parts import Extra, GetData, GetDel, GetDesc, GetSub, SetDesc
from tinode_py.wire.codec import Malformed, NotUtf8, WireLimits, decode_json
from tinode_py.wire.parts import Base64, Json, SeqRange, Time


def content_of(text: bytes) -> bytes | None:
    request = decode_json(b'{"pub":{"content":' + text + b"}}").request
    assert isinstance(request, Pub)
    return request.content


def test_a_plain_publication():
    packet = decode_json(
        '{"pub":{"id":"1","topic":"grpA","noecho":true,"head":{"a": 1},"content":"hé"}}'
    )
    assert packet == ClientPacket(Pub("1", "grpA", True, Json(b'{"a": 1}'), Json('"hé"'.encode())))


def test_every_part_is_read():
    packet = decode_json(
        b'{"get":{"id":"2","topic":"me","what":"desc sub data del",'
        b'"desc":{"ims":"2026-01-02T03:04:05.678Z"},"sub":{"user":"usrA","limit":3},'
        b'"data":{"ranges":[{"low":1,"hi":4},{"low":9}]},"del":{"since":5}},'
        b'"extra":{"attachments":["/v0/file/s/x"],"obo":"usrB","authlevel":"auth"}}'
    )
    assert packet == ClientPacket(
        Get(
            id="2",
            topic="me",
            what="desc sub data del",
            desc=GetDesc(ims=Time(1767323045678)),
            sub=GetSub(user="usrA", limit=3),
            data=GetData(ranges=(SeqRange(1, 4), SeqRange(9))),
            del_=GetDel(since=5),
        ),
        Extra(("/v0/file/s/x",), "usrB", "auth"),
    )


def test_secrets_are_decoded():
    assert decode_json(b'{"login":{"secret":"YWxpY2U6cHc="}}').request == Login(
        secret=Base64(b"alice:pw")
    )
    assert decode_json(b'{"login":{"secret":""}}').request == Login(secret=Base64(b""))


def test_an_empty_list_of_tags_is_a_list():
    assert decode_json(b'{"set":{"tags":[]}}').request == Set(tags=())
    assert decode_json(b'{"set":{}}').request == Set(tags=None)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (b'{"GET":{"Topic":"me","WHAT":"desc"}}', Get(topic="me", what="desc")),
        (b'{"get":{"topic":"me","DEL":{"SINCE":3}}}', Get(topic="me", del_=GetDel(since=3))),
        (
            b'{"set":{"Desc":{"PUBLIC":{"FN":"x"}}}}',
            Set(desc=SetDesc(public=Json(b'{"FN":"x"}'))),
        ),
        (b'{"del":{"delSeq":[{"LOW":3}]}}', Del(delseq=(SeqRange(3),))),
        (b'{"note":{"topic":"me","new":[{"x":1}],"what":"kp"}}', Note("me", "kp")),
        (b'{"new":1,"leave":{"topic":"me"}}', Leave(topic="me")),
    ],
)
def test_names_are_folded_and_unknown_ones_ignored(text: bytes, request_: Request):
    assert decode_json(text).request == request_


def test_the_slow_path_keeps_content_as_it_came():
    content = b'{"A" : [1.0,\t{"b":"\\u00e9\\n"}], "unknown":null}'
    request = decode_json(b'{"PUB":{"New":0,"CONTENT": ' + content + b' ,"Head":{"X":1 }}}').request
    assert request == Pub(head=Json(b'{"X":1 }'), content=Json(content))


def test_the_first_of_several_requests_counts():
    for text in (
        b'{"note":{"topic":"a"},"pub":{"topic":"b"}}',
        b'{"note":{"topic":17},"pub":{"topic":"b"}}',
        b'{"note":{"topic":"a"},"pub":{"topic":"b"},"sub":null}',
    ):
        assert decode_json(text).request == Pub(topic="b")


@pytest.mark.parametrize("name", ["public", "trusted", "private"])
def test_null_leaves_json_untouched(name: str):
    request = decode_json(b'{"set":{"desc":{"%b":null}}}' % name.encode()).request
    assert request == Set(desc=SetDesc())


def test_null_is_content():
    assert content_of(b"null") == b"null"
    assert decode_json(b'{"pub":{"TOPIC":"x","content": null}}').request == Pub(
        topic="x", content=Json(b"null")
    )
    assert decode_json(b'{"pub":{"head":null}}').request == Pub()


@pytest.mark.parametrize(
    "text",
    [
        b"0",
        b"false",
        b'""',
        b"[]",
        b"-0.0",
        b"1.50e+3",
        b"18446744073709551616",
        b"9" * 308,
        b"0." + b"0" * 400 + b"1",
        b'"' + b"9" * 400 + b'"',
        b'{"a":1,"a":2}',
        b'"\\/\\b\\ud83d\\ude00\\\\ud800\\\\u0000"',
        b'[1 , "\xf0\x9f\x98\x80\x7f"]',
        b"[" * 254 + b"]" * 254,
        b'"' + b"[" * 5000 + b'"',
        b'["' + b'\\"[' * 5000 + b'"]',
    ],
)
def test_content_is_the_bytes_that_came(text: bytes):
    assert content_of(text) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (b'"\\ud800"', b'"\\ufffd"'),
        (b'"\\uDFFFa\\udc00\\ud83d"', b'"\\ufffda\\ufffd\\ufffd"'),
        (b'{"\\uD83D\\uDE00\\ud83d" : 1.0}', b'{"\\uD83D\\uDE00\\ufffd" : 1.0}'),
        (b'"\\ud83d\\ud83d\\ude00"', b'"\\ufffd\\ud83d\\ude00"'),
        (b'"\\\\\\ud800\\\\ud800"', b'"\\\\\\ufffd\\\\ud800"'),
    ],
)
def test_a_lone_surrogate_becomes_the_replacement_character(text: bytes, mended: bytes):
    assert content_of(text) == mended


def test_lone_surrogates_in_names_and_texts_are_mended():
    assert decode_json(b'{"pub":{"\\ud800":1,"id":"\\udc00"}}').request == Pub(id="\ufffd")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (b"  \n", "truncated"),
        (b"not json", "malformed"),
        (b'{"pub":{"id":"1"}', "truncated"),
        (b'{"pub":{}} x', "trailing"),
        (b'{"pub":{}}{"pub":{}}', "trailing"),
        (b'{"pub":{}}\n{"pub":{}}', "trailing"),
        (b'\xef\xbb\xbf{"pub":{}}', "malformed"),
        (b'\0{"pub":{}}', "malformed"),
        (b'{"pub":{},}', "malformed"),
        (b"{'pub':{}}", "malformed"),
        (b'{"pub":{"id":"\t"}}', "invalid character"),
        (b"{}", "no known request"),
        (b'{"foo":{}}', "no known request"),
        (b'{"extra":{}}', "no known request"),
        (b'{"get":null}', "no known request"),
        (b'{"GET":null}', "no known request"),
        (b"[]", "object"),
        (b'[{"pub":{}}]', "object"),
        (b'""', "object"),
        (b"null", "object"),
        (b"true", "object"),
        (b"17", "object"),
        (b'{"pub":[]}', "object"),
        (b'{"pub":"x"}', "object"),
    ],
)
def test_what_is_not_a_packet_is_refused(data: bytes, reason: str):
    with pytest.raises(Malformed, match=reason) as caught:
        decode_json(data)
    assert caught.value.reason == str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"pub":{"content":"\xff"}}',
        b'{"pub":{"content":"\xed\xa0\x80"}}',
        b'{"pub":{"content":"\xc0\x80"}}',
        b'{"\xf5":1,"pub":{}}',
        '{"pub":{"content":"\ud800"}}',
    ],
)
def test_what_is_not_utf8_is_told_apart(data: bytes | str):
    with pytest.raises(NotUtf8):
        decode_json(data)


@pytest.mark.parametrize(
    "text",
    [
        *(b"1e999", b"-1e999", b"[1e400]", b"9" * 310, b"-" + b"9" * 400, b"9" * 5000),
        b'{"a":[' + b"1" + b"0" * 400 + b"]}",
        *(b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b".5", b"5.", b"-", b"0x1", b"1e"),
        *(b"[1,]", b'{"a":1,}', b"{a:1}", b'"\\x"', b'"\\u12"', b'"\x01"', b"nul", b"", b"'a'"),
        *(b"/**/1", b"1 2", b"undefined", b'"', b'{"a"}', b"[1 2]"),
    ],
)
def test_bad_json_inside_content_is_refused(text: bytes):
    with pytest.raises(Malformed):
        content_of(text)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"":'])
@pytest.mark.parametrize("depth", [5_000, 1_000_000])
def test_deep_nesting_is_refused(opening: bytes, depth: int):
    limits = WireLimits(message_size=2**30)
    for text in (
        b'{"pub":{"content":' + opening * depth,
        b'{"pub":{"unknown":' + opening * depth,
        opening * depth,
    ):
        with pytest.raises(Malformed, match="nested deeper than 256"):
            decode_json(text, limits)


def test_depth_counts_the_packets_own_braces():
    assert content_of(b"[" * 254 + b"]" * 254)
    with pytest.raises(Malformed, match="nested"):
        content_of(b"[" * 255 + b"]" * 255)


def test_brackets_side_by_side_are_not_nested():
    assert content_of(b"[" + b"[]," * 5000 + b"[]]")


def test_size_is_inclusive():
    packet = b'{"pub":{"content":"' + b"x" * 100 + b'"}}'
    assert decode_json(packet, WireLimits(message_size=len(packet)))
    with pytest.raises(Malformed, match="larger than"):
        decode_json(packet, WireLimits(message_size=len(packet) - 1))


@pytest.mark.parametrize(
    "packet",
    [
        b'{"pub":{"topic":"a\\u0000"}}',
        b'{"pub":{"content":"\\u0000"}}',
        b'{"pub":{"content":{"a":["\\\\\\u0000"]}}}',
        b'{"pub":{"content":{"\\u0000":1}}}',
        b'{"pub":{"head":{"a":"\\u0000"}}}',
        b'{"set":{"tags":["a","\\u0000"]}}',
        b'{"acc":{"cred":[{"val":"\\u0000"}]}}',
        b'{"sub":{"set":{"desc":{"public":"\\u0000"}}}}',
        b'{"leave":{},"extra":{"attachments":["\\u0000"]}}',
        b'{"PUB":{"topic":"a\\u0000"}}',
    ],
)
def test_nul_is_refused(packet: bytes):
    with pytest.raises(Malformed, match=r"U\+0000"):
        decode_json(packet)


def test_nul_is_allowed_where_nothing_is_stored():
    assert decode_json(b'{"leave":{"id":"a\\u0000"}}').request == Leave(id="a\0")
    assert decode_json(b'{"leave":{"unknown":"\\u0000"}}').request == Leave()
    assert content_of(b'"\\\\u0000"') == b'"\\\\u0000"'


def ranges_up_to(hi: int) -> bytes:
    ranges = [{"low": low, "hi": hi} for low in range(1, 2500)]
    return json.dumps({"get": {"what": "data", "data": {"ranges": ranges}}}).encode()


def test_2499_wide_ranges_are_read_as_ranges():
    request = decode_json(ranges_up_to(2_000_000_000)).request
    assert isinstance(request, Get)
    assert request.data is not None
    assert len(request.data.ranges) == 2499
    assert request.data.ranges[-1] == SeqRange(2499, 2_000_000_000)


def test_a_number_is_too_long_wherever_it_stands():
    for before in range(1, 640):
        good = b'["' + b"x" * before + b'",' + b"1" * 308 + b"]"
        assert content_of(good) == good
        with pytest.raises(Malformed):
            content_of(b'["' + b"x" * before + b'",' + b"9" * 309 + b"]")
    texts = b'["' + b"9" * 400 + b'","' + b"8" * 309 + b'"]'
    assert content_of(texts) == texts


def test_2499_ranges_beyond_the_numbers_are_refused():
    with pytest.raises(Malformed, match=r"ranges\[.+\]\.hi"):
        decode_json(ranges_up_to(2**31))


def test_oversize_arrays_are_refused():
    limits = WireLimits(array_length=3, ranges_length=2)
    assert decode_json(b'{"set":{"tags":["a","b","c"]}}', limits)
    for packet in (
        b'{"set":{"tags":["a","b","c","d"]}}',
        b'{"get":{"data":{"ranges":[{},{},{}]}}}',
        b'{"del":{"delseq":[{},{},{}]}}',
        b'{"acc":{"cred":[{},{},{},{}]}}',
    ):
        with pytest.raises(Malformed, match="length"):
            decode_json(packet, limits)


def test_long_texts_are_refused():
    assert decode_json(b'{"hi":{"lang":"%b"}}' % (b"x" * 45)).request == Hi(lang="x" * 45)
    assert decode_json(b'{"hi":{"lang":"../../etc"}}').request == Hi(lang="../../etc")
    for packet in (
        b'{"hi":{"id":"%b"}}' % (b"x" * 257),
        b'{"sub":{"topic":"%b"}}' % (b"x" * 65),
        b'{"hi":{"ua":"%b"}}' % (b"x" * 4097),
        b'{"login":{"secret":"%b"}}' % (b"AAAA" * 1400),
    ):
        with pytest.raises(Malformed, match="length"):
            decode_json(packet)


def test_a_note_to_nowhere_is_read():
    text = b'{"note":{"topic":"basic:x","what":"call","seq":1,"event":"ringing"}}'
    assert decode_json(text).request == Note("basic:x", "call", 1, event="ringing")


def test_limits_beyond_the_stack_are_refused():
    with pytest.raises(ValueError, match=r"limits\.depth"):
        WireLimits(depth=301)
    deep = b"[" * 298 + b"]" * 298
    assert decode_json(b'{"pub":{"content":' + deep + b"}}", WireLimits(depth=300))
