"""What a network does to a connection, as data: each toxic changes how bytes travel between proxy and upstream."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from typing import ClassVar

import msgspec


class Ended(Exception):
    """The toxic has ended the connection."""


class Pipe:
    """One direction of a connection, towards `writer`."""

    other: Pipe
    """The direction back."""

    def __init__(self, writer: asyncio.StreamWriter, random: random.Random) -> None:
        self.random = random
        self.passed = 0
        """Bytes sent so far."""
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Sends as TCP would, at once."""
        if data:
            self._writer.write(data)
            self.passed += len(data)
            await self._writer.drain()

    async def send_until(self, at: int, data: bytes) -> bool:
        """Sends what lies before byte `at` of this direction; whether that byte was reached."""
        await self.send(data[: max(0, at - self.passed)])
        return self.passed >= at

    def reset(self) -> None:
        """Breaks the connection (RST)."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Toxic(msgspec.Struct, frozen=True):
    """The healthy network. Subclasses change what they name; raising Ended closes both ends."""

    name: ClassVar[str] = "none"

    def opened(self) -> None:
        """A connection was accepted."""

    async def upload(self, data: bytes, pipe: Pipe) -> None:
        """Bytes on their way to the upstream."""
        await pipe.send(data)

    async def download(self, data: bytes, pipe: Pipe) -> None:
        """Bytes on their way from the upstream."""
        await pipe.send(data)

    async def close(self) -> None:
        """The upstream has closed; its end travels once this returns."""


class Latency(Toxic, frozen=True):
    """Everything comes late."""

    name = "latency"
    seconds: float = 0.1

    async def download(self, data: bytes, pipe: Pipe) -> None:
        await asyncio.sleep(self.seconds)
        await pipe.send(data)


class Jitter(Toxic, frozen=True):
    """Pieces come each with a delay of its own."""

    name = "jitter"
    most_s: float = 0.05
    piece_bytes: int = 1500

    async def download(self, data: bytes, pipe: Pipe) -> None:
        for start in range(0, len(data), self.piece_bytes):
            await asyncio.sleep(pipe.random.uniform(0, self.most_s))
            await pipe.send(data[start : start + self.piece_bytes])


class Bandwidth(Toxic, frozen=True):
    """The line carries so many bytes a second."""

    name = "bandwidth"
    bytes_per_s: int = 32_000
    tick_s: float = 0.02

    async def download(self, data: bytes, pipe: Pipe) -> None:
        size = int(self.bytes_per_s * self.tick_s)
        for start in range(0, len(data), size):
            await pipe.send(data[start : start + size])
            await asyncio.sleep(self.tick_s)


class Slicer(Toxic, frozen=True):
    """Bytes come in tiny slices, cut where nothing suggests it."""

    name = "slicer"
    most_bytes: int = 7

    async def download(self, data: bytes, pipe: Pipe) -> None:
        start = 0
        while start < len(data):
            size = pipe.random.randint(1, self.most_bytes)
            await pipe.send(data[start : start + size])
            # The next turn of the loop lets the other side read this slice alone.
            await asyncio.sleep(0)
            start += size


class LimitData(Toxic, frozen=True):
    """The connection ends in an orderly way after so many bytes of answers."""

    name = "limit_data"
    at: int

    async def download(self, data: bytes, pipe: Pipe) -> None:
        if await pipe.send_until(self.at, data):
            raise Ended


class ResetPeer(Toxic, frozen=True):
    """The connection breaks after so many bytes of answers."""

    name = "reset_peer"
    at: int

    async def download(self, data: bytes, pipe: Pipe) -> None:
        if await pipe.send_until(self.at, data):
            pipe.reset()
            raise Ended


class Timeout(Toxic, frozen=True):
    """After so many bytes of answers nothing comes any more, and nothing says so."""

    name = "timeout"
    at: int

    async def download(self, data: bytes, pipe: Pipe) -> None:
        if await pipe.send_until(self.at, data):
            await asyncio.get_running_loop().create_future()


class SlowClose(Toxic, frozen=True):
    """The end of the connection comes late."""

    name = "slow_close"
    seconds: float = 0.3

    async def close(self) -> None:
        await asyncio.sleep(self.seconds)


class Garbage(Toxic, frozen=True):
    """One byte of the answers is another one."""

    name = "garbage"
    at: int
    byte: int

    async def download(self, data: bytes, pipe: Pipe) -> None:
        place = self.at - pipe.passed
        if 0 <= place < len(data):
            data = data[:place] + bytes([self.byte]) + data[place + 1 :]
        await pipe.send(data)


class Refuse(Toxic, frozen=True):
    """Connections are accepted and closed at once."""

    name = "refuse"

    def opened(self) -> None:
        raise Ended


class LimitUpload(Toxic, frozen=True):
    """The connection ends after so many bytes of requests: the upstream never sees a whole one."""

    name = "limit_upload"
    at: int

    async def upload(self, data: bytes, pipe: Pipe) -> None:
        if await pipe.send_until(self.at, data):
            raise Ended


class Stale(Toxic, frozen=True):
    """A connection serves one request; when the next one comes it is closed, as servers close idle ones."""

    name = "stale"

    async def upload(self, data: bytes, pipe: Pipe) -> None:
        if pipe.other.passed:
            raise Ended
        await pipe.send(data)


TOXICS: tuple[type[Toxic], ...] = (
    Latency,
    Jitter,
    Bandwidth,
    Slicer,
    LimitData,
    ResetPeer,
    Timeout,
    SlowClose,
    Garbage,
    Refuse,
    LimitUpload,
    Stale,
)
