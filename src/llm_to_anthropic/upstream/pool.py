"""Idle connections of one origin, the most recently used first."""

from __future__ import annotations

import asyncio

from llm_to_anthropic.upstream.connection import Connection

_IDLE_S = 55.0
"""Shorter than the 60 s after which many servers and load balancers close."""
_MAX_IDLE = 256


class Pool:
    """Keeps connections between calls: 256 at most, 55 s each."""

    __slots__ = ("_idle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: list[Connection] = []

    def take(self) -> Connection | None:
        """A connection that can be used again; None where a new one is needed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def keep(self, connection: Connection) -> None:
        """Keeps a connection for the next call, or closes it where there are enough."""
        if len(self._idle) >= _MAX_IDLE:
            connection.abort()
            return
        connection.idle_until = self._loop.time() + _IDLE_S
        connection.watch(connection.idle_until)
        self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Forgets a connection that is gone."""
        if connection in self._idle:
            self._idle.remove(connection)
