"""A client of one request per connection, small enough to show that nothing but HTTP is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec


class Seen:
    """An answer as the client sees it: status and headers at once, the body as it comes."""

    def __init__(self, status: int, headers: dict[str, str], reader: asyncio.StreamReader) -> None:
        self.status = status
        self.headers = headers
        self._reader = reader

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which it was sent."""
        if self.headers.get("transfer-encoding", "") != "chunked":
            yield await self._reader.readexactly(int(self.headers.get("content-length", "0")))
            return
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)

    async def body(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])

    async def events(self) -> AsyncIterator[tuple[str, dict[str, object]]]:
        """Name and data of each server-sent event."""
        rest = b""
        async for piece in self.pieces():
            *blocks, rest = (rest + piece).split(b"\n\n")
            for block in blocks:
                name, _, data = block.partition(b"\ndata: ")
                yield name.removeprefix(b"event: ").decode(), msgspec.json.decode(data, type=dict[str, object])


class Client:
    """Speaks to the server at a base URL; each request ends the one before."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: dict[str, object]) -> Seen:
        """Sends JSON; gives the answer once its head is there. Raises OSError, or EOFError for a broken answer."""
        await self.close()
        reader, self._writer = await asyncio.open_connection(self._host, self._port)
        data = msgspec.json.encode(body)
        lines = [
            f"POST {path} HTTP/1.1",
            f"host: {self._host}:{self._port}",
            "content-type: application/json",
            "anthropic-version: 2023-06-01",
            f"content-length: {len(data)}",
            "connection: close",
        ]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *fields = head.strip().split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        return Seen(int(status.split()[1]), headers, reader)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
