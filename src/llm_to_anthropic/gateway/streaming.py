"""What both kinds of streams do towards their client: its head, how long it hears nothing, and an error at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llm_to_anthropic.errors import ApiError, forget_way
from llm_to_anthropic.gateway.answer_headers import STREAM_HEADERS, provenance
from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.writer import error_event

if TYPE_CHECKING:
    from llm_to_anthropic.gateway.work import Work


class Relay:
    """One streamed answer on its way to the client."""

    def __init__(self, work: Work, timeouts: Timeouts) -> None:
        self._reply = work.reply
        self._progress = work.progress
        self._timeouts = timeouts
        self._clock = time.monotonic
        self._last_write = work.silent_since
        self._begun = False
        """Something meaningful has come of the upstream."""
        self._head: Headers = []
        """The head of our answer, once the upstream's has come, until it is sent."""
        self._passed: Headers = []
        """The upstream's own headers that go into it."""
        self.committed = False
        """The client is answered: from here on nothing else can be asked for it."""
        self._over = False
        """The client has the last event, which nothing may follow."""
        self.failure: ApiError | None = None
        """What ended a stream that had begun."""

    async def fail(self, error: ApiError) -> None:
        """Ends a stream that has begun, and has not ended, with an `error` event."""
        forget_way(error)
        if not self._over:
            await self._reply.write(self._error_event(error))
            self._over = True

    def _error_event(self, error: ApiError) -> bytes:
        self.failure = error
        self._progress.failed_by(error)
        # The id that stands in the headers, which are out.
        upstreams_id = dict(self._passed).get(b"request-id", b"").decode("latin-1")
        return error_event(error, upstreams_id or self._progress.call.request_id)

    def _prepare_head(self) -> None:
        """Once the upstream's head has come: while it thinks, and not when its first words wait to be passed on."""
        if not self.committed:
            self._head = self._new_head()
            self._reply.prepare(200, self._head)

    def _commit(self) -> None:
        self.committed = True
        self._progress.status = 200
        head, self._head = self._head, []  # a stream may run for long
        self._reply.start(200, head or self._new_head())

    def _new_head(self) -> Headers:
        return STREAM_HEADERS + self._passed + provenance(self._progress)

    def _patience_s(self) -> float:
        """Seconds of silence after each slice of a flow."""
        return self._timeouts.ping_s if self._begun else self._quiet_s()

    def _quiet_s(self) -> float:
        """Seconds of silence that the client may still be left in."""
        limit = self._timeouts.ping_s if self.committed else self._timeouts.commit_after_s
        left_s = self._last_write + limit - self._clock()
        return left_s if left_s > 0.0 else 0.0  # asked before each read: no call for it
