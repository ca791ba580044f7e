"""What a call to the business API raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class FieldError:
    """What is wrong with one member of a request: where it is, such as `messages[0].topic`."""

    field: str
    detail: str


class BackendError(Exception):
    """A call failed."""


class Unreachable(BackendError):
    """There was no answer: no connection, none in time, or one that was cut off.

    `maybe_done`: the request may have been carried out all the same.
    """

    def __init__(self, text: str, *, maybe_done: bool) -> None:
        super().__init__(f"{text}; it may have been done" if maybe_done else text)
        self.maybe_done = maybe_done


class Nonsense(BackendError):
    """The answer is none of this API: another type, another shape, a redirect, or too long.

    The request may have been carried out.
    """


class Problem(BackendError):
    """The server refused (RFC 9457); nothing was changed unless `detail` says so.

    - `status`: the HTTP status.
    - `detail`: what was wrong.
    - `errors`: the members that were wrong, if that is what it was.
    - `code`: what the chat's rules answered; 0 if they were not asked.
    - `retry_after`: seconds after which the server wants to be asked again; 0 if it did not say.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        code: int = 0,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.errors = errors
        self.code = code
        self.retry_after = retry_after


class BadRequest(Problem):
    """400: the request cannot be read, or a member is wrong: `errors` names it."""


class Unauthorized(Problem):
    """401: the key or the token is not known, or has ended."""


class Forbidden(Problem):
    """403: the key lacks the scope, or the user may not."""


class NotFound(Problem):
    """404: there is no such thing."""


class Conflict(Problem):
    """409: it cannot be done as things are."""


class TooLarge(Problem):
    """413: the request is too long."""


class AgainstRules(Problem):
    """422: a rule of the chat forbids it."""


class TooManyRequests(Problem):
    """429: the key has used up its requests of this second."""


class Unavailable(Problem):
    """502, 503, 504: the server is busy, stops, or is away."""


BY_STATUS: Mapping[int, type[Problem]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: AgainstRules,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem_of(status: int, *args: Any) -> Problem:
    """The exception for a status, of its own class where it has one."""
    return BY_STATUS.get(status, Problem)(status, *args)
