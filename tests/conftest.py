"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, emptied, running_cluster

# Where this is set, each of the two hundred processes that tests start would compile the whole
# server again, which takes as long as all else that a start is.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PATIENCE = 360  # seconds for a slow test: the longest takes one minute on a machine of our size


def pytest_configure(config: pytest.Config) -> None:
    """Have xdist give out files in the order below, not those with the most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that nobody waits at the end for one that is long."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    for item in slow:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENCE))
    files = {item.path for item in slow}
    items.sort(key=lambda item: item.path not in files)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One more than there are cores: who waits for a browser or another process needs none."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) + 1


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server, one for each process of the test run; skips where there is none."""
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def _shared_database(cluster: Cluster) -> str:
    return cluster.database()


@pytest.fixture
def postgres_url(_shared_database: str) -> str:
    """The URL of a database of this version's schema without a row, for one test at a time."""
    return emptied(_shared_database)
