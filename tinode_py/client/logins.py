"""Ways to log in: each is called with a greeted connection, again whenever it must be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from .client import Client
from .errors import ClientError
from .reply import Reply

Login = Callable[[Client], Awaitable[Reply]]
_TAKEN = 409


@attrs.frozen
class Password:
    """With a login and a password."""

    login: str
    password: str = attrs.field(repr=False)

    async def __call__(self, client: Client) -> Reply:
        return await client.login(self.login, self.password)


@attrs.frozen
class Token:
    """With the token of an earlier login."""

    token: str = attrs.field(repr=False)

    async def __call__(self, client: Client) -> Reply:
        return await client.login_token(self.token)


@attrs.frozen
class Register:
    """With a login and a password whose account is made if nobody has that login.

    `account`: members of its {acc}, such as `desc` and `tags`. A wrong password is refused as
    ever: 401.
    """

    login: str
    password: str = attrs.field(repr=False)
    account: Mapping[str, Any] = attrs.field(factory=dict)

    async def __call__(self, client: Client) -> Reply:
        try:
            return await client.create_account(self.login, self.password, **self.account)
        except ClientError as error:
            if error.code != _TAKEN:
                raise
        return await client.login(self.login, self.password)


@attrs.frozen
class Visitor:
    """As somebody without a name: an account that lasts as long as its token.

    `account`: members of its {acc}. The server must allow it (`auth.anonymous`).
    """

    account: Mapping[str, Any] = attrs.field(factory=dict)

    async def __call__(self, client: Client) -> Reply:
        return await client.visit(**self.account)
