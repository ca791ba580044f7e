"""Bounds on what clients may send and ask for: the table `limits`."""

from __future__ import annotations

import attrs

from .keys import key


@attrs.frozen
class Limits:
    message_size: int = key(131072, "Largest packet of a client.", unit="bytes", low=1024)
    topic_subscribers: int = key(128, "Members of a group, channel readers not counted.", low=2)
    tags: int = key(16, "Tags of an account or a group; more are cut off.")
    min_tag_length: int = key(2, "Shortest tag.", unit="characters", low=1)
    max_tag_length: int = key(96, "Longest tag.", unit="characters", low=1)
    file_size: int = key(8388608, "Largest upload, the whole request body.", unit="bytes")
    upload_per_day: int = key(
        0,
        "Uploads of one user in a day (UTC), those of an address before it has an account alike;"
        " more are answered 422. 0: no limit.",
        unit="bytes",
    )
    uploads: int = key(64, "Uploads under way at a time; more are answered 503.", low=1)
    upload_time: float = key(
        900.0, "Time for one upload; a slower one is answered 408.", unit="seconds", low=1
    )
    depth: int = key(256, "Nesting of a packet, JSON and CBOR alike.", low=8, high=300)
    inflight: int = key(
        64, "Unanswered requests of a session; at the bound its socket is not read.", low=1
    )
    packets_per_second: int = key(
        2000,
        "Packets taken from a session, one more counted for each 4096 bytes; faster ones are read"
        " later, none is lost. 0: no limit.",
    )
    inbox: int = key(1024, "Requests waiting for one topic; more are answered 503.", low=1)
    batch: int = key(256, "Requests of one topic that share a commit.", low=1)
    outbox: int = key(
        4194304, "Unsent bytes of one session; a slower reader is cut off.", unit="bytes", low=65536
    )
    scheduled: int = key(
        10000, "Messages that one key, or root's token, may have waiting to be sent later.", low=1
    )
    scheduled_bytes: int = key(67108864, "What these may take together.", unit="bytes", low=1024)
    scheduled_days: int = key(
        366, "How far ahead a message to be sent later may lie.", unit="days", low=1, high=36500
    )
    write_timeout: float = key(
        10.0, "A session that takes no byte for so long is cut off.", unit="seconds", low=0.1
    )
