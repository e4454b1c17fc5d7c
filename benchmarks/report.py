"""Tables and the chart of a run, and their places in docs/performance.md."""

from __future__ import annotations

import platform
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import measure
from benchmarks.chart import bars
from benchmarks.measure import LIMIT, OPEN_STREAMS, REQUESTS, Results, Workload, middle
from benchmarks.planning import plan
from benchmarks.targets import ROOT, Running, installed_mb

PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"
ROUNDS = 3
"""Of a run that says nothing else."""
OURS, TWO = "llm-to-anthropic", "llm-to-anthropic, 2 workers"


class Found:
    """All that a run found."""

    def __init__(self, results: Results, *, rounds: int) -> None:
        self.results = results
        self.rounds = rounds
        self.skipped: list[str] = []
        self.start_s: dict[str, list[float]] = defaultdict(list)
        self.idle_mb: dict[str, float] = {}
        self.shares: list[list[float]] = []
        """Of each round, what part of a thousand paced streams each worker carried."""
        self.versions: dict[str, str] = {}
        self.installed_mb: dict[str, float] = {}
        self.day = datetime.now(UTC).strftime("%Y-%m-%d")

    def started(self, running: Running) -> None:
        target = running.target
        self.start_s[target.name].append(running.start_s)
        self.idle_mb[target.name] = running.idle_mb
        self.versions[target.name] = target.version
        if target.installed is not None and target.name not in self.installed_mb:
            self.installed_mb[target.name] = installed_mb(target.installed)

    @property
    def names(self) -> list[str]:
        return list(self.start_s)

    def failures(self) -> int:
        """Answers of this proxy and of nginx that were not what they should be."""
        return sum(
            load.failed
            for (name, _), loads in self.results.loads.items()
            for load in loads
            if name in (LIMIT, OURS, TWO)
        )

    def numbers(self) -> dict[str, object]:
        """Everything, for other programs."""
        loads = {f"{name} / {workload}": loads for (name, workload), loads in self.results.loads.items()}
        return {
            "day": self.day,
            "machine": machine(),
            "versions": self.versions,
            "start_s": self.start_s,
            "idle_mb": self.idle_mb,
            "open_mb": self.results.open_mb,
            "installed_mb": self.installed_mb,
            "loads": loads,
        }


def machine() -> str:
    """The machine, as far as it matters."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    cores = sum(line.startswith("processor") for line in cpuinfo)
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return f"{cores} cores of {model}, {system}"


def tables(found: Found) -> str:
    """All tables, as Markdown."""
    parts = [
        _setting(found),
        _costs(found),
        _latencies(found),
        _sizes(found),
        _special(found),
        _workers(found),
        _notes(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(found: Found) -> None:
    """Puts tables and plan into their places of the page, and draws the chart."""
    text = PAGE.read_text()
    text = _replaced(text, "measured", tables(found))
    PAGE.write_text(_replaced(text, "planned", plan(found)))
    CHART.write_text(chart(found))


def _replaced(text: str, mark: str, new: str) -> str:
    begin, end = f"<!-- {mark}: written by `make bench`, not by hand -->\n", f"<!-- end of {mark} -->\n"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{new}\n{end}{tail}"


def _setting(found: Found) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items() if name != TWO)
    words = f' ARGS="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else ""
    return (
        f"Measured on {found.day}: {versions}; {machine()}. Medians of {found.rounds} rounds; "
        "in brackets the ratio to nginx in the same round, and its lowest and highest.\n"
        f"Command: `make bench{words}`."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _cost(found: Found, name: str, workload: Workload) -> str:
    results = found.results
    if not results.has(name, workload):
        return ""
    text = _us(middle(results.cost_us(name, workload)))
    if name != LIMIT:
        ratios = results.ratios(name, workload)
        text += f" ({_ratio(middle(ratios))}x, {_ratio(min(ratios))} to {_ratio(max(ratios))})"
    failed = results.failed(name, workload)
    return f"{text}, {failed} failed" if failed else text


def _us(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _costs(found: Found) -> str:
    names = [name for name in found.names if name != TWO]
    rows = [
        [one.title, "event" if one.per_event else "request", *(_cost(found, name, one) for name in names)]
        for one in (*measure.REQUESTS, *measure.STREAMS)
        if found.results.has(LIMIT, one)
    ]
    table = "### Processor time, µs\n\n" + _table(["workload", "per", *names], rows)
    peers = [_against(found, name) for name in names if name not in (LIMIT, OURS)]
    return "\n\n".join([table, *filter(None, peers)])


def _against(found: Found, peer: str) -> str:
    """How much more than this proxy a peer takes; nothing where it was not measured."""
    results = found.results
    times: dict[str, list[float]] = defaultdict(list)
    for one in (*measure.REQUESTS, *measure.STREAMS):
        if results.has(peer, one) and results.has(OURS, one):
            factor = middle(results.cost_us(peer, one)) / middle(results.cost_us(OURS, one))
            times["an event" if one.per_event else "a request"].append(factor)
    told = (f"{_ratio(min(each))} to {_ratio(max(each))} times as long for {what}" for what, each in times.items())
    return f"{peer} takes {' and '.join(told)} as llm-to-anthropic." if times else ""


def _latencies(found: Found) -> str:
    results, names = found.results, [name for name in found.names if name != TWO]
    by_name = {one.name: one for one in REQUESTS}

    def added(name: str, workload: Workload, what: str, percentile: str) -> str:
        return _us(results.added_us(name, workload, what, percentile)) if results.has(name, workload) else ""

    def rate(name: str, workload: str, field: str) -> str:
        loads = results.loads.get((name, workload), [])
        return f"{middle([getattr(load, field) / load.seconds for load in loads]):,.0f}" if loads else ""

    kinds = (("a request", "request c1", "latency_us"), ("the first token", "first c1", "first_delta_us"))
    rows = [
        [f"added to {said}, {which}, µs", *(added(name, by_name[key], what, which) for name in names)]
        for said, key, what in kinds
        for which in ("p50", "p99")
    ]
    rows += [
        ["requests a second, 32 at a time", *(rate(name, "request c32", "ok") for name in names)],
        ["events a second, burst", *(rate(name, "burst c32", "events") for name in names)],
    ]
    return "### Time that is added, and throughput\n\n" + _table(["", *names], rows)


def _sizes(found: Found) -> str:
    names = found.names

    def open_mb(name: str) -> str:
        if name not in found.results.open_mb:
            return ""
        well = found.results.open_streams[name]
        short = "" if well == OPEN_STREAMS else f" ({well} of {OPEN_STREAMS:,} ended well)"
        return f"{found.results.open_mb[name]:.0f}{short}"

    rows = [
        ["start until the first answer, s", *(f"{middle(found.start_s[name]):.2f}" for name in names)],
        ["memory idle, MB", *(f"{found.idle_mb[name]:.0f}" for name in names)],
        [f"memory with {OPEN_STREAMS:,} open streams, MB", *map(open_mb, names)],
        [
            "memory after all loads, MB",
            *(f"{found.results.worn_mb[name]:.0f}" if name in found.results.worn_mb else "" for name in names),
        ],
        [
            "installation, MB",
            *(f"{found.installed_mb[name]:.0f}" if name in found.installed_mb else "" for name in names),
        ],
    ]
    return "### Start and size\n\n" + _table(["", *names], rows)


def _special(found: Found) -> str:
    rows = [
        [one.title, "event" if one.per_event else "request", *(_cost(found, name, one) for name in (LIMIT, OURS))]
        for one in measure.PROTOCOLS
        if found.results.has(OURS, one)
    ]
    tls = [
        [one.title, "event" if one.per_event else "request", *(_cost(found, name, one) for name in (LIMIT, OURS))]
        for one in measure.TLS
        if found.results.has(OURS, one)
    ]
    parts = []
    if rows:
        parts.append("### Other protocols and contents, µs\n\n" + _table(["workload", "per", LIMIT, OURS], rows))
    if tls:
        parts.append("### TLS to the upstream, µs\n\n" + _table(["workload", "per", LIMIT, OURS], tls))
    return "\n\n".join(parts)


def _workers(found: Found) -> str:
    rows = []
    for one in measure.WORKERS:
        if not found.results.has(TWO, one):
            continue
        field = "events" if one.per_event else "ok"
        rates = [
            f"{middle([getattr(load, field) / load.seconds for load in found.results.loads[name, one.name]]):,.0f}"
            for name in (OURS, TWO)
        ]
        costs = [_us(middle(found.results.cost_us(name, one))) for name in (OURS, TWO)]
        rows.append([one.title, "event" if one.per_event else "request", *costs, *rates])
    if not rows:
        return ""
    head = ["workload", "per", "µs, 1 worker", "µs, 2 workers", "a second, 1 worker", "a second, 2 workers"]
    spread = ""
    if found.shares:
        least, most = middle([shares[0] for shares in found.shares]), middle([shares[-1] for shares in found.shares])
        spread = f"\n\nOf {OPEN_STREAMS:,} paced streams one worker carried {least:.0%}, the other {most:.0%}."
    return "### Workers\n\n" + _table(head, rows) + spread


def _notes(found: Found) -> str:
    return "Not measured: " + "; ".join(found.skipped) + "." if found.skipped else ""


def chart(found: Found) -> str:
    """Processor time of the most telling workloads."""
    by_name = {one.name: one for one in (*measure.REQUESTS, *measure.STREAMS)}
    names = [name for name in found.names if name != TWO]
    groups = []
    for key, title in (
        ("request c32", "small request"),
        ("agent c32", "agent request, 60 KB"),
        ("burst c32", "event, in bursts"),
        ("paced c32", "event, one each 20 ms"),
    ):
        rows = [
            (name, middle(found.results.cost_us(name, by_name[key])))
            for name in names
            if found.results.has(name, by_name[key])
        ]
        if rows:
            groups.append((title, rows))
    return bars(f"Processor time, µs (logarithmic; {found.day})", groups, "µs")
