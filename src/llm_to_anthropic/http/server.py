"""Runs the server: sockets, event loop, signals, drain, exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from socket import socket
from types import FrameType

import structlog
import uvicorn

from llm_to_anthropic.credentials import Credentials, LoginFailure
from llm_to_anthropic.gateway import memory_gauge
from llm_to_anthropic.gateway.gateway import Gateway as RealGateway
from llm_to_anthropic.http.address import base_url
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.http.listening import listen, listen_per_worker, port_of
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.protocol import ServerConfig
from llm_to_anthropic.http.reloading import Kept, Load, Reloader, has_terminal, takes_hangups
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.http.workers import run_workers
from llm_to_anthropic.observers.access_log import AccessLog, flush_log, learn_secrets
from llm_to_anthropic.observers.board import Board
from llm_to_anthropic.observers.metrics import Metrics
from llm_to_anthropic.observers.observer import Observer
from llm_to_anthropic.observers.transcript import Transcript
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.upstream import Fetcher, Upstream

Ready = Callable[[str], None]
"""Called with the base URL once requests are served."""
Build = Callable[[Settings], Gateway]

TICK_S = 1.0
"""How often the date header is renewed."""
POLL_S = 0.02
"""How often to look whether the last request has finished, during a drain alone."""
FAREWELL_S = 1.0
"""How long streams that are ended early may take to write their last event."""
LAST_WRITES_S = 0.1
"""How long what is cancelled has to leave the event loop."""
_STOPPING = "stopping once the running requests have ended; Ctrl-C again ends them at once"


class FrontServer(uvicorn.Server):
    """uvicorn's server with a drain that ends streams in words, exit code 0 after it, and reloads.

    `on_hangup` is called on SIGHUP, where signals are this server's to take.
    """

    def __init__(
        self,
        live: Live,
        *,
        ready: Callable[[], None],
        signals: bool,
        reloader: Reloader | None = None,
        on_hangup: Callable[[FrontServer], None] | None = None,
    ) -> None:
        super().__init__(ServerConfig(live))
        self._live = live
        self._ready = ready
        self._signals = signals
        self._reloader = reloader
        self._on_hangup = on_hangup
        self._wake = asyncio.Event()
        self._wake_soon: Callable[[], object] = self._wake.set

    def stop(self) -> None:
        """Begins the drain. Must be called in the loop's thread."""
        self._live.standing.draining = True
        self.should_exit = True
        self._wake.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT begin the drain; uvicorn would raise them again after it, and the exit code be theirs."""
        if not self._signals:
            yield
            return
        loop = asyncio.get_running_loop()
        self._wake_soon = lambda: loop.call_soon_threadsafe(self._wake.set)
        if self._on_hangup is not None:
            loop.add_signal_handler(signal.SIGHUP, self._on_hangup, self)
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by a signal; a second SIGINT ends everything at once."""
        super().handle_exit(sig, frame)
        self._live.standing.draining = True
        self._wake_soon()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        memory_gauge.keep_room()
        await super().startup(sockets)
        await self.on_tick(0)
        # What lives now lives as long as the process: the collector need not look at it again.
        memory_gauge.give_back()
        gc.freeze()
        # Requests leave no cycles, but many running ones would set off collections that find nothing.
        gc.set_threshold(25_000, 20, 10)
        self._live.standing.pressure.start()
        if self._reloader is not None:
            self._reloader.start()
        self._ready()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            self._live.standing.measure(self._live.app.gateway)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_S)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stops accepting, lets running requests finish for `drain_s`, then has the others ended."""
        if self._reloader is not None:
            self._reloader.stop()
        timeouts, standing = self._live.settings.timeouts, self._live.standing
        if running := standing.admission.running:
            patience_s = timeouts.pre_stop_s + timeouts.drain_s
            structlog.get_logger().info(_STOPPING, running=running, patience_s=patience_s)
        await self._wait_idle(timeouts.pre_stop_s, until_idle=False)
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._wait_idle(timeouts.drain_s)
        standing.pressure.stop()
        standing.admission.close("shutting down", "draining")
        await self._live.close()
        await self._wait_idle(FAREWELL_S)
        for task in list(self.server_state.tasks):
            task.cancel()
        self.force_exit = False
        await self._wait_idle(LAST_WRITES_S)

    async def _wait_idle(self, limit_s: float, *, until_idle: bool = True) -> None:
        """Returns after `limit_s`, on a forced exit, or once no request runs and every answer is sent."""
        deadline = time.monotonic() + limit_s
        state = self.server_state
        while not self.force_exit and time.monotonic() < deadline:
            if until_idle and not (state.tasks or state.connections):
                return
            await asyncio.sleep(POLL_S)


def build_gateway(
    settings: Settings, environ: Mapping[str, str] | None = None, observers: Sequence[Observer] = ()
) -> RealGateway:
    """The gateway with everything behind it. Call it in the process that serves.

    `environ` names web proxies and trusted certificates; by default this process's environment. `observers` are told
    of every request beside the access log.
    """
    variables = os.environ if environ is None else environ
    upstream = Upstream(settings.timeouts, environ=variables)
    transcript = Transcript() if settings.verbose else None
    credentials = Credentials(settings.providers.values(), warn=_warn_of_login)
    fetcher = Fetcher(variables) if settings.fetch_urls else None
    return RealGateway(
        settings,
        upstream,
        [AccessLog(), *observers],
        transcript,
        credentials,
        fetcher=fetcher,
        alarm=_sound,
        note=_note,
    )


def _warn_of_login(failure: LoginFailure) -> None:
    structlog.get_logger().warning("login failed", problem=failure.problem, remedy=failure.remedy)


def _sound(alarm: str) -> None:
    structlog.get_logger().error("key refused", problem=alarm)


def serve(
    settings: Settings, *, ready: Ready | None = None, build: Build | None = None, load: Load | None = None
) -> int:
    """Serves until SIGTERM or SIGINT; the exit code: 0 after a drain. Raises CannotListen.

    `build` makes the gateway, in each process that serves. `load` reads the configuration anew; with it the server
    does so when a file of it changes, and on SIGHUP.
    """
    sockets = listen_per_worker(settings.host, settings.port, settings.workers)
    url = base_url(settings.host, port_of(sockets[0]))

    def announce() -> None:
        if ready is not None:
            ready(url)

    board = Board(settings.workers)
    kept = Kept(load, settings)
    run = partial(_run, kept, build, hangups=takes_hangups(), board=board)
    if settings.workers > 1:
        return run_workers(sockets, run, announce, kept.renew)
    return run(sockets[0], announce)


@contextlib.asynccontextmanager
async def running(settings: Settings, gateway: Gateway | None = None) -> AsyncIterator[str]:
    """The server in this event loop, for as long as the context lasts; gives its base URL. Port 0 takes any."""
    sockets = listen(settings.host, settings.port)
    standing = Standing(settings)
    live = Live(settings, gateway or build_gateway(settings, observers=[standing.metrics]), standing)
    started = asyncio.Event()
    server = FrontServer(live, ready=started.set, signals=False)
    serving = asyncio.create_task(server.serve(sockets))
    try:
        await started.wait()
        yield base_url(settings.host, port_of(sockets))
    finally:
        server.stop()
        await serving


def _run(
    kept: Kept,
    build: Build | None,
    sockets: list[socket],
    ready: Callable[[], None],
    *,
    hangups: bool,
    board: Board,
    worker: int = 0,
    orphaned: int | None = None,
    adopted: Callable[[], None] = lambda: None,
) -> int:
    """One process's server, from its loop's start to its end.

    `hangups`: SIGHUP is a wish to reload. `worker` has its slot of the `board`. `orphaned` is the read end of a pipe
    that closes when the parent is gone; it is told by `adopted` of another configuration.
    """
    if orphaned is not None:
        kept.renew()
        learn_secrets(kept.settings)
    settings, load = kept.settings, kept.load
    standing = Standing(settings, Metrics(settings, board, worker))
    build = build or partial(build_gateway, observers=[standing.metrics])
    live = Live(settings, build(settings), standing)
    reloader = None if load is None else Reloader(load, partial(_adopt, live, build, adopted), settings)
    on_hangup = None
    if reloader is not None:
        live.refresh_by(reloader.refresh)
        if hangups:
            on_hangup = partial(_hang_up, reloader, terminal=has_terminal())
    server = FrontServer(live, ready=ready, signals=True, reloader=reloader, on_hangup=on_hangup)

    async def serving() -> None:
        if orphaned is not None:
            asyncio.get_running_loop().add_reader(orphaned, server.stop)
        await server.serve(sockets)

    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(serving())
    flush_log()
    return 0


def _note(lesson: str) -> None:
    structlog.get_logger().warning("field refused", lesson=lesson)


def _adopt(live: Live, build: Build, adopted: Callable[[], None], settings: Settings) -> None:
    learn_secrets(settings)
    live.replace(settings, build(settings))
    adopted()


def _hang_up(reloader: Reloader, server: FrontServer, *, terminal: bool) -> None:
    """SIGHUP is a wish to reload, unless it came because the terminal was closed."""
    if terminal and not has_terminal():
        server.stop()
    elif not server.should_exit:
        reloader.reload()
