"""What the proxy's own work costs: requests and events through the real path in memory, in time and in steps.

Time is told as a multiple of a reference of the same nature that takes turns with the proxy: machine and neighbours
slow both alike. Of many short turns the fastest counts, on both sides: noise only ever adds. Steps are the
interpreter's instructions, which are the same on any machine, whoever else uses it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import h11
import msgspec

from benchmarks.answers import PROTOCOLS, answers, pieces
from benchmarks.bodies import encode
from benchmarks.in_memory import (
    MemoryClient,
    MemoryLoop,
    MemoryUpstream,
    http_request,
    stream_slices,
    whole_slices,
)
from llm_to_anthropic.config import loading
from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.server import build_gateway
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.observers.access_log import configure_logging, flush_log
from llm_to_anthropic.settings import Settings

TURN_S = 0.002
"""One turn takes about so long: short enough to run now and then without being interrupted."""
REFERENCES = 12
"""So many exchanges are a turn of the reference."""
COUNTED = 2
"""Steps are counted over so many requests: a timer of the logs may fall into one of them."""
WAVER = 1.06
"""Turns of the reference are spread so far on a machine of one's own: their median over the fastest."""
AT_ONCE = 8
"""Events in one read of a burst."""
READS = 10
"""Long reads of a stream whose events are so cheap that a short stream's opening and end would hide them."""
READ = 200
"""Events of a long read, about 60 KB."""
PROVIDERS = {"openai_chat": "chat", "openai_responses": "responses", "gemini": "google", "anthropic": "claude"}


class Figure(msgspec.Struct, frozen=True):
    """What one request or event costs."""

    time: float
    """As a multiple of the reference."""
    steps: float
    """Instructions of the interpreter."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is asked of the proxy, and what of its time belongs to one unit."""

    name: str
    request: bytes
    slices: Sequence[bytes]
    end: bytes
    units: int = 1
    """Requests or events."""
    minus: str = ""
    """The case whose time is taken off first: a stream with next to no events."""


def cases() -> list[Case]:
    """A small request, an agent's, and the events of each protocol: one at a time, in bursts, and in long reads."""
    made: list[Case] = []
    for protocol, provider in PROVIDERS.items():
        made += _requests(protocol, f"{provider}/bench")
        made += _streams(protocol, f"{provider}/bench")
    return made


def _requests(protocol: str, model: str) -> Iterator[Case]:
    """Those that are answered whole."""
    known = answers()
    whole = whole_slices(known[protocol, "text"].whole)
    # Responses is asked for a stream where the answer may be long, even if the client wants none.
    long = stream_slices(known[protocol, "short"].events) if protocol == "openai_responses" else whole
    kinds = [("small", "small request"), ("agent", "agent request"), ("agent-new", "agent request, new turn")]
    for kind, name in kinds:
        request = http_request("/v1/messages", encode(kind, model, stream=False))
        slices = whole if kind == "small" else long
        yield Case(name=f"{protocol}: {name}", request=request, slices=slices, end=b"}")


def _streams(protocol: str, model: str) -> Iterator[Case]:
    """A short one, and the events of others."""
    known = answers()
    few = known[protocol, "short"].events
    short = Case(
        name=f"{protocol}: short stream",
        request=http_request("/v1/messages", encode("small", model, stream=True)),
        slices=stream_slices(few),
        end=b"0\r\n\r\n",
    )
    yield short
    text, tools = known[protocol, "text"].events, known[protocol, "tools"].events
    yield _events(short, len(few), text, 1, f"{protocol}: text, event")
    yield _events(short, len(few), text, AT_ONCE, f"{protocol}: text, event in a burst")
    if protocol != "anthropic":  # what passes through takes one step for an event of a long read
        many = PROTOCOLS[protocol](pieces("text") * READS).events
        yield _events(short, len(few), many, READ, f"{protocol}: text, event of a long read")
    yield _events(short, len(few), tools, 1, f"{protocol}: tools, event")


def _events(short: Case, few: int, events: Sequence[bytes], at_once: int, name: str) -> Case:
    """Those of a stream beyond the few events of a short one, so many in each read."""
    reads = [b"".join(events[at : at + at_once]) for at in range(0, len(events), at_once)]
    return msgspec.structs.replace(
        short, name=name, slices=stream_slices(reads), units=len(events) - few, minus=short.name
    )


def bases() -> dict[str, str]:
    """Of each case the one that is taken off first, or nothing."""
    return {case.name: case.minus for case in cases()}


def reference() -> int:
    """One exchange through h11, with JSON in it: much code, run through once, as in a proxy; none of it is ours."""
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    server.receive_data(_sent(client, h11.Request(method="POST", target="/v1/reference", headers=_HEADERS), _BODY))
    body = b"".join(bytes(event.data) for event in _received(server) if isinstance(event, h11.Data))
    answer = json.dumps({**json.loads(body), "answered": True}).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(answer)))]
    client.receive_data(_sent(server, h11.Response(status_code=200, headers=headers), answer))
    return sum(len(event.data) for event in _received(client) if isinstance(event, h11.Data))


def _sent(connection: h11.Connection, head: h11.Request | h11.Response, body: bytes) -> bytes:
    parts = [connection.send(event) for event in (head, h11.Data(data=body), h11.EndOfMessage())]
    return b"".join(part for part in parts if part)


def _received(connection: h11.Connection) -> Iterator[h11.Event]:
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Event):
            yield event


_BODY = encode("small", "reference", stream=False)
_HEADERS = [("host", "localhost"), ("content-length", str(len(_BODY))), ("accept", "*/*"), ("user-agent", "reference")]


class Measured(msgspec.Struct, frozen=True):
    """What one process measured."""

    figures: dict[str, Figure]
    unit_us: float
    """The reference's time."""
    noise: float
    """How much others press this machine: 1 not at all. Above it, a time may be that much too long."""


class Costs:
    """What was measured so far."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.fastest_s: dict[str, float] = {}
        """Of one request of each case."""
        self.reference_s: list[float] = []
        """Of each turn, for one exchange."""
        self.steps: dict[str, float] = {}

    def note(self, case: Case, seconds: float) -> None:
        """A turn of a case, for one request."""
        self.cases[case.name] = case
        self.fastest_s[case.name] = min(seconds, self.fastest_s.get(case.name, math.inf))

    @property
    def unit_s(self) -> float:
        """The reference's fastest."""
        return min(self.reference_s)

    @property
    def noise(self) -> float:
        """As Measured tells it."""
        return max(1.0, statistics.median(self.reference_s) / self.unit_s / WAVER)

    def measured(self) -> Measured:
        """What it comes to."""
        return Measured(self.figures(), self.unit_s * 1e6, self.noise)

    def figures(self) -> dict[str, Figure]:
        """Of each case, what one unit costs. Of what is only taken off from others no time is told."""
        taken_off = {case.minus for case in self.cases.values()}
        return {
            name: Figure(
                0.0 if name in taken_off else round(self._each(self.fastest_s, case) / self.unit_s, 5),
                round(self._each(self.steps, case), 1),
            )
            for name, case in self.cases.items()
        }

    @staticmethod
    def _each(of: Mapping[str, float], case: Case) -> float:
        return (of[case.name] - (of[case.minus] if case.minus else 0.0)) / case.units


def measure(costs: Costs, seconds: float, wanted: Callable[[Case], bool] = lambda _case: True) -> None:
    """Lets all cases that are served take turns for so long, and adds what it finds to `costs`."""

    async def take_turns(client: MemoryClient, upstream: MemoryUpstream, asked: Sequence[Case]) -> None:
        await _take_turns(costs, client, upstream, asked, seconds)

    _in_memory(take_turns, wanted)


def repeat(name: str, times: int) -> None:
    """Asks one case so many times, for tools that look at the process from outside."""

    async def ask(client: MemoryClient, upstream: MemoryUpstream, asked: Sequence[Case]) -> None:
        for case in asked:
            upstream.slices = case.slices
            await client.ask(case.request, times, case.end)

    _in_memory(ask, lambda case: case.name == name)


def _in_memory(
    work: Callable[[MemoryClient, MemoryUpstream, Sequence[Case]], Awaitable[None]], wanted: Callable[[Case], bool]
) -> None:
    """Does the work with a client and an upstream in memory, and the cases that are wanted and served."""
    chosen = settings()
    loop = MemoryLoop()
    upstream = loop.upstream = MemoryUpstream(loop)

    async def run() -> None:
        standing = Standing(chosen)
        live = Live(chosen, build_gateway(chosen, {}, [standing.metrics]), standing)
        client = MemoryClient(loop, live)
        asked = await _served(client, upstream, [case for case in cases() if wanted(case)])
        gc.collect()
        gc.freeze()
        try:
            await work(client, upstream, asked)
        finally:
            gc.unfreeze()
            await live.close()

    with Path("/dev/null").open("w") as nowhere, asyncio.Runner(loop_factory=lambda: loop) as runner:
        configure_logging(chosen, nowhere)
        runner.run(run())


def settings() -> Settings:
    """A server's configuration with everything on, its upstreams in memory."""
    environ = {
        "PROXY_API_KEYS": "bench-client-key",
        "BENCH_KEY": "bench-upstream-key",
        "LLM_TO_ANTHROPIC_CONFIG": str(Path(__file__).with_name("gate.toml")),
    }
    return loading.load({}, environ, Path(__file__).parent)


async def _served(client: MemoryClient, upstream: MemoryUpstream, asked: Sequence[Case]) -> list[Case]:
    """The cases that the proxy answers well."""
    good = []
    for case in asked:
        upstream.slices = case.slices
        try:
            answer = await asyncio.wait_for(client.ask(case.request, 1, case.end), 2)
        except (TimeoutError, ApiError):
            continue
        if answer.startswith(b"HTTP/1.1 200 "):
            good.append(case)
    return good


async def _take_turns(
    costs: Costs, client: MemoryClient, upstream: MemoryUpstream, asked: Sequence[Case], seconds: float
) -> None:
    times = {case.name: await _times(client, upstream, case) for case in asked}
    for case in asked:
        costs.steps[case.name] = await _steps(client, upstream, case)
    clock = time.thread_time
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for case in asked:
            began = clock()
            for _ in range(REFERENCES):
                reference()
            costs.reference_s.append((clock() - began) / REFERENCES)
            upstream.slices = case.slices
            flush_log()
            began = clock()
            await client.ask(case.request, times[case.name], case.end)
            flush_log()  # a line is a part of its request's cost, and of no other's
            costs.note(case, (clock() - began) / times[case.name])


async def _times(client: MemoryClient, upstream: MemoryUpstream, case: Case) -> int:
    """So many requests make a turn."""
    upstream.slices = case.slices
    await client.ask(case.request, 5, case.end)
    began = time.thread_time()
    await client.ask(case.request, 5, case.end)
    return max(1, round(TURN_S / max(1e-6, (time.thread_time() - began) / 5)))


async def _steps(client: MemoryClient, upstream: MemoryUpstream, case: Case) -> float:
    """The interpreter's instructions of one request."""
    upstream.slices = case.slices
    count = 0

    def trace(frame: FrameType, event: str, _given: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    flush_log()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 counts none where no frame had asked before
    sys.settrace(trace)
    try:
        await client.ask(case.request, COUNTED, case.end)
        flush_log()
    finally:
        sys.settrace(before)
    return count / COUNTED


def main() -> None:
    """`python -m benchmarks.costs SECONDS [CASE ...]` prints what it measures as JSON."""
    seconds, names = float(sys.argv[1]), set(sys.argv[2:])
    costs = Costs()
    measure(costs, seconds, lambda case: not names or case.name in names)
    sys.stdout.write(msgspec.json.encode(costs.measured()).decode())


if __name__ == "__main__":
    main()
