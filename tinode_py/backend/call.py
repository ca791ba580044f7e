"""What a call is: a request as data, and how its answer is read. Nothing here waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

import attrs
import msgspec

from ..web.v1.members import built, struct_of, wire_name
from .errors import FieldError, Nonsense, Problem, problem_of

T_co = TypeVar("T_co", covariant=True)
_SHOWN = 200  # characters of an answer that nobody expected, in an error
_LONGEST_WAIT = 86_400.0  # seconds that a server may want to be left alone


@attrs.frozen
class Call(Generic[T_co]):
    """A request. `answer` is the class of its answer, None where there is none.

    `repeatable`: it may be asked again when its answer was lost. `keyed`: it may be if its
    messages carry a key (`idem`).
    """

    method: str
    path: str
    answer: type[T_co] | None = None
    query: Mapping[str, Any] = attrs.field(factory=dict)
    body: Mapping[str, Any] | None = None
    repeatable: bool = False
    keyed: bool = False

    def parameters(self) -> dict[str, str]:
        """The query as text."""
        return {name: _parameter(value) for name, value in self.query.items()}

    def content(self) -> bytes | None:
        """The body as JSON. TypeError or ValueError for what cannot be written as such."""
        return None if self.body is None else msgspec.json.encode(_plain(self.body))


@attrs.frozen
class Got:
    """An answer, whole."""

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""


class Page(Protocol[T_co]):
    """One page of a list."""

    def rows(self) -> tuple[T_co, ...]: ...
    def onward(self) -> Mapping[str, Any]:
        """Members of the query for the page that follows; empty if there is none."""


# --- what the generated calls are written with --------------------------------------------


def place(template: str, **members: str | int) -> str:
    """A path with its members. ValueError for one that would lead elsewhere."""
    for name, value in members.items():
        if str(value) in ("", ".", ".."):
            raise ValueError(f"{value!r} is no {name}")
    return template.format(**{name: quote(str(value), safe=":") for name, value in members.items()})


def given(*members: tuple[str, Any, Any]) -> dict[str, Any]:
    """Of (name, value, default) those that are not their default."""
    return {name: value for name, value, default in members if value != default}


def with_key(call: Call[T_co], key: str) -> Call[T_co]:
    """A call that sends messages, repeatable: those without an `idem` get this one.

    What is to be sent later stays as it is: asked for twice it would wait twice.
    """
    body = call.body or {}
    messages = body.get("messages", [body])
    filled = [_keyed(message, f"{key}-{number}") for number, message in enumerate(messages)]
    if not all(filled):
        return call
    body = {**body, "messages": filled} if "messages" in body else filled[0]
    return attrs.evolve(call, body=body, repeatable=True)


def _keyed(message: Any, key: str) -> dict[str, Any]:
    plain: Any = _plain(message)
    if not isinstance(plain, dict) or plain.get("at") is not None:
        return {}
    return plain if plain.get("idem") else {**plain, "idem": key}


def _plain(value: Any) -> Any:
    """What the library writes: classes as their members, without those that are defaults."""
    if attrs.has(type(value)):
        members = [(field, getattr(value, field.name)) for field in attrs.fields(type(value))]
        return {
            wire_name(field.name): _plain(member)
            for field, member in members
            if field.default is attrs.NOTHING or member != field.default
        }
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(member) for member in value]
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return value


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    return ",".join(value)


# --- answers ------------------------------------------------------------------------------


def read(call: Call[T_co], got: Got) -> T_co:
    """What a good answer says. Nonsense if it is not what the call is answered with."""
    if call.answer is None:
        return None  # type: ignore[return-value]  # T is None there
    if not _is_json(got):
        raise Nonsense(f"{call.method} {call.path}: {_shown(got)} is not JSON")
    try:
        found = msgspec.json.decode(got.body, type=struct_of(call.answer, lenient=True))
    except (ValueError, RecursionError) as error:
        what = f"{call.method} {call.path}: the answer is no {call.answer.__name__}"
        raise Nonsense(f"{what}: {error}") from None
    answer: T_co = built(found, call.answer)
    return answer


@attrs.frozen
class _Details:
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    code: int = 0


def problem(got: Got) -> Problem:
    """What a refusal says; of one that is no problem details (a proxy's) the beginning."""
    details = _Details(_shown(got))
    if _is_json(got):
        try:
            found = msgspec.json.decode(got.body, type=struct_of(_Details, lenient=True))
        except (ValueError, RecursionError):
            pass
        else:
            details = built(found, _Details)
    wait = retry_after(got.retry_after)
    return problem_of(got.status, details.detail, details.errors, details.code, wait)


def retry_after(text: str) -> float:
    """Seconds, of the header. 0 where there is none, or none that is a number."""
    short = text.strip()
    if not (short.isascii() and short.isdigit()):
        return 0.0
    return min(float(short[:10]), _LONGEST_WAIT)


def _is_json(got: Got) -> bool:
    kind = got.content_type.partition(";")[0].strip().lower()
    return kind in ("application/json", "application/problem+json")


def _shown(got: Got) -> str:
    text = " ".join(got.body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return f"{got.status} {got.content_type or 'without a type'}: {text[:_SHOWN]!r}"
