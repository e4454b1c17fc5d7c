"""A call on a connection without a socket, whose reads the test gives by hand."""

from __future__ import annotations

import asyncio

from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream.call import UpstreamCall
from llm_to_anthropic.upstream.connection import Connection


class StubTransport(asyncio.Transport):
    """Takes what is written; remembers whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


class Carried:
    """One call on one connection, fed by hand."""

    def __init__(self, *, bodiless: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self.freed: list[Connection] = []
        self.lost: list[Connection] = []
        self.connection = Connection(loop, self.freed.append, self.lost.append)
        self.transport = StubTransport()
        self.connection.connection_made(self.transport)
        self.call = self.ask(bodiless=bodiless)

    def ask(self, *, bodiless: bool = False) -> UpstreamCall:
        """Another call on the same connection."""
        call = UpstreamCall("upstream:80", Timeouts(), asyncio.get_running_loop(), (self._no_redial, ()))
        call.bodiless = bodiless
        self.connection.start(call, b"", b"")
        return call

    async def _no_redial(self, call: UpstreamCall) -> None:
        raise AssertionError("this connection has not served before")

    def feed(self, *slices: bytes, eof: bool = False) -> None:
        for data in slices:
            self.connection.data_received(data)
        if eof:
            self.connection.eof_received()

    async def read(self) -> bytes:
        """Status is known and the body complete; the connection is closed afterwards."""
        await self.call.head()
        body = await self.call.read_all(1 << 20)
        self.connection.abort()
        return body
