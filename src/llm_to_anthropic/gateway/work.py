"""One call on its way through the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from llm_to_anthropic.errors import ApiError, overloaded
from llm_to_anthropic.gateway.answer_headers import JSON_HEADERS, header_list, provenance
from llm_to_anthropic.gateway.call import Call, Headers, Reply
from llm_to_anthropic.gateway.pressure import MEMORY_LIMIT
from llm_to_anthropic.gateway.progress import Progress
from llm_to_anthropic.gateway.streaming import Relay
from llm_to_anthropic.providers.provider import Route
from llm_to_anthropic.upstream.call import UNASKED_BYTES

KEEP_BYTES = 1024 * 1024
"""Memory for an answer that grows is set aside in such pieces."""


class Work:
    """The request, the seam to answer it, and what is known so far.

    Until its answer has ended its task is cancelled once the client has left.
    """

    __slots__ = ("_task", "call", "kept", "left_as", "progress", "relay", "reply", "route", "silent_since")

    route: Route
    """Where it may go; set once its model is known."""

    def __init__(self, call: Call, reply: Reply, task: asyncio.Task[None]) -> None:
        self.call = call
        self.reply = reply
        self._task = task
        self.kept = 0
        """Bytes of the upstream's answer for which memory is set aside."""
        self.left_as = ""
        """How the client left."""
        self.progress = Progress(call)
        self.silent_since = time.monotonic()
        """From when on a streaming client has heard nothing, whatever was attempted meanwhile."""
        self.relay: Relay | None = None
        reply.when_left(self._cancel)

    def _cancel(self, outcome: str) -> None:
        self.left_as = outcome
        self._task.cancel()

    def keep(self, size: int) -> int:
        """Sets memory aside for the bytes of an upstream's answer that are kept until they can be passed on.

        Gives up to how many it need not be asked again. Raises ApiError (529).
        """
        memory = self.call.memory
        if memory is None or size <= max(self.kept, UNASKED_BYTES):
            return size + KEEP_BYTES
        more = max(size - self.kept, KEEP_BYTES)
        if not memory.pledge(more):
            memory.forgo(self.kept)
            self.kept = 0
            raise overloaded(f"short of memory for an answer of {size} bytes or more ({MEMORY_LIMIT})", "memory")
        self.kept += more
        return self.kept

    def let_go(self) -> None:
        """What was kept is written: from now on the memory that it takes is measured."""
        if self.call.memory is not None:
            self.call.memory.redeem(self.kept)
            self.kept = 0

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None]:
        """Answers at once."""
        if self.kept:
            self.let_go()
        self.progress.status = status
        return self.reply.whole(status, headers + provenance(self.progress), body)

    async def refuse(self, error: ApiError) -> None:
        """Answers with an error envelope."""
        self.progress.failed_by(error)
        await self.whole(error.status, JSON_HEADERS + header_list(error.headers), error.envelope(self.call.request_id))
