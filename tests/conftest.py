"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, emptied, running_cluster


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
