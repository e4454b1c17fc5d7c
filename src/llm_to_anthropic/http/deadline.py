"""A time limit that is moved far more often than it is reached."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

PRECISION_S = 0.002
"""Event loops round."""


class Deadline:
    """One limit at a time on one timer, which is left as it is where the limit moves later.

    `overdue` is called when the limit is reached; by then it is lifted.
    """

    __slots__ = ("_at", "_loop", "_overdue", "_rings_at", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, overdue: Callable[[], None]) -> None:
        self._loop = loop
        self._overdue = overdue
        self._at = math.inf
        self._rings_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, after_s: float) -> None:
        """The limit is so far from now; a former one is forgotten."""
        self._at = self._loop.time() + after_s
        if self._at < self._rings_at:
            self._arm()

    def lift(self) -> None:
        """There is no limit."""
        self._at = math.inf

    def close(self) -> None:
        """No limit is ever reached again."""
        self._at = math.inf
        self._disarm()
        self._overdue = _nothing  # whoever is no longer called need not be kept

    def _arm(self) -> None:
        self._disarm()
        self._rings_at = self._at
        self._timer = self._loop.call_at(self._at, self._ring)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rings_at = math.inf

    def _ring(self) -> None:
        self._timer = None
        self._rings_at = math.inf
        if self._at == math.inf:
            return
        if self._loop.time() + PRECISION_S < self._at:
            self._arm()
            return
        self._at = math.inf
        self._overdue()


def _nothing() -> None:
    return
