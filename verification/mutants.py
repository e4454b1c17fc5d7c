"""Switches off one guard after the other: does its test notice? python -m verification.mutants [WORD ...].

The guards are in mutants.toml. Each is changed in a copy of the tree, never here. The exit code is 1 where a guard
can be missing without any test failing, and where a change does not fit the source any more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "verification" / "mutants.toml"
PACKAGE = Path("src", "llm_to_anthropic")
COPIED = ("src", "tests", "verification", ".ci", "docs", "deploy", "requirements")
TEST_LIMIT_S = 120
SOUND_LIMIT_S = 600
"""For all tests together, which have to pass before anything is changed."""
TESTS_FAILED = 1
"""pytest's exit code where tests ran and failed; others mean that they did not run."""


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One guard, and the change that switches it off."""

    guard: str
    file: str
    """Below the package."""
    old: str
    new: str
    test: str
    select: str = ""

    def misfit(self, root: Path) -> str:
        """Why the change cannot be made in the source; empty where it can."""
        file = root / PACKAGE / self.file
        if not file.exists():
            return f"{self.file} is gone"
        found = file.read_text().count(self.old)
        if found != 1:
            return f"{self.file} holds the line {found} times"
        return "" if (root / self.test.partition("::")[0]).exists() else f"{self.test} is gone"


class _Listed(msgspec.Struct, forbid_unknown_fields=True):
    mutant: list[Mutant]


def read() -> list[Mutant]:
    """All mutants."""
    return msgspec.convert(tomllib.loads(LIST.read_text()), _Listed).mutant


def main() -> int:
    """Prints one line for each guard."""
    words = sys.argv[1:]
    mutants = [one for one in read() if not words or any(word in one.guard or word in one.file for word in words)]
    started = time.monotonic()
    survived = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        work = _copy(Path(folder))
        tests = sorted({mutant.test for mutant in mutants})
        if code := _test(tests, "", work, SOUND_LIMIT_S):
            sys.stdout.write(f"BROKEN ({code}): the tests fail without any change: {' '.join(tests)}\n")
            return 1
        for mutant in mutants:
            verdict = _judge(mutant, work)
            survived += verdict != "killed"
            sys.stdout.write(f"{verdict:<10} {mutant.guard}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(mutants) - survived} of {len(mutants)} killed in {time.monotonic() - started:.0f} s\n")
    return int(survived > 0)


def _copy(folder: Path) -> Path:
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("*"):
        if file.is_file():
            shutil.copy(file, folder)
    return folder


def _judge(mutant: Mutant, work: Path) -> str:
    """killed, SURVIVED, or why it could not be judged."""
    misfit = mutant.misfit(work)
    if misfit:
        return f"STALE: {misfit}"
    file = work / PACKAGE / mutant.file
    sound = file.read_text()
    file.write_text(sound.replace(mutant.old, mutant.new))
    try:
        code = _test([mutant.test], mutant.select, work, TEST_LIMIT_S)
    finally:
        file.write_text(sound)
    return {TESTS_FAILED: "killed", 0: "SURVIVED"}.get(code, f"BROKEN ({code})")


def _test(tests: list[str], select: str, work: Path, limit_s: int) -> int:
    """pytest's exit code."""
    selected = ["-k", select] if select else []
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *selected, *tests]
    env = {**os.environ, "PYTHONPATH": str(work / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=work, env=env, capture_output=True, check=False, timeout=limit_s)  # noqa: S603
    except subprocess.TimeoutExpired:
        return TESTS_FAILED  # whoever waits for a guard in vain has noticed
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
