"""Cancels the work on a request whose client has left."""

from __future__ import annotations

import asyncio

from llm_to_anthropic.gateway.call import Reply


class DisconnectWatch:
    """From its making until `stop()`, cancels the task once the client has left."""

    __slots__ = ("_reply", "_task", "outcome")

    def __init__(self, reply: Reply, task: asyncio.Task[None]) -> None:
        self._reply = reply
        self._task = task
        self.outcome = ""
        """What the client did that has left."""
        reply.when_left(self._left)

    def stop(self) -> None:
        """Ends the watch; from here on the server's end of the response is not mistaken for a disconnect."""
        self._reply.when_left(None)

    def _left(self, outcome: str) -> None:
        self.outcome = outcome
        self._task.cancel()
