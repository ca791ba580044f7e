"""What a worker is given, and the settings that it makes of it."""

from __future__ import annotations

import pytest

from tinode_py.config import ConfigError, Settings
from tinode_py.worker import Worker

STORE = {"store": "postgresql://u@h/d"}


def worker(number: int = 2, *, fresh: bool = False) -> Worker:
    return Worker(number, 3, "/data/workers", 7, (8, 9), (10,), fresh)


def test_it_is_read_as_it_was_written() -> None:
    assert Worker.of(worker().text) == worker()
    with pytest.raises(ConfigError, match="--worker"):
        Worker.of("{}")


@pytest.mark.parametrize(
    ("cluster", "listen", "advertise"),
    [
        ({}, "unix:/data/workers/link-2", ""),
        ({"listen": "10.0.0.1:7000"}, "10.0.0.1:7001", ""),
        ({"listen": "127.0.0.1:0"}, "127.0.0.1:0", ""),
        (
            {"listen": "0.0.0.0:7000", "advertise": "[::1]:8000"},
            "0.0.0.0:7001",
            "[::1]:8001",
        ),
    ],
)
def test_each_is_a_node(cluster: dict[str, str], listen: str, advertise: str) -> None:
    made = worker().settings(Settings.of(server=STORE, cluster=cluster))
    assert made.cluster.listen == listen
    assert made.cluster.advertise == advertise


@pytest.mark.parametrize(
    ("store", "cluster", "first", "second"),
    [
        ("", {}, "", "peer+unix:/data/workers/link-1"),
        ("sqlite:///a.db", {}, "sqlite:///a.db", "peer+unix:/data/workers/link-1"),
        ("", {"listen": "10.0.0.1:7000"}, "", "peer://10.0.0.1:7000"),
        (
            *("", {"listen": "0.0.0.0:7000", "advertise": "10.0.0.2:8000"}),
            *("", "peer://10.0.0.2:8000"),
        ),
        ("peer://10.0.0.1:7", {}, "peer://10.0.0.1:7", "peer://10.0.0.1:7"),
        (STORE["store"], {}, STORE["store"], STORE["store"]),
    ],
)
def test_a_file_is_the_first_ones(
    store: str, cluster: dict[str, str], first: str, second: str
) -> None:
    given = Settings.of(server={"store": store}, cluster=cluster)
    assert [worker(n).settings(given).server.store for n in (1, 2)] == [first, second]


@pytest.mark.parametrize("listen", ["unix:/somewhere", "127.0.0.1:65535"])
def test_an_address_that_cannot_be_many(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"cluster\.listen"):
        worker().settings(Settings.of(server=STORE, cluster={"listen": listen}))


def test_who_is_known_to_be_dead() -> None:
    own = "unix:/data/workers/link-2"
    others = ("unix:/data/workers/link-1", "unix:/elsewhere/workers/link-2", "10.0.0.1:7000")
    assert worker().is_past(own, own)
    assert not any(worker().is_past(it, own) for it in others)
    assert [worker(fresh=True).is_past(it, own) for it in others] == [True, False, False]
