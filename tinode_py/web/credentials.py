"""Where an HTTP request says who sends it: headers, query, form, cookies, in this order.

The first place that names a scheme decides; a header that is not two words names none. Secrets
are base64, of either alphabet, with padding or without.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import parse_qs

import attrs

from ..errors import MALFORMED, Refused
from .head import RequestHead

_TWO_WORDS = re.compile(r"\s*(\S+)\s+(\S+)\s*")
_NO_FORM: Mapping[str, str] = {}


@attrs.frozen
class Credentials:
    """A scheme, and its secret as it was sent."""

    scheme: str
    secret: str = attrs.field(repr=False)

    def decoded(self) -> bytes:
        """The secret; Refused with 400 if it is not base64."""
        text = self.secret.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise Refused(MALFORMED) from None


def of_head(head: RequestHead) -> Credentials | None:
    """What the head says before any form: headers and query."""
    for name in ("x-tinode-auth", "authorization"):
        if match := _TWO_WORDS.fullmatch(head.header(name)):
            return Credentials(match[1], match[2])
    return _pair(query_of(head))


def of_request(
    head: RequestHead, form: Mapping[str, str] = _NO_FORM, *, cookies: bool = True
) -> Credentials | None:
    """What the request says, the form included, and cookies if they count."""
    found = of_head(head) or _pair(form)
    return found or (_pair(cookies_of(head)) if cookies else None)


def query_of(head: RequestHead) -> Mapping[str, str]:
    """The query's fields, the first of each name. Those that are too many are left out."""
    try:
        found = parse_qs(head.query, errors="replace", max_num_fields=100)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def cookies_of(head: RequestHead) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pair in head.header("cookie").replace(",", ";").split(";"):
        name, _, value = pair.strip().partition("=")
        found.setdefault(name, value.strip('"'))
    return found


def _pair(fields: Mapping[str, str]) -> Credentials | None:
    scheme = fields.get("auth", "")
    # In a query a plus sign stands for a blank.
    return Credentials(scheme, fields.get("secret", "").replace(" ", "+")) if scheme else None
