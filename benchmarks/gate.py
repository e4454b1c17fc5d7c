"""`make gate`: fails where a request or an event has come to cost clearly more than the figures in gate.json.

A figure is the time of the proxy's own work in memory, as a multiple of a piece of work of the same nature that takes
turns with it: machine and neighbours slow both alike. Of many short turns the fastest counts, on both sides: noise only
ever adds.

    python -m benchmarks.gate            judge: 0 within the limit, 1 over it
    python -m benchmarks.gate --show     microseconds as well
    python -m benchmarks.gate --update   store what was measured as the new figures
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import h11
import msgspec

from benchmarks.answers import answers
from benchmarks.bodies import encode
from benchmarks.in_memory import (
    MemoryClient,
    MemoryLoop,
    MemoryUpstream,
    http_request,
    stream_slices,
    whole_slices,
)
from llm_to_anthropic import config
from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.server import build_gateway
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.observers.access_log import configure_logging
from llm_to_anthropic.settings import Settings

STORED = Path(__file__).with_name("gate.json")
LIMIT = 1.15
"""So many times the stored figure is still well."""
TURN_S = 0.002
"""One turn takes about so long: short enough to run now and then without being interrupted."""
SECONDS = 10.0
SECOND_LOOKS = 5
SECOND_LOOK_S = 4.0
REFERENCES = 12
"""So many exchanges are a turn of the reference."""
AT_ONCE = 8
"""Events in one read of a burst."""
PROVIDERS = {"openai_chat": "chat", "openai_responses": "responses", "gemini": "google", "anthropic": "claude"}

Figures = Mapping[str, float]


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
    """A small request, an agent's, and the events of each protocol: one at a time, and in bursts."""
    made: list[Case] = []
    known = answers()
    for protocol, provider in PROVIDERS.items():
        model = f"{provider}/bench"
        whole = {"slices": whole_slices(known[protocol, "text"].whole), "end": b"}"}
        small = http_request("/v1/messages", encode("small", model, stream=False))
        agent = http_request("/v1/messages", encode("agent", model, stream=False))
        streamed = http_request("/v1/messages", encode("small", model, stream=True))
        made.append(Case(name=f"{protocol}: small request", request=small, **whole))  # type: ignore[arg-type]
        made.append(Case(name=f"{protocol}: agent request", request=agent, **whole))  # type: ignore[arg-type]
        short = Case(
            name=f"{protocol}: short stream",
            request=streamed,
            slices=stream_slices(known[protocol, "short"].events),
            end=b"0\r\n\r\n",
        )
        made.append(short)
        few = len(known[protocol, "short"].events)
        for kind in ("text", "tools"):
            events = known[protocol, kind].events
            bursts = [b"".join(events[at : at + AT_ONCE]) for at in range(0, len(events), AT_ONCE)]
            ways = [("event", events), ("event in a burst", bursts)]
            # What passes through costs next to nothing in bursts: less than a clock can tell apart.
            for how, parts in ways if kind == "text" and protocol != "anthropic" else ways[:1]:
                made.append(
                    msgspec.structs.replace(
                        short,
                        name=f"{protocol}: {kind}, {how}",
                        slices=stream_slices(parts),
                        units=len(events) - few,
                        minus=short.name,
                    )
                )
    return made


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


def judge(measured: Figures, stored: Figures, limit: float = LIMIT) -> list[str]:
    """What costs more than it may, or is not answered any more, in words; nothing where all is well."""
    problems = []
    for name, figure in stored.items():
        now = measured.get(name)
        if now is None:
            problems.append(f"{name}: is not answered any more")
        elif now > figure * limit:
            problems.append(f"{name}: costs {now / figure - 1:.0%} more than stored ({now:.3f} against {figure:.3f})")
    return problems


async def served(client: MemoryClient, upstream: MemoryUpstream, asked: Sequence[Case]) -> list[Case]:
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


class Stopwatch:
    """The fastest turn of each thing that takes turns."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        if seconds < self.best.get(name, math.inf):
            self.best[name] = seconds

    def per(self, name: str) -> float:
        return self.best[name]


async def fastest_turns(
    client: MemoryClient, upstream: MemoryUpstream, asked: Sequence[Case], seconds: float
) -> Mapping[str, float]:
    """Seconds of one request of each case, and of the reference under the empty name."""
    watch = Stopwatch()
    times = {case.name: await _times(client, upstream, case) for case in asked}
    clock = time.thread_time
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for case in asked:
            began = clock()
            for _ in range(REFERENCES):
                reference()
            watch.note("", (clock() - began) / REFERENCES)
            upstream.slices = case.slices
            began = clock()
            await client.ask(case.request, times[case.name], case.end)
            watch.note(case.name, (clock() - began) / times[case.name])
    return watch.best


async def _times(client: MemoryClient, upstream: MemoryUpstream, case: Case) -> int:
    """So many requests make a turn."""
    upstream.slices = case.slices
    await client.ask(case.request, 5, case.end)
    began = time.thread_time()
    await client.ask(case.request, 5, case.end)
    return max(1, round(TURN_S / max(1e-6, (time.thread_time() - began) / 5)))


def figures(best: Mapping[str, float], asked: Sequence[Case]) -> dict[str, float]:
    """Each case's unit as a multiple of the reference."""
    unit = best[""]
    return {
        case.name: round((best[case.name] - (best[case.minus] if case.minus else 0.0)) / case.units / unit, 4)
        for case in asked
    }


def settings() -> Settings:
    """A server's configuration with everything on, its upstreams in memory."""
    environ = {
        "PROXY_API_KEYS": "bench-client-key",
        "BENCH_KEY": "bench-upstream-key",
        "LLM_TO_ANTHROPIC_CONFIG": str(Path(__file__).with_name("gate.toml")),
    }
    return config.load({}, environ, Path(__file__).parent)


def measure(
    seconds: float, wanted: Callable[[Case], bool] = lambda _case: True
) -> tuple[Mapping[str, float], list[Case]]:
    """The fastest turns of all cases that are served."""
    chosen = settings()
    loop = MemoryLoop()
    upstream = loop.upstream = MemoryUpstream(loop)

    async def run() -> tuple[Mapping[str, float], list[Case]]:
        standing = Standing(chosen)
        live = Live(chosen, build_gateway(chosen, {}, [standing.counters]), standing)
        client = MemoryClient(loop, live)
        asked = await served(client, upstream, [case for case in cases() if wanted(case)])
        gc.collect()
        gc.freeze()
        try:
            return await fastest_turns(client, upstream, asked, seconds), asked
        finally:
            gc.unfreeze()
            await live.close()

    with Path("/dev/null").open("w") as nowhere, asyncio.Runner(loop_factory=lambda: loop) as runner:
        configure_logging(chosen, nowhere)
        return runner.run(run())


def _second_look(best: Mapping[str, float], dear: Collection[str], found: Sequence[Case]) -> dict[str, float]:
    """The fastest turns, after some more of what seems dear: a neighbour may have had the machine for a while."""
    wanted = {*dear, *(case.minus for case in found if case.name in dear)}
    again, _ = measure(SECOND_LOOK_S, lambda case: case.name in wanted)
    return {name: min(seconds, again.get(name, seconds)) for name, seconds in best.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make gate", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--show", action="store_true", help="print microseconds as well")
    parser.add_argument("--update", action="store_true", help="store what was measured as the new figures")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"time to measure in [{SECONDS:g}]")
    asked = parser.parse_args()
    best, found = measure(asked.seconds * (3 if asked.update else 1))
    stored = {} if asked.update else msgspec.json.decode(STORED.read_bytes(), type=dict[str, float])
    for _ in range(SECOND_LOOKS):
        dear = {name for name, figure in figures(best, found).items() if figure > stored.get(name, figure) * LIMIT}
        if not dear:
            break
        best = _second_look(best, dear, found)
    measured = figures(best, found)
    if asked.update:
        STORED.write_bytes(msgspec.json.format(msgspec.json.encode(measured)) + b"\n")
        stored = measured
    for name, figure in measured.items():
        us = f"{figure * best[''] * 1e6:9.2f} us" if asked.show else ""
        before = stored.get(name)
        sys.stdout.write(
            f"{name:45} {figure:8.3f} {us}" + (f" {figure / before:6.2f}x of stored\n" if before else "\n")
        )
    problems = judge(measured, stored)
    sys.stdout.write("".join(f"gate: {problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
