"""A request on a connection of our own server, answered straight to the transport.

Knows how HTTP/1.1 frames an answer. A head and the body's first piece leave in one write, since each write is a
system call; and one look at the whole head finds a header that would break it.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from starlette.types import Message, Scope
from uvicorn.server import ServerState

from llm_to_anthropic.gateway.call import Headers, WhenLeft
from llm_to_anthropic.http.body import Found
from llm_to_anthropic.http.cycle import NO_BODY_STATUSES, Cycle
from llm_to_anthropic.http.flow import HIGH_WATER_BYTES, Flow
from llm_to_anthropic.outbox import SMALL_BYTES, Outbox

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"connection: close"
CHUNKED = (b"transfer-encoding", b"chunked")
LAST_CHUNK = b"0\r\n\r\n"
_SIZES = [b"%x\r\n" % size for size in range(512)]
NUL, LF, CR = b"\0\n\r"


class Connection(Protocol):
    """What a request needs of the connection that it came on."""

    transport: asyncio.Transport
    flow: Flow
    outbox: Outbox
    server_state: ServerState

    def answered(self, cycle: FrontCycle) -> None:
        """The whole answer of the running request is written."""
        ...

    def served(self, cycle: FrontCycle) -> None:
        """The application has done with a request, whether it is answered or not."""
        ...


class FrontCycle(Cycle):
    """One request and its answer. Header names come in lower case."""

    __slots__ = (
        "_awaited",
        "_bodiless",
        "_chunked",
        "_connection",
        "_ending",
        "_expects",
        "_head",
        "_news",
        "_pieces",
        "_prepared",
        "_size",
        "_when_left",
        "disconnected",
        "received",
        "task",
    )

    task: asyncio.Task[None]
    """What answers it."""

    def __init__(self, request_id: str, scope: Scope, found: Found, connection: Connection) -> None:
        super().__init__(request_id, scope, found)
        self.disconnected = False
        """Nobody listens any more: what is sent goes nowhere."""
        self.received = 0
        """Bytes of the body so far."""
        self._connection = connection
        self._pieces: list[bytes] = []
        self._size = 0
        self._news = False
        """Something has happened that `receive` has not told."""
        self._awaited: asyncio.Event | None = None
        self._when_left: WhenLeft | None = None
        self._bodiless = False
        self._chunked = False
        self._head = b""
        """The head of the answer, until something follows it."""
        self._ending: bytes | None = None
        """The end of the answer, which leaves once the request is recorded: a client that has read it finds the record
        made, and its next request need not wait for that."""
        self._prepared: tuple[Headers, bool, bytes] | None = None
        """What a head is made of, and the head."""
        self._expects = False
        """The client waits for a word before it sends the body."""
        if b"expect" in found:
            self._expects = found[b"expect"].lower() == b"100-continue" and scope["http_version"] != "1.0"

    def feed_whole(self, body: bytes) -> None:
        """Takes the request's body, all of it."""
        self._pieces.append(body)
        self._size = self.received = len(body)
        self._news = True
        self.more_body = False

    def feed(self, piece: bytes) -> None:
        """Takes a piece of the request's body."""
        self._pieces.append(piece)
        self._size += len(piece)
        self.received += len(piece)
        if self._size > self._connection.flow.high_water_bytes:
            self._connection.flow.pause_reading()
        self._news = True
        if self._awaited is not None:
            self._awaited.set()

    def served(self) -> None:
        ending, self._ending = self._ending, None
        if ending is not None:
            if ending and not self.disconnected:
                self._send_last(ending)
            self._end()
        self._connection.served(self)

    def complete(self) -> None:
        """The request's end has come."""
        self.more_body = False
        self._news = True
        if self._awaited is not None:
            self._awaited.set()

    def leave(self) -> None:
        """The client is gone, or is not listened to any more."""
        self.disconnected = True
        call, self._when_left = self._when_left, None
        if call is not None:
            call(self.parted_as)
        if self._awaited is not None:
            self._awaited.set()

    def when_left(self, call: WhenLeft | None) -> None:
        self._when_left = call
        if call is None:
            return
        if self.disconnected:
            self.leave()
        elif not self.more_body and self._connection.flow.read_paused:
            # Who does not read does not hear of the end either, and another request may have come behind this one.
            self._connection.flow.resume_reading()

    def read_ahead(self, up_to: int) -> None:
        flow = self._connection.flow
        flow.high_water_bytes = max(up_to, HIGH_WATER_BYTES)
        if self.more_body and self._size <= up_to:
            flow.resume_reading()

    def arrived(self) -> bytes | None:
        return None if self.more_body else self._take()

    async def receive(self) -> Message:
        if self._expects and self.more_body and not (self.status or self.disconnected):
            self._expects = False
            self._connection.transport.write(CONTINUE)
        if not (self._news or self.disconnected or self.ended):
            self._connection.flow.resume_reading()
            self._awaited = asyncio.Event()
            await self._awaited.wait()
        if self.disconnected or self.ended:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._take(), "more_body": self.more_body}

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        out = self._encode(status, self._whole_head(status, headers, body))
        self._answer(status)
        if self.scope["method"] != "HEAD" and status not in NO_BODY_STATUSES:
            out += body
        connection = self._connection
        if connection.flow.write_paused:
            await self._write(out)
        elif not self.disconnected:
            self._send_last(out)
        if connection.flow.write_paused:
            await connection.flow.drain()  # given is what the client has taken
        self._end()

    def prepare(self, status: int, headers: Headers) -> None:
        self._prepared = headers, self.keep_alive, self._encode(status, self._framed_head(status, headers))

    def start(self, status: int, headers: Headers) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared[0] is not headers or prepared[1] != self.keep_alive:
            self._head = self._encode(status, self._framed_head(status, headers))
        else:
            self._head = prepared[2]
        self._answer(status)

    def _framed_head(self, status: int, headers: Headers) -> Headers:
        head = self._stream_head(headers)
        self._bodiless = self.scope["method"] == "HEAD" or status in NO_BODY_STATUSES
        # An HTTP/1.0 client knows no chunks: the end of the connection tells it the end of the answer.
        self._chunked = not self._bodiless and self.scope["http_version"] != "1.0"
        if self._chunked:
            head.append(CHUNKED)
        return head

    def _answer(self, status: int) -> None:
        if self.status:
            raise RuntimeError("an answer has one head")
        self.status = status

    async def write(self, data: bytes) -> None:
        if self.ended or self._ending is not None or not self.status:
            raise RuntimeError("a body stands between the head and the end of an answer")
        if self._chunked and data:
            data = _chunk(data)
        await self._write(self._head if self._bodiless else self._head + data)

    def push(self, data: bytes) -> bool:
        if self.disconnected:
            return True
        connection = self._connection
        if self._chunked:
            size = len(data)  # as `_chunk`, without a call for each event
            data = (_SIZES[size] if size < len(_SIZES) else b"%x\r\n" % size) + data + b"\r\n"
        if self._head or self._bodiless:
            data = self._head if self._bodiless else self._head + data
            self._head = b""
        connection.transport.write(data)
        return not connection.flow.write_paused

    async def end(self, data: bytes = b"") -> None:
        if self.ended or self._ending is not None or not self.status:
            raise RuntimeError("an answer ends once, after its head")
        if len(data) > SMALL_BYTES:  # given is what the client has taken
            await self.write(data)
            data = b""
        flow = self._connection.flow
        if flow.write_paused and not self.disconnected:
            await flow.drain()  # who is cancelled here may still end it in other words
        if self._chunked:
            data = _chunk(data) + LAST_CHUNK if data else LAST_CHUNK
        self._event_stream = False
        self._ending = self._head if self._bodiless else self._head + data
        self._head = b""

    async def _write(self, out: bytes) -> None:
        """Sends it once the client has room."""
        flow = self._connection.flow
        if flow.write_paused and not self.disconnected:
            await flow.drain()
        self._head = b""
        if out and not self.disconnected:
            self._connection.transport.write(out)

    def _send_last(self, out: bytes) -> None:
        """Sends the end of an answer, or all of it: nothing of this request follows."""
        connection = self._connection
        if self.keep_alive and len(out) <= SMALL_BYTES:
            connection.outbox.write(connection.transport, out)
        else:
            connection.transport.write(out)

    def _encode(self, status: int, headers: Headers) -> bytes:
        """The head of the answer."""
        lines = [*map(b": ".join, headers), *map(b": ".join, self._connection.server_state.default_headers)]
        if self._expects and self.more_body:
            self.keep_alive = False  # who was not told to go on may leave its body out: what follows may be no body
        if CLOSE in lines:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(CLOSE)
        told = b"".join(lines)
        # Bytes are looked for by their numbers: another way to ask raises and catches an exception within.
        if LF in told or CR in told or NUL in told:
            raise RuntimeError("a response header holds a line break or a NUL")
        lines.append(b"\r\n")
        return status_line(status) + b"\r\n".join(lines)

    def _end(self) -> None:
        self._when_left = None
        if not self.disconnected:
            self.ended = True
            if self._awaited is not None:
                self._awaited.set()
            self._connection.answered(self)

    def _take(self) -> bytes:
        body = b"".join(self._pieces)
        self._news = False
        if self._size > HIGH_WATER_BYTES:
            self._connection.flow.resume_reading()
        self._pieces.clear()
        self._size = 0
        return body


def _chunk(data: bytes) -> bytes:
    """Data as a chunk of a body. Most are events, small and alike: their sizes are written beforehand."""
    size = len(data)
    return (_SIZES[size] if size < len(_SIZES) else b"%x\r\n" % size) + data + b"\r\n"


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    """The first line of an answer, with the reason that HTTP has for the status."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")
