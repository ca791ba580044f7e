"""What kind of file some bytes are: by the bytes first, by what the sender says second.

The signatures are those of the WHATWG's MIME Sniffing standard, so that the server calls a
file what a browser would take it for. No decoder is run.
"""

from __future__ import annotations

import re

HEAD = 512  # bytes of a file that are looked at
UNKNOWN = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"

_BLANKS = b"\t\n\x0c\r "
_TAGS = (
    *(b"<!doctype html", b"<html", b"<head", b"<script", b"<iframe", b"<h1", b"<div", b"<font"),
    *(b"<table", b"<a", b"<style", b"<title", b"<b", b"<body", b"<br", b"<p", b"<!--"),
)
_STARTS = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", TEXT),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b".snd", "audio/basic"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\x00", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\x00", "application/x-rar-compressed"),
    (b"\x00asm", "application/wasm"),
)
_IN_CONTAINERS = {  # what stands at 0 and at 8
    (b"RIFF", b"WEBP"): "image/webp",
    (b"RIFF", b"AVI "): "video/avi",
    (b"RIFF", b"WAVE"): "audio/wave",
    (b"FORM", b"AIFF"): "audio/aiff",
}
_BINARY = frozenset((*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)))
_MAJOR = frozenset(("application", "audio", "font", "image", "text", "video"))
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_DECLARED = re.compile(
    rf'({_TOKEN})/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"[A-Za-z0-9 ,./:;=+_-]*"))*'
)
_LONGEST = 255  # characters of a declared type
_ACTIVE = ("application/", "text/", "message/", "model/", "multipart/")
_EXTENSIONS = {
    **{"application/gzip": ".gz", "application/json": ".json", "application/msword": ".doc"},
    **{"application/ogg": ".ogg", "application/pdf": ".pdf", "application/x-gzip": ".gz"},
    **{"application/zip": ".zip", "audio/aac": ".aac", "audio/mp4": ".m4a"},
    **{"audio/mpeg": ".mp3", "audio/ogg": ".oga", "audio/wave": ".wav", "audio/webm": ".weba"},
    **{"image/bmp": ".bmp", "image/gif": ".gif", "image/jpeg": ".jpg", "image/png": ".png"},
    **{"image/svg+xml": ".svg", "image/webp": ".webp", "image/x-icon": ".ico"},
    **{"text/csv": ".csv", "text/html": ".html", "text/plain": ".txt", "text/xml": ".xml"},
    **{"video/mp4": ".mp4", "video/quicktime": ".mov", "video/webm": ".webm"},
}


def kind_of(head: bytes, declared: str) -> str:
    """The media type of a file that begins with `head` (`HEAD` bytes of it, or all).

    `declared` is what its sender calls it. It counts only where the bytes say nothing, and if
    it is well formed and not of a kind that contains others.
    """
    found = _sniffed(head)
    if found != UNKNOWN:
        return found
    match = _DECLARED.fullmatch(declared.strip())
    if match is None or match[1].lower() not in _MAJOR or len(declared) > _LONGEST:
        return UNKNOWN
    return declared.strip()


def is_active(kind: str) -> bool:
    """Whether a browser might run, or show as a page, what is in such a file."""
    kind = kind.lower()
    return "html" in kind or "xml" in kind or kind.startswith(_ACTIVE)


def extension(kind: str) -> str:
    """What an address of such a file may end with; empty for uncommon kinds."""
    return _EXTENSIONS.get(kind.partition(";")[0].strip().lower(), "")


def _sniffed(head: bytes) -> str:
    start = head.lstrip(_BLANKS).lower()
    if any(start.startswith(tag) and start[len(tag) : len(tag) + 1] in _ENDS for tag in _TAGS):
        return "text/html; charset=utf-8"
    if start.startswith(b"<?xml"):
        return "text/xml; charset=utf-8"
    for signature, kind in _STARTS:
        if head.startswith(signature):
            return kind
    if kind := _IN_CONTAINERS.get((head[:4], head[8:12]), ""):
        return kind
    if _is_mp4(head):
        return "video/mp4"
    return UNKNOWN if _BINARY.intersection(head) else TEXT


_ENDS = (b" ", b">")


def _is_mp4(head: bytes) -> bool:
    size = int.from_bytes(head[:4], "big")
    if len(head) < 12 or head[4:8] != b"ftyp" or size % 4 or not 12 <= size <= len(head):
        return False
    brands = (head[8:11], *(head[at : at + 3] for at in range(16, size, 4)))
    return b"mp4" in brands
