"""The words of the business API: what a text or a number in a request may be.

Classes of requests and answers are attrs classes of these types. A docstring's lines that begin
with a member's name document it. A member whose name ends in `_` is sent without it.
"""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

ITEMS = 1000  # of a list in a request
PAGE = 100  # rows of an answer

Json = msgspec.Raw  # any JSON value, kept as it came
NULL = msgspec.Raw(b"null")

UserId = Annotated[str, msgspec.Meta(pattern="^usr[A-Za-z0-9_-]{11}$")]
UserRef = Annotated[str, msgspec.Meta(pattern="^(usr[A-Za-z0-9_-]{11}|ext:.{1,128})$")]
Sender = Annotated[str, msgspec.Meta(pattern="^(usr[A-Za-z0-9_-]{11}|ext:.{1,128})?$")]
TopicId = Annotated[str, msgspec.Meta(pattern="^(grp[A-Za-z0-9_-]{11}|p2p[A-Za-z0-9_-]{22})$")]
GroupOrRoom = Annotated[
    str, msgspec.Meta(pattern="^(grp[A-Za-z0-9_-]{11}|tmp[A-Za-z0-9_.:-]{1,61})$")
]
Users = Annotated[tuple[UserRef, ...], msgspec.Meta(max_length=ITEMS)]
Attachments = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=4096)], ...], msgspec.Meta(max_length=100)
]
Tags = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=96)], ...],
    msgspec.Meta(max_length=64),
]
Mode = Annotated[str, msgspec.Meta(pattern="^[JRWPASDONjrwpasdon+-]{0,16}$")]
ExternalId = Annotated[str, msgspec.Meta(pattern=r"^[^/\\\x00-\x1f]{1,128}$")]
Short = Annotated[str, msgspec.Meta(max_length=128)]
Long = Annotated[str, msgspec.Meta(max_length=4096)]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Days = Annotated[int, msgspec.Meta(ge=0, le=36_500)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE)]
Moment = Annotated[str, msgspec.Meta(max_length=40, extra_json_schema={"format": "date-time"})]


@attrs.frozen
class Page:
    """Which part of a list.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """

    after: Short = ""
    limit: Limit = 50
