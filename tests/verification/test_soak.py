"""Steady load with clients that leave, faults, outages and reloads leaves nothing behind."""

from __future__ import annotations

import pytest

from verification.soak import Sample, Soak


async def test_short_soak_leaves_nothing_behind() -> None:
    """Two seconds of what `make soak` does for ten minutes: every request ends, descriptors come back."""
    soak = Soak(2, streams_per_s=20)
    await soak.run()
    assert soak.problems == []
    assert soak.outcomes["message"] > 0


@pytest.mark.parametrize(("growth_kib", "slope_mib"), [(0, 0.0), (1, 9.765625), (10, 97.65625)])
def test_slope_is_growth_per_ten_thousand_requests(growth_kib: int, slope_mib: float) -> None:
    """A KiB with each request is 9.8 MiB with ten thousand; what happens at first counts nothing."""
    soak = Soak(1)
    soak.samples = [Sample(0, 0)] * 5 + [Sample(number, 50_000 + number * growth_kib) for number in range(10)]
    assert soak.slope_mib == pytest.approx(slope_mib)
