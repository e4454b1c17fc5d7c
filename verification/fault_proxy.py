"""A TCP proxy on loopback that lies between our proxy and an upstream, and applies a toxic to every connection."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

from verification.toxics import Ended, Pipe, Toxic

READ_BYTES = 65_536


class FaultProxy:
    """Forwards a port of its own to `upstream_port`, open between `async with`. With `tls` clients speak TLS to it."""

    def __init__(self, upstream_port: int, toxic: Toxic, *, seed: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.connections = 0
        """Connections accepted so far."""
        self._upstream_port = upstream_port
        self._toxic = toxic
        self._tls = tls
        self._random = random.Random(seed)  # noqa: S311  faults have to be the same each time
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its acceptance to its end."""
        async with _closing(writer):
            try:
                self._toxic.opened()
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
            except (Ended, OSError):
                return
            async with _closing(up_writer):
                upload, download = Pipe(up_writer, self._random), Pipe(writer, self._random)
                upload.other, download.other = download, upload
                pumps = {
                    asyncio.ensure_future(_pump(reader, upload, self._toxic.upload)),
                    asyncio.ensure_future(_pump(up_reader, download, self._toxic.download, self._toxic.close)),
                }
                try:
                    # Either end's end is the other's too: nobody here half-closes.
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader,
    pipe: Pipe,
    carry: Callable[[bytes, Pipe], Awaitable[None]],
    close: Callable[[], Awaitable[None]] | None = None,
) -> None:
    with contextlib.suppress(Ended, OSError):
        while data := await reader.read(READ_BYTES):
            await carry(data, pipe)
        if close is not None:
            await close()


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
