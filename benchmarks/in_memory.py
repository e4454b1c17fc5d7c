"""The whole path in one process without a kernel in it: our protocol in front, our upstream client behind, all real.

Only sockets are replaced, where the upstream client attaches to them: its connections are pairs of objects in memory.
What is measured like this is the proxy's own work, which is the same on a busy machine.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import uvloop
from uvicorn.server import ServerState

from benchmarks.bodies import NUMBER
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.protocol import FrontProtocol, ServerConfig
from llm_to_anthropic.upstream import connecting

ADDRESS = ("127.0.0.1", 443)


class MemoryTransport(asyncio.Transport):
    """Hands what is written to `on_write`, at once."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, on_write: Callable[[bytes], None]
    ) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ADDRESS})
        self._loop = loop
        self._protocol = protocol
        self._closing = False
        self.write = on_write  # type: ignore[method-assign,assignment]

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        """Nothing to do: answers are short."""

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""


class MemoryLoop(uvloop.Loop):
    """An event loop whose outgoing connections lead to `upstream`."""

    upstream: MemoryUpstream

    def __init__(self) -> None:
        super().__init__()
        self._real = connecting.create_connection  # type: ignore[attr-defined]
        connecting.create_connection = _connect  # type: ignore[attr-defined,assignment]

    def close(self) -> None:
        """Lets connections of other loops be real again."""
        connecting.create_connection = self._real  # type: ignore[attr-defined]
        super().close()

    async def getaddrinfo(self, host: object, port: object, **_given: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    async def sock_connect(self, sock: socket.socket, address: object) -> None:
        """There is nowhere to connect to."""


async def _connect(
    loop: MemoryLoop, factory: Callable[[], asyncio.Protocol], *, sock: socket.socket, **_tls: object
) -> tuple[asyncio.Transport, asyncio.Protocol]:
    sock.close()
    return loop.upstream.accept(factory())


class MemoryUpstream:
    """Answers whatever request comes with prepared slices, one loop turn apart, as an upstream's writes are."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.slices: Sequence[bytes] = ()

    def accept(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, asyncio.Protocol]:
        call_soon, receive = self._loop.call_soon, protocol.data_received

        def send(slices: Sequence[bytes], at: int) -> None:
            receive(slices[at])
            if at + 1 < len(slices):
                call_soon(send, slices, at + 1)

        def on_write(_data: bytes) -> None:
            call_soon(send, self.slices, 0)

        transport = MemoryTransport(self._loop, protocol, on_write)
        protocol.connection_made(transport)
        return transport, protocol


class MemoryClient:
    """One client's connection, kept alive between requests."""

    def __init__(self, loop: asyncio.AbstractEventLoop, live: Live) -> None:
        self._loop = loop
        self._protocol = FrontProtocol(ServerConfig(live), ServerState(), loop)
        self._protocol.connection_made(MemoryTransport(loop, self._protocol, self._receive))
        self._answer: list[bytes] = []
        self._end = b""
        self._left = 0
        self._request = b""
        self._parts: list[bytes] = []
        """Of the request, where each has a number of its own between them."""
        self._numbers = count()
        self._done: asyncio.Future[None] | None = None

    async def ask(self, request: bytes, times: int, end: bytes) -> bytes:
        """Sends a request `times` over, each once the answer before is complete; the last answer.

        An answer is complete with a write that ends in `end`. `NUMBER` in the request is another one each time.
        """
        self._request, self._left, self._end = request, times, end
        self._parts = request.split(NUMBER.encode())
        self._done = self._loop.create_future()
        self._send()
        await self._done
        return b"".join(self._answer)

    def _send(self) -> None:
        self._answer.clear()
        if len(self._parts) > 1:
            self._request = (b"%0*d" % (len(NUMBER), next(self._numbers))).join(self._parts)
        self._protocol.data_received(self._request)

    def _receive(self, data: bytes) -> None:
        self._answer.append(data)
        if not data.endswith(self._end):
            return
        self._left -= 1
        if self._left:
            self._loop.call_soon(self._send)
        elif self._done is not None:
            self._done.set_result(None)


def chunk(data: bytes) -> bytes:
    """A slice of a body in chunked framing."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def http_request(path: str, body: bytes) -> bytes:
    """A client's request as it travels, with the headers that SDKs send."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost:8082\r\ncontent-type: application/json\r\n"
        "accept: application/json\r\nuser-agent: Anthropic/Python 1.0\r\nx-api-key: bench-client-key\r\n"
        "anthropic-version: 2023-06-01\r\n"
        f"x-stainless-lang: python\r\nx-stainless-retry-count: 0\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def whole_slices(body: bytes) -> list[bytes]:
    """An upstream's whole answer, as it travels."""
    head = (
        "HTTP/1.1 200 OK\r\ndate: Wed, 25 Nov 2026 09:00:00 GMT\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: keep-alive\r\nx-request-id: req_0123456789abcdef\r\n\r\n"
    )
    return [head.encode() + body]


def stream_slices(events: Sequence[bytes]) -> list[bytes]:
    """An upstream's streamed answer: the head, each event a chunk and a read of its own, the end."""
    head = (
        b"HTTP/1.1 200 OK\r\ndate: Wed, 25 Nov 2026 09:00:00 GMT\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"transfer-encoding: chunked\r\nconnection: keep-alive\r\nx-request-id: req_0123456789abcdef\r\n\r\n"
    )
    return [head, *map(chunk, events), b"0\r\n\r\n"]
