"""`make bench`: measures everything in one run and writes what it found into docs/performance.md.

Only loopback is used, every load is bounded, and what was started is stopped whatever happens.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks import measure, report
from benchmarks.measure import Bench, Results, Workload
from benchmarks.native import Native
from benchmarks.processes import Absent
from benchmarks.targets import (
    PEERS,
    PORTS,
    Running,
    Target,
    make_certificate,
    nginx,
    proxy,
    tls_front,
)

STARTS = 5


def main() -> int:
    asked = _arguments()
    _allow_many_files()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            found = Run(Path(name), asked).measure()
        except Absent as error:
            sys.stderr.write(f"bench: {error}\n")
            return 1
    text = report.tables(found)
    sys.stdout.write(text)
    if asked.json:
        Path(asked.json).write_bytes(msgspec.json.format(msgspec.json.encode(found.numbers())))
    if not asked.dry:
        report.write(found)
    return 1 if found.failures() else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one minute: one round of the most telling workloads")
    parser.add_argument("--rounds", type=int, help=f"rounds of each workload [{report.ROUNDS}, quick 1]")
    parser.add_argument(
        "--peers", default=",".join(PEERS), help=f"peers to install and measure, or none [{','.join(PEERS)}]"
    )
    parser.add_argument(
        "--dry", action="store_true", help="print, and leave docs/performance.md as it is (--quick does)"
    )
    parser.add_argument(
        "--python", default=sys.executable, metavar="FILE", help="interpreter of the proxy and its peers [this one]"
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures there as well")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or (1 if asked.quick else report.ROUNDS)
    asked.dry = asked.dry or asked.quick
    asked.peers = [] if asked.quick else [name for name in asked.peers.split(",") if name in PEERS]
    return asked


def _allow_many_files() -> None:
    """A thousand streams take two descriptors each in whatever stands between."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Run:
    """One run, in a directory of its own."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self._folder = folder
        self._rounds: int = asked.rounds
        self._quick: bool = asked.quick
        self._python: str = asked.python
        self._peers: list[str] = asked.peers
        self._bench = Bench(Native(folder), Results())
        self._found = report.Found(self._bench.results, rounds=asked.rounds)
        self._tls = False

    def measure(self) -> report.Found:
        """Raises Absent where nothing can be measured at all."""
        with contextlib.ExitStack() as stack:
            upstream = self._bench.native.upstream(PORTS.upstream)
            stack.callback(upstream.stop)
            self._tls = self._start_tls(stack)
            limit = nginx(self._folder, tls=self._tls)
            ours = proxy(self._folder, python=self._python, tls=self._tls)
            self._start_often(limit)
            self._start_often(ours)
            with self._running(limit) as first:
                with self._running(ours) as second:
                    self._main_rounds(first, second)
                # By another process: the conversations that the first remembers are no part of a stream.
                with self._running(ours) as fresh:
                    self._bench.open_streams(fresh)
                self._bench.open_streams(first)
                if not self._quick:
                    with self._running(proxy(self._folder, python=self._python, tls=self._tls, workers=2)) as two:
                        self._workers(first, two)
                for name in self._peers:
                    self._peer(name)
        return self._found

    def _start_tls(self, stack: contextlib.ExitStack) -> bool:
        if self._quick:
            return False
        try:
            make_certificate(self._folder)
        except Absent as error:
            self._found.skipped.append(str(error))
            return False
        front = tls_front(self._folder)
        stack.callback(front.stop)
        return True

    def _start_often(self, target: Target) -> None:
        """How long a start takes until the first answer, several times."""
        for _ in range(1 if self._quick else STARTS):
            with self._running(target):
                pass

    @contextlib.contextmanager
    def _running(self, target: Target) -> Iterator[Running]:
        running = Running(target, self._folder)
        self._found.started(running)
        try:
            yield running
        finally:
            running.stop()

    def _main_rounds(self, first: Running, second: Running) -> None:
        common = self._chosen((*measure.REQUESTS, *measure.STREAMS))
        special = () if self._quick else (*measure.PROTOCOLS, *(measure.TLS if self._tls else ()))
        served = self._bench.served(second, special)
        self._found.skipped += [f"{one.title}: not served" for one in special if one not in served]
        alone, together = _parted(common)
        for number in range(self._rounds):
            _say(f"\nround {number + 1} of {self._rounds} ")
            # Turn and turn about: what comes first meets a cooler machine.
            turns = (first, second) if number % 2 else (second, first)
            for running in turns:
                self._bench.latency(running, alone)
            for workload in (*together, *served):
                for running in turns:
                    self._bench.round(running, [workload])
        for running in (first, second):
            self._bench.worn(running)

    def _workers(self, first: Running, two: Running) -> None:
        *others, paced = measure.WORKERS
        for _ in range(self._rounds):
            self._bench.round(first, measure.WORKERS)
            self._bench.round(two, others)
            self._found.shares.append(self._bench.shares(two, paced))
        self._bench.open_streams(two)

    def _peer(self, name: str) -> None:
        """A peer that cannot be had is said, and nothing else suffers."""
        _say(f"\n{name} ")
        workloads = [one for one in (*measure.REQUESTS, *measure.STREAMS) if one.slow_requests]
        try:
            with self._running(PEERS[name](self._folder, self._python)) as running:
                alone, together = _parted(workloads)
                for _ in range(2):
                    self._bench.latency(running, alone, slow=True)
                    self._bench.round(running, together, slow=True)
        except Absent as error:
            self._found.skipped.append(str(error))

    def _chosen(self, workloads: Sequence[Workload]) -> list[Workload]:
        return [one for one in workloads if not self._quick or one.name in measure.QUICK]


def _parted(workloads: Sequence[Workload]) -> tuple[list[Workload], list[Workload]]:
    """Those that ask one request at a time, and the others."""
    alone = [one for one in workloads if one.concurrency == 1]
    return alone, [one for one in workloads if one.concurrency > 1]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}")
    sys.stderr.flush()


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    _say(f"\ntook {time.monotonic() - began:.0f} s\n")
    sys.exit(code)
