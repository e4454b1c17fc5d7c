"""Process trees: started, watched and ended; what they used, as the Linux kernel counts it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 10.0


class Absent(Exception):
    """Something cannot be measured here; says why."""


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found, at = [pid], 0
    while at < len(found):
        for task in _listed(f"/proc/{found[at]}/task"):
            found += map(int, _children(found[at], task))
        at += 1
    return found


def cpu_us(pid: int) -> float:
    """Microseconds that a tree has spent on processors so far, in its own code and in the kernel's."""
    spent_ns = 0
    for one in tree(pid):
        for task in _listed(f"/proc/{one}/task"):
            first, _, _ = _read(f"/proc/{one}/task/{task}/schedstat").partition(" ")
            spent_ns += int(first or 0)
    return spent_ns / 1e3


def cpu_of_children_us(pid: int) -> list[float]:
    """The same of each child process with all below it."""
    children = {int(child) for task in _listed(f"/proc/{pid}/task") for child in _children(pid, task)}
    return [cpu_us(child) for child in sorted(children)]


def memory_mb(pid: int) -> float:
    """Megabytes that a tree occupies; what several processes share is divided between them (PSS)."""
    lines = (line for one in tree(pid) for line in _read(f"/proc/{one}/smaps_rollup").splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _children(pid: int, task: str) -> list[str]:
    return _read(f"/proc/{pid}/task/{task}/children").split()


def _listed(path: str) -> list[str]:
    # Processes and threads may end at any moment.
    with contextlib.suppress(OSError):
        return os.listdir(path)
    return []


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text()
    return ""


class Process:
    """One command in a session of its own, its output in a file."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, cwd=log.parent, env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.pid = self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def words(self) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-1500:]

    def stop(self) -> None:
        """Ends the tree: politely, then at once."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in reversed(tree(self.pid)):
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
                return
