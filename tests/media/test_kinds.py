"""What files are taken for."""

from __future__ import annotations

import pytest

from tinode_py.media.kinds import HEAD, TEXT, UNKNOWN, extension, is_active, kind_of

NOISE = bytes(range(256)) * 4


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"<!DOCTYPE html><p>", "text/html; charset=utf-8"),
        (b" \n\t<ScRiPt>alert(1)", "text/html; charset=utf-8"),
        (b"<!-- note -->", "text/html; charset=utf-8"),
        (b"<abbr>", TEXT),
        (b"<?xml version='1.0'?><svg/>", "text/xml; charset=utf-8"),
        (b"<svg xmlns='x'><script/></svg>", TEXT),
        (b"hello", TEXT),
        (b"", TEXT),
        (b"\xef\xbb\xbfhello", TEXT),
        ("\ufeffpad".encode("utf-16-le"), "text/plain; charset=utf-16le"),
        (b"%PDF-1.7" + NOISE, "application/pdf"),
        (b"GIF89a" + NOISE, "image/gif"),
        (b"\xff\xd8\xff\xe0" + NOISE, "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n" + NOISE, "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 " + NOISE, "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE" + NOISE, "audio/wave"),
        (b"PK\x03\x04" + NOISE, "application/zip"),
        (b"\x1f\x8b\x08" + NOISE, "application/x-gzip"),
        (b"ID3\x03" + NOISE, "audio/mpeg"),
        (b"OggS\x00" + NOISE, "application/ogg"),
        (b"\x1a\x45\xdf\xa3" + NOISE, "video/webm"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + NOISE, "video/mp4"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp41" + NOISE, "video/mp4"),
    ],
)
def test_the_bytes_say_what_it_is(head, kind):
    assert kind_of(head[:HEAD], "image/png") == kind


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("application/x-thing; a=b", "application/x-thing; a=b"),
        ("image/svg+xml", "image/svg+xml"),
        ("text/html", "text/html"),
        ("Video/MP4", "Video/MP4"),
        ('text/plain; charset="utf-8"', 'text/plain; charset="utf-8"'),
        ("", UNKNOWN),
        ("not a type", UNKNOWN),
        ("chemical/x-pdb", UNKNOWN),
        ("multipart/mixed", UNKNOWN),
        ("message/rfc822", UNKNOWN),
        ("image/png\r\nSet-Cookie: a=b", UNKNOWN),
        ("image/png; a=\u2603", UNKNOWN),
        ("image/" + "x" * 300, UNKNOWN),
        ("image/x" + "; a=b" * 100, UNKNOWN),
    ],
)
def test_the_sender_is_asked_where_they_do_not(declared, kind):
    assert kind_of(NOISE[:HEAD], declared) == kind


def test_an_mp4_that_lies_about_its_size_is_none():
    lie = b"\xff\xff\xff\xfcftypmp42\x00\x00\x00\x00mp42" + NOISE
    assert kind_of(lie[:HEAD], "video/mp4") == "video/mp4"  # by its word alone
    assert kind_of(lie[:HEAD], "") == UNKNOWN


@pytest.mark.parametrize(
    ("kind", "active"),
    [
        ("text/html; charset=utf-8", True),
        ("image/svg+xml", True),
        ("IMAGE/SVG+XML", True),
        ("application/pdf", True),
        ("text/plain", True),
        ("image/png", False),
        ("audio/mpeg", False),
        ("video/mp4", False),
        ("font/woff", False),
    ],
)
def test_what_a_browser_must_not_open_by_itself(kind, active):
    assert is_active(kind) is active


def test_addresses_end_as_people_expect():
    assert extension("image/jpeg") == ".jpg"
    assert extension("text/plain; charset=utf-8") == ".txt"
    assert extension("application/x-thing") == ""
