"""Short schedules in which one of the machines has the store, and crashes as the others do."""

from __future__ import annotations

import pytest

from tests.cluster.simulation.playing import played

SECONDS = 6  # of processor time


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_wrong_after_any_schedule_with_an_owner():
    results = played("0", "2000", "--scale", "short", "--owned", "--seconds", f"{SECONDS}")
    wrong = {one["seed"]: one["wrong"] for one in results if one["wrong"]}
    again = "python -m tests.cluster.simulation --scale short --owned --story"
    assert not wrong, f"{wrong}: play one again by {again} {min(wrong)}"
    assert sum(one["committed"] for one in results) > 5 * len(results) > 0
