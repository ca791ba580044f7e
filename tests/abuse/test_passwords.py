"""Password checks cost much by design; wrong ones must not hold up right ones. Real time."""

from __future__ import annotations

import pytest
import trio

from tests.abuse.people import Client, World, clock, secret, settings_of
from tinode_py.auth.passwords import Argon2
from tinode_py.server import Parts, running

ALLOWED = 5.0  # seconds by which the right one may be later than alone
TURNS = 50  # or as long as so many take alone, where machines are slow: a quarter of the wrong ones


async def wrong(client: Client, login: str, count: int, codes: list[int]) -> None:
    for _ in range(count):
        packet = {"scheme": "basic", "secret": secret(login, "wrong password")}
        codes.append(await client.code(login=packet))


async def right(it: World) -> float:
    client = await it.guest()
    began = trio.current_time()
    assert await client.code(login={"scheme": "basic", "secret": secret("alice")}) == 200
    took = trio.current_time() - began
    await client.close()
    return took


@pytest.mark.slow
@pytest.mark.parametrize("login", ["alice", "nobody"], ids=["of the same login", "of others"])
@pytest.mark.parametrize("connections", [1, 20, 200])
async def test_200_wrong_ones_do_not_delay_a_right_one(login, connections):
    """In a row on one connection, or from many at once."""
    rules = settings_of({}).auth.basic
    parts = Parts(now=clock, hasher=Argon2(memory=rules.hash_memory, passes=rules.hash_passes))
    async with running(settings_of({}), parts) as server:
        it = World(server)
        await (await it.person("alice")).close()
        alone = min([await right(it) for _ in range(3)])
        codes: list[int] = []
        attackers = [await it.guest() for _ in range(connections)]
        async with trio.open_nursery() as nursery:
            for attacker in attackers:
                nursery.start_soon(wrong, attacker, login, 200 // connections, codes)
            await trio.sleep(0.1)
            late = [await right(it) for _ in range(3)]
            nursery.cancel_scope.cancel()
        assert max(late) < alone + max(ALLOWED, TURNS * alone)
        assert set(codes) <= {401, 503}
        server.front.close_sessions()


@pytest.mark.slow
async def test_the_loop_goes_on_while_passwords_are_checked():
    parts = Parts(now=clock, hasher=Argon2(memory=19456, passes=2))
    async with running(settings_of({}), parts) as server:
        it = World(server)
        alice = await it.person("alice")
        group = await it.group(alice)
        codes: list[int] = []
        attackers = [await it.guest() for _ in range(20)]
        async with trio.open_nursery() as nursery:
            for attacker in attackers:
                nursery.start_soon(wrong, attacker, "alice", 50, codes)
            waits: list[float] = []
            for _ in range(20):
                began = trio.current_time()
                assert await alice.code(pub={"topic": group, "content": 1}) == 202
                waits.append(trio.current_time() - began)
            assert sorted(waits)[10] < ALLOWED  # a thousand checks take far longer
            nursery.cancel_scope.cancel()
        server.front.close_sessions()
