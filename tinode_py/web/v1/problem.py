"""Errors as problem details (RFC 9457), `application/problem+json`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import attrs
import msgspec
from starlette.responses import Response

from ...errors import ATTACH_FIRST, Answer, Refused

MEDIA = "application/problem+json"


@attrs.frozen
class FieldError:
    """What is wrong with one member of a request.

    - `field`: where it is, such as `messages[0].topic`.
    - `detail`: what is wrong with it.
    """

    field: str
    detail: str


@attrs.frozen
class ProblemDetails:
    """An error (RFC 9457).

    - `type`: always `about:blank`: the status says what kind it is.
    - `title`: the name of the status.
    - `status`: the HTTP status again.
    - `detail`: what was wrong with this request.
    - `errors`: the members that were wrong, if that is what it was.
    - `code`: what the chat's rules answered, as {ctrl} has it; 0 if they were not asked.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    code: int = 0


class Problem(Exception):
    """A request is answered with an error, and has changed nothing unless it says so."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        *,
        code: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.code = code
        self.headers = dict(headers or {})

    @classmethod
    def field(cls, name: str, detail: str) -> Problem:
        """One member of the request is wrong: 400."""
        return cls(400, f"`{name}`: {detail}", (FieldError(name, detail),))

    @classmethod
    def of(cls, answer: Answer, what: str = "") -> Problem:
        """A refusal by the rules of chat."""
        if answer == ATTACH_FIRST:  # nobody attaches here: he could not, being no member
            return cls(403, "the user is no member of this topic", code=answer.code)
        text = f"{what}: {answer.text}" if what else answer.text
        return cls(http_status(answer.code), text, code=answer.code)

    def details(self) -> ProblemDetails:
        title = HTTPStatus(self.status).phrase
        return ProblemDetails(
            "about:blank", title, self.status, self.detail, self.errors, self.code
        )

    def response(self) -> Response:
        body = msgspec.json.encode(self.details())
        return Response(body, self.status, self.headers, media_type=MEDIA)


def refused(no: Refused, what: str = "") -> Problem:
    return Problem.of(no.answer, what)


def http_status(code: int) -> int:
    """The HTTP status for a refusal's code: what has none of its own is a conflict."""
    known = (400, 401, 403, 404, 405, 406, 409, 413, 422, 423, 500, 501, 502, 503)
    return code if code in known else 409
