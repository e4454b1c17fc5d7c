"""Steady load with clients that leave, faults, outages and reloads: python -m verification.soak [--seconds N].

Memory must not grow with the number of requests; descriptors must come back; every request must end in a message or
in an error that is told. The exit code is 1 where one of this did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from llm_to_anthropic.scripted import ScriptedUpstream
from tests.e2e.raw import posted
from tests.running import RunningProxy, running_proxy
from verification.behaviours import PROTOCOLS, Behaviours
from verification.chaos import protocols
from verification.judge import on_the_wire, request_body
from verification.process import open_files, resident_kib

SECONDS = 600
STREAMS_PER_S = 50
LEAVING = 0.10
FAULTY = 0.05
OUTAGES = 3
OUTAGE_S = 2.0
RELOADS = 10
WITHIN_S = 30.0
SAMPLES = 120
WARM_UP = 0.4
"""The part of the run whose memory is not judged: caches and pools fill in it."""
MAX_SLOPE_MIB = 1.0
"""Per 10 000 requests."""
JUDGED_FROM = 10_000
"""With fewer requests after the warm-up a slope is told and not judged: it would be noise."""
SETTLE_S = 30.0
FILES_APART = 2
DRAIN_S = 15.0

GOOD = ("slow_chunk_10", "slow_chunk_20", "slow_ttft_200", "good")
FAULTS = (
    "cut_after_4",
    "rst_after_6",
    "err_after_5",
    "bad_json_after_3",
    "bad_chunk_after_4",
    "status_500",
    "status_529",
)
RELOADED = "the configuration was reloaded"
CONFIGURATION = """
[retries]
max_retries = 1
[timeouts]
first_event_s = 5.0
idle_s = 5.0
"""


class Sample(msgspec.Struct, frozen=True):
    requests: int
    resident_kib: int


class Soak:
    """One run and what was seen."""

    def __init__(self, seconds: int, *, streams_per_s: int = STREAMS_PER_S, seed: int = 1) -> None:
        self.seconds = seconds
        self.streams_per_s = streams_per_s
        self.requests = 0
        self.outcomes: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.problems: list[str] = []
        self.reloads = 0
        self.files = (0, 0)
        """Open files of the proxy before the load and after it."""
        self._chance = random.Random(seed)  # noqa: S311  the same load each time
        self._upstream: ScriptedUpstream | None = None
        self._protocols = protocols()

    @property
    def slope_mib(self) -> float:
        """Growth per 10 000 requests after the warm-up, by least squares."""
        late = self._late
        if len(late) < 3:
            return 0.0
        mean_x = sum(one.requests for one in late) / len(late)
        mean_y = sum(one.resident_kib for one in late) / len(late)
        spread = sum((one.requests - mean_x) ** 2 for one in late)
        shared = sum((one.requests - mean_x) * (one.resident_kib - mean_y) for one in late)
        return shared / spread * 10_000 / 1024 if spread else 0.0

    @property
    def _late(self) -> list[Sample]:
        return self.samples[int(len(self.samples) * WARM_UP) :]

    async def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            self._upstream = await ScriptedUpstream(Behaviours()).__aenter__()
            file = _write_configuration(Path(folder), self._upstream.url, self._protocols)
            arguments = ("--config", str(file))
            async with running_proxy(*arguments, cwd=file.parent, env={"TEST_KEY": "test-key"}) as proxy:
                pid = proxy.process.pid
                before = open_files(pid) or 0
                await self._load(proxy)
                await self._upstream.__aexit__(None, None, None)
                self.files = (before, await _settled(pid, before))
                await self._stop(proxy)
            self._judge(proxy.err)

    async def _load(self, proxy: RunningProxy) -> None:
        """Requests at their times, whether the former ones have ended or not."""
        aside = [asyncio.create_task(work(proxy)) for work in (self._watch, self._fail, self._reload)]
        clock = asyncio.get_running_loop().time
        start = clock()
        async with asyncio.TaskGroup() as group:
            for number in range(self.seconds * self.streams_per_s):
                await asyncio.sleep(start + number / self.streams_per_s - clock())
                group.create_task(self._ask(proxy.url))
        for task in aside:
            task.cancel()
        for outcome in await asyncio.gather(*aside, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _ask(self, url: str) -> None:
        self.requests += 1
        name = self._chance.choice(FAULTS if self._chance.random() < FAULTY else GOOD)
        model = f"{_provider(self._chance.choice(self._protocols))}/{name}"
        if self._chance.random() < LEAVING:
            await self._leave(url, model)
            return
        verdict = await on_the_wire(url, model, streamed=True, within_s=WITHIN_S)
        self.outcomes[verdict.outcome] += 1
        if verdict.outcome == "bad":
            self.problems.append(f"{model}: {verdict.problem}")

    async def _leave(self, url: str, model: str) -> None:
        """Goes away at the first byte of the answer, or before."""
        self.outcomes["left"] += 1
        with contextlib.suppress(OSError, TimeoutError):
            async with posted(url, request_body(model, streamed=True)) as (reader, _), asyncio.timeout(WITHIN_S):
                if self._chance.random() < 0.5:
                    await reader.read(1)

    async def _watch(self, proxy: RunningProxy) -> None:
        while True:
            await asyncio.sleep(self.seconds / SAMPLES)
            self.samples.append(Sample(self.requests, resident_kib(proxy.process.pid) or 0))

    async def _fail(self, _proxy: RunningProxy) -> None:
        """The upstream is gone for a while, a few times."""
        for _ in range(OUTAGES):
            await asyncio.sleep(self.seconds / (OUTAGES + 1))
            assert self._upstream is not None  # noqa: S101  the load runs between its start and its end
            await self._upstream.__aexit__(None, None, None)
            await asyncio.sleep(min(OUTAGE_S, self.seconds / 20))
            self._upstream = await ScriptedUpstream(Behaviours(), port=self._upstream.port).__aenter__()

    async def _reload(self, proxy: RunningProxy) -> None:
        for _ in range(RELOADS):
            await asyncio.sleep(self.seconds / (RELOADS + 1))
            proxy.process.send_signal(signal.SIGHUP)
            self.reloads += 1

    async def _stop(self, proxy: RunningProxy) -> None:
        proxy.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(proxy.process.wait(), DRAIN_S)
        except TimeoutError:
            self.problems.append(f"a request still runs: no end within {DRAIN_S:g} s of SIGTERM")
            return
        if code:
            self.problems.append(f"exit code {code} after SIGTERM")

    def _judge(self, log: str) -> None:
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        records = sum(line.get("path") == "/v1/messages" for line in lines)
        if records != self.requests:
            self.problems.append(f"{self.requests} requests, {records} records in the log")
        reloaded = sum(line.get("event") == RELOADED and line.get("level") == "info" for line in lines)
        if reloaded != self.reloads:
            self.problems.append(f"{self.reloads} reloads asked for, {reloaded} done")
        self.problems += [
            f"the log tells of a fault: {sign}" for sign in ("Traceback", "never retrieved") if sign in log
        ]
        if abs(self.files[1] - self.files[0]) > FILES_APART:
            self.problems.append(f"open files: {self.files[0]} before, {self.files[1]} after")
        late = self._late
        if late and late[-1].requests - late[0].requests >= JUDGED_FROM and self.slope_mib > MAX_SLOPE_MIB:
            self.problems.append(f"memory grows by {self.slope_mib:.2f} MiB per 10 000 requests")


def _provider(protocol: str) -> str:
    return protocol.replace("_", "-")


def _write_configuration(folder: Path, url: str, names: list[str]) -> Path:
    lines = [CONFIGURATION]
    for name in names:
        base = url if name == "anthropic" else f"{url}/v1"
        lines.append(f'[providers.{_provider(name)}]\nprotocol = "{name}"\nbase_url = "{base}"')
        lines.append('api_key = "env:TEST_KEY"')
    file = folder / "soak.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


async def _settled(pid: int, before: int) -> int:
    """Open files once they are as before, or after a while."""
    deadline = time.monotonic() + SETTLE_S
    while (now := open_files(pid) or 0) > before and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    return now


def main() -> int:
    """Prints what was measured, then what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--rate", type=int, default=STREAMS_PER_S, help="streams that begin per second")
    given = parser.parse_args()
    soak = Soak(given.seconds, streams_per_s=given.rate)
    asyncio.run(soak.run())
    write = sys.stdout.write
    told = ", ".join(f"{count} {name}" for name, count in sorted(soak.outcomes.items()))
    write(f"{soak.requests} requests in {soak.seconds} s over {', '.join(PROTOCOLS)}: {told}\n")
    first, last = soak.samples[0], soak.samples[-1]
    write(f"memory: {first.resident_kib / 1024:.1f} MiB at first, {last.resident_kib / 1024:.1f} MiB at last, ")
    write(f"{soak.slope_mib:+.2f} MiB per 10 000 requests after the warm-up\n")
    write(f"open files: {soak.files[0]} before, {soak.files[1]} after; {OUTAGES} outages, {soak.reloads} reloads\n")
    counted = Counter(soak.problems)
    write("".join(f"{count} x {problem}\n" for problem, count in counted.most_common(40)))
    write(f"{len(soak.problems)} problems\n")
    return int(bool(soak.problems))


if __name__ == "__main__":
    sys.exit(main())
