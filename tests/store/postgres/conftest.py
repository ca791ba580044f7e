from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Cluster


@pytest.fixture
def postgres_own(cluster: Cluster) -> Iterator[Cluster]:
    """The server of all tests here, for one that stops it: it runs again afterwards."""
    yield cluster
    if not cluster.is_running:
        cluster.start()
