"""When to try again: full jitter between attempts, and a budget that keeps retries a small part of the traffic.

Pure but for the `Pace` that is given: no task, lock or sleep of its own.
Source: Amazon Builders' Library, "Timeouts, retries, and backoff with jitter"; Envoy's retry budgets.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import msgspec

from llm_to_anthropic.settings import Retries

BASE_DELAY_S = 0.5
MAX_DELAY_S = 8.0
MAX_CLIENT_WAIT_S = 60.0
"""Anthropic's SDKs heed a Retry-After up to this, and retry sooner after a longer one."""
WINDOW_S = 10
BUDGET_FLOOR = 3
"""How many retries within the window are always allowed, however few the requests; all those of one request are."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Time and chance. Tests replace them and need not wait."""

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    """Unix time: upstreams tell dates."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


def delay_s(retry: int, chance: Callable[[], float]) -> float:
    """Seconds before a retry, the first being 0: anything up to a bound that doubles, all equally likely."""
    return chance() * min(MAX_DELAY_S, BASE_DELAY_S * 2.0**retry)


class Window:
    """How many things happened within the last 10 seconds, and how many of them were marked. By whole seconds.

    `now` is seconds of any clock that does not go back.
    """

    __slots__ = ("_ends", "_marked", "_second", "_slot", "_total")

    def __init__(self) -> None:
        self._second = self._slot = 0
        self._ends = 1.0
        """When the present second is over."""
        self.clear()

    def count(self, now: float) -> None:
        """One more happened."""
        if now >= self._ends:
            self._forget(int(now))
        self._total[self._slot] += 1

    def mark(self, now: float) -> None:
        """One more is marked."""
        if now >= self._ends:
            self._forget(int(now))
        self._marked[self._slot] += 1

    def counts(self, now: float) -> tuple[int, int]:
        """(total, marked) of the window that ends at `now`."""
        self._forget(int(now))
        return sum(self._total), sum(self._marked)

    def clear(self) -> None:
        self._total = [0] * WINDOW_S
        self._marked = [0] * WINDOW_S

    def _forget(self, second: int) -> None:
        if second >= self._second + WINDOW_S:
            self.clear()
        else:
            for passed in range(self._second + 1, second + 1):
                self._total[passed % WINDOW_S] = self._marked[passed % WINDOW_S] = 0
        self._second = max(self._second, second)
        self._slot = self._second % WINDOW_S
        self._ends = self._second + 1.0


class RetryBudget(Window):
    """One upstream's: within 10 seconds retries are at most a share of its requests, or three, or one request's."""

    __slots__ = ("_floor", "_share")

    def __init__(self, retries: Retries) -> None:
        super().__init__()
        self._share = retries.max_share
        self._floor = max(BUDGET_FLOOR, retries.max_retries)

    request = Window.count
    """A request goes there for the first time."""
    retry = Window.mark
    """A retry goes there."""

    def left(self, now: float) -> bool:
        """Whether one more retry may go there."""
        requests, retries = self.counts(now)
        return retries < max(self._floor, int(requests * self._share))
