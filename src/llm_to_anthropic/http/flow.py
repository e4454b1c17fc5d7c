"""The flow of one connection's bytes: whether the client has room for more, and whether more of it is read."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

HIGH_WATER_BYTES = 64 * 1024
"""How much of a request's body may wait for its reader; then reading pauses."""
UNSENT_BYTES = 16 * 1024
"""The system takes no more than this beyond what it can send: what a client does not read waits here, where it is
counted, and not in megabytes of a socket's buffer."""


class Flow:
    """Both directions of one connection. Most connections never pause, and none of them pays for it."""

    __slots__ = ("_room", "_transport", "high_water_bytes", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._room: asyncio.Event | None = None
        self.high_water_bytes = HIGH_WATER_BYTES
        self.read_paused = False
        self.write_paused = False
        """The client's side has no room."""

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self.write_paused = True
        self._room = self._room or asyncio.Event()

    def resume_writing(self) -> None:
        self.write_paused = False
        room, self._room = self._room, None
        if room is not None:
            room.set()

    async def drain(self) -> None:
        """Returns once the client's side has room, or is gone."""
        if self._room is not None:
            await self._room.wait()


def address_of(transport: asyncio.Transport, end: str) -> tuple[str, int] | None:
    """IP address and port of one end of a connection."""
    name = transport.get_extra_info(end)
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


def limit_unsent(transport: asyncio.Transport) -> None:
    """Keeps what the client does not read where `write_paused` tells of it."""
    sock = transport.get_extra_info("socket")
    if sock is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):  # where the client is gone again already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
