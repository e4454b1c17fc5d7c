"""CONNECT through an HTTP proxy, up to the point where TLS can start (RFC 9110, section 9.3.6)."""

from __future__ import annotations

import asyncio

from llm_to_anthropic.errors import UpstreamUnreachable
from llm_to_anthropic.upstream.proxying import Proxy

_MAX_HEAD = 64 * 1024


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a way to `target` (host:port)."""

    __slots__ = ("_answered", "_head", "_proxy", "_target", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, target: str, proxy: Proxy) -> None:
        self._target = target
        self._proxy = proxy
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] = loop.create_future()

    async def open(self) -> asyncio.Transport:
        """The transport on which TLS starts next. Raises UpstreamUnreachable."""
        transport = self._transport
        assert transport is not None  # noqa: S101  made before this is called
        lines = [f"CONNECT {self._target} HTTP/1.1".encode(), f"host: {self._target}".encode()]
        transport.write(b"\r\n".join([*lines, *self._proxy.header_lines()]) + b"\r\n\r\n")
        try:
            await self._answered
        except BaseException:
            transport.abort()
            raise
        return transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end and len(self._head) <= _MAX_HEAD:
            return
        if self._answered.done():
            return
        if rest or not end or not head.startswith(b"HTTP/1."):
            self._fail("gave an answer that is no HTTP")
            return
        self._judge(head[9:12].decode("latin-1"))

    def eof_received(self) -> None:
        self._fail("closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._fail("closed the connection")

    def _judge(self, status: str) -> None:
        if status.startswith("2"):
            self._answered.set_result(None)
        elif status == "407":
            self._fail("wants other credentials (407)")
        else:
            self._fail(f"answered {status}")

    def _fail(self, what: str) -> None:
        if not self._answered.done():
            text = f"The proxy {self._proxy.name} {what} when asked for a way to {self._target}."
            self._answered.set_exception(UpstreamUnreachable(f"{text} Check {self._proxy.variable}."))
