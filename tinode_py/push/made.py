"""The pushers that the settings ask for."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from ..outbound.address import check_setting
from ..outbound.client import Client
from ..settings.services import Push
from .base import Pusher
from .gateway import Gateway
from .stdout import Stdout
from .webhook import Webhook

CONNECTIONS = 8


@contextlib.asynccontextmanager
async def pushers(settings: Push, now: Callable[[], int]) -> AsyncIterator[tuple[Pusher, ...]]:
    """All that are on, none by default; their connections are closed at the end.

    Raises ConfigError for an address that cannot be used.
    """
    found: list[Pusher] = [Stdout()] if settings.stdout else []
    hook, gateway = settings.webhook, settings.gateway
    if not hook.url and not gateway.org:
        yield tuple(found)
        return
    async with Client(settings.timeout, CONNECTIONS) as client:
        if hook.url:
            check_setting("push.webhook.url", hook.url)
            found.append(Webhook(client, hook.url, hook.secret, now))
        if gateway.org:
            check_setting("push.gateway.url", gateway.url)
            found.append(Gateway(client, gateway.url, gateway.org, gateway.token))
        yield tuple(found)
