"""No store lacks an arm for a change or a query."""

from __future__ import annotations

import inspect
from typing import get_args

from tinode_py import changes, queries, queries_backend
from tinode_py.store import apply, memory_apply, memory_read, read


def test_every_change_has_an_arm_in_every_store():
    known = set(get_args(changes.Change))
    assert set(apply.ARMS) == set(memory_apply.ARMS) == known


def test_every_query_has_an_arm_in_every_store():
    known = {
        item
        for module in (queries, queries_backend)
        for _, item in inspect.getmembers(module, inspect.isclass)
        if issubclass(item, queries.Query) and item is not queries.Query
    }
    assert set(read.ARMS) == set(memory_read.ARMS) == known
