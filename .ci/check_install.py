"""Checks what an installation brings along: few distributions, little space, nothing that runs at every start.

Run by the Python of the environment to be checked.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

MAX_DISTRIBUTIONS = 25
MAX_MEGABYTES = 45
STARTS_WITH_PYTHON = ("*.pth", "sitecustomize*", "usercustomize*")
COMMANDS = ("../../../bin/", "../../Scripts/")


def elsewhere(distribution: Path) -> Iterator[str]:
    """What a distribution has put beside its packages and commands: nothing of ours needs that."""
    for line in (distribution / "RECORD").read_text().splitlines():
        file = line.partition(",")[0]
        if file.startswith(("/", "..")) and not file.startswith(COMMANDS):
            yield file


def main() -> int:
    """Prints the figures; 1 where a limit is passed."""
    site = Path(sysconfig.get_path("purelib"))
    distributions = sorted(site.glob("*.dist-info"))
    files = [file for file in site.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    hooks = [hook.name for pattern in STARTS_WITH_PYTHON for hook in site.rglob(pattern)]
    hooks += [str(file) for one in distributions for file in elsewhere(one)]
    sys.stdout.write(f"{len(distributions)} distributions, {megabytes:.1f} MB, hooks: {hooks or 'none'}\n")
    return int(len(distributions) > MAX_DISTRIBUTIONS or megabytes > MAX_MEGABYTES or bool(hooks))


if __name__ == "__main__":
    sys.exit(main())
