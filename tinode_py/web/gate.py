"""Who may use the routes for files: the API key, and a user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
from starlette.requests import Request

from .. import errors
from ..errors import Refused
from ..live.visitors import Visitors
from .apikey import ApiKeys
from .credentials import Credentials
from .handshake import key_of
from .head import RequestHead

_NO_FORM: Mapping[str, str] = {}


@attrs.frozen
class Gate:
    """`user_of` tells who a long-polling session (`sid`) is: None if there is no such session,
    empty if it is not logged in.
    """

    keys: ApiKeys
    visitors: Visitors
    user_of: Callable[[str], Awaitable[str | None]]

    def check_key(self, head: RequestHead, form: Mapping[str, str] = _NO_FORM) -> None:
        """Refused without a valid API key."""
        if not self.keys.valid(key_of(head, form)):
            raise Refused(errors.KEY_REQUIRED)

    async def user(self, found: Credentials | None, sid: str, address: str) -> str:
        """Who sends a request, empty if it does not say; Refused if what it says is not true."""
        if found is not None:
            return (await self.visitors.admit(found.scheme, found.decoded(), address)).user
        return (await self.user_of(sid) or "") if sid else ""

    def address(self, request: Request) -> str:
        """The client's, empty if unknown."""
        return request.client.host if request.client else ""
