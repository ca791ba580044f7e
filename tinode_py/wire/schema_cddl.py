"""The packets as CDDL (RFC 8610): CBOR maps with text keys, read off the classes."""

from __future__ import annotations

from typing import Any

from . import client_packets, client_parts, server_packets
from .shape import Field, Kind, fields_of, with_parts

_HEAD = """\
; Packets in CBOR: a binary websocket frame holds one. Allowed are maps with text keys, arrays,
; text, byte strings where `binary` stands or inside `json`, integers of 64 bits, finite floats,
; true, false and null; no tags and no indefinite lengths. Written by tinode_py.wire.contract.

packet = client-packet / server-packet

json = any
binary = bstr / tstr  ; text: padded standard base64
time = tstr           ; 2026-01-02T03:04:05.678Z
"""

_KINDS = {
    Kind.TEXT: "tstr",
    Kind.NUMBER: "int",
    Kind.FLAG: "bool",
    Kind.JSON: "json",
    Kind.TIME: "time",
    Kind.BINARY: "binary",
    Kind.PARAMS: "{ * tstr => any } / null",
}


def cddl() -> str:
    """The whole file."""
    to_clients = {name: cls for cls, name in server_packets.PACKETS.items()}
    choices = " / ".join(f"{{ {name}: {_rule(cls)} }}" for name, cls in to_clients.items())
    requests = "".join(
        f"  ? {name}: {_rule(cls)},\n" for name, cls in client_packets.REQUESTS.items()
    )
    classes = [*client_packets.REQUESTS.values(), client_parts.Extra, *to_clients.values()]
    return "\n".join(
        [
            _HEAD,
            f"client-packet = {{\n{requests}  ? extra: extra,\n  * tstr => any,\n}}\n",
            f"server-packet = {choices}\n",
            *(_map(cls) for cls in with_parts(classes)),
        ]
    )


def _rule(cls: type[Any]) -> str:
    """The rule's name: `GetDesc` is `get-desc`."""
    name = cls.__name__
    return name[0].lower() + "".join("-" + c.lower() if c.isupper() else c for c in name[1:])


def _map(cls: type[Any]) -> str:
    lines = "".join(f"  {_member(field)},\n" for field in fields_of(cls))
    return f"{_rule(cls)} = {{\n{lines}  * tstr => any,\n}}\n"


def _member(field: Field) -> str:
    one = _rule(field.part) if field.part is not None else _KINDS[field.kind]
    value = f"[* {one}]" if field.many else one
    return f"{'' if field.required else '? '}{field.wire}: {value}"
