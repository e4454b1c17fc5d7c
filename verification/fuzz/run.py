"""Coverage-guided fuzzing with atheris: python -m verification.fuzz.run [--seconds N] [TARGET ...].

Each target runs in a process of its own, for so many seconds; an input that breaks it is shown and kept in fuzz-found/.
The exit code is 1 where one was found.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import atheris

SECONDS = 30
MAX_BYTES = 4096
INPUT_LIMIT_S = 10
MEMORY_MIB = 1024
FOUND = Path("fuzz-found")


def main() -> int:
    """Runs the targets one after the other."""
    if sys.argv[1:2] == ["--inside"]:
        _fuzz(sys.argv[2], sys.argv[3])
    from verification.fuzz.targets import TARGETS  # noqa: PLC0415  not before it is known who instruments them

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    given = parser.parse_args()
    broken = [name for name in given.targets or TARGETS if not _run(name, given.seconds)]
    sys.stdout.write(f"broken: {', '.join(broken)}; see {FOUND}/\n" if broken else "nothing was found\n")
    return int(bool(broken))


def _run(name: str, seconds: int) -> bool:
    """Whether a target held."""
    command = [sys.executable, "-m", "verification.fuzz.run", "--inside", name, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    lines = done.stderr.splitlines()
    runs = next((line for line in reversed(lines) if line.startswith("Done ")), "")
    sys.stdout.write(f"{name:<24} {runs or 'BROKEN'}\n")
    if done.returncode:
        sys.stdout.write(f"{done.stdout}\n{lines[-1]}\n")
    sys.stdout.flush()
    return done.returncode == 0


def _fuzz(name: str, seconds: str) -> NoReturn:
    """Fuzzes one target in this process, which ends with it."""
    with atheris.instrument_imports(include=["llm_to_anthropic"]):
        from verification.fuzz.targets import TARGETS  # noqa: PLC0415
    target = TARGETS[name]
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number, seed in enumerate(target.seeds):
            Path(folder, str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={MAX_BYTES}",
            f"-timeout={INPUT_LIMIT_S}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-artifact_prefix={FOUND}/{name}-",
        ]
        atheris.Setup([sys.argv[0], *options, folder], target.run)
        atheris.Fuzz()
    raise AssertionError("the fuzzer ends its process")


if __name__ == "__main__":
    sys.exit(main())
