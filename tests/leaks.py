"""A pytest plugin: no asynchronous test may leave a socket, a task or a thread behind.

What was dropped without being closed warns when it is collected, and a warning is an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

SETTLE_S = 1.0
"""The other end of a connection that was closed learns of it through the kernel, soon but not at once."""
POLL_S = 0.005
_DESCRIPTORS = Path("/dev/fd")
"""Where the system lists this process's open files; without it sockets are not compared."""


def open_sockets() -> int:
    """How many sockets this process has open.

    A number and not which ones: an event loop may renew those with which it wakes itself each time it runs.
    """
    found = 0
    for name in os.listdir(_DESCRIPTORS) if _DESCRIPTORS.exists() else []:
        with contextlib.suppress(OSError):  # the one with which the folder was read
            found += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    return found


@pytest.fixture
def _no_threads_left() -> Iterator[None]:
    """Torn down after the event loop, whose own threads have ended by then."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + SETTLE_S
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))  # a pool that was shut down ends its threads soon
    left = {thread.name for thread in threading.enumerate() if thread not in before}
    assert not left, f"the test left threads: {left}"


@pytest.fixture
async def _no_sockets_or_tasks_left() -> AsyncIterator[None]:
    """Set up first and torn down last of what lives in the test's event loop."""
    sockets, tasks = open_sockets(), asyncio.all_tasks()
    yield
    own = asyncio.current_task()

    def left() -> tuple[int, set[asyncio.Task[object]]]:
        return max(0, open_sockets() - sockets), {task for task in asyncio.all_tasks() - tasks if task is not own}

    clock = asyncio.get_running_loop().time
    deadline = clock() + SETTLE_S
    while any(left()) and clock() < deadline:  # noqa: ASYNC110  the kernel tells nobody
        await asyncio.sleep(POLL_S)
    # What was dropped without being closed warns now, in its own test. What is left lives on: to look at it again after
    # each test would cost a quarter of the run.
    gc.collect()
    gc.freeze()
    open_still, running_still = left()
    assert not running_still, f"the test left tasks: {sorted(map(repr, running_still))}"
    assert not open_still, f"the test left {open_still} open sockets"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has every asynchronous test watched."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames[:0] = ["_no_threads_left", "_no_sockets_or_tasks_left"]
    # The collector need not look again, after each test, at what lives as long as the run.
    gc.collect()
    gc.freeze()
