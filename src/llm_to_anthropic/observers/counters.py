"""Counts what became of requests since the process began."""

from __future__ import annotations

from llm_to_anthropic.exchange import Exchange


class Counters:
    """An observer that remembers only numbers."""

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        """Outcome of an Exchange -> how many had it."""
        self.timeouts: dict[str, int] = {}
        """Phase of a request to an upstream -> how many ended at its time limit."""

    def record(self, exchange: Exchange) -> None:
        """Counts one request."""
        outcome, phase = exchange.outcome, exchange.timeout_phase
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if phase:
            self.timeouts[phase] = self.timeouts.get(phase, 0) + 1
