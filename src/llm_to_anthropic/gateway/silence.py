"""What both kinds of streams know of their client: what it has got, and how long it may be left in silence."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.gateway.call import Headers, Reply
from llm_to_anthropic.gateway.progress import Progress
from llm_to_anthropic.settings import Timeouts


class Relay(ABC):
    """One streamed answer on its way to the client."""

    def __init__(self, reply: Reply, progress: Progress, timeouts: Timeouts, silent_since: float) -> None:
        """`silent_since`: the instant of `time.monotonic` since which the client has heard nothing."""
        self._reply = reply
        self._progress = progress
        self._timeouts = timeouts
        self._clock = time.monotonic
        self._last_write = silent_since
        self._begun = False
        """Something meaningful has come of the upstream."""
        self._head: Headers = []
        """Of our answer, once the upstream's has come."""
        self.committed = False
        """The client is answered: from here on nothing else can be asked for it."""
        self.failure: ApiError | None = None
        """What ended a stream that had begun."""

    @abstractmethod
    async def fail(self, error: ApiError) -> None:
        """Ends a stream that has begun with an `error` event."""

    def _patience_s(self) -> float:
        """Seconds of silence after each slice of a flow."""
        return self._timeouts.ping_s if self._begun else self._quiet_s()

    def _quiet_s(self) -> float:
        """Seconds of silence that the client may still be left in."""
        limit = self._timeouts.ping_s if self.committed else self._timeouts.commit_after_s
        left_s = self._last_write + limit - self._clock()
        return left_s if left_s > 0.0 else 0.0  # asked before each read: no call for it
