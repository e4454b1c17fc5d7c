"""Twelve toxics, every protocol, streamed and whole, against the real proxy: python -m verification.chaos [--smoke].

Each of them in plain text, over TLS, and with a healthy target to fall back to. Every request must end, within its
time, in the intended message or in an error that the client is told; a fallback's answer must not be mixed with the
first's; nothing may be left open. The exit code is 1 where one did not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import anthropic
import msgspec

from llm_to_anthropic.scripted import Line, ScriptedUpstream
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.translators.registry import TRANSLATORS
from tests.running import RunningProxy, running_proxy
from tests.upstream.certificates import Certificates
from verification import toxics
from verification.behaviours import LINE, PROTOCOLS, Behaviours
from verification.fault_proxy import FaultProxy
from verification.judge import Verdict, by_the_sdk, on_the_wire
from verification.process import open_files
from verification.toxics import Toxic

TIMEOUTS = Timeouts(
    connect_s=1.0, tls_s=1.0, first_event_s=1.0, whole_s=2.0, idle_s=1.0, total_s=8.0, commit_after_s=0.4, ping_s=0.3
)
"""Short, so that what hangs is found soon; silence long enough for a ping is among what is tried."""
WITHIN_S = 12.0
AT_ONCE = 16
SETTLE_S = 5.0
DRAIN_S = 10.0
ROUNDS = 2
"""Requests of each judge for one case, one after the other: the second meets the connections of the first."""
PLACES = (20, 300, 900, 5000)
"""Bytes of an answer after which it is hurt: in its head, its first event, the middle, near the end."""
TLS_PLACES = (300, 1500, 2500, 5000)
"""The same over TLS: a handshake comes first."""
ANSWERED = {"latency", "jitter", "bandwidth", "slicer", "slow_close", "stale"}
"""Toxics that cost time alone: the message must arrive."""
REFUSED = {"refuse", "limit_upload"}
"""Toxics through which no answer comes."""
SECOND = Line(text="Elsewhere something different is said, in as many words and pieces as the first one does.")
Way = Literal["plain", "tls", "fallback"]
"""How an upstream is reached through the toxic: in plain text, over TLS, or with a healthy target behind it."""


class Variant(msgspec.Struct, frozen=True):
    """A toxic with its parameters, and the upstream's behaviour behind it."""

    label: str
    toxic: Toxic
    model: str = "good"


class Case(msgspec.Struct, frozen=True):
    variant: Variant
    protocol: str
    way: Way
    streamed: bool

    @property
    def provider(self) -> str:
        return provider_name(self.variant, self.protocol, self.way)

    @property
    def model(self) -> str:
        """What the client asks for."""
        return f"{self.provider}-or-second" if self.way == "fallback" else f"{self.provider}/{self.variant.model}"

    @property
    def lines(self) -> tuple[Line, ...]:
        """What may be answered."""
        match self.way:
            # A damaged line that still reads as one is another text to everybody; TLS notices that.
            case "plain" | "fallback" if self.variant.toxic.name == "garbage":
                return ()
            case "fallback":
                return LINE, SECOND
        return (LINE,)

    def __str__(self) -> str:
        return f"{self.variant.label} {self.protocol} {self.way} {'streamed' if self.streamed else 'whole'}"


def variants(way: Way = "plain", *, smoke: bool) -> list[Variant]:
    """All toxics; for a smoke one place in the answer instead of four."""
    places: tuple[int, ...] = TLS_PLACES if way == "tls" else PLACES
    places = places[1:2] if smoke else places
    hurt = (toxics.LimitData, toxics.ResetPeer, toxics.Timeout)
    return [
        Variant("latency", toxics.Latency()),
        Variant("jitter", toxics.Jitter()),
        Variant("bandwidth", toxics.Bandwidth()),
        Variant("slicer", toxics.Slicer()),
        Variant("slow_close", toxics.SlowClose(), "by_close"),
        Variant("refuse", toxics.Refuse()),
        Variant("limit_upload", toxics.LimitUpload(at=100)),
        Variant("stale", toxics.Stale()),
        *(Variant(f"{kind.name}@{at}", kind(at=at)) for kind in hurt for at in places),
        *(Variant(f"garbage {byte:02x}@{at}", toxics.Garbage(at=at, byte=byte)) for byte in (0, 0xFF) for at in places),
    ]


def protocols() -> list[str]:
    """Those that both the scripted upstream and the proxy speak."""
    return [name for name in PROTOCOLS if name in TRANSLATORS or name == "anthropic"]


def ways_of(protocol: str, *, smoke: bool) -> tuple[Way, ...]:
    """A smoke takes TLS and fallback with the first protocol alone."""
    return get_args(Way) if not smoke or protocol == protocols()[0] else ("plain",)


def cases(*, smoke: bool) -> list[Case]:
    return [
        Case(variant, protocol, way, streamed)
        for protocol in protocols()
        for way in ways_of(protocol, smoke=smoke)
        for variant in variants(way, smoke=smoke)
        for streamed in (True, False)
    ]


def provider_name(variant: Variant, protocol: str, way: Way) -> str:
    return f"{protocol}-{variant.label}-{way}".translate(str.maketrans("_@ ", "---"))


class Chaos:
    """One run: the proxy, what lies behind it, and what was found."""

    def __init__(self, *, smoke: bool) -> None:
        self.cases = cases(smoke=smoke)
        self.rounds = 1 if smoke else ROUNDS
        self.outcomes: dict[tuple[str, str], Counter[str]] = {
            (case.variant.label, case.way): Counter() for case in self.cases
        }
        self.problems: list[str] = []
        self.requests = 0
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            async with contextlib.AsyncExitStack() as stack:
                certificates = Certificates(Path(folder))
                behind = await self._fault_proxies(certificates, stack)
                second = await stack.enter_async_context(ScriptedUpstream(Behaviours(SECOND)))
                healthy = await stack.enter_async_context(FaultProxy(second.port, Toxic()))
                file = write_configuration(Path(folder), behind, healthy.url)
                environ = {"TEST_KEY": "test-key", **certificates.environ}
                proxy = await stack.enter_async_context(
                    running_proxy("--config", str(file), cwd=file.parent, env=environ)
                )
                await self._attack(proxy)
                await self._look_for_leaks(proxy, [*behind.values(), healthy])
            self._read_log(proxy.err)

    async def _fault_proxies(
        self, certificates: Certificates, stack: contextlib.AsyncExitStack
    ) -> dict[Case, FaultProxy]:
        """One for each provider; the streamed case stands for both."""
        upstream = await stack.enter_async_context(ScriptedUpstream(Behaviours()))
        tls = certificates.server_context()
        safe = await stack.enter_async_context(FaultProxy(upstream.port, Toxic(), tls=tls))
        behind = {}
        for case in self.cases:
            if not case.streamed:
                continue
            toxic = case.variant.toxic
            match case.way:
                case "tls" if toxic.name == "stale":  # it knows a request by what came before it: not by a handshake
                    fault = FaultProxy(upstream.port, toxic, tls=tls)
                case "tls":
                    fault = FaultProxy(safe.port, toxic)
                case _:
                    fault = FaultProxy(upstream.port, toxic)
            behind[case] = await stack.enter_async_context(fault)
        return behind

    async def _attack(self, proxy: RunningProxy) -> None:
        self._files_before = open_files(proxy.process.pid)
        async with (
            anthropic.AsyncAnthropic(base_url=proxy.url, api_key="client-key", max_retries=0) as client,
            asyncio.TaskGroup() as group,
        ):
            for case in self.cases:
                group.create_task(self._try(case, proxy.url, client))

    async def _try(self, case: Case, url: str, client: anthropic.AsyncAnthropic) -> None:
        asked = partial(by_the_sdk, client, case.model, streamed=case.streamed, lines=case.lines, within_s=WITHIN_S)
        async with self._gate:
            for _ in range(self.rounds):
                self._note(case, await on_the_wire(url, case.model, streamed=case.streamed, within_s=WITHIN_S))
                self._note(case, await asked())

    def _note(self, case: Case, verdict: Verdict) -> None:
        self.requests += 1
        toxic = case.variant.toxic.name
        self.outcomes[case.variant.label, case.way][verdict.outcome] += 1
        if verdict.outcome == "bad":
            self.problems.append(f"{case}: {verdict.problem}")
        elif toxic in ANSWERED and verdict.outcome != "message":
            self.problems.append(f"{case}: an error, though the message was only slow {verdict.problem}")
        elif toxic in REFUSED and verdict.outcome != ("message" if case.way == "fallback" else "error"):
            self.problems.append(f"{case}: {verdict.outcome}, though the first target gave no answer")
        elif all(_begins(line) in verdict.body for line in (LINE, SECOND)):
            self.problems.append(f"{case}: the answers of two targets in one")

    async def _look_for_leaks(self, proxy: RunningProxy, between: Iterable[FaultProxy]) -> None:
        """Idle connections of the pool end with their upstream; whatever is open then has leaked."""
        for fault in between:
            await fault.__aexit__(None, None, None)
        deadline = time.monotonic() + SETTLE_S
        while open_files(proxy.process.pid) != self._files_before and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        left = open_files(proxy.process.pid)
        if left != self._files_before:
            self.problems.append(f"open files: {self._files_before} before, {left} after")
        proxy.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(proxy.process.wait(), DRAIN_S)
        except TimeoutError:
            self.problems.append(f"a request still runs: no end within {DRAIN_S:g} s of SIGTERM")
        else:
            if code:
                self.problems.append(f"exit code {code} after SIGTERM")

    def _read_log(self, log: str) -> None:
        lines = [line for line in log.splitlines() if line.startswith("{")]
        records = [record for record in map(json.loads, lines) if record.get("path") == "/v1/messages"]
        if len(records) != self.requests:
            self.problems.append(f"{self.requests} requests, {len(records)} records in the log")
        for sign in ("Traceback", "never retrieved", "internal error"):
            if sign in log:
                place = log.index(sign)
                self.problems.append(f"the log tells of a fault: {log[max(0, place - 300) : place + 1500]}")


def _begins(line: Line) -> bytes:
    """The first word, which no event cuts."""
    return line.text.partition(" ")[0].encode()


def write_configuration(folder: Path, behind: Mapping[Case, FaultProxy], second_url: str) -> Path:
    """The proxy's TOML file: one provider for each toxic, protocol and way, and the second targets."""
    lines = ["[retries]", "max_retries = 1", "[timeouts]"]
    lines += [f"{name} = {value}" for name, value in msgspec.structs.asdict(TIMEOUTS).items()]
    lines += ["[models]"]
    lines += [
        f'"{case.model}" = ["{case.provider}/{case.variant.model}", "second-{case.protocol}/{case.variant.model}"]'
        for case in behind
        if case.way == "fallback"
    ]
    for protocol in protocols():
        lines += _provider(f"second-{protocol}", protocol, second_url)
    for case, fault in behind.items():
        url = fault.url.replace("http:", "https:") if case.way == "tls" else fault.url
        lines += _provider(case.provider, case.protocol, url)
    file = folder / "chaos.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def _provider(name: str, protocol: str, url: str) -> list[str]:
    return [f"[providers.{name}]", f'protocol = "{protocol}"', f'base_url = "{url}"', 'api_key = "env:TEST_KEY"']


def main() -> int:
    """Prints a table of outcomes, then what was wrong."""
    started = time.monotonic()
    chaos = Chaos(smoke="--smoke" in sys.argv)
    asyncio.run(chaos.run())
    write = sys.stdout.write
    for (label, way), counted in chaos.outcomes.items():
        ended = "  ".join(f"{counted[outcome]:>3} {outcome}" for outcome in ("message", "error", "bad"))
        write(f"{label:<16} {way:<9} {ended}\n")
    write("\n".join(sorted(chaos.problems)) + "\n" if chaos.problems else "")
    write(f"{chaos.requests} requests, {len(chaos.problems)} problems, {time.monotonic() - started:.0f} s\n")
    return int(bool(chaos.problems))


if __name__ == "__main__":
    sys.exit(main())
