"""Twelve toxics, every protocol, streamed and whole, against the real proxy: python -m verification.chaos [--smoke].

Every request must end, within its time, in the intended message or in an error that the client is told; nothing may be
left open. The exit code is 1 where one did not.
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
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anthropic
import msgspec

from llm_to_anthropic.scripted import ScriptedUpstream
from llm_to_anthropic.scripted.behaviours import LINE, PROTOCOLS, Behaviours
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.translators.registry import TRANSLATORS
from tests.running import RunningProxy, running_proxy
from verification import toxics
from verification.fault_proxy import FaultProxy
from verification.judge import Verdict, by_the_sdk, on_the_wire
from verification.process import open_files
from verification.toxics import Toxic

TIMEOUTS = Timeouts(
    connect_s=1.0, first_event_s=1.0, whole_s=2.0, idle_s=1.0, total_s=8.0, commit_after_s=0.4, ping_s=0.3
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
ANSWERED = {"latency", "jitter", "bandwidth", "slicer", "slow_close", "stale"}
"""Toxics that cost time alone: the message must arrive."""
REFUSED = {"refuse", "limit_upload"}
"""Toxics through which no answer comes."""


class Variant(msgspec.Struct, frozen=True):
    """A toxic with its parameters, and the upstream's behaviour behind it."""

    label: str
    toxic: Toxic
    model: str = "good"


class Case(msgspec.Struct, frozen=True):
    variant: Variant
    protocol: str
    streamed: bool

    @property
    def provider(self) -> str:
        return provider_name(self.variant, self.protocol)

    def __str__(self) -> str:
        return f"{self.variant.label} {self.protocol} {'streamed' if self.streamed else 'whole'}"


def variants(*, smoke: bool) -> list[Variant]:
    """All toxics; for a smoke one place in the answer instead of four."""
    places = PLACES[1:2] if smoke else PLACES
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


def provider_name(variant: Variant, protocol: str) -> str:
    return f"{protocol}-{variant.label}".translate(str.maketrans("_@ ", "---"))


class Chaos:
    """One run: the proxy, what lies behind it, and what was found."""

    def __init__(self, *, smoke: bool) -> None:
        self.variants = variants(smoke=smoke)
        self.rounds = 1 if smoke else ROUNDS
        self.outcomes: dict[str, Counter[str]] = {variant.label: Counter() for variant in self.variants}
        self.problems: list[str] = []
        self.requests = 0
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            async with contextlib.AsyncExitStack() as stack:
                upstream = await stack.enter_async_context(ScriptedUpstream(Behaviours()))
                behind = await self._fault_proxies(upstream, stack)
                file = write_configuration(Path(folder), {name: fault.url for name, fault in behind.items()})
                arguments = ("--config", str(file))
                proxy = await stack.enter_async_context(
                    running_proxy(*arguments, cwd=file.parent, env={"TEST_KEY": "test-key"})
                )
                await self._attack(proxy)
                await self._look_for_leaks(proxy, behind)
            self._read_log(proxy.err)

    async def _fault_proxies(
        self, upstream: ScriptedUpstream, stack: contextlib.AsyncExitStack
    ) -> dict[str, FaultProxy]:
        behind = {}
        for variant in self.variants:
            for protocol in protocols():
                fault = await stack.enter_async_context(FaultProxy(upstream.port, variant.toxic))
                behind[provider_name(variant, protocol)] = fault
        return behind

    async def _attack(self, proxy: RunningProxy) -> None:
        self._files_before = open_files(proxy.process.pid)
        cases = [
            Case(variant, protocol, streamed)
            for variant in self.variants
            for protocol in protocols()
            for streamed in (True, False)
        ]
        async with (
            anthropic.AsyncAnthropic(base_url=proxy.url, api_key="client-key", max_retries=0) as client,
            asyncio.TaskGroup() as group,
        ):
            for case in cases:
                group.create_task(self._try(case, proxy.url, client))

    async def _try(self, case: Case, url: str, client: anthropic.AsyncAnthropic) -> None:
        model = f"{case.provider}/{case.variant.model}"
        # A damaged line that still reads as one is another text to everybody; TLS is there to notice that.
        line = None if case.variant.toxic.name == "garbage" else LINE
        asked = partial(by_the_sdk, client, model, streamed=case.streamed, line=line, within_s=WITHIN_S)
        async with self._gate:
            for _ in range(self.rounds):
                self._note(case, await on_the_wire(url, model, streamed=case.streamed, within_s=WITHIN_S))
                self._note(case, await asked())

    def _note(self, case: Case, verdict: Verdict) -> None:
        self.requests += 1
        toxic = case.variant.toxic.name
        self.outcomes[case.variant.label][verdict.outcome] += 1
        if verdict.outcome == "bad":
            self.problems.append(f"{case}: {verdict.problem}")
        elif toxic in ANSWERED and verdict.outcome != "message":
            self.problems.append(f"{case}: an error, though the message was only slow {verdict.problem}")
        elif toxic in REFUSED and verdict.outcome != "error":
            self.problems.append(f"{case}: a message, though no answer came through")

    async def _look_for_leaks(self, proxy: RunningProxy, behind: Mapping[str, FaultProxy]) -> None:
        """Idle connections of the pool end with their upstream; whatever is open then has leaked."""
        for fault in behind.values():
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


def write_configuration(folder: Path, urls: Mapping[str, str]) -> Path:
    """The proxy's TOML file: one provider for each pair of toxic and protocol."""
    lines = [
        "[retries]",
        "max_retries = 1",
        "[timeouts]",
        *(f"{name} = {value}" for name, value in msgspec.structs.asdict(TIMEOUTS).items()),
    ]
    for name, url in urls.items():
        protocol = next(one for one in PROTOCOLS if name.startswith(one.replace("_", "-")))
        lines += [f"[providers.{name}]", f'protocol = "{protocol}"', f'base_url = "{url}"', 'api_key = "env:TEST_KEY"']
    file = folder / "chaos.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def main() -> int:
    """Prints a table of outcomes, then what was wrong."""
    started = time.monotonic()
    chaos = Chaos(smoke="--smoke" in sys.argv)
    asyncio.run(chaos.run())
    write = sys.stdout.write
    for label, counted in chaos.outcomes.items():
        write(f"{label:<16} {counted['message']:>4} messages {counted['error']:>4} errors {counted['bad']:>4} bad\n")
    write("\n".join(sorted(chaos.problems)) + "\n" if chaos.problems else "")
    write(f"{chaos.requests} requests, {len(chaos.problems)} problems, {time.monotonic() - started:.0f} s\n")
    return int(bool(chaos.problems))


if __name__ == "__main__":
    sys.exit(main())
