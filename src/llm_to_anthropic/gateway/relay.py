"""Carries one upstream answer to the client as a stream, through a translator.

Owns the commit point: until something meaningful has come nothing is sent, so that an early error
keeps its status. After `commit_after_s` of silence the client is answered 200 and pinged.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from llm_to_anthropic.errors import ApiError, UpstreamError, UpstreamProtocolError, forget_way
from llm_to_anthropic.gateway.answer_headers import header_map, rate_limits
from llm_to_anthropic.gateway.streaming import Relay
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.translators.translator import Translator, UpstreamRequest
from llm_to_anthropic.upstream import UpstreamCall
from llm_to_anthropic.upstream.call import Keep
from llm_to_anthropic.writer import PING

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
LAST_WORDS_S = 3.0
"""How long token counts are waited for once the answer itself is over."""


Send = Callable[[UpstreamRequest], Awaitable[UpstreamCall]]
"""Sends a request to the same target."""


class UpstreamRefusal(Exception):
    """The upstream answered with an error status, and nothing has been sent to the client."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


async def read_refused(upstream: UpstreamCall, translator: Translator) -> bytes:
    """The answer for which the rest of one with an error status stands. Raises UpstreamRefusal for any other."""
    body = await upstream.read_all(MAX_ERROR_BYTES)
    if answer := translator.answer_behind(upstream.status, body):
        return answer
    raise UpstreamRefusal(upstream.status, header_map(upstream), body)


class LastWords:
    """Reads what follows a settled answer, of which only the end is sure to come.

    Servers forget their end mark and keep the connection open, or break it: neither costs the client the message.
    """

    def __init__(self, upstream: UpstreamCall, timeouts: Timeouts) -> None:
        self._upstream = upstream
        self._patience_s = min(LAST_WORDS_S, timeouts.ping_s)
        self._clock = time.monotonic
        self._until = self._clock() + self._patience_s

    async def read(self) -> bytes:
        """What has come since; nothing at the end, or where that stays away."""
        left_s = self._until - self._clock()
        try:
            data = await self._upstream.read(left_s) if left_s > 0 else b""
        except UpstreamError as error:
            forget_way(error)
            return b""
        if data and b"data:" in data:  # more than a comment that keeps the connection alive
            self._until = self._clock() + self._patience_s
        return data or b""


def make_room(size: int, keep: Keep) -> int:
    """Up to how many bytes a whole answer may grow, of which `size` are known to come. Raises ApiError."""
    if size > MAX_ANSWER_BYTES:
        raise UpstreamProtocolError(f"the upstream's answer is larger than {MAX_ANSWER_BYTES >> 20} MiB")
    return min(keep(size), MAX_ANSWER_BYTES)


class StreamRelay(Relay):
    """One streamed answer. `run()` raises ApiError or UpstreamRefusal only before anything was sent."""

    def __init__(
        self, work: Work, translator: Translator, upstream: UpstreamCall, send: Send, timeouts: Timeouts
    ) -> None:
        super().__init__(work, timeouts)
        self._translator = translator
        self._send = send
        translator.keep = work.keep
        self._upstream = upstream
        self._last_words: LastWords | None = None
        self._jammed = False
        """The client's side has no room."""
        self._ending = b""
        """The client's last events, which leave with the end of the answer: each write is a system call."""

    async def run(self) -> None:
        """The whole answer, from the upstream's head to the end of ours."""
        try:
            await self._wait_for_head()
            await self._pump()
        except ApiError as error:
            if not self.committed:
                raise
            await self.fail(error)
        finally:
            self._upstream.close()
            self._progress.usage, self._progress.stop_reason = self._translator.usage, self._translator.stop_reason
            # They hold the request, which holds this: only the garbage collector would part them.
            del self._send
            self._translator.keep = None
        await self._reply.end(self._ending)

    async def _wait_for_head(self) -> None:
        self._translator.expect()
        while not await self._upstream.head(self._quiet_s()):
            await self._bridge_silence()
        upstream = self._upstream
        self._progress.upstream_request_id = upstream.header(b"x-request-id")
        if upstream.status < 400:
            self._progress.answering = True
            self._progress.answer_headers = rate_limits(self._translator, upstream)
            self._prepare_head()
            return
        try:
            answer = await read_refused(upstream, self._translator)
        except UpstreamRefusal as refusal:
            if not self.committed:
                raise
            raise self._translator.decode_error(refusal.status, refusal.headers, refusal.body) from None
        await self._receive(answer)
        await self._receive(b"")

    async def _pump(self) -> None:
        translator = self._translator
        while not translator.ended:
            if translator.settled:
                more = await self._receive(await self._read_rest())
            elif await self._upstream.pour(self._pass_on, self._patience_s()):
                more = await self._settle_flow()
            else:
                more = await self._receive(await self._upstream.read(self._quiet_s()))
            if not more:
                return
        if translator.settled:
            self._upstream.release()

    async def _receive(self, data: bytes | None) -> bool:
        """Passes on what was read: a slice, nothing at the answer's end, None after a silence. False: that was all.

        Apart from `_pump`, which would hold on to the last slices while others flow.
        """
        if data is None:
            await self._bridge_silence()
            return True
        translator = self._translator
        out = translator.receive_data(data) if data else translator.receive_eof()
        if out and translator.ended:
            self._end_with(out)
        elif out:
            await self._write(out)
        elif not self._quiet_s():
            await self._bridge_silence()  # the upstream talks, but says nothing that we can pass on
        if translator.failure is not None:
            raise translator.failure
        return bool(data) or await self._goes_on()

    def _pass_on(self, data: bytes) -> bool:
        """Takes a slice of an answer in full flow; False where more than that is to be done.

        Most of a long answer comes this way, in the very call that reads it from the socket: to wake a task for each
        piece costs as much as its translation.
        """
        translator = self._translator
        flow = translator.flow
        if flow is not None and (out := flow.pass_on(data)):
            self._last_write = self._clock()
            self._jammed = not self._reply.push(out)
            return not self._jammed
        out = translator.receive_data(data)
        if out:
            if not self.committed:
                self._commit()
            self._last_write = self._clock()
            if translator.ended:
                self._end_with(out)
                return False
            self._jammed = not self._reply.push(out)
            if not self._begun:
                self._begin()  # after the words that were waited for
            if self._jammed:
                return False
        elif left_s := self._quiet_s():
            self._upstream.stay_quiet(left_s)
        else:
            return False
        return not (translator.settled or translator.ended or translator.failure is not None)

    async def _settle_flow(self) -> bool:
        """Sees to what stopped the flow, which goes on."""
        if self._jammed:
            self._jammed = False
            await self._reply.write(b"")
        elif not self._quiet_s():
            await self._bridge_silence()  # the upstream talks, but says nothing that we can pass on
        if self._translator.failure is not None:
            raise self._translator.failure
        return True

    async def _read_rest(self) -> bytes:
        if self._last_words is None:
            self._last_words = LastWords(self._upstream, self._timeouts)
        return await self._last_words.read()

    async def _goes_on(self) -> bool:
        """Whether the message needs another request; its answer is then the one to read."""
        request = None if self._translator.ended else self._translator.follow_up()
        if request is None:
            return False
        self._upstream = await self._send(request)
        self._begun = False
        self._last_words = None
        await self._wait_for_head()
        return True

    async def _write(self, out: bytes) -> None:
        self._open()
        await self._reply.write(out)
        self._last_write = self._clock()

    def _end_with(self, out: bytes) -> None:
        """Nothing follows this: it can wait until the answer is ended, which comes next."""
        self._open()
        self._ending = out

    def _open(self) -> None:
        """The client is answered from here on, and the upstream is not asked the same again."""
        if not self.committed:
            self._commit()
        if not self._begun:
            self._begin()

    def _begin(self) -> None:
        """Something meaningful has come of the upstream."""
        self._begun = True
        self._progress.wrote()
        self._translator.let_go()
        self._progress.call.let_go()
        self._upstream.begun()

    async def _bridge_silence(self) -> None:
        if self.committed:
            await self._reply.write(PING)
        else:
            self._commit()
            await self._reply.write(self._translator.begin())
        self._last_write = self._clock()
