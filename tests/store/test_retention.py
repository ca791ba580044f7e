"""How long topics keep their messages."""

from __future__ import annotations

from tests.store.made import GROUP, put, topic
from tinode_py.changes import PutRetention, PutTopic
from tinode_py.queries import RetentionOf


async def test_what_is_no_topic_keeps_nothing(store):
    """It may have gone just before; the tables must fit together."""
    await put(store, PutTopic(topic()), PutRetention(GROUP, 5), PutRetention("grpX", 5))
    assert await store.fetch(RetentionOf(GROUP)) == 5
    assert await store.fetch(RetentionOf("grpX")) is None
