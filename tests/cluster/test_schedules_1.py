"""The first part of the short schedules."""

from __future__ import annotations

import pytest

from tests.cluster.simulation.playing import check_part


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_wrong_after_any_short_schedule():
    check_part(0)
