"""`make gate`: fails where a request or an event has come to cost clearly more than the figures in gate.json.

    python -m benchmarks.gate            judge: 0 within the limit, 1 over it
    python -m benchmarks.gate --show     microseconds as well
    python -m benchmarks.gate --update   store what was measured as the new figures

Steps are judged as they are. A time is looked at again where it is over the limit, and the limit is wider by as much
as the reference wavers: a neighbour that fills the caches slows a program the more, the larger it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.costs import Costs, Figure, measure

STORED = Path(__file__).with_name("gate.json")
LIMIT = 1.15
"""So many times the stored figure is still well."""
SECONDS = 9.0
SECOND_LOOKS = 2
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


def read_stored() -> dict[str, Figure]:
    """The figures that are held to."""
    return msgspec.json.decode(STORED.read_bytes(), type=dict[str, Figure])


def _look_again(costs: Costs, stored: Figures) -> None:
    """More turns of what seems dear: a neighbour may have had the machine for a while."""
    for _ in range(SECOND_LOOKS):
        figures = costs.figures()
        dear = {name for name, now in figures.items() if name in stored and now.time > stored[name].time * LIMIT}
        if not dear:
            return
        wanted = dear | {costs.cases[name].minus for name in dear}
        measure(costs, SECOND_LOOK_S, lambda case, wanted=wanted: case.name in wanted)  # type: ignore[misc]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make gate", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--show", action="store_true", help="print microseconds as well")
    parser.add_argument("--update", action="store_true", help="store what was measured as the new figures")
    asked = parser.parse_args()
    costs = Costs()
    measure(costs, SECONDS * (3 if asked.update else 1))
    if asked.update:
        STORED.write_bytes(msgspec.json.format(msgspec.json.encode(costs.figures())) + b"\n")
    stored = read_stored()
    _look_again(costs, stored)
    measured = costs.figures()
    for name, figure in measured.items():
        sys.stdout.write(_line(name, figure, stored.get(name), costs.unit_s if asked.show else 0.0))
    problems = judge(measured, stored, costs.noise)
    sys.stdout.write(f"noise {costs.noise:.2f}\n" + "".join(f"gate: {problem}\n" for problem in problems))
    return 1 if problems else 0


def _line(name: str, figure: Figure, before: Figure | None, unit_s: float) -> str:
    us = f" {figure.time * unit_s * 1e6:9.2f} us" if unit_s else ""
    change = f"{figure.steps / before.steps:7.2f}x {figure.time / before.time:5.2f}x" if before else "    new"
    return f"{name:42} {figure.steps:9.0f} steps {figure.time:8.3f} time{us}{change}\n"


if __name__ == "__main__":
    sys.exit(main())
