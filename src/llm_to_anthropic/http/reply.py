"""Answers over ASGI: the `Reply` of one call."""

from __future__ import annotations

from starlette.types import Message, Receive, Send

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.gateway.call import Headers

NO_BODY_STATUSES = (204, 304)


class HttpReply:
    """One answer. Adds `request-id` and the CORS headers of this request to whatever is sent."""

    __slots__ = ("_head", "_receive", "_send", "cors", "ended", "request_id", "status")

    def __init__(self, request_id: str, receive: Receive, send: Send) -> None:
        self.request_id = request_id
        self.cors: Headers = []
        """What lets the calling web page read the answer; set once its origin is checked."""
        self.status = 0
        """What was answered; 0 before."""
        self.ended = False
        self._head: Headers = []
        self._receive = receive
        self._send = send

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Answers at once; `content-type: application/json` unless given."""
        given = dict(headers)
        head = headers.copy()
        if b"content-length" in given:
            head = [header for header in head if header[0] != b"content-length"]
        if b"content-type" not in given and body:
            head.append((b"content-type", b"application/json"))
        if status not in NO_BODY_STATUSES:
            head.append((b"content-length", b"%d" % len(body)))
        if b"request-id" not in given:
            head.append((b"request-id", self.request_id.encode()))
        self.status = status
        self.ended = True
        self._head = head = head + self.cors if self.cors else head
        await self._send({"type": "http.response.start", "status": status, "headers": head})
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Headers) -> None:
        """Sends the head of an answer whose body follows in writes."""
        self.status = status
        self._head = headers + self.cors
        if b"request-id" not in dict(headers):
            self._head.append((b"request-id", self.request_id.encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": self._head})

    async def write(self, data: bytes) -> None:
        """Sends a piece; waits while the client's side has no room."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        self.ended = True
        await self._send({"type": "http.response.body", "body": b""})

    async def wait_disconnect(self) -> None:
        """Returns when the client has left. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @property
    def streaming(self) -> bool:
        """An event stream has begun and is not at its end."""
        return self.status != 0 and not self.ended and _is_event_stream(self._head)

    async def error(self, error: ApiError) -> None:
        """Answers with Anthropic's error envelope."""
        headers = [(name.encode("latin-1"), _visible(value)) for name, value in error.headers.items()]
        await self.whole(error.status, headers, error.envelope(self.request_id))

    async def send(self, message: Message) -> None:
        """The ASGI `send` for ordinary routes: an answer of theirs, with this reply's headers."""
        if message["type"] == "http.response.start":
            await self.start(message["status"], list(message["headers"]))
            return
        self.ended = not message.get("more_body", False)
        await self._send(message)


def _is_event_stream(headers: Headers) -> bool:
    return any(key == b"content-type" and value.startswith(b"text/event-stream") for key, value in headers)


def _visible(value: str) -> bytes:
    """A header value that HTTP allows: control characters and what Latin-1 lacks are replaced."""
    clean = "".join(character if character.isprintable() else " " for character in value)
    return clean.encode("latin-1", "replace")
