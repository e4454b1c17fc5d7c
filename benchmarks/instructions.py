"""Counts the processor's instructions for one request, or one event, of each case; by valgrind, in memory.

Times of the same code differ by half on a machine that others use too; instructions do not. A change of a few hundred
of them shows, which no clock does.

    python -m benchmarks.instructions [WORDS OF A CASE'S NAME ...]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys

from benchmarks.costs import Case, cases, repeat

FEW, MANY = 40, 140
"""What a start costs is the same for both."""
_TOTAL = re.compile(r"I\s+refs:\s+([\d,]+)")


def main() -> int:
    """Prints a line for each case whose name holds all the words; 2 without valgrind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="of the names of the cases; all without")
    parser.add_argument("--times", type=int, help="ask the one case of this name so many times, and count nothing")
    given = parser.parse_args()
    if given.times:
        repeat(" ".join(given.words), given.times)
        return 0
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        sys.stderr.write("valgrind counts the instructions: install it, on Debian with `apt install valgrind`\n")
        return 2
    known = {case.name: case for case in cases()}
    counted: dict[str, float] = {}
    for case in known.values():
        if not all(word in case.name for word in given.words):
            continue
        for name in filter(None, (case.minus, case.name)):
            counted[name] = counted[name] if name in counted else _each_time(valgrind, name)
        sys.stdout.write(f"{_unit(case, counted):12,.0f}  {case.name}\n")
        sys.stdout.flush()
    return 0


def _unit(case: Case, counted: dict[str, float]) -> float:
    return (counted[case.name] - counted.get(case.minus, 0.0)) / case.units


def _each_time(valgrind: str, name: str) -> float:
    running = [_run(valgrind, name, times) for times in (FEW, MANY)]
    few, many = (_counted(process, name) for process in running)
    return (many - few) / (MANY - FEW)


def _run(valgrind: str, name: str, times: int) -> subprocess.Popen[str]:
    tool = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command = [sys.executable, "-m", "benchmarks.instructions", "--times", str(times), *name.split(" ")]
    # With other hashes dictionaries have other collisions.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        tool + command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def _counted(process: subprocess.Popen[str], name: str) -> int:
    _, told = process.communicate(timeout=600)
    total = _TOTAL.search(told)
    if process.returncode or total is None:
        raise SystemExit(f"{name}: valgrind failed\n{told}")
    return int(total[1].replace(",", ""))


if __name__ == "__main__":
    sys.exit(main())
