"""What is counted of finished requests."""

from __future__ import annotations

from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.observers.counters import Counters


def exchange(outcome: str, phase: str = "") -> Exchange:
    return Exchange(
        request_id="req_1", method="POST", path="/", status=200, outcome=outcome, duration_ms=1.0, timeout_phase=phase
    )


def test_outcomes_and_timeouts_are_counted() -> None:
    """Each record counts once by its outcome, and by the phase whose time limit ended it."""
    counters = Counters()
    for outcome, phase in (("ok", ""), ("timeout_error", "tls"), ("timeout_error", "idle"), ("ok", "")):
        counters.record(exchange(outcome, phase))
    assert counters.outcomes == {"ok": 2, "timeout_error": 2}
    assert counters.timeouts == {"tls": 1, "idle": 1}
