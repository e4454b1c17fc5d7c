"""The two programs in C: compiled at the start of a run, the fake upstream and the load generator."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.answers import answers
from benchmarks.processes import Absent, Process, cpu_us

SOURCES = Path(__file__).parent / "native"
LIMIT_S = 200.0
"""A load ends itself long before."""


class Times(msgspec.Struct, frozen=True):
    """Percentiles, microseconds."""

    p50: float
    p90: float
    p99: float


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of the load generator saw, and what the server's processes spent meanwhile."""

    ok: int
    refused: int
    broken: int
    unstopped: int
    unfinished: int
    seconds: float
    events: int
    latency_us: Times
    first_event_us: Times
    first_delta_us: Times
    cpu_us: float = 0.0

    @property
    def failed(self) -> int:
        """Answers that were refused, cut off, or did not end with message_stop."""
        return self.refused + self.broken + self.unstopped + self.unfinished


class Native:
    """The programs, built into a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if shutil.which("cc") is None:
            raise Absent("there is no C compiler (cc), and what loads and answers is written in C")
        for name in ("fake_upstream", "load"):
            subprocess.run(["cc", "-O2", "-o", folder / name, SOURCES / f"{name}.c"], check=True)

    def upstream(self, port: int) -> Process:
        """Starts the fake upstream with every workload of every protocol."""
        folder = self._folder / "answers"
        folder.mkdir()
        for (protocol, workload), answer in answers().items():
            (folder / f"{protocol}.{workload}.whole").write_bytes(answer.whole)
            events = b"".join(b"%d\n%b" % (len(event), event) for event in answer.events)
            (folder / f"{protocol}.{workload}.events").write_bytes(events)
        process = Process([self._folder / "fake_upstream", str(port), folder], log=self._folder / "upstream.log")
        while not accepts(port):
            if process.ended:
                raise Absent(f"the fake upstream did not start: {process.words()}")
            time.sleep(0.01)
        return process

    def load(
        self,
        port: int,
        body: bytes,
        *,
        concurrency: int,
        requests: int,
        seconds: float,
        pid: int = 0,
        path: str = "/v1/messages",
        ramp_us: int = 0,
        headers: Sequence[str] = (),
    ) -> Load:
        """One load to its end. `pid`: the server whose time is counted."""
        before = cpu_us(pid) if pid else 0.0
        with self.start(
            port,
            body,
            concurrency=concurrency,
            requests=requests,
            seconds=seconds,
            path=path,
            ramp_us=ramp_us,
            headers=headers,
        ) as running:
            out, _ = running.communicate(timeout=LIMIT_S)
        return msgspec.structs.replace(finished(out), cpu_us=cpu_us(pid) - before if pid else 0.0)

    def start(
        self,
        port: int,
        body: bytes,
        *,
        concurrency: int,
        requests: int,
        seconds: float,
        path: str = "/v1/messages",
        ramp_us: int = 0,
        headers: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """A load that runs on while something else is looked at; `finished` reads what it says in the end."""
        file = self._folder / "body.json"
        file.write_bytes(body)
        numbers = [str(concurrency), str(requests), str(seconds), str(ramp_us)]
        command = [str(self._folder / "load"), str(port), path, str(file), *numbers, *headers]
        with (self._folder / "load.log").open("ab") as log:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)


def accepts(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def finished(out: bytes) -> Load:
    """What the load generator printed."""
    return msgspec.json.decode(out, type=Load)
