"""The description of the business API (OpenAPI 3.1), generated from the classes that decode.

`python -m tinode_py.web.v1.openapi` writes `schema/openapi.json` anew, in a checkout; a test
holds the file equal to the classes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import msgspec

from .contract import OPERATIONS
from .members import meanings_of, struct_of
from .operation import OPEN, OWN, Operation
from .problem import MEDIA, ProblemDetails

FILE = "schema/openapi.json"
_REF = "#/components/schemas/{name}"
_PATH_MEMBERS = {
    "user": ("A user: `usr…`, or `ext:` and the back end's own id.", "string"),
    "topic": ("A topic by its own name, `grp…` or `p2p…`.", "string"),
    "room": ("A room by its name, `tmp…`.", "string"),
    "seq": ("A message's number.", "integer"),
    "id": ("What the list calls it.", "string"),
    "number": ("A login's number.", "integer"),
}
_INTRODUCTION = (
    "What a back end asks of the chat server. Every request but this one carries"
    " `Authorization: Bearer`: a key (`tnk_…`) with the scope that is named, or the login token"
    " of root, who may do all. Paths under `/v1/me` take any user's login token and do what that"
    " user may do. Errors are problem details (RFC 9457). Lists come by pages: ask again with"
    " `next` as `after`."
)
_ERRORS = {
    "400": "The request cannot be read, or a member is wrong: `errors` names it.",
    "401": "There is no key or token, or it is not known, or it has ended.",
    "403": "The key or the user may not do this.",
    "404": "There is no such thing.",
    "405": "There is no such method here.",
    "409": "It cannot be done as things are.",
    "413": "The body is too long.",
    "415": "The body is not JSON.",
    "422": "A rule of the chat forbids it.",
    "429": "The key has used up its requests of this second: see `Retry-After`.",
    "501": "Not built yet.",
    "503": "The server is busy, or stops.",
}
_TOO_LONG = "431"  # answered before anybody has looked at the path


def document() -> dict[str, Any]:
    """The whole description, as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "tinode-py business API", "version": "1", "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": _failures(),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key, `tnk_…`."},
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A user's login token, in base64.",
                },
            },
        },
    }


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return paths


def _described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    if operation.scope == OWN:
        found["security"] = [{"token": []}]
    elif operation.scope != OPEN:
        found["description"] = f"Scope: `{operation.scope}`."
        found["security"] = [{"key": [operation.scope]}]
    parameters = [*_path_members(operation.path), *_query_members(operation.query)]
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        schema = {"$ref": _REF.format(name=operation.body.__name__)}
        content = {"application/json": {"schema": schema}}
        found["requestBody"] = {"required": True, "content": content}
    found["responses"] = _responses(operation)
    return found


def _path_members(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_MEMBERS[name][0],
            "schema": {"type": _PATH_MEMBERS[name][1]},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_members(cls: type[Any] | None) -> list[dict[str, Any]]:
    if cls is None:
        return []
    (_, found) = msgspec.json.schema_components([struct_of(cls, for_schema=True)])
    members = found[cls.__name__]["properties"]
    meanings = meanings_of(cls)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in found[cls.__name__].get("required", ()),
            "description": meanings[name],
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        for name, schema in members.items()
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        schema = {"$ref": _REF.format(name=operation.answer.__name__)}
        done["content"] = {"application/json": {"schema": schema}}
    elif operation.media:
        done["content"] = {operation.media: {"schema": {"type": "string"}}}
    elif operation.status != 204:
        done["content"] = {"application/json": {"schema": {"type": "object"}}}
    failed = {code: {"$ref": f"#/components/responses/{code}"} for code in (*_ERRORS, _TOO_LONG)}
    return {str(operation.status): done, **failed}


def _failures() -> dict[str, Any]:
    problem = {MEDIA: {"schema": {"$ref": _REF.format(name=ProblemDetails.__name__)}}}
    plain = {"text/plain": {"schema": {"type": "string"}}}
    about_head = {"description": "The query or the headers are too long.", "content": plain}
    failures = {code: {"description": about, "content": problem} for code, about in _ERRORS.items()}
    return {**failures, _TOO_LONG: about_head}


def _schemas() -> dict[str, Any]:
    named: dict[str, type[Any]] = {ProblemDetails.__name__: ProblemDetails}
    for operation in OPERATIONS:
        for cls in (operation.body, operation.answer):
            if cls is not None:
                assert named.setdefault(cls.__name__, cls) is cls, cls.__name__
    structs = [struct_of(cls, for_schema=True) for cls in named.values() if attrs.has(cls)]
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    return dict(sorted(schemas.items()))


if __name__ == "__main__":
    (Path(__file__).parents[3] / FILE).write_text(text(), encoding="utf-8")
