"""Webhooks, as they come back."""

from __future__ import annotations

from tests.store.made import put
from tinode_py.changes_backend import MoveWebhook, PutWebhook
from tinode_py.queries_backend import WebhooksAfter
from tinode_py.records import Webhook


async def test_a_webhook_comes_back_with_both_its_secrets(store):
    first = Webhook(1, 5, "https://a.example/", "new", ("a.b",), ("grpA",), True, 7, 0, "old", 9)
    second = Webhook(2, 5, "https://b.example/", "s", active=False)
    await put(store, PutWebhook(first), PutWebhook(second))
    assert await store.fetch(WebhooksAfter(0, 9)) == (first, second)
    await put(store, MoveWebhook(1, 8, 3))
    (moved, _) = await store.fetch(WebhooksAfter(0, 9))
    assert (moved.done, moved.failing, moved.former, moved.former_until) == (8, 3, "old", 9)
