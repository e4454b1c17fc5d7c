"""How hard the process is pressed: its memory against what it may have, and how late its event loop is.

Sampled by one timer. What is done about it is said here too: pressed, no new streams and no kept connections;
beyond that nothing is let in until it is over, since a refusal costs less than being killed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

SAMPLE_S = 0.25
PRESSED_SHARE = 0.85
"""From this share of the memory on there are no new streams, and no connection is kept."""
FULL_SHARE = 0.92
"""From this share of the memory on nothing is let in."""
RELIEF = 0.03
"""How far a share has to fall below its bound again: else every sample could turn the state."""
LATE_S = 0.5
LATE_FOR_S = 2.0
"""A loop that has been late by more than `LATE_S` for this long lets nothing in."""
COPIES = 6
"""How many times its own size a body takes at its peak: as it came, joined, decoded, and encoded for the upstream,
into a buffer that grows by being copied. An answer that is kept until it is whole takes up to five on its way back."""
RELIEVE_S = 1.0
"""How often unused memory is given back, under pressure or where there was too little for a body."""

Load = Literal["ok", "pressed", "full", "late"]
MEMORY_LIMIT = "limits.max_memory_bytes, or what the container or the ulimit allows"
REASONS: dict[Load, str] = {
    "full": f"short of memory ({MEMORY_LIMIT})",
    "late": "too busy: its event loop is late",
}


class Pressure:
    """The state of one process.

    `limit_bytes` is what there is, 0 where nobody limits it; `used_bytes` measures how much of it is used, `give_back`
    lowers that where it can.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        used_bytes: Callable[[int], int],
        give_back: Callable[[], None],
        on_change: Callable[[Load], None],
    ) -> None:
        self.load: Load = "ok"
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        """The memory in use at the last sample."""
        self.late_s = 0.0
        """How late that was."""
        self._measure = used_bytes
        self._give_back = give_back
        self._relieved_at = -RELIEVE_S
        self._on_change = on_change
        self._late_since: float | None = None
        self._unread = 0
        self._fresh = 0
        self._missed = False
        """A body has been refused memory since memory was last given back."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Samples from now on: bodies may come before the next quarter of a second is over."""
        self.sample(time.monotonic(), 0.0)
        self._schedule(asyncio.get_running_loop())

    def stop(self) -> None:
        """Samples no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sample(self, now: float, late_s: float) -> None:
        """Measures once; `late_s` is how much later than planned."""
        self._fresh = 0
        self.late_s = max(late_s, 0.0)
        self.used_bytes = self._measure(self.limit_bytes) if self.limit_bytes else 0
        if (self._missed or self._share >= PRESSED_SHARE) and now - self._relieved_at >= RELIEVE_S:
            self._relieved_at = now
            self._missed = False
            self._give_back()
            self.used_bytes = self._measure(self.limit_bytes)
        load = self._judge(now, late_s)
        if load != self.load:
            self.load = load
            self._on_change(load)

    def pledge(self, body_bytes: int) -> bool:
        """Sets memory aside for a body that is yet to come; False where there is not enough. Then `redeem` or `forgo`.

        Between two samples bodies could come that together are more than there is. A body may be a client's request
        or an upstream's answer.
        """
        needed = body_bytes * COPIES
        if self.limit_bytes and self.used_bytes + self._unread + self._fresh + needed > self.limit_bytes * FULL_SHARE:
            self._missed = True
            return False
        self._unread += needed
        return True

    def redeem(self, body_bytes: int) -> None:
        """The body has come, or will not come: from the next sample on it is measured."""
        self._unread -= body_bytes * COPIES
        self._fresh += body_bytes * COPIES

    def forgo(self, body_bytes: int) -> None:
        """The body will not come, and what had come of it is dropped: there is room for others at once."""
        self._unread -= body_bytes * COPIES

    @property
    def _share(self) -> float:
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0

    def _judge(self, now: float, late_s: float) -> Load:
        if late_s <= LATE_S:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now - late_s
        share = self._share
        if share >= FULL_SHARE - RELIEF * (self.load == "full"):
            return "full"
        if self._late_since is not None and now - self._late_since >= LATE_FOR_S:
            return "late"
        if share >= PRESSED_SHARE - RELIEF * (self.load != "ok"):
            return "pressed"
        return "ok"

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = time.monotonic() + SAMPLE_S
        self._timer = loop.call_later(SAMPLE_S, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        self.sample(now, now - self._due)
        self._schedule(loop)
