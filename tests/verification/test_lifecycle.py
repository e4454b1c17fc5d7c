"""What `make lifecycle` measures at full size, small enough for every commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from verification.finding import Finding
from verification.lifecycle import ALONE, TOGETHER
from verification.slow_reader import TellingUpstream, Window, judge, slow_reader

MANY_TIMES = 5.0
"""By so much a noisy machine may slow the others down."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the memory of a process")
async def test_a_slow_reader_costs_others_neither_memory_nor_time() -> None:
    """Beside 50 streams that flow a client at 1 KB/s costs less than 2 MiB, and its upstream is held back."""
    finding = await slow_reader(for_s=2.0, warm_up_s=1.0, max_slower=MANY_TIMES)
    assert finding.problems == ()


@pytest.mark.parametrize(
    ("grown_kib", "p99_ms", "taken_mib", "problems"),
    [
        (1024, 2.1, 3, ()),
        (2048, 2.1, 3, ("less than 2 MiB",)),
        (0, 2.6, 3, ("others are not slowed",)),
        (0, 2.1, 9, ("the upstream is held back",)),
    ],
)
def test_what_a_slow_reader_costs_is_judged(
    grown_kib: int, p99_ms: float, taken_mib: int, problems: tuple[str, ...]
) -> None:
    """More memory, more time for the others, or an answer that piles up: each is a problem of its own."""
    upstream = TellingUpstream()
    upstream.taken_bytes, upstream.blocked_s = taken_mib << 20, 1.0
    usual = Window(2.0, 40_000)
    assert judge(upstream, usual, Window(p99_ms, 40_000 + grown_kib), usual, 1.1).problems == problems


def test_a_promise_that_is_not_kept_is_named() -> None:
    """What did not hold is told in words."""
    assert Finding.judged("drain", "", exit_code_0=False, in_time=True).problems == ("exit code 0",)


def test_every_measurement_says_what_it_measures() -> None:
    """Each name that the command takes belongs to a measurement with a sentence."""
    assert all(measure.__doc__ for measure in (ALONE | TOGETHER).values())
