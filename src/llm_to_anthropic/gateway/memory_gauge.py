"""How much memory this process uses and may use, and how to give unused memory back. Linux tells; others do not."""

from __future__ import annotations

import ctypes
import gc
import mmap
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_STATM = "proc/self/statm"
_ADDRESS_SPACE = re.compile(rb"^Max address space +(\d+) ", re.MULTILINE)
_FILES = {"": ("sys/fs/cgroup", "memory.max"), "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes")}
"""Where the hierarchy of a controller is mounted, as /proc/self/cgroup names it, and the file with its limit."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""As glibc's `mallopt` numbers them."""
_MMAP_BYTES, _KEPT_BYTES = 4 * 1024 * 1024, 8 * 1024 * 1024
"""What is mapped by itself, and goes back when it is freed; and how much free memory is kept at hand."""


def used_bytes(limit: int = 0, root: Path = Path("/")) -> int:
    """How much of a limit this process uses; 0 where the system does not tell.

    That is its resident memory; or all but what is left, where less is left of its address space: that counts what was
    only asked for as well, and asking beyond it fails.
    """
    try:
        size, resident = (int(pages) * mmap.PAGESIZE for pages in (root / _STATM).read_bytes().split()[:2])
    except OSError:
        return 0
    space = address_space_bytes(root) if limit else 0
    return max(resident, limit - (space - size)) if space else resident


def limit_bytes(root: Path = Path("/")) -> int:
    """The smallest limit of the control groups that this process is in, both versions; 0 where there is none."""
    return min(_cgroup_limits(root), default=0)


def address_space_bytes(root: Path = Path("/")) -> int:
    """The limit of this process's address space (`ulimit -v`, RLIMIT_AS); 0 where there is none."""
    try:
        found = _ADDRESS_SPACE.search((root / "proc/self/limits").read_bytes())
    except OSError:
        return 0
    return int(found[1]) if found else 0


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


def keep_room() -> None:
    """Has glibc keep what was freed at hand, up to 8 MiB, where it would map and unmap pages time and again.

    aiofastnet reads into 256 KiB that it asks for each time, and an agent's body of 1 MB is copied several times. glibc
    learns by itself to keep so much only where as much was mapped and freed before: by chance a process did not, and
    a paced event cost 43 us in it, not 25.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_MMAP_THRESHOLD, _MMAP_BYTES)
        tune(_TRIM_THRESHOLD, _KEPT_BYTES)
