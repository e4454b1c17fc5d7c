"""uvicorn's request-response cycle, with a head and the body's first piece in one write.

uvicorn writes each message at once, which costs every whole answer a system call; and it looks at every header with
two regular expressions, where one look at the whole head is enough.
"""

from __future__ import annotations

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from llm_to_anthropic.gateway.call import Headers

_BODILESS = (204, 304)


class FrontCycle(RequestResponseCycle):
    """One request and its answer. Header names come in lower case."""

    _head = b""
    """The head of the answer, until something follows it."""

    async def send(self, message: ASGISendEvent) -> None:
        """The ASGI `send`. Returns once the client has room for more."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], [*self.default_headers, *message["headers"]])
        elif message["type"] == "http.response.body":
            self._body(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"unexpected ASGI message {message['type']!r}")

    def _start(self, status: int, headers: Headers) -> None:
        if self.response_started:
            raise RuntimeError("an answer has one head")
        self._frame(status, headers)
        fields = b"".join([b"%b: %b\r\n" % header for header in headers])
        if fields.count(b"\n") != len(headers) or fields.count(b"\r") != len(headers) or b"\0" in fields:
            raise RuntimeError("a response header holds a line break or a NUL")
        self.response_started = True
        self.waiting_for_100_continue = False
        self._head = STATUS_LINE[status] + fields + b"\r\n"

    def _frame(self, status: int, headers: Headers) -> None:
        """Decides how the body's end is told; adds the header that says so."""
        said = not self.keep_alive
        for name, value in headers:
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive = said = False
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _BODILESS:
            self.chunked_encoding = True
            headers.append((b"transfer-encoding", b"chunked"))
        if said:
            headers.append((b"connection", b"close"))

    def _body(self, body: bytes, *, more: bool) -> None:
        if not self.response_started or self.response_complete:
            raise RuntimeError("a body stands between the head and the end of an answer")
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            out = b""
        elif self.chunked_encoding:
            out = _chunk(body, last=not more)
        else:
            out = self._counted(body)
        if self._head:
            out = self._head + out
            self._head = b""
        if out:
            self.transport.write(out)
        if not more:
            self._complete()

    def _counted(self, body: bytes) -> bytes:
        if len(body) > self.expected_content_length:
            raise RuntimeError("a body is longer than its content-length")
        self.expected_content_length -= len(body)
        return body

    def _complete(self) -> None:
        if self.expected_content_length:
            raise RuntimeError("a body is shorter than its content-length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _chunk(body: bytes, *, last: bool) -> bytes:
    if not body:
        return b"0\r\n\r\n" if last else b""
    return b"%x\r\n%b\r\n%b" % (len(body), body, b"0\r\n\r\n" if last else b"")
