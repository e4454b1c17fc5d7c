"""What Linux tells of a running process: open files and memory. None elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path


def open_files(pid: int) -> int | None:
    """How many descriptors a process has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def resident_kib(pid: int) -> int | None:
    """The memory that a process holds (RSS)."""
    try:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) if found else None
