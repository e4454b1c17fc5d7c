"""The metrics there are, and how they are written: Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import add
from typing import Literal

import msgspec

from llm_to_anthropic.observers.board import Key, Slot

PREFIX = "llm_to_anthropic_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_MS = (-1.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 10e3, 20e3, 40e3, 80e3, 160e3, 320e3)
"""Upper bounds of every histogram's buckets. The first stays empty (nothing is shorter than 0) and holds the sum."""
KIND = "kind"
"""Key of the numbers of one kind of requests: two histograms, of durations and of times to the first token, and tokens.

So a request is counted in one place; the metrics are made of these numbers when somebody asks.
"""
TTFT = len(BOUNDS_MS) + 1
INPUT, OUTPUT, CACHE_READ, CACHE_CREATION = range(2 * TTFT, 2 * TTFT + 4)
KIND_NUMBERS = CACHE_CREATION + 1

Sample = tuple[str, Key, Sequence[float]]
"""The name of a metric, the values of its labels, and its numbers."""


class Family(msgspec.Struct, frozen=True):
    """One metric. `together`: what the numbers of several processes make."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    together: Literal["sum", "max"] = "sum"


FAMILIES = (
    Family(
        "requests_total",
        "counter",
        "Finished requests; outcome is ok or what ended it.",
        ("provider", "model", "protocol", "endpoint", "status", "outcome"),
    ),
    Family(
        "request_duration_seconds",
        "histogram",
        "From a message request's head to the end of its answer.",
        ("provider", "model"),
    ),
    Family(
        "time_to_first_token_seconds",
        "histogram",
        "From a streamed message request's head to the first event of its answer.",
        ("provider", "model"),
    ),
    Family(
        "tokens_total",
        "counter",
        "Tokens as answers report them; input excludes both kinds of cache.",
        ("provider", "model", "kind"),
    ),
    Family(
        "failed_attempts_total",
        "counter",
        "Attempts that failed and were followed by another, a retry or a fallback.",
        ("provider", "status"),
    ),
    Family(
        "fallbacks_total",
        "counter",
        "Requests that went on to another target than their route's first, by the provider that was asked last.",
        ("provider",),
    ),
    Family(
        "upstream_timeouts_total",
        "counter",
        "Requests that a time limit towards the upstream ended.",
        ("provider", "phase"),
    ),
    Family("refusals_total", "counter", "Requests that the proxy had no room for.", ("reason",)),
    Family("requests_in_flight", "gauge", "Requests that have a place."),
    Family("requests_waiting", "gauge", "Requests that wait for a place."),
    Family("open_circuits", "gauge", "Targets, by key, that the breaker leaves alone.", ("provider",)),
    Family("client_connections", "gauge", "Open connections of clients."),
    Family("upstream_connections", "gauge", "Open connections to upstreams, idle ones included."),
    Family("event_loop_lag_seconds", "gauge", "How late the event loop was when last sampled.", together="max"),
    Family("resident_memory_bytes", "gauge", "Resident memory."),
    Family("build_info", "gauge", "1, with the version.", ("version",), together="max"),
)
OF_PROVIDERS = frozenset(family.name for family in FAMILIES if family.kind == "gauge" and "provider" in family.labels)
"""What there is now of each provider."""


def exposition(slots: Iterable[Slot]) -> str:
    """The numbers of all processes together, in the text format."""
    by_name: dict[str, dict[Key, list[float]]] = {family.name: {} for family in FAMILIES}
    together = {family.name: max if family.together == "max" else add for family in FAMILIES}
    for slot in slots:
        for name, labels, numbers in samples(slot):
            rows = by_name[name]
            before = rows.get(labels, [0.0] * len(numbers))
            rows[labels] = [*map(together[name], before, numbers)]
    return "".join(line for family in FAMILIES for line in _family(family, by_name[family.name]))


def samples(slot: Slot) -> Iterator[Sample]:
    """What the numbers of one process tell; a name with its labels may come more than once."""
    for (name, *labels), numbers in slot.read():
        if name == KIND:
            yield from _of_kind(tuple(labels), numbers)
        else:
            yield name, tuple(labels), numbers


def _of_kind(labels: Key, numbers: Sequence[float]) -> Iterator[Sample]:
    yield "requests_total", labels, [sum(numbers[1:TTFT])]
    provider, model, _, endpoint, *_ = labels
    if not provider or endpoint != "messages":
        return
    yield "request_duration_seconds", (provider, model), numbers[:TTFT]
    if any(numbers[TTFT:INPUT]):
        yield "time_to_first_token_seconds", (provider, model), numbers[TTFT:INPUT]
    for kind, number in zip(("input", "output", "cache_read", "cache_creation"), numbers[INPUT:], strict=True):
        yield "tokens_total", (provider, model, kind), [number]


def _family(family: Family, rows: dict[Key, list[float]]) -> Iterator[str]:
    name = PREFIX + family.name
    yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
    for values, numbers in sorted(rows.items()):
        labels = [f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, values, strict=True)]
        if family.kind == "histogram":
            yield from _histogram(name, labels, numbers)
        else:
            yield _line(name, labels, numbers[0])


def _histogram(name: str, labels: list[str], numbers: Sequence[float]) -> Iterator[str]:
    counts = list(accumulate(numbers[1:]))
    for bound, count in zip((*(str(bound_ms / 1e3) for bound_ms in BOUNDS_MS[1:]), "+Inf"), counts, strict=True):
        yield _line(f"{name}_bucket", [*labels, f'le="{bound}"'], count)
    yield _line(f"{name}_sum", labels, numbers[0] / 1e3)
    yield _line(f"{name}_count", labels, counts[-1])


def _line(name: str, labels: list[str], number: float) -> str:
    shown = f"{{{','.join(labels)}}}" if labels else ""
    return f"{name}{shown} {int(number) if number.is_integer() else repr(number)}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
