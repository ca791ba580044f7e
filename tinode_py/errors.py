"""Every answer that a {ctrl} can carry, as rows of one table (protocol notes, 5.1).

A refusal is a value, not an exception, until it leaves the core; `Refused` exists so that a
deep check can end a decision. Texts are part of the protocol: clients compare some of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs


@attrs.frozen
class Answer:
    """A code and its text."""

    code: int
    text: str


OK = Answer(200, "ok")
CREATED = Answer(201, "created")
ACCEPTED = Answer(202, "accepted")
NO_CONTENT = Answer(204, "no content")
EVICTED = Answer(205, "evicted")
SHUTDOWN = Answer(205, "server shutdown")
DELIVERED = Answer(208, "delivered")
VALIDATE = Answer(300, "validate credentials")
CHALLENGE = Answer(300, "challenge")
AUTH_RESET = Answer(301, "auth reset")
USE_OTHER = Answer(303, "use other")
ALREADY_SUBSCRIBED = Answer(304, "already subscribed")
NOT_JOINED = Answer(304, "not joined")
NO_ACTION = Answer(304, "no action")
NOT_MODIFIED = Answer(304, "not modified")
MALFORMED = Answer(400, "malformed")
AUTH_REQUIRED = Answer(401, "authentication required")
AUTH_FAILED = Answer(401, "authentication failed")
UNKNOWN_SCHEME = Answer(401, "unknown authentication scheme")
DENIED = Answer(403, "permission denied")
KEY_REQUIRED = Answer(403, "valid API key required")
BAD_SESSION = Answer(403, "invalid or expired session")
TOPIC_NOT_FOUND = Answer(404, "topic not found")
USER_NOT_FOUND = Answer(404, "user not found")
NOT_FOUND = Answer(404, "not found")
NOT_ALLOWED = Answer(405, "operation or method not allowed")
INVALID_RESPONSE = Answer(406, "invalid response")
TOO_SLOW = Answer(408, "too slow")
ALREADY_AUTHENTICATED = Answer(409, "already authenticated")
DUPLICATE_CREDENTIAL = Answer(409, "duplicate credential")
ATTACH_FIRST = Answer(409, "must attach first")
EXISTS = Answer(409, "already exists")
OUT_OF_SEQUENCE = Answer(409, "command out of sequence")
TOO_LARGE = Answer(413, "too large")
ELSEWHERE = Answer(423, "logged in elsewhere")
POLICY = Answer(422, "policy violation")
BUSY = Answer(486, "busy here")
INTERNAL = Answer(500, "internal error")
NOT_IMPLEMENTED = Answer(501, "not implemented")
UNREACHABLE = Answer(502, "cluster unreachable")
UNAVAILABLE = Answer(503, "service unavailable")
LOCKED = Answer(503, "locked")
VERSION = Answer(505, "version not supported")


class Refused(Exception):
    """A request is answered with `answer` and changes nothing."""

    def __init__(self, answer: Answer, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(answer.text)
        self.answer = answer
        self.params = params


class StoreError(Exception):
    """The store could not do what was asked (disk full, I/O error, connection lost)."""

    answer: ClassVar[Answer] = INTERNAL


class StoreAway(StoreError):
    """The store cannot be reached for now. Nothing was changed; later it may be there again."""

    answer: ClassVar[Answer] = UNAVAILABLE


class Fenced(StoreAway):
    """The node is no member any more: nothing was changed, and under its number nothing ever
    will be. Its topics may have other owners.
    """
