"""The reference of all packets for people (docs/packets.md), read off the classes."""

from __future__ import annotations

from typing import Any

import attrs

from . import client_packets, client_parts, server_packets
from .limits import WireLimits
from .shape import Field, Kind, fields_of, meaning_of, summary_of, with_parts

_HEAD = """\
# Packets

Every packet is one JSON object with one member, named after its kind, or the same as a CBOR map:
`{"pub": {"id": "1", "topic": "grp…", "content": "hello"}}`. A client's packet may have `extra`
beside it. This page is written by `python -m tinode_py.wire.contract` from
the classes in `tinode_py/wire/`; the same as schemas is in `schema/wire/`.

- Members are left out where they are empty; *always* marks those that are always sent.
- To the server, names are matched without regard to case, unknown members are ignored, and `null`
  means absent, except in `content`. A wrong type anywhere is answered 400 without an id. Of
  several requests in one packet the first in the order below counts.
- *JSON* is any value. It is kept and sent on as the very text that came; in CBOR it is a value,
  and a byte string in it becomes base64 text. An escaped lone surrogate becomes U+FFFD, and
  U+0000 is refused. Integers beyond 64 bits reach CBOR readers as floats.
- *time* is text such as `2026-01-02T03:04:05.678Z`; to clients it always has this form.
- *binary* is padded standard base64, or in CBOR a byte string.
- CBOR: no tags, no indefinite lengths, no simple values but true, false and null, keys are text
  and never twice, integers fit 64 bits, floats are finite.
"""

_LIMITS = """\
## Limits

What goes beyond one of these is answered 400, before anything else is looked at.

| Limit | Default |
| --- | --- |
"""


def reference(limits: WireLimits) -> str:
    """The whole page."""
    to_clients = {name: cls for cls, name in server_packets.PACKETS.items()}
    named = [*client_packets.REQUESTS.values(), client_parts.Extra, *to_clients.values()]
    parts = [cls for cls in with_parts(named) if cls not in named]
    sections = [_HEAD, _limits(limits), "## From clients\n"]
    sections += [_section(f"{{{name}}}", cls) for name, cls in client_packets.REQUESTS.items()]
    sections += [_section("extra", client_parts.Extra), "## To clients\n"]
    sections += [_section(f"{{{name}}}", cls) for name, cls in to_clients.items()]
    sections += ["## Parts\n", *(_section(cls.__name__, cls) for cls in parts)]
    return "\n".join(sections)


def _limits(limits: WireLimits) -> str:
    rows = (f"| `{name}` | {value:,} |\n" for name, value in attrs.asdict(limits).items())
    return _LIMITS + "".join(rows)


def _section(title: str, cls: type[Any]) -> str:
    summary = f"{summary_of(cls)}\n\n" if summary_of(cls) else ""
    rows = "".join(
        f"| `{field.wire}` | {_type(field)}{', *always*' if field.required else ''} "
        f"| {meaning_of(cls, field)} |\n"
        for field in fields_of(cls)
    )
    return f"### {title}\n\n{summary}| Member | Type | Meaning |\n| --- | --- | --- |\n{rows}"


def _type(field: Field) -> str:
    if field.part is not None:
        name = field.part.__name__
        one = f"[{name}](#{name.lower()})"
    else:
        one = "object" if field.kind is Kind.PARAMS or field.wire == "head" else field.kind.value
    return f"list of {one}" if field.many else one
