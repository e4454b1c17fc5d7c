"""Runs the server: sockets, event loop, signals, drain, exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from socket import socket
from types import FrameType

import structlog
import uvicorn

from llm_to_anthropic.credentials import Credentials, LoginFailure
from llm_to_anthropic.gateway.gateway import Gateway as RealGateway
from llm_to_anthropic.http.address import base_url
from llm_to_anthropic.http.app import App, create_app
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.http.listening import CannotListen, listen, listen_per_worker, port_of
from llm_to_anthropic.http.protocol import ServerConfig
from llm_to_anthropic.http.workers import run_workers
from llm_to_anthropic.observers.access_log import AccessLog
from llm_to_anthropic.observers.transcript import Transcript
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.upstream import Fetcher, Upstream

Ready = Callable[[str], None]
"""Called with the base URL once requests are served."""
Build = Callable[[Settings], Gateway]

TICK_S = 1.0
"""The date header is renewed so often."""
POLL_S = 0.02
"""Whether the last request has finished is looked at so often, during a drain alone."""
FAREWELL_S = 1.0
"""Streams that are ended early may write their last event for so long."""
LAST_WRITES_S = 0.1
"""What is cancelled has so long to leave the event loop."""


class FrontServer(uvicorn.Server):
    """uvicorn's server with a drain that ends streams in words, and exit code 0 after it."""

    def __init__(self, app: App, settings: Settings, *, ready: Callable[[], None], signals: bool) -> None:
        super().__init__(ServerConfig(app, settings))
        self._app = app
        self._timeouts = settings.timeouts
        self._ready = ready
        self._signals = signals
        self._wake = asyncio.Event()
        self._wake_soon: Callable[[], object] = self._wake.set

    def stop(self) -> None:
        """Begins the drain. Must be called in the loop's thread."""
        self._app.standing.draining = True
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
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by a signal; a second SIGINT ends everything at once."""
        super().handle_exit(sig, frame)
        self._app.standing.draining = True
        self._wake_soon()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        await self.on_tick(0)
        # What lives now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        self._app.standing.pressure.start()
        self._ready()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_S)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stops accepting, lets running requests finish for `drain_s`, then has the others ended."""
        await self._wait_idle(self._timeouts.pre_stop_s, until_idle=False)
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._wait_idle(self._timeouts.drain_s)
        standing = self._app.standing
        standing.pressure.stop()
        standing.admission.close("shutting down")
        await self._app.gateway.close()
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


def build_gateway(settings: Settings, environ: Mapping[str, str] | None = None) -> RealGateway:
    """The gateway with everything behind it. Call it in the process that serves.

    `environ` names web proxies and trusted certificates; by default this process's environment.
    """
    variables = os.environ if environ is None else environ
    upstream = Upstream(settings.timeouts, environ=variables)
    transcript = Transcript() if settings.verbose else None
    credentials = Credentials(settings.providers.values(), warn=_warn_of_login)
    fetcher = Fetcher(variables) if settings.fetch_urls else None
    return RealGateway(
        settings, upstream, [AccessLog()], transcript, credentials, fetcher=fetcher, alarm=_sound, note=_note
    )


def _warn_of_login(failure: LoginFailure) -> None:
    structlog.get_logger().warning("login failed", problem=failure.problem, remedy=failure.remedy)


def _sound(alarm: str) -> None:
    structlog.get_logger().error("key refused", problem=alarm)


def serve(settings: Settings, *, ready: Ready | None = None, build: Build = build_gateway) -> int:
    """Serves until SIGTERM or SIGINT; the exit code: 0 after a drain, 1 where the port cannot be had.

    `build` makes the gateway, in each process that serves.
    """
    try:
        sockets = listen_per_worker(settings.host, settings.port, settings.workers)
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 1
    url = base_url(settings.host, port_of(sockets[0]))

    def announce() -> None:
        if ready is not None:
            ready(url)

    run = partial(_run, settings, build)
    if settings.workers > 1:
        return run_workers(sockets, run, announce)
    return run(sockets[0], announce)


@contextlib.asynccontextmanager
async def running(settings: Settings, gateway: Gateway | None = None) -> AsyncIterator[str]:
    """The server in this event loop, for as long as the context lasts; gives its base URL. Port 0 takes any."""
    sockets = listen(settings.host, settings.port)
    app = create_app(settings, gateway or build_gateway(settings))
    started = asyncio.Event()
    server = FrontServer(app, settings, ready=started.set, signals=False)
    serving = asyncio.create_task(server.serve(sockets))
    try:
        await started.wait()
        yield base_url(settings.host, port_of(sockets))
    finally:
        server.stop()
        await serving


def _run(
    settings: Settings,
    build: Build,
    sockets: list[socket],
    ready: Callable[[], None],
    *,
    orphaned: int | None = None,
) -> int:
    """One process's server, from its loop's start to its end.

    `orphaned` is the read end of a pipe that closes when the parent process is gone.
    """
    app = create_app(settings, build(settings))
    server = FrontServer(app, settings, ready=ready, signals=True)

    async def serving() -> None:
        if orphaned is not None:
            asyncio.get_running_loop().add_reader(orphaned, server.stop)
        await server.serve(sockets)

    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(serving())
    return 0


def _note(lesson: str) -> None:
    structlog.get_logger().warning("field refused", lesson=lesson)
