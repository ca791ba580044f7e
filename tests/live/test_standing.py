"""Settings at run time, in a server that runs."""

from __future__ import annotations

import httpx
import pytest
import trio

from tinode_py.client import ClientError
from tinode_py.config import ConfigError, Settings
from tinode_py.errors import StoreError
from tinode_py.runtime import LIVE, leaves
from tinode_py.testing import RunningServer, running_server
from tinode_py.web.apikey import make_key


@pytest.fixture
async def server(autojump_clock):
    async with running_server() as running:
        yield running


async def test_limits_hold_at_once(server: RunningServer):
    standing = server.server.standing
    alice = await server.user("alice")
    found = await standing.set(["limits.tags=2", "limits.message_size = 2048", "log.level=error"])
    assert found == {"limits.tags": 2, "limits.message_size": 2048, "log.level": "error"}
    group = (await alice.sub("new1")).topic
    await alice.request({"set": {"topic": group, "tags": ["one", "two", "three"]}})
    assert len((await alice.get(group, "tags")).meta["tags"]) == 2
    async with server.connect() as bobby:
        assert (await bobby.hi()).params["maxMessageSize"] == 2048
        with pytest.raises(ClientError):
            await bobby.request({"get": {"topic": "x" * 3000}})
    assert await standing.unset(["limits.tags", "limits.depth"]) == ["limits.tags"]
    assert server.server.settings.limits.tags == 16
    assert server.server.settings.limits.message_size == 2048


async def test_doors_and_who_may_come_in(server: RunningServer):
    running = server.server
    own = make_key(b"salt", 1, 2)
    assert not running.doors.keys.valid(own)
    await running.standing.set(["web.origins=https://a.test", "auth.registration=closed"])
    assert not running.doors.admits("https://b.test")
    async with server.connect() as bobby:
        await bobby.hi()
        with pytest.raises(ClientError) as refused:
            await bobby.request({"acc": {"user": "new", "scheme": "anonymous"}})
        assert refused.value.code == 403
    await running.standing.set(['web.api_salt="c2FsdA=="'])
    assert running.doors.keys.valid(own)


async def test_publishing_hooks_and_streams(server: RunningServer):
    running = server.server
    alice = await server.user("alice")
    group = (await alice.sub("new1")).topic
    await alice.pub(group, 1)
    items = ("clients.publish=false", "events.readers=3", "webhooks.most=0", "sessions.policy=one")
    await running.standing.set(items)
    with pytest.raises(ClientError) as refused:
        await alice.pub(group, 2)
    assert refused.value.code == 403
    assert running.events.streams.total_tokens == 3
    assert running.events.webhooks.rules.most == 0
    assert running.entrance.logins.policy.policy == "one"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("limits.tagz=1", "limits.tagz: unknown key, did you mean limits.tags?"),
        ("nowhere.tags=1", "nowhere.tags: unknown key"),
        ("limits.tags.more=1", "limits.tags: wants a whole number"),
        ("limits=1", "limits: is a table"),
        ("limits.tags=many", "limits.tags: wants a whole number, not a text"),
        ("limits.depth=9999", "limits.depth: wants a number from 8 to 300"),
        ("limits.outbox=65536", "limits.outbox: wants at least limits.message_size"),
        ("log.level=loud", "log.level: wants 'debug'"),
        ("users.lobby=nogroup", "users.lobby: wants a group"),
        ("web.api_salt=not base64", "web.api_salt: not base64"),
        ("server.listen=127.0.0.1:1", "server.listen: needs a restart"),
        ("limits.tags", "limits.tags: wants key=value"),
        ("=1", ": "),
    ],
)
async def test_what_cannot_be_is_named_and_nothing_changes(server: RunningServer, item, said):
    standing = server.server.standing
    before = standing.settings
    with pytest.raises(ConfigError) as error:
        await standing.set(["limits.min_tag_length=3", item])
    assert str(error.value).startswith(said)
    assert standing.settings is before
    assert standing.stored == {}


async def test_what_is_not_stored_is_not_in_force(server: RunningServer):
    with server.fail_commits(), pytest.raises(StoreError):
        await server.server.standing.set(["limits.tags=2"])
    assert server.server.settings.limits.tags == 16
    assert server.server.standing.stored == {}


async def test_changes_come_one_after_the_other(server: RunningServer):
    standing = server.server.standing
    async with trio.open_nursery() as nursery:
        for n in range(5):
            nursery.start_soon(standing.set, [f"limits.tags={n}", f"limits.uploads={n + 1}"])
    limits = standing.settings.limits
    assert limits.uploads == limits.tags + 1
    live, late = await standing.read_again()
    assert (live, late) == ([], [])
    assert standing.settings.limits == limits


async def test_sources_that_are_read_again(server: RunningServer):
    running = server.server
    standing = running.standing
    await standing.set(["limits.tags=2"])
    new = Settings.of(
        server={"store": "memory:", "listen": ["127.0.0.1:1"]},
        limits={"tags": 5, "uploads": 7},
    )
    live, late = await standing.read_again(new)
    assert {"limits.tags", "limits.uploads"} <= set(live)
    assert "server.listen" in late
    assert (running.settings.limits.tags, running.settings.limits.uploads) == (2, 7)
    assert running.settings.server.listen != ("127.0.0.1:1",)
    assert await standing.unset(["limits.tags"]) == ["limits.tags"]
    assert running.settings.limits.tags == 5


async def test_a_file_that_clashes_with_what_is_stored_changes_nothing(server: RunningServer):
    standing = server.server.standing
    await standing.set(["limits.outbox=131072"])
    with pytest.raises(ConfigError, match=r"limits\.outbox"):
        await standing.read_again(Settings.of(limits={"message_size": 200_000}))
    assert standing.settings.limits.message_size == 131_072


def test_every_name_of_the_list_is_a_key_or_a_table():
    known = [name for name, _, _, _ in leaves(Settings())]
    for name in LIVE:
        assert any(key == name or key.startswith(name + ".") for key in known), name


async def test_the_page_tells_the_key_that_is_valid_now(server: RunningServer):
    running = server.server
    await running.standing.set(['web.api_salt="c2FsdA=="'])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(running.front._app)) as http:
        got = await http.get("http://server/server.json")
    assert running.doors.keys.valid(got.json()["apikey"])
