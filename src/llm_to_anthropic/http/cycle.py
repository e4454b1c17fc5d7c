"""One HTTP request and its answer as the application sees them: what was asked, how far it is, how it is answered."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

import msgspec
from starlette.types import Message, Scope

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.gateway.answer_headers import header_list
from llm_to_anthropic.gateway.call import Headers, Reply
from llm_to_anthropic.http.body import Found
from llm_to_anthropic.http.known_head import with_length

NO_BODY_STATUSES = (204, 304)


class Passed(msgspec.Struct, frozen=True):
    """What the checks of a head came to. It holds for the same head on the same connection, while they are the same."""

    checks: object
    """Stands for those who checked: another configuration has others."""
    cors: Headers
    keys: tuple[bytes, ...]
    client_key: str
    headers: Headers
    """The headers for the gateway: without client keys."""
    raw_path: str
    query: str

    def with_length(self, length: bytes) -> Passed:
        """The same for a body of another length."""
        headers = with_length(self.headers, length)
        return Passed(self.checks, self.cors, self.keys, self.client_key, headers, self.raw_path, self.query)


class Cycle(Reply, ABC):
    """A request on its way through the checks, and the `Reply` to its call.

    Adds `request-id` and the CORS headers of this request to whatever is sent.
    """

    # Slots: there is one of these for every open stream, and it has more attributes than Python lets share their names.
    __slots__ = (
        "__weakref__",
        "_event_stream",
        "_promised",
        "client_key",
        "cors",
        "ended",
        "found",
        "handed_over",
        "has_place",
        "inside",
        "keep_alive",
        "keys",
        "more_body",
        "parted_as",
        "passed",
        "place_key",
        "refused",
        "request_id",
        "scope",
        "started",
        "status",
    )

    def __init__(self, request_id: str, scope: Scope, found: Found) -> None:
        self.request_id = request_id
        self.scope = scope
        self.found = found
        """Headers by lower-case name, the last of repeated ones."""
        self.started = time.monotonic()
        self.keep_alive = True
        """The connection may serve another request."""
        self.cors: Headers = []
        """What lets the calling web page read the answer; set once its origin is checked."""
        self.keys: tuple[bytes, ...] = ()
        """Names of the headers that carried a valid client key."""
        self.client_key = ""
        """The name of that key."""
        self.more_body = True
        """The request may not be complete yet."""
        self.passed: Passed | None = None
        """What the checks of its head came to, where the gateway gets it."""
        self.inside = False
        """The gateway has it, or will have."""
        self.has_place = False
        self.place_key = b""
        """The key that its place counts for, where places are counted by key."""
        self.handed_over = False
        """The gateway has it, and records it."""
        self.refused: ApiError | None = None
        """What the protocol has answered where it gave up on the rest of the request."""
        self.status = 0
        """What was answered; 0 before."""
        self.ended = False
        """The whole answer was given."""
        self.parted_as = "client_disconnected"
        """What the client that leaves is said to have done."""
        self._event_stream = False
        self._promised: tuple[int, Headers] | None = None

    @abstractmethod
    def arrived(self) -> bytes | None:
        """The request's body where all of it is here already."""

    @abstractmethod
    def read_ahead(self, up_to: int) -> None:
        """Has this much of the body read before it is asked for: a client not read from is not seen to leave."""

    @abstractmethod
    def served(self) -> None:
        """Hears that the application has done with the request."""

    @abstractmethod
    async def receive(self) -> Message:
        """The ASGI `receive`."""

    @property
    def streaming(self) -> bool:
        """An event stream has begun and is not at its end."""
        return self._event_stream and self.status != 0 and not self.ended

    async def error(self, error: ApiError) -> None:
        """Answers with Anthropic's error envelope."""
        await self.whole(error.status, header_list(error.headers), error.envelope(self.request_id))

    async def send(self, message: Message) -> None:
        """The ASGI `send` for ordinary routes: an answer of theirs, with this reply's headers."""
        if message["type"] == "http.response.start":
            self._promised = message["status"], list(message["headers"])
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        promised, self._promised = self._promised, None
        if promised and not more:
            await self.whole(*promised, body)
            return
        if promised:
            self.start(*promised)
        if not more:
            await self.end(body)
        elif body:
            await self.write(body)

    def _whole_head(self, status: int, headers: Headers, body: bytes) -> Headers:
        given = dict(headers)
        if b"content-length" in given:
            head = [header for header in headers if header[0] != b"content-length"]
        else:
            head = headers.copy()
        if b"content-type" not in given and body:
            head.append((b"content-type", b"application/json"))
        if status not in NO_BODY_STATUSES:
            head.append((b"content-length", b"%d" % len(body)))
        if b"request-id" not in given:
            head.append((b"request-id", self.request_id.encode()))
        return head + self.cors if self.cors else head

    def _stream_head(self, headers: Headers) -> Headers:
        given = dict(headers)
        self._event_stream = given.get(b"content-type", b"").startswith(b"text/event-stream")
        # How the end is told is the server's matter, and a length promised by somebody else would contradict it.
        head = headers.copy()
        if b"content-length" in given:
            head = [header for header in head if header[0] != b"content-length"]
        if b"request-id" not in given:
            head.append((b"request-id", self.request_id.encode()))
        return head + self.cors
