"""The packets as JSON Schema (2020-12), read off the classes."""

from __future__ import annotations

from typing import Any

from . import client_packets, client_parts, server_packets
from .limits import WireLimits
from .shape import Field, Kind, fields_of, meaning_of, summary_of, with_parts

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$"


def client_schema(limits: WireLimits) -> dict[str, Any]:
    """What a client may send."""
    schema = _packet_schema("A packet from a client", client_packets.REQUESTS, limits)
    schema["description"] = (
        "If several requests are present the first in the order of `properties` counts. Names are"
        " matched without regard to case, unknown members are ignored, and null means absent"
        " except in `content`."
    )
    schema["properties"]["extra"] = {"$ref": "#/$defs/Extra"}
    schema["$defs"] |= _definitions([client_parts.Extra], limits)
    return schema


def server_schema() -> dict[str, Any]:
    """What a client is sent."""
    names = {name: cls for cls, name in server_packets.PACKETS.items()}
    schema = _packet_schema("A packet to a client", names, None)
    schema["additionalProperties"] = False
    schema["maxProperties"] = 1
    return schema


def _packet_schema(
    title: str, names: dict[str, type[Any]], limits: WireLimits | None
) -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "title": title,
        "type": "object",
        "properties": {name: _reference(cls) for name, cls in names.items()},
        "anyOf": [{"required": [name]} for name in names],
        "$defs": _definitions(list(names.values()), limits),
    }


def _reference(cls: type[Any]) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{cls.__name__}"}


def _definitions(classes: list[type[Any]], limits: WireLimits | None) -> dict[str, Any]:
    return {cls.__name__: _definition(cls, limits) for cls in with_parts(classes)}


def _definition(cls: type[Any], limits: WireLimits | None) -> dict[str, Any]:
    definition: dict[str, Any] = {"type": "object"}
    if summary_of(cls):
        definition["description"] = summary_of(cls)
    definition["properties"] = {
        field.wire: {"description": meaning_of(cls, field), **_member(field, limits)}
        for field in fields_of(cls)
    }
    required = [field.wire for field in fields_of(cls) if field.required]
    if required:
        definition["required"] = required
    return definition


def _member(field: Field, limits: WireLimits | None) -> dict[str, Any]:
    one = _one(field, limits)
    if not field.many:
        return one
    array: dict[str, Any] = {"type": "array", "items": one}
    if limits is not None:
        array["maxItems"] = limits.items(field.wire)
    return array


def _one(field: Field, limits: WireLimits | None) -> dict[str, Any]:
    if field.part is not None:
        return _reference(field.part)
    if field.kind is Kind.JSON:
        return {"type": "object"} if field.wire == "head" else {}
    if field.kind is Kind.PARAMS:
        return {"type": ["object", "null"]}
    if field.kind is Kind.TIME:
        return {"type": "string", "pattern": _TIME}
    if field.kind is Kind.BINARY:
        return {"type": "string", "contentEncoding": "base64"}
    if field.kind is Kind.FLAG:
        return {"type": "boolean"}
    if field.kind is Kind.NUMBER:
        bounds = {"minimum": limits.lowest, "maximum": limits.number} if limits else {}
        return {"type": "integer", **bounds}
    return {"type": "string", **({"maxLength": limits.text(field.wire)} if limits else {})}
