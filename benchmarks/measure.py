"""What is measured: workloads, in rounds that go through all targets, so that every ratio is of one moment."""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.answers import answers
from benchmarks.bodies import encode
from benchmarks.native import Load, Native, finished
from benchmarks.processes import cpu_of_children_us, memory_mb
from benchmarks.targets import HEADERS, PORTS, Running, answered

LIMIT = "nginx"
MANY = 10_000_000
OPEN_STREAMS = 1000
MIN_RAMP_US = 207
"""No divisor of the pause between events, so that the next ones begin in between."""
ANSWERS = answers()
SPOKEN = {
    "chat": "openai_chat",
    "chat-tls": "openai_chat",
    "responses": "openai_responses",
    "gemini-bench": "gemini",
    "claude": "anthropic",
}
"""What each provider of the proxy speaks."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table."""

    name: str
    title: str
    body: str = "small"
    stream: bool = False
    answer: str = "text-burst"
    concurrency: int = 32
    requests: int = MANY
    seconds: float = 0.8
    per_event: bool = False
    ramp_us: int = 0
    protocol: str = "chat"
    """The provider of the proxy that is asked."""
    slow_requests: int = 0
    """So many requests do for peers that are a hundred times slower; 0: they are not asked."""


def _requests() -> Iterable[Workload]:
    for concurrency in (1, 32, 256, 1000):
        slow = {1: 60, 32: 300}.get(concurrency, 0)
        yield Workload(
            name=f"request c{concurrency}",
            title=f"small request, {concurrency} at a time",
            concurrency=concurrency,
            slow_requests=slow,
        )
    new = "small request, its last message new each time, 32 at a time"
    yield Workload(name="new c32", title=new, body="small-new", slow_requests=300)
    agent = "agent request (60 KB, 18 tools, 51 messages), 32 at a time"
    yield Workload(name="agent c32", title=agent, body="agent", slow_requests=100)
    turn = "agent request, its last turn new each time, 32 at a time"
    yield Workload(name="agent new c32", title=turn, body="agent-new", slow_requests=100)
    yield Workload(name="large c4", title="request of 1 MB, 4 at a time", body="large", concurrency=4)
    yield Workload(
        name="first c1",
        title="short stream, one at a time",
        stream=True,
        answer="short-quick",
        concurrency=1,
        requests=80,
        seconds=5,
        slow_requests=40,
    )


def _streams() -> Iterable[Workload]:
    yield _burst("burst c32", "burst, 32 streams", slow_requests=32)
    for streams in (32, 256, 1000):
        title = f"an event every 20 ms, {streams} streams"
        yield _paced(f"paced c{streams}", title, streams, slow_requests=32 if streams == 32 else 0)


def _protocols() -> Iterable[Workload]:
    kinds = (
        ("chat", "tools", "Chat Completions, parallel tool calls"),
        ("chat", "thinking", "Chat Completions, thinking"),
        ("chat", "long", "Chat Completions, 400 characters an event"),
        ("responses", "text", "Responses"),
        ("responses", "tools", "Responses, parallel tool calls"),
        ("gemini-bench", "text", "Gemini"),
        ("gemini-bench", "tools", "Gemini, whole tool calls"),
        ("claude", "text", "Anthropic, passed through"),
    )
    for protocol, kind, title in kinds:
        yield _burst(f"{protocol} {kind} burst", f"{title}: burst, 32 streams", f"{kind}-burst", protocol)
    for protocol, kind, title in kinds:
        yield _paced(f"{protocol} {kind} paced", f"{title}: paced, 32 streams", 32, f"{kind}-paced", protocol)
    for protocol, _, title in (kinds[3], kinds[5], kinds[7]):
        # Responses is asked for streams even where the client wants no stream: a long answer would be most of the cost.
        agent = f"{title}: agent request with a short answer, 32 at a time"
        yield Workload(name=f"{protocol} agent", title=agent, body="agent", answer="short-burst", protocol=protocol)


def _tls() -> Iterable[Workload]:
    yield Workload(name="tls request c32", title="small request, 32 at a time", protocol="chat-tls")
    yield _burst("tls burst c32", "burst, 32 streams", protocol="chat-tls")
    yield _paced("tls paced c256", "an event every 20 ms, 256 streams", 256, protocol="chat-tls")


def _burst(
    name: str, title: str, answer: str = "text-burst", protocol: str = "chat", slow_requests: int = 0
) -> Workload:
    return Workload(
        name=name,
        title=title,
        stream=True,
        answer=answer,
        protocol=protocol,
        per_event=True,
        slow_requests=slow_requests,
    )


def _paced(
    name: str, title: str, streams: int, answer: str = "turn-paced", protocol: str = "chat", slow_requests: int = 0
) -> Workload:
    return Workload(
        name=name,
        title=title,
        stream=True,
        answer=answer,
        concurrency=streams,
        requests=streams,
        seconds=30,
        per_event=True,
        protocol=protocol,
        # Evenly over a pause, or over several where so many would measure how they begin: the events of streams that
        # begin together come together, of which a server that is quick to begin them makes fewer wakings.
        ramp_us=max(20_000 // streams, MIN_RAMP_US),
        slow_requests=slow_requests,
    )


REQUESTS, STREAMS, PROTOCOLS, TLS = (tuple(made()) for made in (_requests, _streams, _protocols, _tls))
WORKERS = tuple(one for one in (*REQUESTS, *STREAMS) if one.name in {"request c256", "burst c32", "paced c1000"})
QUICK = frozenset({"request c1", "request c32", "agent c32", "first c1", "burst c32", "paced c32"})


class Results:
    """Everything that was measured: of each target and workload one load per round."""

    def __init__(self) -> None:
        self.loads: dict[tuple[str, str], list[Load]] = defaultdict(list)
        self.open_mb: dict[str, float] = {}
        self.open_streams: dict[str, int] = {}
        self.worn_mb: dict[str, float] = {}
        """After all loads."""

    def add(self, target: str, workload: Workload, load: Load) -> None:
        self.loads[target, workload.name].append(load)

    def has(self, target: str, workload: Workload) -> bool:
        return (target, workload.name) in self.loads

    def cost_us(self, target: str, workload: Workload) -> list[float]:
        """Processor time per request, or per event of the upstream, of each round."""
        protocol = "anthropic" if target == LIMIT else SPOKEN[workload.protocol]
        each = len(ANSWERS[protocol, workload.answer.partition("-")[0]].events) if workload.per_event else 1
        return [load.cpu_us / max(1, load.ok * each) for load in self.loads[target, workload.name]]

    def ratios(self, target: str, workload: Workload, to: str = "nginx") -> list[float]:
        """The cost as a multiple of another target's in the same round."""
        mine, theirs = self.cost_us(target, workload), self.cost_us(to, workload)
        if len(mine) != len(theirs):  # a peer, which has rounds of its own
            theirs = [middle(theirs)] * len(mine)
        return [one / other for one, other in zip(mine, theirs, strict=True) if other]

    def added_us(self, target: str, workload: Workload, what: str, percentile: str) -> float:
        """What a target adds to a time, against a load straight to the upstream a moment before."""

        def times(name: str) -> list[float]:
            return [getattr(getattr(load, what), percentile) for load in self.loads[name, workload.name]]

        pairs = zip(times(target), times(f"before {target}"), strict=True)
        return middle([through - straight for through, straight in pairs])

    def failed(self, target: str, workload: Workload) -> int:
        return sum(load.failed for load in self.loads[target, workload.name])


def middle(values: Sequence[float]) -> float:
    """The median; 0 of nothing."""
    return statistics.median(values) if values else 0.0


class Bench:
    """Loads on running targets."""

    def __init__(self, native: Native, results: Results) -> None:
        self.native = native
        self.results = results

    def served(self, running: Running, workloads: Sequence[Workload]) -> list[Workload]:
        """Those workloads that the target answers at all, which is asked once."""
        return [one for one in workloads if answered(running.port, _body(running.target.model, one))]

    def round(self, running: Running, workloads: Sequence[Workload], *, slow: bool = False) -> None:
        """Each workload once."""
        for workload in workloads:
            port = PORTS.nginx_tls if running.target.name == LIMIT and workload.protocol == "chat-tls" else running.port
            requests, seconds, concurrency = workload.requests, workload.seconds, workload.concurrency
            if slow:
                requests, seconds = workload.slow_requests, 20.0
            load = self.native.load(
                port,
                _body(running.target.model, workload),
                concurrency=min(concurrency, requests),
                requests=requests,
                seconds=seconds,
                pid=running.pid,
                ramp_us=workload.ramp_us,
                headers=HEADERS,
            )
            self.results.add(running.target.name, workload, load)
            _say(".")

    def latency(self, running: Running, workloads: Sequence[Workload], *, slow: bool = False) -> None:
        """Workloads of one at a time, each straight to the upstream first: as if the target were not there."""
        for workload in workloads:
            load = self.native.load(
                PORTS.upstream,
                _body("bench-{workload}", workload),
                concurrency=1,
                requests=workload.requests,
                seconds=workload.seconds,
                headers=HEADERS,
            )
            self.results.add(f"before {running.target.name}", workload, load)
            self.round(running, [workload], slow=slow)

    def shares(self, running: Running, workload: Workload) -> list[float]:
        """What part of a workload each worker process did, the least first."""
        before = cpu_of_children_us(running.pid)
        self.round(running, [workload])
        spent = [after - earlier for after, earlier in zip(cpu_of_children_us(running.pid), before, strict=True)]
        return sorted(one / max(1.0, sum(spent)) for one in spent)

    def worn(self, running: Running) -> None:
        """Memory of a process that has had all loads."""
        self.results.worn_mb[running.target.name] = memory_mb(running.pid)

    def open_streams(self, running: Running) -> None:
        """Memory while a thousand streams are open, an event each 0.7 s."""
        body = encode("small", running.target.model.format(workload="short-slow"), stream=True)
        peak = 0.0
        with self.native.start(
            running.port,
            body,
            concurrency=OPEN_STREAMS,
            requests=OPEN_STREAMS,
            seconds=30,
            ramp_us=500,
            headers=HEADERS,
        ) as load:
            while load.poll() is None:
                peak = max(peak, memory_mb(running.pid))
                time.sleep(0.25)
            told = finished(load.stdout.read() if load.stdout else b"")
        self.results.open_mb[running.target.name] = peak
        self.results.open_streams[running.target.name] = told.ok - told.unstopped


def _body(model: str, workload: Workload) -> bytes:
    named = model.replace("chat/", f"{workload.protocol}/", 1).format(workload=workload.answer)
    return encode(workload.body, named, stream=workload.stream)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
