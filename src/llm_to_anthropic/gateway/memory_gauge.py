"""How much memory this process uses and may use, and how to give unused memory back. Linux tells; others do not."""

from __future__ import annotations

import ctypes
import gc
import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_STATM = Path("/proc/self/statm")
_FILES = {"": ("sys/fs/cgroup", "memory.max"), "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes")}
"""By controller, as /proc/self/cgroup names it: where its hierarchy is mounted, and the file with the limit."""


def used_bytes() -> int:
    """The resident memory of this process; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


def limit_bytes(root: Path = Path("/")) -> int:
    """The smallest limit of the control groups that this process is in, both versions; 0 where there is none."""
    limits = [*_cgroup_limits(root)]
    return min(limits, default=0)


def _cgroup_limits(root: Path) -> Iterator[int]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        found = _FILES.get(controllers)
        if found is None:
            continue
        mount, name = root / found[0], found[1]
        # Inside a container the path is that of the host, and its own group is the mount itself.
        inner = PurePosixPath(path.lstrip("/"))
        for folder in (inner, *inner.parents):
            yield from _limit_in(mount / folder / name)


def _limit_in(file: Path) -> Iterator[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return
    # Version 1 says "unlimited" as a number that no machine has.
    if text.isdecimal() and int(text) < 1 << 60:
        yield int(text)


def give_back() -> None:
    """Lets go of garbage and hands free memory back to the system, which the allocator otherwise keeps."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
