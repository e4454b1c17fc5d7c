"""One connection of a client: HTTP/1.1 by httptools, with deadlines, limits of the head and refusals in our envelope.

uvicorn listens, signals and drains; what happens between its accept and the application is here, since a general
ASGI server pays for every request what only some need. The application gets each request as a `FrontCycle`.
"""

from __future__ import annotations

import asyncio

import httptools
from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.server import ServerState

from llm_to_anthropic.errors import ApiError, ClientError
from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.http.body import has_body
from llm_to_anthropic.http.cycle import Passed
from llm_to_anthropic.http.deadline import PRECISION_S, Deadline
from llm_to_anthropic.http.flow import Flow, address_of, limit_unsent
from llm_to_anthropic.http.framing import (
    bytes_of_head,
    check_authority,
    check_coding,
    make_body_parser,
    make_parser,
    split_target,
)
from llm_to_anthropic.http.front_cycle import FrontCycle
from llm_to_anthropic.http.known_head import MAX_DIGITS, KnownHead, known_head, with_length
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.refusing import reason, record_of, refusal_bytes, too_large_headers

STALL_LOOKS = 60
"""How often within `write_s` to look whether a client without room takes anything at all."""
LINGER_S = 2.0
"""How long a refused client may go on sending, unheard, and read its refusal."""
KEEP_ALIVE_S = 75.0
"""How long a connection without a request is kept."""
MIN_BODY_RATE = 32 * 1024
"""The least bytes per second of a body after its first `body_s`: a slower client only holds the connection."""
MAX_HEADER_BYTES = 16 * 1024
"""The most bytes of one header, name and value."""
BACKLOG = 2048


class ServerConfig(Config):
    """uvicorn's configuration, with what our protocol reads."""

    def __init__(self, live: Live) -> None:
        super().__init__(
            live.app.serve,  # uvicorn wants an application, which only our protocol asks
            http=FrontProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",  # App lets no exception out, and everything else is said in our own log
            access_log=False,
            proxy_headers=False,  # a forwarding header must not make a client look like loopback
            server_header=False,
            backlog=BACKLOG,
        )
        self.live = live


class FrontProtocol(asyncio.Protocol):
    """One connection of a client."""

    __slots__ = (
        "_admitted",
        "_barren",
        "_body_due",
        "_body_s",
        "_client",
        "_connections",
        "_crowd",
        "_cycle",
        "_deadline",
        "_fed",
        "_head_bytes",
        "_head_limited",
        "_header_s",
        "_headers",
        "_in_head",
        "_known",
        "_limits",
        "_linger_timer",
        "_live",
        "_loop",
        "_parser",
        "_running",
        "_server",
        "_stall_timer",
        "_tasks",
        "_upgrade",
        "_url",
        "_waiting",
        "_write_s",
        "flow",
        "outbox",
        "server_state",
        "transport",
    )

    transport: asyncio.Transport
    flow: Flow
    _url: bytes
    _headers: Headers
    """The headers of the head being read, as far as they came."""
    _client: tuple[str, int] | None
    _server: tuple[str, int] | None
    _stall_timer: asyncio.TimerHandle | None
    _linger_timer: asyncio.TimerHandle | None

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        _loop: asyncio.AbstractEventLoop | None = None,
        **_lifespan: object,
    ) -> None:
        self.server_state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        # A connection keeps the limits that it began with; each of its requests has the application of its time.
        settings = config.live.settings
        self._live, self._limits = config.live, settings.limits
        self._crowd = config.live.standing.crowd
        self.outbox = config.live.standing.outbox
        timeouts = settings.timeouts
        self._header_s, self._body_s, self._write_s = timeouts.header_s, timeouts.body_s, timeouts.write_s
        self._connections: set[FrontProtocol] = server_state.connections  # type: ignore[assignment]
        self._tasks = server_state.tasks
        self._parser = make_parser(self)
        self._admitted = self._in_head = False
        self._client = self._server = self._stall_timer = self._linger_timer = None
        self._head_limited = True
        """The deadline is that of the head being read."""
        self._head_bytes = 0
        """An upper bound of the size of the head being read."""
        self._barren = self._fed = 0
        """Bytes that came since the last byte of a body, and how long the body was then."""
        self._cycle: FrontCycle | None = None
        """The request that came last."""
        self._known: KnownHead | None = None
        """Its head, where the next one may be the same."""
        self._running: FrontCycle | None = None
        """The request that is being answered, or was."""
        self._waiting: list[FrontCycle] = []
        """Pipelined requests whose turn comes."""
        self._body_due = 0.0
        """Loop time by which the running request's body must have come, without what its bytes have earned."""
        self._upgrade = False
        """The parser takes the request's body for another protocol."""
        self._deadline = Deadline(self._loop, self._overdue)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._connections.add(self)
        self.transport = transport
        self.flow = Flow(transport)
        limit_unsent(transport)
        self._client = address_of(transport, "peername")
        self._server = address_of(transport, "sockname")
        refusal = self._crowd.enter(self._client)
        self._admitted = refusal is None
        if refusal is not None:
            self._turn_away(refusal)
            return
        self._deadline.set(self._header_s)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._connections.discard(self)
        self._crowd.leave(self._client, admitted=self._admitted)
        self._deadline.close()
        for timer in (self._stall_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        for cycle in (self._running, *self._waiting):
            if cycle is not None and not cycle.ended:
                cycle.leave()
        self.flow.resume_writing()
        self.transport.close()
        # These refer back to the connection: without a word they would stay until the collector comes.
        self._cycle = self._running = None
        self._waiting.clear()
        del self._parser

    def data_received(self, data: bytes) -> None:
        last, known = self._cycle, self._known
        if known is not None and last is not None and last.ended and last.keep_alive and last.passed is not None:
            body = known.body_of(data)
            if body is not None:
                self._begin_again(last, last.passed, known.length, body)
                return
        self._known = None
        between = last is not None and last.ended and not (last.more_body or self._in_head)
        rest = self._receive(data)
        if between:
            self._remember(data)
        while rest:  # one read may hold any number of wishes for another protocol
            rest = self._receive(rest)

    def eof_received(self) -> None:
        self.outbox.flush()  # the connection is closed for it, and what was answered goes first

    def _receive(self, data: bytes) -> bytes:
        """Parses; gives what stands behind a wish for another protocol, and is HTTP/1.1 to us."""
        if self._linger_timer is not None:
            return b""
        self._head_bytes = self._head_bytes + len(data) if self._in_head else len(data)
        rest = b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as wish:
            self._stay()  # no other protocol is spoken here; HTTP/1.1 allows to ignore the wish
            rest = data[wish.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(reason(error, data))
            return b""
        if self._in_head:
            self._head_bytes = bytes_of_head(self._head_bytes, data)
        self._limit_wait()
        return rest

    def on_message_begin(self) -> None:
        self._in_head = True
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are left out: no check has seen them
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = self._head_limited = False
        self._fed = -1  # what came with the head trails no body
        self._check_head()
        scope = self._scope()
        keep_alive = self._parser.should_keep_alive() and scope["http_version"] != "1.0"
        found = dict(self._headers)
        cycle = FrontCycle(self._live.standing.request_ids.next(), scope, found, self)
        cycle.keep_alive = keep_alive
        if b"transfer-encoding" in found:
            check_coding(scope)
        self._upgrade = b"upgrade" in found and self._parser.should_upgrade() and has_body(found)
        self._cycle = cycle
        if self._running is None or self._running.ended:
            self._start(cycle)
        else:
            self.flow.pause_reading()
            self._waiting.append(cycle)

    def _remember(self, data: bytes) -> None:
        """Keeps the head of what was read, if that was one request and the whole of it."""
        cycle = self._cycle
        if cycle is None or cycle is not self._running or cycle.ended or cycle.more_body or not cycle.keep_alive:
            return
        room = self._limits.max_header_bytes - self._head_bytes
        if room > MAX_DIGITS and not (self._in_head or self._waiting or self._upgrade):
            self._known = known_head(data, cycle.received, self._headers, cycle.found)

    def _begin_again(self, last: FrontCycle, passed: Passed, length: bytes, body: bytes) -> None:
        """Another request with the last one's head, but for the length of its body."""
        scope, found = last.scope, last.found
        if found[b"content-length"] != length:
            scope = {**scope, "headers": with_length(scope["headers"], length)}
            found = {**found, b"content-length": length}
            passed = passed.with_length(length)
        cycle = self._cycle = FrontCycle(self._live.standing.request_ids.next(), scope, found, self)
        cycle.passed = passed
        cycle.feed_whole(body)
        self._head_limited = False
        self._deadline.lift()
        self._start(cycle)

    def on_body(self, body: bytes) -> None:
        self._head_bytes -= len(body)  # a part of the next head may follow in the same read
        cycle = self._cycle
        if cycle is None or cycle.ended:
            self._fed = -1
        else:
            cycle.feed(body)

    def on_message_complete(self) -> None:
        if self._cycle is not None and not self._upgrade:
            self._cycle.complete()

    def _stay(self) -> None:
        """Has a body read that the parser took for another protocol."""
        if not self._upgrade:
            return
        self._upgrade = False
        cycle = self._cycle
        if cycle is not None:
            # The parser lets go of the body: another one reads it, and this connection ends with its answer.
            cycle.keep_alive = False
            self._parser = make_body_parser(cycle, cycle.found)

    def answered(self, cycle: FrontCycle) -> None:
        """The running request has its whole answer: the next one's turn, or the client's."""
        if not cycle.keep_alive:
            self._part()
        if self._linger_timer is not None or self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self._waiting:
            self._start(self._waiting.pop(0))
        elif not self._head_limited:
            self._deadline.set(KEEP_ALIVE_S)

    def shutdown(self) -> None:
        """The server stops: what was asked is answered, and then the connection closed."""
        if self._cycle is None or self._cycle.ended:
            self._part()
        else:
            self._cycle.keep_alive = False

    def pause_writing(self) -> None:
        self.flow.pause_writing()
        self._watch_stall(self._loop.time(), self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self.flow.resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _start(self, cycle: FrontCycle) -> None:
        self._running = cycle
        self._body_due = 0.0
        live = self._live
        if live.refresh is not None:
            live.refresh()
        # Named alike: the loop would have each numbered, in text that nobody reads.
        cycle.task = asyncio.Task(live.app.serve(cycle), loop=self._loop, name="request")
        self._tasks.add(cycle.task)

    def served(self, cycle: FrontCycle) -> None:
        """The application has done with a request."""
        self._tasks.discard(cycle.task)
        if not (cycle.ended or cycle.disconnected):
            self._abandon(cycle)

    def _abandon(self, cycle: FrontCycle) -> None:
        """Whoever had to answer did not, or was cancelled: the client must not wait for it."""
        if not cycle.status:
            self.transport.write(refusal_bytes(ApiError(500, "the request ended without an answer"), cycle.request_id))
        cycle.leave()
        self._part()

    def _part(self) -> None:
        """Closes the connection; where the client is still sending, only after it could read our answer."""
        if self._linger_timer is not None:
            return
        cycle = self._cycle
        if self.transport.is_closing() or cycle is None or not (self._in_head or cycle.more_body):
            self._close()
            return
        self._linger()

    def _close(self) -> None:
        """Closes once the client has taken what waits for it, but does not wait for one that takes nothing."""
        self.outbox.flush()
        self.transport.close()
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._stall_timer is None:
            self._watch_stall(self._loop.time(), unsent)

    def _linger(self) -> None:
        # Closing with unread bytes resets the connection, and the client may lose what we have just said.
        self.outbox.flush()
        self._deadline.close()
        self._linger_timer = self._loop.call_later(LINGER_S, self.transport.abort)
        self.flow.resume_reading()
        self.transport.write_eof()

    def _limit_wait(self) -> None:
        """Sets the deadline of what is not complete yet."""
        cycle = self._cycle
        if self._in_head:
            if self._head_bytes > self._limits.max_header_bytes:
                self._refuse(too_large_headers(self._limits.max_header_bytes))
            elif not self._head_limited:
                self._head_limited = True
                self._deadline.set(self._header_s)
        elif cycle is not None and cycle.more_body and self._is_barren(cycle):
            self._refuse(too_large_headers(self._limits.max_header_bytes))
        elif cycle is None or cycle.ended:
            # What came belongs to no request, so it wins no time.
            pass
        elif cycle.more_body:
            self._deadline.set(self._body_time_left(cycle))
        else:
            self._deadline.lift()

    def _is_barren(self, cycle: FrontCycle) -> bool:
        """Whether more came amid the body that is not part of it than headers may take: trailers are headers, too."""
        self._barren = self._barren + self._head_bytes if cycle.received == self._fed else 0
        self._fed = cycle.received
        return self._barren > self._limits.max_header_bytes

    def _overdue(self) -> None:
        cycle = self._cycle
        if self._in_head:
            self._refuse(ClientError(f"the request's headers took longer than {self._header_s:g} s", status=408))
        elif cycle is None or cycle.ended:
            self._part()
        elif self.flow.read_paused:  # we are the slow ones
            self._body_due = 0.0
            self._limit_wait()
        elif not cycle.status:
            rate = f"less than {MIN_BODY_RATE >> 10} KiB/s"
            message = f"the request body came too slowly: nothing for {self._body_s:g} s, or {rate} after so long"
            self._refuse(ClientError(message, status=408, details={"error_code": "request_body_timeout"}))

    def _body_time_left(self, cycle: FrontCycle) -> float:
        """Seconds until the next byte of a body is due: silence ends it, and so does a trickle."""
        now = self._loop.time()
        self._body_due = self._body_due or now + self._body_s
        return min(self._body_s, self._body_due + cycle.received / MIN_BODY_RATE - now)

    def _check_head(self) -> None:
        limits = self._limits
        if len(self._headers) > limits.max_headers:
            raise ClientError(f"more than {limits.max_headers} request headers", status=431)
        if self._head_bytes <= MAX_HEADER_BYTES and self._head_bytes <= limits.max_header_bytes:
            return
        sizes = [len(name) + len(value) + 4 for name, value in self._headers]
        if max(sizes, default=0) > MAX_HEADER_BYTES:
            raise ClientError(f"a request header is larger than {MAX_HEADER_BYTES} bytes", status=431)
        if len(self._url) + sum(sizes) > limits.max_header_bytes:
            raise too_large_headers(limits.max_header_bytes)

    def _scope(self) -> Scope:
        """The request's head in ASGI's words."""
        path, raw_path, query = split_target(self._url)
        if self._url[:1] != b"/":
            check_authority(self._url, self._headers)
        return {
            "type": "http",
            "http_version": self._parser.get_http_version(),
            "server": self._server,
            "client": self._client,
            "scheme": "http",
            "method": self._parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
        }

    def _turn_away(self, error: ApiError) -> None:
        """There is no room for this connection."""
        if self._crowd.overrun:
            self.transport.abort()
        else:
            self._refuse(error)

    def _refuse(self, error: ApiError) -> None:
        """Answers what never became a whole request and closes the connection."""
        self.outbox.flush()  # the answer before comes first
        cycle = self._cycle
        if cycle is not None and cycle.ended:
            cycle = None
        if cycle is not None and (self._in_head or self._waiting or cycle.status or not cycle.more_body):
            # Another answer is under way on this connection: a refusal would be taken for a part of it.
            self.transport.close()
            return
        request_id = self._live.standing.request_ids.next()
        self.transport.write(refusal_bytes(error, request_id))
        if cycle is None:
            self._live.app.gateway.record(record_of(error, request_id))
        else:
            # The application is waiting for the rest of the body; it records the request.
            cycle.refused = error
            cycle.leave()
        self._linger()

    def _watch_stall(self, since: float, before: int) -> None:
        self._stall_timer = self._loop.call_later(self._write_s / STALL_LOOKS, self._check_stall, since, before)

    def _check_stall(self, since: float, before: int) -> None:
        """Cuts off a client that has taken nothing of what waits for it for `write_s`."""
        waiting, now = self.transport.get_write_buffer_size(), self._loop.time()
        if waiting < before:
            since = now
        elif now - since + PRECISION_S >= self._write_s:
            if self._running is not None:
                self._running.parted_as = "client_stalled"
            self.transport.abort()
            return
        self._watch_stall(since, waiting)
