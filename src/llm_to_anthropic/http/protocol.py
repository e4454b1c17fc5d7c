"""uvicorn's HTTP/1.1 protocol with what it lacks: deadlines, limits of the head, refusals in our envelope.

Between a parsed head and the end of its answer everything is uvicorn's. This module adds time limits for
a slow head and a client that stops reading, limits for the number and size of headers, and a close that
lets a client which is still sending read its refusal.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from llm_to_anthropic.errors import ApiError, ClientError
from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.http.app import App
from llm_to_anthropic.http.cycle import FrontCycle
from llm_to_anthropic.settings import Settings

WRITE_STALL_S = 60.0
"""A client that accepts nothing for so long has its connection cut."""
LINGER_S = 2.0
"""A refused client may go on sending so long, unheard, and read its refusal."""
KEEP_ALIVE_S = 75
BACKLOG = 2048


class ServerConfig(Config):
    """uvicorn's configuration for one app, with the limits that our protocol reads."""

    def __init__(self, app: App, settings: Settings) -> None:
        super().__init__(
            app,
            http=FrontProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",  # App lets no exception out, and everything else is said in our own log
            access_log=False,
            proxy_headers=False,  # a forwarding header must not make a client look like loopback
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            backlog=BACKLOG,
        )
        self.front = app
        self.limits = settings.limits
        self.header_s = settings.timeouts.header_s
        self.body_s = settings.timeouts.body_s


class FrontProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._front = config.front
        self._limits = config.limits
        self._header_s = config.header_s
        self._body_s = config.body_s
        self._raw: asyncio.Transport
        self._in_head = False
        self._head_bytes = 0
        """An upper bound of the size of the head being read."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._raw = transport
        self.transport = PoliteTransport(transport, self)
        self._head_timer = self.loop.call_later(self._header_s, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._body_timer, self._stall_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self._linger_timer is not None:
            return
        self._unset_keepalive_if_required()
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        self._head_bytes = self._head_bytes + len(data) if self._in_head else len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is spoken here; HTTP/1.1 allows to ignore the wish
        except httptools.HttpParserError as error:
            self._refuse(_reason(error))
            return
        self._await_more()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._check_head()
        super().on_headers_complete()
        # uvicorn has no seam for its cycle; the new one has not begun to run.
        self.cycle.__class__ = FrontCycle

    def send_400_response(self, msg: str) -> None:
        self._refuse(ClientError(msg))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def part(self) -> None:
        """Closes the connection; where the client is still sending, only after it could read our answer."""
        if self._linger_timer is not None:
            return
        if self._raw.is_closing() or self.cycle is None or not (self._in_head or self.cycle.more_body):
            self._raw.close()
            return
        self._linger()

    @property
    def parting(self) -> bool:
        return self._linger_timer is not None or self._raw.is_closing()

    def _linger(self) -> None:
        # Closing with unread bytes resets the connection, and the client may lose what we have just said.
        self._linger_timer = self.loop.call_later(LINGER_S, self._raw.abort)
        self.flow.resume_reading()
        self._raw.write_eof()

    def _await_more(self) -> None:
        """Sets the deadline of what is not complete yet."""
        cycle = self.cycle
        if self._in_head:
            if self._head_bytes > self._limits.max_header_bytes:
                self._refuse(_too_large_headers(self._limits.max_header_bytes))
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self._header_s, self._head_too_slow)
        elif cycle is None:
            pass
        elif not cycle.response_complete:
            if cycle.more_body:
                self._body_timer = self.loop.call_later(self._body_s, self._body_too_slow)
        elif self.timeout_keep_alive_task is None:
            # What came belongs to no request, so it must not keep the connection open.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _check_head(self) -> None:
        limits = self._limits
        if len(self.headers) > limits.max_headers:
            raise ClientError(f"more than {limits.max_headers} request headers", status=431)
        if self._head_bytes <= limits.max_header_bytes:
            return
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > limits.max_header_bytes:
            raise _too_large_headers(limits.max_header_bytes)

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(ClientError(f"the request's headers took longer than {self._header_s:g} s", status=408))
        else:
            self._raw.close()

    def _body_too_slow(self) -> None:
        self._body_timer = None
        if self.cycle.response_complete or self.cycle.response_started:
            return
        if self.flow.read_paused:  # we are the slow ones
            self._await_more()
            return
        message = f"no byte of the request body came for {self._body_s:g} s"
        self._refuse(ClientError(message, status=408, details={"error_code": "request_body_timeout"}))

    def _refuse(self, error: ApiError) -> None:
        """Answers what never became a whole request and closes the connection."""
        cycle = self.cycle
        unanswered = cycle is not None and not cycle.response_complete
        if unanswered and (self._in_head or self.pipeline or cycle.response_started or not cycle.more_body):
            # Another answer is under way on this connection: a refusal would be taken for a part of it.
            self._raw.close()
            return
        request_id = self._front.request_ids.next()
        self._raw.write(_refusal(error, request_id))
        if unanswered:
            # The application is waiting for the rest of the body; it records the request.
            cycle.scope["state"]["refused"] = error
            cycle.disconnected = True
            cycle.message_event.set()
        else:
            self._front.gateway.record(_exchange(error, request_id))
        self._linger()

    def _watch_stall(self) -> None:
        waiting = self._raw.get_write_buffer_size()
        self._stall_timer = self.loop.call_later(WRITE_STALL_S, self._check_stall, waiting)

    def _check_stall(self, before: int) -> None:
        if self._raw.get_write_buffer_size() >= before:
            self._raw.abort()
            return
        self._watch_stall()


class PoliteTransport(asyncio.Transport):
    """The transport as a request sees it: closing it does not cut off a client that is still sending."""

    __slots__ = ("_connection", "_raw")

    def __init__(self, raw: asyncio.Transport, connection: FrontProtocol) -> None:
        super().__init__()
        self._raw = raw
        self._connection = connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._raw.write(data)

    def close(self) -> None:
        self._connection.part()

    def is_closing(self) -> bool:
        return self._connection.parting

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default)


def _reason(error: httptools.HttpParserError) -> ApiError:
    if isinstance(error.__context__, ApiError):
        return error.__context__
    if isinstance(error, httptools.HttpParserCallbackError):
        return ClientError("the request's target is malformed")
    return ClientError(f"malformed HTTP request: {error}")


def _too_large_headers(limit: int) -> ClientError:
    return ClientError(f"the request's headers are larger than {limit} bytes", status=431)


def _refusal(error: ApiError, request_id: str) -> bytes:
    body = error.envelope(request_id)
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _exchange(error: ApiError, request_id: str) -> Exchange:
    return Exchange(
        request_id=request_id,
        method="",
        path="",
        status=error.status,
        outcome=error.type,
        duration_ms=0.0,
        error=error.message,
    )
