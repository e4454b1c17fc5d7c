"""A circuit breaker: a route that keeps failing is left alone for a while, then tried by one request.

Pure: time and chance are given. Knows nothing of requests, errors or upstreams.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from llm_to_anthropic.gateway.backoff import Window

MAX_IN_A_ROW = 5
"""This many failures without a success between them open the circuit."""
MIN_IN_WINDOW = 20
MAX_SHARE = 0.5
"""This share of failures among at least `MIN_IN_WINDOW` outcomes of 10 seconds opens it, too."""
OPEN_S = 5.0
MAX_OPEN_S = 300.0
JITTER = 0.2
"""A circuit stays open longer by up to this share: replicas must not all come back in the same moment."""


class Circuit:
    """Closed, open, or half-open with one probe under way.

    Whoever is admitted remembers `generation` and reports with it; what began before the circuit last changed
    tells nothing about it now.
    """

    __slots__ = ("_chance", "_in_a_row", "_openings", "_probing", "_until", "_window", "generation", "open")

    def __init__(self, chance: Callable[[], float]) -> None:
        self.generation = 0
        self.open = False
        """Or half-open."""
        self._chance = chance
        self._window = Window()
        self._in_a_row = 0
        self._probing = False
        self._until = 0.0
        self._openings = 0
        """How often the circuit opened in a row, each time for longer."""

    @property
    def ready_at(self) -> float:
        """From when on a request may be admitted: 0 while closed, never while a probe is under way."""
        if not self.open:
            return 0.0
        return inf if self._probing else self._until

    def admit(self, now: float) -> bool:
        """Whether a request may go. Once the time is over, one may: it becomes the probe."""
        if not self.open:
            return True
        if self._probing or now < self._until:
            return False
        self.force()
        return True

    def force(self) -> None:
        """A request goes whatever the state: an open circuit is probed by it, beside a probe that may be under way."""
        if self.open and not self._probing:
            self._probing = True
            self.generation += 1

    def succeeded(self, generation: int, now: float) -> None:
        """The request was answered."""
        if generation != self.generation:
            return
        if self.open:
            self._close()
        self._in_a_row = 0
        self._window.count(now)

    def failed(self, generation: int, now: float) -> None:
        """The upstream failed."""
        if generation != self.generation:
            return
        if self.open:
            self._probing = False
            if now >= self._until:  # sooner it was not the circuit that let it go
                self._trip(now)
            return
        self._in_a_row += 1
        self._window.count(now)
        self._window.mark(now)
        if self._in_a_row >= MAX_IN_A_ROW or self._mostly_failing(now):
            self._trip(now)

    def abandoned(self, generation: int) -> None:
        """The request ended without telling anything of the upstream: its client left, or was at fault."""
        if generation == self.generation:
            self._probing = False

    def _mostly_failing(self, now: float) -> bool:
        outcomes, failures = self._window.counts(now)
        return outcomes >= MIN_IN_WINDOW and failures >= outcomes * MAX_SHARE

    def _trip(self, now: float) -> None:
        longer = min(MAX_OPEN_S, OPEN_S * 2.0 ** min(self._openings, 10))
        self._until = now + longer * (1.0 + JITTER * self._chance())
        self._openings += 1
        self.open = True
        self._probing = False
        self.generation += 1

    def _close(self) -> None:
        self.open = False
        self._probing = False
        self._openings = 0
        self._window.clear()
        self.generation += 1
