"""Carries an Anthropic stream to the client as it is, event by event.

Bytes of an event that is not complete wait for its rest, so that a ping or an `error` event can
always be put between two events.
"""

from __future__ import annotations

import re
import time

from llm_to_anthropic.errors import ApiError, UpstreamProtocolError
from llm_to_anthropic.gateway.answer_headers import STREAM_HEADERS, forwarded, provenance
from llm_to_anthropic.gateway.call import Reply
from llm_to_anthropic.gateway.disconnect import DisconnectWatch
from llm_to_anthropic.gateway.progress import Progress
from llm_to_anthropic.gateway.refusal import is_json_object, read_refusal, told_error
from llm_to_anthropic.gateway.relay import MAX_ANSWER_BYTES
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.translators.anthropic import UsageReader, replace_served_model
from llm_to_anthropic.upstream import UpstreamCall
from llm_to_anthropic.writer import PING, error_event

MAX_EVENT_BYTES = 8 * 1024 * 1024
_END = re.compile(rb'(?:^|[\r\n])event: ?(?:message_stop|(?P<error>error))[ \r\n]|"type" ?: ?"message_stop"')
_ERROR_FIRST = re.compile(rb"\s*event: ?error[ \r]*\n")
_DATA = re.compile(rb"^data: ?(.*)$", re.MULTILINE)
_SSE = b"text/event-stream"
_SAYING = (b"event: content_block", b"event:content_block", b'"content_block_', b"event: error", b"event:error")
"""What only events hold that say something: message_start and pings do not."""


class ByteRelay:
    """One stream that passes through. `run()` raises ApiError only before anything was sent."""

    def __init__(
        self, upstream: UpstreamCall, reply: Reply, progress: Progress, timeouts: Timeouts, served_as: str | None
    ) -> None:
        self._upstream = upstream
        self._reply = reply
        self._progress = progress
        self._timeouts = timeouts
        self._served_as = served_as
        """The client's name of the model, where the upstream knows another."""
        self._reader = UsageReader()
        self._held = b""
        self._clock = time.monotonic
        self._last_write = self._clock()
        self._ended = False
        self._begun = False
        self.committed = False

    async def run(self, watch: DisconnectWatch) -> None:
        """The whole answer."""
        try:
            if not await self._wait_for_head(watch):
                return
            await self._pump()
        except ApiError as error:
            if not self.committed:
                raise
            # After the last event nothing is missing, however the connection ended.
            if not self._ended:
                await self.fail(error)
        finally:
            self._upstream.close()
            self._progress.usage, self._progress.stop_reason = self._reader.usage, self._reader.stop_reason
        watch.stop()
        await self._reply.end()

    async def fail(self, error: ApiError) -> None:
        """Ends a stream that has begun with an `error` event."""
        self._progress.failed_by(error)
        await self._reply.write(error_event(error, self._progress.call.request_id))

    async def _wait_for_head(self, watch: DisconnectWatch) -> bool:
        """True once a stream follows; False where the answer was no stream and has been passed on whole."""
        while not await self._upstream.head(self._quiet_s()):
            await self._bridge_silence()
        upstream = self._upstream
        self._progress.upstream_request_id = upstream.header(b"request-id")
        if upstream.status < 400 and upstream.header(b"content-type").startswith(_SSE):
            return True
        body = await self._whole_body()
        if self.committed:
            raise told_error(body)
        watch.stop()
        self._progress.status = upstream.status
        if upstream.status >= 400:
            self._progress.failed("upstream_error", f"the upstream answered {upstream.status}")
        await self._reply.whole(upstream.status, forwarded(upstream.headers) + provenance(self._progress), body)
        return False

    async def _whole_body(self) -> bytes:
        if self._upstream.status >= 400:
            refusal = await read_refusal(self._upstream)
            if isinstance(refusal, ApiError):
                raise refusal
            return refusal
        body = await self._upstream.read_all(MAX_ANSWER_BYTES)
        if not is_json_object(body):
            status = self._upstream.status
            raise UpstreamProtocolError(f"the upstream answered {status} with neither a stream nor the API's JSON")
        return body

    async def _pump(self) -> None:
        while True:
            if self.committed and await self._upstream.pour(self._pass_on, self._timeouts.ping_s):
                await self._reply.write(b"")
                continue
            data = await self._upstream.read(self._quiet_s())
            if data is None and self._ended:
                break
            if data is None:
                await self._bridge_silence()
            elif not data:
                break
            elif out := self._complete_events(data):
                await self._write(out)
        if self._held and (self._ended or _END.search(self._held)):
            await self._write(self._held)
        if not self._ended:
            raise UpstreamProtocolError("the upstream's stream ended before the message was complete")

    def _pass_on(self, data: bytes) -> bool:
        """Takes a slice of a stream in full flow; False where the client's side has no room."""
        out = self._complete_events(data)
        if not out:
            return True
        self._last_write = self._clock()
        return self._reply.push(self._look(out))

    def _complete_events(self, data: bytes) -> bytes:
        if not self._held and data.endswith(b"\n\n"):
            return data
        data = self._held + data
        cut = max(data.rfind(b"\n\n") + 2, data.rfind(b"\r\n\r\n") + 4)
        if cut < 4:  # neither was found
            cut = 0
        self._held = data[cut:]
        if len(self._held) > MAX_EVENT_BYTES:
            raise UpstreamProtocolError(f"an event of the upstream is larger than {MAX_EVENT_BYTES >> 20} MiB")
        return data[:cut]

    async def _write(self, out: bytes) -> None:
        self._progress.wrote()
        if not self.committed:
            if _ERROR_FIRST.match(out):
                raise told_error(b"".join(_DATA.findall(out)[:1]))
            await self._commit()
        out = self._look(out)
        if not self._begun and any(map(out.__contains__, _SAYING)):
            self._begun = True
            self._upstream.begun()
        await self._reply.write(out)
        self._last_write = self._clock()

    def _look(self, out: bytes) -> bytes:
        """Notes usage and end; puts the client's model name into message_start."""
        if self._served_as is not None and b"message_start" in out:
            out = replace_served_model(out, self._served_as)
            self._served_as = None
        if b'"usage"' in out:
            for data in _DATA.findall(out):
                if b'"usage"' in data:
                    self._reader.read(data)
        if (b"message_stop" in out or b"error" in out) and (end := _END.search(out)):
            self._ended = True
            if end["error"]:
                told = told_error(b"".join(_DATA.findall(out, end.end())[:1]))
                self._progress.failed(told.type, told.message)
        return out

    async def _bridge_silence(self) -> None:
        if not self.committed:
            await self._commit()
        await self._reply.write(PING)
        self._last_write = self._clock()

    async def _commit(self) -> None:
        self.committed = True
        self._progress.status = 200
        passed = [(name, value) for name, value in forwarded(self._upstream.headers) if name != b"content-type"]
        await self._reply.start(200, STREAM_HEADERS + passed + provenance(self._progress))

    def _quiet_s(self) -> float:
        """Seconds of silence that the client may still be left in."""
        limit = self._timeouts.ping_s if self.committed else self._timeouts.commit_after_s
        return max(0.0, self._last_write + limit - self._clock())
