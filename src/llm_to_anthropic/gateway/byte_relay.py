"""Carries an Anthropic stream to the client as it is, event by event.

Bytes of an event that is not complete wait for its rest, so that a ping or an `error` event can
always be put between two events.
"""

from __future__ import annotations

import re

import msgspec

from llm_to_anthropic.errors import ApiError, UpstreamProtocolError
from llm_to_anthropic.gateway.answer_headers import forwarded, provenance
from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.gateway.refusal import (
    error_within,
    is_json_object,
    read_refusal,
    stray_error,
    told_error,
    without_keys,
)
from llm_to_anthropic.gateway.relay import MAX_ANSWER_BYTES
from llm_to_anthropic.gateway.streaming import Relay
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.translators.anthropic import UsageReader, replace_answered_model, replace_served_model
from llm_to_anthropic.translators.text_frames import LINE_BREAK, PLAIN_BLANK
from llm_to_anthropic.upstream import UpstreamCall
from llm_to_anthropic.upstream.call import Keep
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.writer import PING

MAX_EVENT_BYTES = 8 * 1024 * 1024
MAX_PRELUDE_BYTES = 256 * 1024
"""How much is held back at most until something meaningful comes."""
_END = re.compile(rb'(?:^|[\r\n])event: ?(?:message_stop|(?P<error>error))[ \r\n]|"type" ?: ?"message_stop"')
_ENDINGS = (b"message_stop", b"event: error", b"event:error")
"""An answer without any of them has not ended, and its end begins shortly before the first."""
_BEFORE_ENDING = 16
_STRAY = re.compile(rb'^data: ?(\{"error" ?:.*)$', re.MULTILINE)
"""An error in a form of a gateway's own, without the name and type by which clients know one."""
_STRAY_MARK = b'{"error"'
_STRAY_BYTES = 4096
"""Looked for only at the end of what was read: such an answer ends with it."""
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n")
_MOST_OF_AN_END = 3
"""How many bytes of an event's end may have come while its last has not."""
_IDLE = frozenset({"message_start", "ping"})
"""Events that come before the upstream has anything to say."""
_PRELUDE = _IDLE | {"content_block_start"}
"""Events that tell a client nothing yet, and come before many an error."""
_DATA = re.compile(rb"^data: ?(.*)$", re.MULTILINE)
_BEGINS_UNNAMED = re.compile(rb"(?::[^\r\n]*|[\r\n]+)*+data:")
"""The first event, behind comments, has no name."""
_UNNAMED = re.compile(rb"data:(?:(?<=\n\ndata:)|(?<=\r\n\r\ndata:))([^\r\n]*)")
"""The data of an event that does not begin with its name, behind a blank line."""
_SSE = b"text/event-stream"
_DELTA = b"event: content_block_delta\n"
"""Nearly all events are such, and alone in what was read: there is nothing to note in them."""
_DELTA_BYTES = len(_DELTA)


class _Event(msgspec.Struct):
    type: str = ""


_EVENT = msgspec.json.Decoder(_Event)


def _kind(data: bytes) -> str:
    try:
        return _EVENT.decode(data).type
    except UNREADABLE:
        return ""


def _end_in(out: bytes) -> re.Match[bytes] | None:
    found = [at for ending in _ENDINGS if (at := out.find(ending)) >= 0]
    return _END.search(out, max(min(found) - _BEFORE_ENDING, 0)) if found else None


def _events_end(data: bytes) -> int:
    """Where the last complete event of data ends; 0 where none does."""
    return max(data.rfind(end) + len(end) if end in data else 0 for end in _EVENT_ENDS)


def _named(event: re.Match[bytes]) -> bytes:
    kind = _kind(event[1])
    return b"event: %b\n%b" % (kind.encode(), event[0]) if kind.isidentifier() else event[0]


def _closed(last: bytes) -> bytes:
    """The last event of a stream with the blank line at its end, without which clients do not take it."""
    data = _DATA.findall(last)
    if not data or not is_json_object(data[-1]):
        return last
    return last + (b"\n" if last.endswith(b"\n") else b"\n\n")


def _says_nothing(out: bytes) -> bool:
    """Whether these whole events are nothing but comments, which end no client's wait for an event."""
    return not out or (out.startswith(b":") and b"\ndata" not in out)


class ByteRelay(Relay):
    """One stream that passes through. `run()` raises ApiError only before anything was sent.

    Its prelude is held back: an error that follows keeps its status, and another target may still answer.
    """

    def __init__(self, work: Work, upstream: UpstreamCall, timeouts: Timeouts, *, served_as: str | None) -> None:
        super().__init__(work, timeouts)
        self._upstream = upstream
        self._served_as = served_as
        """The client's name of the model, where the upstream knows another."""
        self._keep: Keep | None = work.keep
        self._reader = UsageReader()
        self._held: list[bytes] = []
        """The beginning of an event whose end has not come."""
        self._held_bytes = 0
        self._tail = b""
        """Its last bytes, which may be the beginning of its end."""
        self._prelude = b""
        self._ended = False
        self._unnamed = False
        """The upstream leaves out the names of events, which the SDKs go by."""

    async def run(self) -> None:
        """The whole answer."""
        try:
            if not await self._wait_for_head():
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
            self._keep = None  # it belongs to the request, which holds this
        await self._reply.end()

    async def _wait_for_head(self) -> bool:
        """True once a stream follows; False where the answer was no stream and has been passed on whole."""
        while not await self._upstream.head(self._quiet_s()):
            await self._bridge_silence()
        upstream = self._upstream
        self._progress.upstream_request_id = upstream.header(b"request-id")
        if upstream.status >= 400:
            raise await read_refusal(upstream, self._progress.target)
        self._progress.answering = True
        if upstream.header(b"content-type").lower().startswith(_SSE):
            self._prepare_head()
            return True
        body, target = await self._whole_body(), self._progress.target
        if self.committed:
            raise error_within(body, target) or told_error(without_keys(body, target))
        self._reader.read(body)
        if self._reader.usage is None and (error := error_within(body, target)) is not None:
            raise error
        self._progress.status = upstream.status
        if self._served_as is not None:
            body = replace_answered_model(body, self._served_as)
        await self._reply.whole(upstream.status, forwarded(upstream.headers) + provenance(self._progress), body)
        return False

    async def _whole_body(self) -> bytes:
        body = await self._upstream.read_all(MAX_ANSWER_BYTES, self._keep)
        if not is_json_object(body):
            status = self._upstream.status
            raise UpstreamProtocolError(f"the upstream answered {status} with neither a stream nor the API's JSON")
        return body

    async def _pump(self) -> None:
        while True:
            data: bytes | None = None
            if await self._upstream.pour(self._pass_on, self._patience_s()):
                if self._quiet_s():
                    await self._reply.write(b"")
                    continue
            else:
                data = await self._upstream.read(self._quiet_s())
            if data is None and self._ended:
                break
            if data is None:
                await self._bridge_silence()
            elif not data:
                break
            elif out := self._complete_events(data):
                await self._write(out)
        rest = b"".join(self._held)
        if rest and (self._ended or self._ends(rest)):
            await self._write(_closed(rest))
        if not self._ended:
            raise UpstreamProtocolError("the upstream's stream ended before the message was complete")

    def _ends(self, rest: bytes) -> bool:
        """Whether what came last ends the stream: an error only if it was not cut off itself."""
        end = _end_in(rest)
        if end is not None and not end["error"]:
            return True
        said = _DATA.findall(rest) if end is not None or _STRAY.search(rest) else []
        return bool(said) and self._error_of(_kind(said[-1]), said[-1]) is not None

    def _pass_on(self, data: bytes) -> bool:
        """Takes a slice of a stream in full flow; False where the client has no room, or heard nothing for long."""
        line = data[_DELTA_BYTES:-2]
        # Put together again and compared, which costs less than to look at both ends of the event.
        if self._held or LINE_BREAK in line or not self._begun or _DELTA + line + PLAIN_BLANK != data:
            data = self._ready(self._complete_events(data))
            if _says_nothing(data):
                left_s = self._quiet_s()
                self._upstream.stay_quiet(left_s)
                return (not data or self._reply.push(data)) and left_s > 0.0
            self._over = self._ended
        self._last_write = self._clock()
        return self._reply.push(data)

    def _complete_events(self, data: bytes) -> bytes:
        if not self._held and data.endswith(b"\n\n"):
            return data
        seen = self._tail + data
        cut = _events_end(seen)
        if not cut:
            self._hold(data, seen)
            return b""
        ahead = cut - len(self._tail)
        events = b"".join([*self._held, data[:ahead]])
        self._held.clear()
        self._held_bytes = 0
        self._hold(data[ahead:], data[ahead:])
        return events

    def _hold(self, data: bytes, seen: bytes) -> None:
        """Keeps what waits for the end of its event; `seen` ends with it."""
        self._tail = seen[-_MOST_OF_AN_END:]
        if not data:
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MAX_EVENT_BYTES:
            raise UpstreamProtocolError(f"an event of the upstream is larger than {MAX_EVENT_BYTES >> 20} MiB")

    async def _write(self, out: bytes) -> None:
        out = self._ready(out)
        if out:
            await self._reply.write(out)
            self._over = self._ended
        if not _says_nothing(out):
            self._last_write = self._clock()
        elif not self._quiet_s():
            await self._bridge_silence()

    def _ready(self, out: bytes) -> bytes:
        """What the client gets for events: all that came so far once something meaningful has, and nothing before."""
        if not self._begun:
            self._unnamed = self._unnamed or _BEGINS_UNNAMED.match(out) is not None
            self._begin(out)
        if self._unnamed:
            out = _UNNAMED.sub(_named, PLAIN_BLANK + out).removeprefix(PLAIN_BLANK)
        if not self.committed:
            self._prelude += out
            if not self._begun and len(self._prelude) <= MAX_PRELUDE_BYTES:
                return b""
            out = self._answer()
        if _says_nothing(out):
            return out
        self._progress.wrote()
        return self._look(out)

    def _begin(self, out: bytes) -> None:
        """Looks for something meaningful in the first events. Raises the error that they tell of, while it can."""
        for data in _DATA.finditer(out):
            kind = _kind(data[1])
            if not self.committed and (error := self._error_of(kind, data[1])) is not None:
                raise error
            if kind not in _IDLE:
                self._upstream.begun()
            if kind not in _PRELUDE:
                self._begun = True
                return

    def _error_of(self, kind: str, data: bytes) -> ApiError | None:
        if kind == "error":
            return told_error(without_keys(data, self._progress.target))
        return None if kind else stray_error(data, self._progress.target)

    def _look(self, out: bytes) -> bytes:
        """Notes usage and end; puts the client's model name into message_start."""
        if self._served_as is not None and b"message_start" in out:
            out = replace_served_model(out, self._served_as)
            self._served_as = None
        if b'"usage"' in out:
            self._read_usage(out)
        if end := _end_in(out):
            self._ended = True
            if end["error"]:
                said = b"".join(_DATA.findall(out, end.end())[:1])
                told = told_error(without_keys(said, self._progress.target))
                out = without_keys(out, self._progress.target)
                self._progress.failed(told.type, told.message)
                self.failure = told
        elif out.find(_STRAY_MARK, -_STRAY_BYTES) >= 0:
            out = self._end_astray(out)
        return out

    def _end_astray(self, out: bytes) -> bytes:
        """Events with the error that they may end with in the form that clients know."""
        stray = _STRAY.search(out)
        error = self._error_of(_kind(stray[1]), stray[1]) if stray is not None else None
        if stray is None or error is None:
            return out
        self._ended = True
        return out[: stray.start()] + self._error_event(error)

    def _read_usage(self, out: bytes) -> None:
        """Reads only the lines that tell of it: a read may hold a hundred events."""
        at = out.find(b'"usage"')
        while at >= 0:
            begins, ends = out.rfind(b"\n", 0, at) + 1, out.find(b"\n", at)
            line = out[begins:ends] if ends >= 0 else out[begins:]
            if line.startswith(b"data:"):
                self._reader.read(line[5:])
            at = out.find(b'"usage"', begins + len(line))

    async def _bridge_silence(self) -> None:
        prelude = b"" if self.committed else self._look(self._answer())
        await self._reply.write(prelude + PING)
        self._last_write = self._clock()

    def _answer(self) -> bytes:
        """Sends the head; gives what was held back until then."""
        self._progress.call.let_go()
        self._commit()
        prelude, self._prelude = self._prelude, b""
        return prelude

    def _new_head(self) -> Headers:
        self._passed = [header for header in forwarded(self._upstream.headers) if header[0] != b"content-type"]
        return super()._new_head()
