"""Both ends of HTTP, fed by hand: a client's bytes to the server, and an upstream's bytes to the client within."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import TypeVar

import httptools
from uvicorn.server import ServerState

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.protocol import FrontProtocol, ServerConfig
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream.call import UpstreamCall
from llm_to_anthropic.upstream.connection import Connection
from tests.http.fake import FakeGateway, settings

TURNS = 3
"""Of the event loop: enough for a request to be handed over, answered and followed by the next."""
MAX_BODY_BYTES = 1 << 20

T = TypeVar("T")


class WrittenTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


class Answers:
    """Counts the answers in what the server wrote. Raises httptools' errors where it is no HTTP."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        if data:
            self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self.statuses.append(int(self._parser.get_status_code()))


def from_client(slices: list[bytes]) -> list[int]:
    """The statuses of the answers to what a client sends, each of which must be HTTP and none an internal error."""
    return _run(_serve(slices))


def from_upstream(slices: list[bytes]) -> bytes | None:
    """The body of an upstream's answer; None where it is refused in words."""
    return _run(_read(slices))


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _config() -> ServerConfig:
    given = settings()
    return ServerConfig(Live(given, FakeGateway(), Standing(given)))


def _run(work: Coroutine[object, object, T]) -> T:
    faults: list[dict[str, object]] = []
    _loop().set_exception_handler(lambda _, context: faults.append(context))
    result = _loop().run_until_complete(work)
    assert not faults, faults
    return result


async def _serve(slices: list[bytes]) -> list[int]:
    state, transport = ServerState(), WrittenTransport()
    protocol = FrontProtocol(_config(), state, asyncio.get_running_loop())
    protocol.connection_made(transport)
    for data in slices:
        if data and not transport.closed:
            protocol.data_received(data)
        for _ in range(TURNS):
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=1.0)
    assert not state.tasks, "a request outlives its connection"
    assert b"HTTP/1.1 500 " not in transport.written, transport.written
    answers = Answers()
    if b"HEAD " not in b"".join(slices):  # their answers tell the length of a body that does not follow
        answers.feed(transport.written)
    return answers.statuses


async def _read(slices: list[bytes]) -> bytes | None:
    loop = asyncio.get_running_loop()
    connection = Connection(loop, lambda free: free.abort(), lambda _: None)
    connection.connection_made(WrittenTransport())
    call = UpstreamCall("upstream:80", Timeouts(), loop, (_no_redial, ()))
    connection.start(call, b"", b"")
    try:
        for data in slices:
            if data and not call.closed:
                connection.data_received(data)
        connection.eof_received()
        await call.head()
        return await call.read_all(MAX_BODY_BYTES)
    except UpstreamError as error:
        assert error.message, "refused without a word"  # noqa: PT017
        return None
    finally:
        call.close()
        connection.abort()


async def _no_redial(_call: UpstreamCall) -> None:
    raise AssertionError("this connection has not served before")
