"""What the measured figures mean for ten thousand and a hundred thousand streams."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks import measure
from benchmarks.measure import OPEN_STREAMS, middle

if TYPE_CHECKING:
    from benchmarks.report import Found

EVENTS_A_SECOND = 50
"""Of one stream: a fast model's tokens."""
STREAM_S = 20
"""So long an answer takes; each begins with one agent's request."""
LOAD = 0.6
"""How far a core may be used, so that bursts find room."""
PORTS = 28_000
"""Ephemeral ports towards one address, by Linux's default range."""


def plan(found: Found) -> str:
    """A table of needs, computed from this run."""
    results = found.results
    name = "llm-to-anthropic"
    by_name = {one.name: one for one in (*measure.REQUESTS, *measure.STREAMS, *measure.TLS)}
    event = middle(results.cost_us(name, by_name["paced c1000"])) or middle(
        results.cost_us(name, by_name["paced c256"])
    )
    tls = results.cost_us(name, by_name["tls paced c256"])
    factor = middle(tls) / middle(results.cost_us(name, by_name["paced c256"])) if tls else 1.0
    agent = middle(results.cost_us(name, by_name["agent c32"]))
    idle = found.idle_mb[name]
    each = max(0.0, results.open_mb.get(name, idle) - idle) / OPEN_STREAMS
    head = [
        "streams at once",
        "events a second",
        "cores",
        "with TLS upstream",
        "memory, MB",
        "descriptors",
        "local addresses",
    ]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for streams in (1_000, 10_000, 100_000):
        events = streams * EVENTS_A_SECOND
        busy = (events * event + streams / STREAM_S * agent) / 1e6 / LOAD
        cores, cores_tls = math.ceil(busy), math.ceil(busy * factor)
        memory = idle * max(1, cores_tls) + streams * each
        cells = [streams, events, cores, cores_tls if tls else "-", memory, 2 * streams, math.ceil(streams / PORTS)]
        lines.append(f"| {' | '.join(cell if isinstance(cell, str) else f'{cell:,.0f}' for cell in cells)} |")
    told = (
        f"From {event:.0f} µs an event, {agent:.0f} µs an agent request (one each {STREAM_S} s and stream), "
        f"{each * 1024:.0f} KB a stream and {idle:.0f} MB a worker; "
        f"{EVENTS_A_SECOND} events a second and stream, cores used to {LOAD:.0%}."
    )
    return "\n".join([*lines, "", told]) + "\n"
