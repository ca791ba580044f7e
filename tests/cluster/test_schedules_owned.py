"""Short schedules in which one of the machines has the store, and crashes as the others do."""

from __future__ import annotations

import pytest

from tests.cluster.simulation.playing import check_short

SCHEDULES = 96


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_wrong_after_any_schedule_with_an_owner():
    results = check_short(range(SCHEDULES), "--owned")
    assert sum(one["committed"] for one in results) > 5 * SCHEDULES
