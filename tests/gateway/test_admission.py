"""Who runs, who waits, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.gateway.admission import Admission
from llm_to_anthropic.settings import Limits

Leave = Callable[[str], None]


def admission(running: int, queued: int = 64, *, per_key: int = 0, queue_s: float = 60.0) -> Admission:
    limits = Limits(max_running=running, max_queued=queued, max_running_per_key=per_key)
    return Admission(limits, queue_s)


def stays(_call: Leave) -> None:
    """A client that does not leave."""


async def taken(places: Admission, key: bytes) -> bool:
    return places.enter() or await places.wait(key, stays)


class Waiters:
    """Requests in line, and the keys in the order in which they got a place."""

    def __init__(self, places: Admission) -> None:
        self.places = places
        self.served: list[bytes] = []
        self.refusals: list[ApiError] = []
        self.refused = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, key: bytes, count: int = 1) -> None:
        for _ in range(count):
            self._tasks.add(asyncio.create_task(self._wait(key)))
        await self.settle()

    async def settle(self) -> None:
        """Lets everything happen that can."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait(self, key: bytes) -> None:
        try:
            await taken(self.places, key)
        except ApiError as error:
            self.refusals.append(error)
            self.refused.set()
            return
        self.served.append(key)
        try:
            await asyncio.Event().wait()
        finally:
            self.places.leave(key)


async def test_room_is_taken_without_waiting() -> None:
    """Up to the limit a request runs at once, and its place is free when it is over."""
    places = admission(2)
    assert places.enter()
    assert places.enter()
    assert not places.enter()
    places.leave()
    assert places.enter()


async def test_beyond_the_line_is_refused() -> None:
    """With 256 running and 64 waiting, the other 136 of 200 are refused as overloaded, and told when to come back."""
    places = admission(256)
    waiters = Waiters(places)
    await waiters.add(b"a", 256)
    await waiters.add(b"a", 200)
    assert (places.running, places.queued, len(waiters.refusals)) == (256, 64, 136)
    for refusal in waiters.refusals:
        assert (refusal.status, refusal.type) == (529, "overloaded_error")
        assert "limits.max_running" in refusal.message
    await waiters.end()
    assert (places.running, places.queued) == (0, 0)


async def test_refused_clients_do_not_come_back_together() -> None:
    """Clients wait for exactly as long as Retry-After says, so it is spread over the time that a place may take."""
    places = admission(1, 0, queue_s=5.0)
    waiters = Waiters(places)
    await waiters.add(b"a", 11)
    assert {refusal.headers["retry-after"] for refusal in waiters.refusals} == {"1", "2", "3", "4", "5"}
    await waiters.end()


async def test_no_client_is_told_to_wait_for_longer_than_it_would() -> None:
    """However long the line waits: after more than a minute clients would come back at once, and all together."""
    places = admission(running=1, queued=0, queue_s=600.0)
    await taken(places, b"a")
    told = set()
    for _ in range(100):
        with pytest.raises(ApiError) as refused:
            await places.wait(b"b", stays)
        told.add(int(refused.value.headers["retry-after"]))
    assert told == set(range(1, 61))


async def test_a_place_passes_to_the_first_in_line() -> None:
    """Whoever waits gets the place that becomes free; nobody overtakes."""
    places = admission(1)
    places.enter()
    waiters = Waiters(places)
    await waiters.add(b"a")
    await waiters.add(b"a")
    places.leave()
    assert not places.enter()
    await waiters.settle()
    assert (waiters.served, places.running, places.queued) == ([b"a"], 1, 1)
    await waiters.end()


async def test_a_place_that_does_not_come_is_refused_in_time() -> None:
    """Nobody waits longer than queue_s."""
    places = admission(1, queue_s=0.05)
    places.enter()
    began = asyncio.get_running_loop().time()
    with pytest.raises(ApiError, match=r"timeouts\.queue_s") as caught:
        await places.wait(b"a", stays)
    assert 0.045 <= asyncio.get_running_loop().time() - began < 0.3
    assert (caught.value.status, places.queued) == (529, 0)


async def test_places_go_round_the_keys() -> None:
    """A key with many waiting gets one place in turn with the others."""
    places = admission(1)
    places.enter()
    waiters = Waiters(places)
    await waiters.add(b"a", 4)
    await waiters.add(b"b", 2)
    await waiters.add(b"c", 1)
    for _ in range(7):
        places.leave()
        await waiters.settle()
    assert waiters.served == [b"a", b"b", b"c", b"a", b"b", b"a", b"a"]
    await asyncio.wait_for(waiters.end(), 5)


async def test_a_flood_makes_room_for_others() -> None:
    """Where one key fills the line, another's request takes the place of the flood's last."""
    places = admission(1, 4)
    places.enter()
    waiters = Waiters(places)
    await waiters.add(b"flood", 10)
    assert len(waiters.refusals) == 6
    await waiters.add(b"quiet")
    assert (len(waiters.refusals), places.queued) == (7, 4)
    places.leave()
    places.leave()
    await waiters.settle()
    assert b"quiet" in waiters.served
    places.running += 2
    await waiters.end()


async def test_a_key_has_no_more_than_its_places() -> None:
    """With a limit per key its further requests wait for its own, while others run."""
    places = admission(10, per_key=2, queue_s=0.05)
    waiters = Waiters(places)
    await waiters.add(b"a", 3)
    await waiters.add(b"b", 1)
    assert waiters.served == [b"a", b"a", b"b"]
    assert places.queued == 1
    await asyncio.wait_for(waiters.refused.wait(), 5)
    [refusal] = waiters.refusals
    assert (refusal.status, refusal.type) == (429, "rate_limit_error")
    await waiters.end()


async def test_a_client_that_leaves_gives_up_its_turn() -> None:
    """A place is not given to somebody who is gone."""
    places = admission(1)
    places.enter()
    left: list[Leave] = []
    turn = asyncio.create_task(places.wait(b"a", left.append))
    await asyncio.sleep(0)
    left[0]("client_disconnected")
    assert not await turn
    assert (places.running, places.queued) == (1, 0)
    places.leave()
    assert places.running == 0


@pytest.mark.parametrize("given", [False, True], ids=["in line", "with its turn come"])
async def test_a_cancelled_wait_keeps_no_place(*, given: bool) -> None:
    """Cancelling gives the turn up, even in the moment in which it has come."""
    places = admission(1)
    places.enter()
    turn = asyncio.create_task(places.wait(b"a", stays))
    await asyncio.sleep(0)
    if given:
        places.leave()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert (places.running, places.queued) == (0 if given else 1, 0)


async def test_closed_doors_refuse_everyone() -> None:
    """Closed, nobody is let in, and whoever waits is told why; open again, all is as before."""
    places = admission(2)
    places.enter()
    places.enter()
    waiters = Waiters(places)
    await waiters.add(b"a")
    places.close("short of memory", "memory")
    await waiters.add(b"b")
    assert ["the proxy is short of memory" in refusal.message for refusal in waiters.refusals] == [True, True]
    places.leave()
    assert not places.enter()
    places.open()
    assert places.enter()


async def test_other_limits_hold_at_once() -> None:
    """More room lets in who waits; less room takes nobody's place away."""
    places = admission(1)
    places.enter()
    waiters = Waiters(places)
    await waiters.add(b"a", 2)
    places.adopt(Limits(max_running=3), 5.0)
    await waiters.settle()
    assert (places.running, places.queued) == (3, 0)
    places.adopt(Limits(max_running=1), 5.0)
    places.leave()
    assert (places.running, places.enter()) == (2, False)
    places.running += 1
    await waiters.end()
