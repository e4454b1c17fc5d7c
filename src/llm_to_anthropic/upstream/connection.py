"""One HTTP/1.1 connection: it sends requests and parses answers, one after the other.

It knows nothing of pools, DNS or TLS; time limits are the call's, its one timer is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from httptools import HttpParserCallbackError, HttpParserError, HttpResponseParser

from llm_to_anthropic.outbox import Outbox
from llm_to_anthropic.upstream.answer_head import CODED, MAY_BE_MANY, flaw_of
from llm_to_anthropic.upstream.call import UpstreamCall
from llm_to_anthropic.upstream.chunks import ENDS, Lines, lines_of

_ONE_WRITE = 64 * 1024
"""Up to here head and body go out in one write."""
_WRITE_SLICE = 256 * 1024
_MAX_UNREAD = 128 * 1024
_MAX_BARREN = 256 * 1024
"""How many bytes in a row may come that are no body: head, interim answers, chunk extensions, trailers."""
_DRAIN_S = 1.0
"""The last bytes of an answer often come apart from its last words, and a new connection costs more than a wait."""
_TIMER_SLACK_S = 0.001
"""uvloop's timers count whole milliseconds and may fire a little early."""
_H, _TWO = b"H2"


class _BrokenAnswer(Exception):
    """Stops the parser; says what is wrong with the answer."""


class _Piecewise:
    """Hears of an answer whose head comes in several reads, or after interim answers: header by header."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lines = [b""]
        self._interim = False
        self.on_body = connection.on_body
        self.on_message_begin = connection.on_message_begin

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append(name + b": " + value)

    def on_headers_complete(self) -> None:
        status = self._connection.status
        lines, self._lines = self._lines, [b""]
        if status < 100 or status == 101:
            raise _BrokenAnswer(f"its status is {status}")
        if status < 200:
            self._interim = True
            return
        self._connection.head = b"\r\n".join(lines)
        self._connection.on_headers_complete()

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        else:
            self._connection.on_message_complete()


class Connection(asyncio.Protocol):
    """A connection and the call that it carries, if any.

    `on_free` is called with a connection that can take another call, `on_lost` with one that is gone.
    """

    __slots__ = (
        "_barren",
        "_call",
        "_complete",
        "_cut",
        "_free",
        "_keep",
        "_lines",
        "_loop",
        "_lost",
        "_parser",
        "_paused",
        "_pieces",
        "_reading",
        "_timer",
        "_timer_at",
        "_transport",
        "_unsent",
        "_used",
        "_writable",
        "gone",
        "head",
        "idle_until",
        "on_body",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_free: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self.idle_until = inf
        """Loop time at which a connection closes that no call needs."""
        self.gone = False
        """The transport has reported its end."""
        self._loop = loop
        self._free = on_free
        self._lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._call: UpstreamCall | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._unsent: memoryview | None = None
        self._writable = True
        self._paused = False
        self._used = False
        self._pieces: list[bytes] = []
        # The parser calls it for every chunk: a bound list method costs no Python frame.
        self.on_body = self._pieces.append
        # It tells of no headers: whoever wants one looks for it in the head.
        self._parser = HttpResponseParser(self)
        self._reading: HttpResponseParser | None = None
        """What reads the answer under way; None: nothing of it has come."""
        self.head = b""
        """The lines of the head of the answer under way."""
        self._lines: Lines = ()
        """What chunks begin with; empty where the next read does not begin one."""
        self._barren = 0
        self._complete = False
        self._cut = False
        """A request was not sent to its end: the connection serves no other."""
        self._keep = False

    @property
    def usable(self) -> bool:
        """Whether a request can be sent on it."""
        return self._call is None and self._transport is not None and not self._transport.is_closing()

    @property
    def sending(self) -> bool:
        """Whether a part of the request still waits to be sent."""
        return self._unsent is not None or not self._writable

    def start(self, call: UpstreamCall, head: bytes, body: bytes, outbox: Outbox | None = None) -> None:
        """Sends a request, as far as the upstream takes it; the rest follows on its own. A small one by the outbox."""
        if self._transport is None:
            call.lost(stale=False)
            return
        self._call = call
        self._reading = None
        self._barren = 0
        self._complete = self._keep = False
        self.idle_until = inf
        if len(body) > _ONE_WRITE:
            self._transport.write(head)
            self._unsent = memoryview(body)
            self._send_more(self._transport)
        elif outbox is None:
            self._transport.write(head + body)
        else:
            outbox.write(self._transport, head + body)
        call.begin(self)

    def watch(self, at: float) -> None:
        """Looks at the limits no later than `at`. The timer is only ever moved forward to an earlier time."""
        if at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._look)

    def resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def drain(self) -> None:
        """Takes what is left of an answer that nobody reads; closes if that is much, or takes long."""
        self.idle_until = self._loop.time() + _DRAIN_S
        self.watch(self.idle_until)
        self.resume()

    def abort(self) -> None:
        """Closes at once, whatever is under way."""
        self._call = None
        self._unsent = None
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def shut(self) -> None:
        """Closes at once; a call under way ends with an error."""
        self._end(reset=True)

    def _look(self) -> None:
        self._timer = None
        self._timer_at = inf
        now = self._loop.time() + _TIMER_SLACK_S
        if now >= self.idle_until:
            self.abort()
            return
        due = self.idle_until if self._call is None else min(self._call.look(now), self.idle_until)
        if due != inf:
            self.watch(due)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A closed connection arms no timer again.
        self._timer_at = -inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if self.gone:
            return
        self._transport = transport
        # "Paused" then means exactly that bytes wait here: the end of sending is known, not guessed.
        # (With 0 asyncio's TLS pauses for good: it compares with >=.)
        transport.set_write_buffer_limits(high=1)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._unsent is not None and self._transport is not None:
            self._send_more(self._transport)
        if self._call is not None:
            self._call.sent()

    def _send_more(self, transport: asyncio.Transport) -> None:
        # A write that finds the connection broken closes it, and does not say so.
        while self._unsent is not None and self._writable and not transport.is_closing():
            piece = self._unsent[:_WRITE_SLICE]
            rest = self._unsent[_WRITE_SLICE:]
            self._unsent = rest if len(rest) else None
            transport.write(piece)

    def data_received(self, data: bytes) -> None:
        call = self._call
        if call is None:
            # Nobody asked: the next answer could not be told from this.
            self.abort()
            return
        lines, size, take = self._lines, len(data), call.taking
        # Nearly every event of a stream is one chunk: neither the parser nor the call need hear of it. Each call of a
        # Python function counts here, since between two events the processor has forgotten them.
        if take is None or size >= len(lines):
            self._read(call, data)
            return
        line = lines[size]
        body = data[len(line) : -2]
        if line + body + ENDS != data:  # cheaper than to look at both ends
            self._read(call, data)
            return
        call.active_at = self._loop.time()
        try:
            if take(body):
                return
        except Exception as error:
            call.stop_flow(error)
        else:
            call.stop_flow()

    def _read(self, call: UpstreamCall, data: bytes) -> None:
        reading = self._reading or self._begin_reading(data)
        try:
            reading.feed_data(data)
            broken = None
        except HttpParserError as error:
            broken = _describe(error)
        pieces = self._pieces
        if pieces:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._lines = lines_of(data, body) if len(pieces) == 1 and broken is None else ()
            pieces.clear()
            self._barren = 0
            flows = call.receive(body, len(data))
            if flows and broken is None and not self._complete:
                return  # it has gone where it belongs
        elif not self._complete:
            self._lines = ()
            broken = self._receive_barren(call, len(data)) or broken
        if self._complete:
            self._finish(call, broken)
        elif broken is not None:
            call.refuse(broken)
            call.wake()
        else:
            self._look_after(call)

    def _look_after(self, call: UpstreamCall) -> None:
        """Somebody has to be woken for what came."""
        if call.unread > _MAX_UNREAD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        call.wake()

    def _receive_barren(self, call: UpstreamCall, size: int) -> str | None:
        self._barren += size
        if self._barren > _MAX_BARREN:
            return "its head or its framing is too large"
        call.progress()
        return None

    def _begin_reading(self, data: bytes) -> HttpResponseParser:
        """What reads an answer that begins like this."""
        head, ends, _ = data.partition(b"\r\n\r\n")
        if ends and len(head) > 9 and head[0] == _H and head[9] >= _TWO:
            # The whole of a head that is no interim answer's: the parser judges it, and no header is cut out.
            self.head = head
            self._reading = self._parser
        else:
            self._reading = HttpResponseParser(_Piecewise(self))
        return self._reading

    @property
    def status(self) -> int:
        """The status of the answer under way, as far as its head was read."""
        return 0 if self._reading is None else int(self._reading.get_status_code())

    def on_headers_complete(self) -> None:
        call, reading, head = self._call, self._reading, self.head
        if call is None or reading is None:
            return
        status, lowered = reading.get_status_code(), head.lower()
        coded = lowered.partition(CODED)[1]
        if coded or len(head) > MAY_BE_MANY:
            flaw = flaw_of(head, lowered)
            if flaw is not None:
                raise _BrokenAnswer(flaw)
        call.receive_head(status, head, lowered)
        if coded:
            call.receive_coding()
        if self._unsent is not None and status >= 400:
            # The upstream has refused a request without reading the rest of it.
            self._unsent = None
            self._cut = True
        if call.bodiless:
            self._complete = True

    def on_message_complete(self) -> None:
        self._complete = True
        call, reading = self._call, self._reading
        if call is None or reading is None or call.bodiless or self._cut or self._unsent is not None:
            return
        # Asked later the parser says no.
        self._keep = self._writable and reading.should_keep_alive()

    def on_message_begin(self) -> None:
        if self._complete:
            raise _BrokenAnswer("more comes after its end")

    def _finish(self, call: UpstreamCall, broken: str | None) -> None:
        self._call = None
        if self._keep and broken is None:
            self._used = True
            if self._paused:
                self.resume()
            self._free(self)
        else:
            self.abort()
        call.finish()

    def eof_received(self) -> None:
        self._end(reset=False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.gone:
            return
        self._end(reset=exc is not None)
        self._transport = None
        self.gone = True
        # The parser and its callbacks hold each other: without this only the garbage collector frees them.
        del self._parser
        self._reading = None
        self._lost(self)

    def _end(self, *, reset: bool) -> None:
        call, began = self._call, self._reading is not None
        self.abort()
        if call is None:
            return
        framed = call.header(b"content-length") or call.header(b"transfer-encoding")
        if call.status and not framed and not reset:
            call.finish()
        else:
            call.lost(stale=self._used and not began)


def _describe(error: HttpParserError) -> str:
    if isinstance(error, HttpParserCallbackError):
        return str(error.__context__)
    return str(error)
