"""Several server processes behind one port: starts them, replaces a dead one, stops them together.

The parent serves nothing and runs no event loop, so that a child is an exact copy with nothing running.
"""

from __future__ import annotations

import os
import select
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from socket import socket
from types import FrameType
from typing import NoReturn, Protocol

import structlog

from llm_to_anthropic.http.listening import close_all
from llm_to_anthropic.http.reloading import has_terminal, takes_hangups

TOO_SOON_S = 5.0
"""A worker that dies this soon after its start may well do so again."""
MAX_TOO_SOON = 5
"""When this many in a row die too soon, each having replaced the last, so would the next."""
START_POLL_S = 0.05
"""How often to look for a worker's end while the workers start."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ADOPTED = signal.SIGUSR1
"""By which a worker tells its parent that it serves by another configuration."""
HELD_BACK = (*STOP_SIGNALS, signal.SIGHUP, ADOPTED)
"""A signal between the fork and the child's own handlers would be taken for the parent's."""

_log = structlog.get_logger()


class RunWorker(Protocol):
    def __call__(
        self,
        sockets: list[socket],
        ready: Callable[[], None],
        *,
        worker: int,
        orphaned: int,
        adopted: Callable[[], None],
    ) -> int:
        """Serves on the sockets until it is told to stop; the exit code of the process. `worker`: which one it is.

        Calls `adopted` whenever it serves by another configuration from then on.
        """
        ...


def run_workers(
    sockets: Sequence[list[socket]], run: RunWorker, ready: Callable[[], None], renew: Callable[[], None]
) -> int:
    """One process per element of `sockets`; returns the exit code once all have ended.

    `ready` is called when all serve, `renew` when one has adopted another configuration: those to come start with it.
    """
    return Workers(sockets, run, renew).run(ready)


class Workers:
    """The worker processes of one server, seen from their parent."""

    def __init__(self, sockets: Sequence[list[socket]], run: RunWorker, renew: Callable[[], None]) -> None:
        self._sockets = sockets
        self._run_worker = run
        self._renew = renew
        self._pid = os.getpid()
        self._started: dict[int, tuple[int, float]] = {}
        """Process id -> which worker it is, and when it was started."""
        self._serving: set[int] = set()
        """Ids of the processes that have begun to serve."""
        self._too_soon = Counter[int]()
        """Of each worker: how often in a row it died too soon."""
        self._stopping = False
        self._terminal = has_terminal()
        self._failed = False
        # Children notice by its end that the parent was killed.
        self._orphaned, self._lifeline = os.pipe()
        self._ready_read, self._ready_write = os.pipe()
        os.set_blocking(self._ready_read, False)

    def run(self, ready: Callable[[], None]) -> int:
        before = {number: signal.signal(number, self._stop) for number in STOP_SIGNALS}
        before[ADOPTED] = signal.signal(ADOPTED, lambda *_: self._renew())
        # Who started us may want to hear of no child, and be followed by us in that: then none could be waited for.
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if takes_hangups():
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hang_up)
        try:
            for index in range(len(self._sockets)):
                self._start(index)
            self._wait_ready()
            if not self._stopping:
                ready()
            while self._started:
                self._reap(*os.wait())
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for descriptor in (self._orphaned, self._lifeline, self._ready_read, self._ready_write):
                os.close(descriptor)
        return int(self._failed)

    def _start(self, index: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        if not self._stopping:  # a stop may have come until just now, and there is nothing left to serve on
            pid = os.fork()
            if pid == 0:
                self._be_worker(index)
            self._started[pid] = (index, time.monotonic())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)

    def _be_worker(self, index: int) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)  # Ctrl-C in a terminal is the parent's to pass on
            for number in (*STOP_SIGNALS, ADOPTED):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server takes it: what it reads by then is new
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
            os.close(self._lifeline)
            own = self._sockets[index]
            for sockets in self._sockets:
                if sockets is not own:
                    close_all(sockets)
            code = self._run_worker(
                own, self._tell_ready, worker=index, orphaned=self._orphaned, adopted=self._tell_adopted
            )
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _tell_ready(self) -> None:
        os.write(self._ready_write, b"%d\n" % os.getpid())

    def _tell_adopted(self) -> None:
        if os.getppid() == self._pid:
            os.kill(self._pid, ADOPTED)

    def _hear(self) -> None:
        """Notes who has begun to serve."""
        with suppress(BlockingIOError):
            self._serving.update(map(int, os.read(self._ready_read, 1 << 16).split()))

    def _wait_ready(self) -> None:
        while len(self._serving) < len(self._sockets) and self._started:
            select.select([self._ready_read], [], [], START_POLL_S)
            self._hear()
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                self._reap(pid, status)

    def _stop(self, number: int, _frame: FrameType | None = None) -> None:
        """Passes a stop on: the first begins the drain, a second SIGINT ends everything at once."""
        passed_on = signal.SIGINT if self._stopping and number == signal.SIGINT else signal.SIGTERM
        self._stopping = True
        for sockets in self._sockets:
            close_all(sockets)  # else connections would wait here for somebody to accept them
        for pid in list(self._started):
            with suppress(ProcessLookupError):
                os.kill(pid, passed_on)

    def _hang_up(self, _number: int, _frame: FrameType | None = None) -> None:
        """Passes a wish to reload on, unless it came because the terminal was closed."""
        if self._terminal and not has_terminal():
            self._stop(signal.SIGTERM)
            return
        for pid in list(self._started):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)

    def _reap(self, pid: int, status: int) -> None:
        self._hear()
        started = self._started.pop(pid, None)
        if started is None:
            return  # no worker: the child of a script that has become us, or of nobody where we are process 1
        index, since = started
        served = pid in self._serving
        self._serving.discard(pid)
        code = os.waitstatus_to_exitcode(status)
        if self._stopping:
            self._failed |= code not in (0, -signal.SIGTERM, -signal.SIGINT)
            return
        if self._is_a_fault(index, since, served=served):
            _log.error("a worker process ended at its start; stopping", worker=index, exit_code=code)
            self._failed = True
            self._stop(signal.SIGTERM)
            return
        _log.error("a worker process died and is replaced", worker=index, exit_code=code)
        self._start(index)

    def _is_a_fault(self, index: int, since: float, *, served: bool) -> bool:
        """Whether the replacement of a worker that died would die of the same cause."""
        if time.monotonic() - since >= TOO_SOON_S:
            self._too_soon[index] = 0
            return False
        self._too_soon[index] += 1
        return not served or self._too_soon[index] >= MAX_TOO_SOON
