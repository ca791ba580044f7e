"""How long topics keep their messages."""

from __future__ import annotations

from collections.abc import Mapping

from ...changes import Batch, PutRetention
from ...queries import RetentionOf
from .backend import Call, Handler
from .people import topic_of
from .shape_topics import Retention


async def read_retention(call: Call) -> Retention:
    topic = await topic_of(call, call.path["topic"])
    return Retention(await call.backend.store.fetch(RetentionOf(topic.name)))


async def put_retention(call: Call) -> Retention:
    """Nothing is written if it was so before."""
    wanted: Retention = call.body
    topic, store = await topic_of(call, call.path["topic"]), call.backend.store
    if await store.fetch(RetentionOf(topic.name)) != wanted.days:
        deed = call.deed("topic.change", topic.name, changed=["retention"])
        await store.commit(Batch((PutRetention(topic.name, wanted.days), *deed)))
    return wanted


HANDLERS: Mapping[str, Handler] = {
    "readRetention": read_retention,
    "putRetention": put_retention,
}
