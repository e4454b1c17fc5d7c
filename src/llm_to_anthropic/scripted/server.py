"""A small HTTP/1.1 server that plays answers; one asyncio task per request being answered."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httptools

from llm_to_anthropic.scripted.conversation import Conversation
from llm_to_anthropic.scripted.script import (
    Answer,
    Cut,
    Delay,
    Pause,
    Request,
    Reset,
    Responder,
    Stall,
    Step,
    Trickle,
)


class ScriptedUpstream:
    """An upstream on loopback, open between `async with`. It records every request.

    Without a responder it holds a conversation (`Conversation`).
    """

    def __init__(self, respond: Responder | None = None, *, port: int = 0) -> None:
        self.respond: Responder = respond or Conversation()
        self.requests: list[Request] = []
        self.connections = 0
        """Connections accepted so far."""
        self._port = port
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """The root, without `/v1` and without a trailing slash."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        tasks = [task for connection in list(self._open) for task in connection.abort()]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.until_idle()

    async def request(self, number: int, *, within_s: float = 10.0) -> Request:
        """Waits until the request of this number (from 0) has arrived. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while len(self.requests) <= number:
                await self._wait_change()
        return self.requests[number]

    async def until_idle(self) -> None:
        """Waits until no client is connected. Raises TimeoutError."""
        async with asyncio.timeout(10.0):
            while self._open:
                await self._wait_change()

    def arrived(self, request: Request) -> Answer:
        """Records a request and asks the script for its answer."""
        request.number = len(self.requests)
        self.requests.append(request)
        self._announce()
        return self.respond(request)

    def opened(self, connection: _Connection) -> None:
        self.connections += 1
        self._open.add(connection)
        self._announce()

    def closed(self, connection: _Connection) -> None:
        self._open.discard(connection)
        self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait_change(self) -> None:
        await self._changed.wait()


class _Connection(asyncio.Protocol):
    """One client connection: parses requests and plays their answers in order."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[tuple[Request, bool]] = []
        self._current: list[Request] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a TCP server makes no other
        self._transport = transport
        self._upstream.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the base class names it
        for request in self._current:
            request.closed.set()
        if self._task is not None:
            self._task.cancel()
        self._writable.set()
        self._upstream.closed(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> list[asyncio.Task[None]]:
        """Drops the connection; gives the task that still plays, to be waited for."""
        if self._transport is not None:
            self._transport.abort()
        if self._task is None:
            return []
        self._task.cancel()
        return [self._task]

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", [], bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, self._target.decode("latin-1"), tuple(self._headers), bytes(self._body))
        self._current.append(request)
        self._waiting.append((request, bool(self._parser.should_keep_alive())))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._play_all())

    async def _play_all(self) -> None:
        while self._waiting:
            request, keep_alive = self._waiting.pop(0)
            answer = self._ask(request)
            await self._play(request, answer)
            request.answered.set()
            if not keep_alive or answer.framing in {"close", "raw"}:
                self._close()
                break
        self._task = None

    def _ask(self, request: Request) -> Answer:
        try:
            return self._upstream.arrived(request)
        except Exception:
            # A mistake in a script must not leave its client waiting.
            self.abort()
            raise

    async def _play(self, request: Request, answer: Answer) -> None:
        await self._send(request, answer.before_head, chunked=False)
        chunked = answer.framing == "chunked"
        if answer.framing != "raw":
            await self._write(request, _head(answer))
        if request.method != "HEAD":
            await self._send(request, answer.body, chunked=chunked)
            if chunked:
                await self._write(request, b"0\r\n\r\n")

    async def _send(self, request: Request, steps: tuple[Step, ...], *, chunked: bool) -> None:
        for step in steps:
            match step:
                case bytes():
                    await self._write(request, _chunk(step) if chunked else step)
                case Trickle(data):
                    await self._trickle(request, data, chunked=chunked)
                case Pause(event):
                    await event.wait()
                case Delay(seconds):
                    await asyncio.sleep(seconds)
                case Cut() | Reset() | Stall():
                    await self._end(step)

    async def _trickle(self, request: Request, data: bytes, *, chunked: bool) -> None:
        for byte in data:
            piece = bytes([byte])
            await self._write(request, _chunk(piece) if chunked else piece)
            # The next turn of the loop lets the other side read this byte alone.
            await asyncio.sleep(0)

    async def _end(self, step: Cut | Reset | Stall) -> None:
        match step:
            case Cut():
                self._close()
            case Reset():
                self._reset()
            case Stall():
                pass
        # connection_lost cancels this task, now or when the client has had enough.
        await asyncio.get_running_loop().create_future()

    async def _write(self, request: Request, data: bytes) -> None:
        if not data or self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        request.bytes_sent += len(data)
        await self._writable.wait()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _reset(self) -> None:
        if self._transport is None:
            return
        # Closing with a linger time of zero sends RST. A duplicate works on every event loop's sockets.
        with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _head(answer: Answer) -> bytes:
    phrases = {status.value: status.phrase for status in HTTPStatus}
    headers = list(answer.headers)
    named = {name.lower() for name, _ in headers}
    match answer.framing:
        case "chunked":
            headers.append(("transfer-encoding", "chunked"))
        case "close":
            headers.append(("connection", "close"))
        case _ if "content-length" not in named:
            headers.append(("content-length", str(_length(answer.body))))
    lines = [f"HTTP/1.1 {answer.status} {phrases.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _length(steps: tuple[Step, ...]) -> int:
    sizes = (
        len(step.data) if isinstance(step, Trickle) else len(step) if isinstance(step, bytes) else 0 for step in steps
    )
    return sum(sizes)


def _chunk(data: bytes) -> bytes:
    # A chunk of no bytes would end the body.
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
