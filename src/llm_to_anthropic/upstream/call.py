"""One request to an upstream and its answer, as the way of a request reads it.

It owns what has arrived, the time limits and what ended the answer; it knows nothing of sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Protocol

from llm_to_anthropic.errors import Phase, UpstreamError, UpstreamProtocolError, UpstreamTimeout
from llm_to_anthropic.providers.timeouts import Begins, CallTimeouts
from llm_to_anthropic.upstream.answer_head import Headers, headers_of, texts_like, value_of
from llm_to_anthropic.upstream.decoding import ContentDecoder

Redial = tuple[Callable[..., Awaitable[None]], tuple[object, ...]]
"""What sends the request on a new connection, and what it takes after the call."""
Pour = Callable[[bytes], bool]
"""Takes a slice of a body; False: no more for now."""
Keep = Callable[[int], int]
"""Sets memory aside for a body that is kept until it is whole: takes its size, and gives the size up to which it need
not be asked again. Raises ApiError where there is not enough."""
UNASKED_BYTES = 256 * 1024
"""How much of a body is kept without asking: hardly any is larger."""

_TIMEOUT_TEXTS: dict[Phase, str] = {
    "write": "{peer} took nothing more of the request for {limit:g} s (timeouts.write_s).",
    "first_event": "{peer} did not begin to answer within {limit:g} s ({setting}).",
    "idle": "{peer} fell silent in the middle of its answer for {limit:g} s (timeouts.idle_s).",
    "total": "The answer of {peer} was not complete within {limit:g} s (timeouts.total_s).",
}
_BEGIN_SETTINGS: dict[Begins, str] = {
    "event": "timeouts.first_event_s, of models that reason timeouts.reasoning_event_s",
    "head": "timeouts.first_event_s",
    "whole": "timeouts.whole_s",
}


_CLOSED = "The call to the upstream was closed before its answer was complete."
_RELEASED = UpstreamProtocolError(_CLOSED)
"""Marks the calls that nobody reads any more; made once, since it is never raised."""


class Line(Protocol):
    """What a call asks of the connection that carries it."""

    @property
    def sending(self) -> bool:
        """Whether a part of the request still waits to be sent."""
        ...

    def watch(self, at: float) -> None:
        """Calls the call's `look` no later than `at`, loop time."""
        ...

    def resume(self) -> None:
        """What arrived has been read."""
        ...

    def drain(self) -> None:
        """Waits a moment for the answer's end, which nobody reads."""
        ...

    def abort(self) -> None:
        """Closes the connection at once."""
        ...


class UpstreamCall:
    """One request under way. One task at a time may wait on it; cancelling that task closes the connection."""

    __slots__ = (
        "_begin_at",
        "_begin_s",
        "_begins",
        "_coding",
        "_decoder",
        "_ended",
        "_failure",
        "_head",
        "_headed",
        "_line",
        "_loop",
        "_lowered",
        "_peer",
        "_pieces",
        "_quiet_at",
        "_quiet_s",
        "_redial",
        "_stale",
        "_timeouts",
        "_total_at",
        "_waiter",
        "active_at",
        "bodiless",
        "decode",
        "redirects",
        "status",
        "taking",
        "unread",
    )

    def __init__(
        self,
        peer: str,
        timeouts: CallTimeouts,
        loop: asyncio.AbstractEventLoop,
        redial: Redial,
        begins: Begins = "head",
    ) -> None:
        self.status = 0
        """This and the headers are known once `head` has returned True."""
        self.bodiless = False
        """The answer has no body whatever its headers say (HEAD)."""
        self.decode = True
        """Inflates a body that comes as gzip or deflate."""
        self.redirects = False
        """A redirect is an answer like others."""
        self.unread = 0
        """Bytes of the body, as they travelled, that wait to be read."""
        self._peer = peer
        self._timeouts = timeouts
        self._begins = begins
        self._begin_s = timeouts.whole_s if begins == "whole" else timeouts.first_event_s
        self._loop = loop
        self._redial: Redial | None = redial
        """Until something of the answer has come. It holds the request, body and all."""
        self._head = self._lowered = b""
        """The answer's head as it came, and in lower case until its body has begun: hardly anybody asks later."""
        self._coding = b""
        self._decoder: ContentDecoder | None = None
        self._line: Line | None = None
        self._pieces: list[bytes] = []
        self._headed = self._ended = self._stale = False
        self._failure: UpstreamError | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self.active_at = loop.time()
        """When something last came or went."""
        self.taking: Pour | None = None
        """What takes slices the moment they arrive."""
        self._total_at = self.active_at + timeouts.total_s
        self._begin_at = self._quiet_at = self._quiet_s = inf

    @property
    def headers(self) -> Headers:
        """All of the answer's, names in lower case; read anew each time."""
        return headers_of(self._head)

    def header(self, name: bytes) -> bytes:
        """The first value of a header, or nothing; `name` in lower case."""
        return value_of(self._head, self._lowered or self._head.lower(), name)

    def headers_like(self, prefix: bytes) -> dict[str, str]:
        """The headers whose names begin like this, in lower case; the first of repeated ones."""
        return texts_like(self._head, self._lowered or self._head.lower(), prefix)

    async def head(self, quiet_s: float | None = None) -> bool:
        """True once status and headers are there; False after `quiet_s` of silence (call again to go on).

        Raises UpstreamError.
        """
        while not self._headed:
            if self._failure is not None:
                raise self._failure
            if self._stale and self._redial is not None:
                self._stale = False
                send, given = self._redial
                await send(self, *given)
                continue
            try:
                if not await self._wait(quiet_s):
                    return False
            except BaseException:
                self.close()
                raise
        if 300 <= self.status < 400 and self.status != 304 and not self.redirects:
            self.close()
            raise UpstreamProtocolError(
                f"{self._peer} answered {self.status}, a redirect. None is followed, since the key would go along: "
                "correct the base URL."
            )
        return True

    async def read(self, quiet_s: float | None = None) -> bytes | None:
        """Everything that has arrived since; nothing at the body's end; None after `quiet_s` of silence.

        Raises UpstreamError, after what had arrived before it was read.
        """
        if not self._headed and not await self.head(quiet_s):
            return None
        if not self._coding:
            return self._take() if self._pieces else await self._read_raw(quiet_s)
        try:
            return await self._read_decoded(quiet_s)
        except UpstreamProtocolError:
            self.close()
            raise

    def rest(self) -> bytes | None:
        """What is left of a body that is there to its end; None where it is not, or has to be decoded."""
        if not self._ended or self._coding:
            return None
        return self._take() if self._pieces else b""

    async def pour(self, take: Pour, quiet_s: float) -> bool:
        """Hands every slice of the body to `take` the moment it arrives, without waking the caller for it.

        True once `take` wants no more for now; False where nothing flows: at the end, after `quiet_s` of silence, after
        a failure, or where the body has to be decoded first. `read` tells what it is.
        """
        if self._coding or not self._headed:
            return False
        if self._pieces and not take(self._take()):
            return True
        if self._ended or self._failure is not None:
            return False
        self.taking = take
        self._quiet_s = quiet_s
        try:
            await self._wait(quiet_s)
        except BaseException:
            self.close()
            raise
        else:
            return self.taking is None
        finally:
            self.taking = None
            self._quiet_s = inf

    def stay_quiet(self, quiet_s: float) -> None:
        """From now on `pour` ends after this much silence: what it handed over told the client nothing."""
        self._quiet_s = quiet_s

    def begun(self) -> None:
        """The answer has said something: from here on only silence ends it. For streams, whose head says nothing."""
        self._begin_at = inf
        self._lowered = b""

    def size_from(self, size: int) -> int:
        """How many bytes the body has at least, of which `size` have come: its head may tell of more."""
        told = self.header(b"content-length")
        return max(size, int(told)) if told.isdigit() else size

    async def read_all(self, limit: int, keep: Keep | None = None) -> bytes:
        """The whole body. Raises UpstreamProtocolError over `limit` bytes, and what `keep` raises."""
        pieces: list[bytes] = []
        size = 0
        room = limit if keep is None else min(UNASKED_BYTES, limit)
        while True:
            piece = self.rest()
            if piece is None:
                piece = await self.read()
            if not piece:
                return b"".join(pieces)
            size += len(piece)
            if size > room:
                room = self._room(size, limit, keep)
            pieces.append(piece)

    def _room(self, size: int, limit: int, keep: Keep | None) -> int:
        size = self.size_from(size)
        if keep is None or size > limit:
            self.close()
            raise UpstreamProtocolError(f"The answer of {self._peer} is larger than {limit} bytes.")
        return min(keep(size), limit)

    def close(self) -> None:
        """Done with this call, any number of times. An unfinished answer closes its connection at once."""
        if not self._ended and self._failure is None:
            self._fail(UpstreamProtocolError(_CLOSED))
        self._pieces.clear()

    def release(self) -> None:
        """Done with this call, whose last words have come: its connection may wait for the end of the framing."""
        line, self._line = self._line, None
        if line is not None and not self._ended and self._failure is None:
            self._failure = _RELEASED
            line.drain()
        self._pieces.clear()

    # What follows is for the connection that carries the call.

    @property
    def closed(self) -> bool:
        """Nobody waits for the answer any more."""
        return self._failure is not None

    def begin(self, line: Line) -> None:
        """The request goes out on `line`."""
        self._line = line
        self.active_at = self._loop.time()
        self._begin_at = self.active_at + self._begin_s
        due = self.active_at + self._soonest_s()
        line.watch(due if due < self._total_at else self._total_at)

    def progress(self) -> None:
        """A part of the answer's head came in."""
        self.active_at = self._loop.time()

    def sent(self) -> None:
        """A part of the request went out."""
        self.active_at = self._loop.time()
        if not self._headed:
            self._begin_at = self.active_at + self._begin_s

    def receive_head(self, status: int, head: bytes, lowered: bytes) -> None:
        """The head of the answer, and the same in lower case."""
        self.status = status
        self._head = head
        self._lowered = lowered
        self._headed = True
        self._redial = None
        if self._begins != "event":
            self._begin_at = inf

    def receive_coding(self) -> None:
        """The head says how its body is coded."""
        coding = self.header(b"content-encoding") if self.decode else b""
        self._coding = b"" if coding.lower() == b"identity" else coding

    def receive(self, data: bytes, size: int) -> bool:
        """A slice of the body, which took `size` bytes on the way. True: nobody has to be woken for it."""
        take = self.taking
        if take is None:
            self._pieces.append(data)
            self.unread += size
            return False
        self.active_at = self._loop.time()
        try:
            if take(data):
                return True
        except Exception as error:
            self.stop_flow(error)
        else:
            self.stop_flow()
        return False

    def stop_flow(self, error: Exception | None = None) -> None:
        """Whoever asked for the flow goes on, and hears of the error that stopped it."""
        self.taking = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(True)
        else:
            waiter.set_exception(error)

    def wake(self) -> None:
        """Something came that a waiting reader wants to know."""
        if self.taking is not None and not self._ended and self._failure is None:
            return  # what came has gone where it belongs
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    def finish(self) -> None:
        """The answer is complete; the connection may serve others."""
        self._ended = True
        self._line = None
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    def lost(self, *, stale: bool) -> None:
        """The connection is gone; `stale` if it had served before and not one byte came this time."""
        self._line = None
        if stale:
            self._stale = True
        elif not self._headed:
            self._failure = UpstreamProtocolError(f"{self._peer} closed the connection without a complete answer.")
        else:
            self._failure = UpstreamProtocolError(f"{self._peer} closed the connection in the middle of its answer.")
        self.wake()

    def refuse(self, reason: str) -> None:
        """The answer breaks HTTP."""
        self._fail(UpstreamProtocolError(f"{self._peer} sent an answer that is not valid HTTP: {reason}."))

    def look(self, now: float) -> float:
        """Ends what is due and returns when to look again."""
        if now >= self._total_at:
            self._time_out("total", self._timeouts.total_s)
            return inf
        if now >= self._begin_at:
            self._time_out("first_event", self._begin_s)
            return inf
        phase, limit = self._limit()
        if self._pieces:
            # The upstream is not silent: its last bytes have not been read yet.
            self.active_at = now
        elif now >= self.active_at + limit:
            self._time_out(phase, limit)
            return inf
        if self.taking is not None:
            self._quiet_at = max(self._quiet_at, self.active_at + self._quiet_s)
        if now >= self._quiet_at:
            self._quiet_at = inf
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(False)
        return min(self.active_at + limit, now + self._soonest_s(), self._begin_at, self._total_at, self._quiet_at)

    def _soonest_s(self) -> float:
        """The timer is looked at no later than after so long, so that no change of phase has to move it."""
        idle_s, write_s = self._timeouts.idle_s, self._timeouts.write_s
        least_s = idle_s if idle_s < write_s else write_s
        return least_s if least_s < self._begin_s else self._begin_s

    def _limit(self) -> tuple[Phase, float]:
        """What ends a silence now."""
        if self._headed:
            return "idle", self._timeouts.idle_s
        if self._line is not None and self._line.sending:
            return "write", self._timeouts.write_s
        return "first_event", inf  # that limit does not count from the last sign of life

    def _time_out(self, phase: Phase, limit: float) -> None:
        setting = _BEGIN_SETTINGS[self._begins]
        text = _TIMEOUT_TEXTS[phase].format(peer=self._peer, limit=limit, setting=setting)
        self._fail(UpstreamTimeout(phase, text))

    def _fail(self, failure: UpstreamError) -> None:
        self._failure = failure
        line, self._line = self._line, None
        if line is not None:
            line.abort()
        self.wake()

    def _wait(self, quiet_s: float | None) -> asyncio.Future[bool]:
        """Done once something has come, with False after `quiet_s` of silence. Whoever is cancelled there closes."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        self._quiet_at = inf
        if quiet_s is not None and self._line is not None:
            self._quiet_at = self._loop.time() + quiet_s
            self._line.watch(self._quiet_at)
        return waiter

    def _take(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        if self._line is not None:
            self.active_at = self._loop.time()
            self._line.resume()
        return data

    async def _read_raw(self, quiet_s: float | None) -> bytes | None:
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            try:
                if not await self._wait(quiet_s):
                    return None
            except BaseException:
                self.close()
                raise
        return self._take()

    async def _read_decoded(self, quiet_s: float | None) -> bytes | None:
        while True:
            if self._decoder is not None and (data := self._decoder.take()):
                return data
            raw = await self._read_raw(quiet_s)
            if raw is None:
                return None
            if not raw:
                if self._decoder is not None:
                    self._decoder.close()
                return b""
            if self._decoder is None:
                self._decoder = ContentDecoder(self._coding)
            self._decoder.feed(raw)
