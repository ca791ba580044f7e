"""Finished frames, read back by the websocket library's own parser."""

from __future__ import annotations

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from tinode_py.wire import frames


def read_back(data: bytes) -> list[Event]:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    return list(client.events())


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_messages_of_every_length(length: int):
    payload = b"x" * length
    assert read_back(frames.text_frame(payload)) == [TextMessage(data="x" * length)]
    (message,) = read_back(frames.binary_frame(payload))
    assert isinstance(message, BytesMessage)
    assert bytes(message.data) == payload


@pytest.mark.parametrize(("length", "head"), [(125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_lengths_are_encoded_in_the_fewest_bytes(length: int, head: int):
    assert len(frames.text_frame(bytes(length))) == head + length


def test_the_head_of_a_message_is_what_stands_before_it():
    for length in (0, 125, 126, 65_535, 65_536, 3):
        payload = bytes(length)
        assert frames.text_head(length) + payload == frames.text_frame(payload)


def test_frames_follow_each_other():
    joined = frames.text_frame(b"a") + frames.ping_frame(b"b") + frames.binary_frame(b"c")
    assert [type(event) for event in read_back(joined)] == [TextMessage, Ping, BytesMessage]


def test_pings_and_pongs():
    assert read_back(frames.ping_frame()) == [Ping(payload=b"")]
    assert read_back(frames.pong_frame(b"x" * 125)) == [Pong(payload=b"x" * 125)]
    for frame in (frames.ping_frame, frames.pong_frame):
        with pytest.raises(ValueError, match="125"):
            frame(b"x" * 126)


@pytest.mark.parametrize(
    ("reason", "sent"), [("", ""), ("bye", "bye"), ("é" * 100, "é" * 61), ("x" * 123, "x" * 123)]
)
def test_a_close_carries_what_fits_of_its_reason(reason: str, sent: str):
    (event,) = read_back(frames.close_frame(1001, reason))
    assert isinstance(event, CloseConnection)
    assert event.code == 1001
    assert (event.reason or "") == sent
