"""What one request of the business API is: declared here, carried out elsewhere."""

from __future__ import annotations

from typing import Any, Literal

import attrs

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
OPEN = ""  # the scope of what anybody may ask
OWN = "me"  # the scope of a user's own login token


@attrs.frozen
class Operation:
    """A method on a path.

    `scope` is what a key must have. `body`, `query` and `answer` are attrs classes; `media` is
    another type of answer than JSON.
    """

    id: str
    method: Method
    path: str
    scope: str
    summary: str
    body: type[Any] | None = None
    query: type[Any] | None = None
    answer: type[Any] | None = None
    status: int = 200
    media: str = ""
