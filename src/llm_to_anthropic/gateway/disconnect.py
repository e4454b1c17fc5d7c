"""Cancels the work on a request whose client has left."""

from __future__ import annotations

import asyncio

from llm_to_anthropic.gateway.call import Reply

WATCH_AFTER_S = 0.1
"""Most answers are complete sooner, and a watcher costs a task; leaving is still noticed within 250 ms."""


class DisconnectWatch:
    """From its making until `stop()`, cancels the task once the client has left.

    A server tells an application of a disconnect only when it awaits `receive()`; so something must.
    """

    def __init__(self, reply: Reply, task: asyncio.Task[None]) -> None:
        self._reply = reply
        self._task = task
        self._watcher: asyncio.Task[None] | None = None
        self._timer = task.get_loop().call_later(WATCH_AFTER_S, self._start)
        self.outcome = ""
        """What the client did that has left."""

    def stop(self) -> None:
        """Ends the watch; from here on the server's end of the response is not mistaken for a disconnect."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    def _start(self) -> None:
        self._watcher = self._task.get_loop().create_task(self._wait())

    async def _wait(self) -> None:
        self.outcome = await self._reply.wait_disconnect()
        self._watcher = None
        self._task.cancel()
