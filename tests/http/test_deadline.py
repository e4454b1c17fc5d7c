"""One time limit after the other on a single timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_to_anthropic.http.deadline import Deadline

SOON_S = 0.03
LATE_S = 60.0


async def rings(deadline: Deadline, rung: asyncio.Event) -> float:
    """Seconds until the limit is reached."""
    clock = asyncio.get_running_loop().time
    before = clock()
    async with asyncio.timeout(5):
        await rung.wait()
    return clock() - before


def make() -> tuple[Deadline, asyncio.Event]:
    rung = asyncio.Event()
    return Deadline(asyncio.get_running_loop(), rung.set), rung


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param([SOON_S], id="once"),
        pytest.param([LATE_S, SOON_S], id="moved_earlier"),
        pytest.param([0.001, SOON_S], id="moved_later"),
        pytest.param([SOON_S, LATE_S, SOON_S], id="there_and_back"),
    ],
)
async def test_last_limit_counts(limits: list[float]) -> None:
    """A limit is reached at its own time, wherever former ones were."""
    deadline, rung = make()
    for limit in limits:
        deadline.set(limit)
    assert await rings(deadline, rung) >= SOON_S - 0.005


async def test_limit_after_a_lifted_one_is_reached() -> None:
    """Lifting a limit does not lift the next."""
    deadline, rung = make()
    deadline.set(0.001)
    deadline.lift()
    deadline.set(SOON_S)
    assert await rings(deadline, rung) >= SOON_S - 0.005


@pytest.mark.parametrize("end", [Deadline.lift, Deadline.close], ids=["lifted", "closed"])
async def test_limit_that_is_gone_is_never_reached(end: Callable[[Deadline], None]) -> None:
    """What is lifted or closed does not ring, though a later one does."""
    gone, rung = make()
    gone.set(0.001)
    end(gone)
    other, other_rung = make()
    other.set(SOON_S)
    await rings(other, other_rung)
    assert not rung.is_set()


async def test_reached_limit_is_lifted() -> None:
    """A limit rings once, and can be set again."""
    deadline, rung = make()
    deadline.set(0.001)
    await rings(deadline, rung)
    rung.clear()
    deadline.set(SOON_S)
    assert await rings(deadline, rung) >= SOON_S - 0.005
