"""`make gate`: fails where a request or an event has come to cost clearly more than the figures in gate.json.

    python -m benchmarks.gate            judge: 0 within the limit, 1 over it
    python -m benchmarks.gate --show     microseconds as well
    python -m benchmarks.gate --update   store what was measured as the new figures

Steps are judged as they are. A time is looked at again where it is over the limit, and the limit is wider by as much
as the reference wavers: a neighbour that fills the caches slows a program the more, the larger it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from benchmarks.costs import Figure, Measured, bases

STORED = Path(__file__).with_name("gate.json")
PYTHON = ".".join(map(str, sys.version_info[:2]))
LIMIT = 1.15
"""So many times the stored figure is still well."""
SECONDS = 9.0
SECOND_LOOKS = 3
SECOND_LOOK_S = 3.0

Figures = Mapping[str, Figure]


def judge(measured: Figures, stored: Figures, noise: float = 1.0) -> list[str]:
    """What costs more than it may, or is not answered any more, in words; nothing where all is well."""
    problems = []
    for name, figure in stored.items():
        now = measured.get(name)
        if now is None:
            problems.append(f"{name}: is not answered any more")
            continue
        if now.steps > figure.steps * LIMIT:
            more = now.steps / figure.steps - 1
            problems.append(f"{name}: takes {more:.0%} more steps than stored ({now.steps:.0f}, {figure.steps:.0f})")
        if now.time > figure.time * LIMIT * noise:
            more = now.time / figure.time - 1
            problems.append(f"{name}: takes {more:.0%} more time than stored ({now.time:.3f}, {figure.time:.3f})")
    return problems


class Stored(msgspec.Struct, frozen=True):
    """The figures that are held to."""

    python: str
    """The version that they were measured with: another takes other steps."""
    figures: dict[str, Figure]


def read_stored() -> Stored:
    """What gate.json says."""
    return msgspec.json.decode(STORED.read_bytes(), type=Stored)


def _measure(seconds: float, names: Collection[str] = ()) -> Measured:
    """Cases, by default all, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.costs", str(seconds), *names]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return msgspec.json.decode(out, type=Measured)


def _look_again(first: Measured, stored: Figures) -> Measured:
    """What seems dear is measured again in other processes: how one lies in memory, and who is about, is luck."""
    figures, noise = dict(first.figures), first.noise
    for _ in range(SECOND_LOOKS):
        dear = {name for name, now in figures.items() if name in stored and now.time > stored[name].time * LIMIT}
        if not dear:
            break
        again = _measure(SECOND_LOOK_S, {*dear, *(bases()[name] for name in dear if bases()[name])})
        noise = max(noise, again.noise)
        for name in dear & again.figures.keys():
            figures[name] = msgspec.structs.replace(
                figures[name], time=min(figures[name].time, again.figures[name].time)
            )
    return Measured(figures, first.unit_us, noise)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make gate", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--show", action="store_true", help="print microseconds as well")
    parser.add_argument("--update", action="store_true", help="store what was measured as the new figures")
    asked = parser.parse_args()
    if not asked.update and read_stored().python != PYTHON:
        sys.stdout.write(f"gate: skipped, its figures are Python {read_stored().python}'s and this is {PYTHON}\n")
        return 0
    measured = _measure(SECONDS * (3 if asked.update else 1))
    if asked.update:
        made = Stored(PYTHON, measured.figures)
        STORED.write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    stored = read_stored().figures
    measured = _look_again(measured, stored)
    for name, figure in measured.figures.items():
        sys.stdout.write(_line(name, figure, stored.get(name), measured.unit_us if asked.show else 0.0))
    problems = judge(measured.figures, stored, measured.noise)
    sys.stdout.write(f"noise {measured.noise:.2f}\n" + "".join(f"gate: {problem}\n" for problem in problems))
    return 1 if problems else 0


def _line(name: str, figure: Figure, before: Figure | None, unit_us: float) -> str:
    us = f" {figure.time * unit_us:9.2f} us" if unit_us else ""
    change = "    new"
    if before is not None:
        change = f"{figure.steps / before.steps:7.2f}x {figure.time / before.time if before.time else 1:5.2f}x"
    return f"{name:42} {figure.steps:9.0f} steps {figure.time:8.3f} time{us}{change}\n"


if __name__ == "__main__":
    sys.exit(main())
