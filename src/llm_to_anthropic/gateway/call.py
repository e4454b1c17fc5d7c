"""What http/ hands to the gateway: the request as it came, and a way to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from llm_to_anthropic.gateway.pressure import Pressure
from llm_to_anthropic.translators.memory.surroundings import Surroundings
from llm_to_anthropic.wire.anthropic import Envelope

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""


class Call(msgspec.Struct):
    """One HTTP request of an authenticated client, its body read and within limits."""

    request_id: str
    """`req_...`, sent back as `request-id`."""
    method: str
    path: str
    """Percent-decoded, e.g. /v1/messages."""
    raw_path: str
    """As it came, without the query."""
    query: str
    headers: Headers
    found: Mapping[bytes, bytes]
    """All that came, by name, the last of repeated ones."""
    body: bytes
    started: float
    """`time.monotonic()` at the request's arrival."""
    client_key: str = ""
    """The name of the client key that was presented."""
    may_stream: bool = True
    """False where the server is too hard pressed to begin a stream."""
    memory: Pressure | None = None
    """What sets memory aside; None where nothing is limited."""
    read: Envelope | Surroundings | None = None
    """What was found in the body, once its model is known."""

    def let_go(self) -> None:
        """Its answer has begun: nobody needs the body any more, which may be large while the answer takes long."""
        self.body, self.read = b"", None

    def header(self, name: bytes) -> str:
        """The value of a header, or an empty string."""
        value = self.found.get(name)
        return value.decode("latin-1") if value else ""


def messages_call(request_id: str, body: bytes, headers: Headers, started: float = 0.0) -> Call:
    """A `POST /v1/messages` that no server took: a command's own."""
    path = "/v1/messages"
    return Call(request_id, "POST", path, path, "", headers, dict(headers), body, started)


WhenLeft = Callable[[str], None]
"""Takes the outcome: `client_disconnected` or `client_stalled`."""


class Reply(Protocol):
    """The answer to one call. `whole`, or `start`, any number of `write`s or `push`es and `end`.

    Every answer carries the call's `request-id` header; the implementation adds it unless given.
    """

    __slots__ = ()

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Answers at once; `content-type: application/json` unless given."""
        ...

    def prepare(self, status: int, headers: Headers) -> None:
        """Prepares the head that `start` will be given (the same object) if all goes well."""
        ...

    def start(self, status: int, headers: Headers) -> None:
        """Begins an answer whose body follows in writes; its head leaves with the first of them."""
        ...

    async def write(self, data: bytes) -> None:
        """Sends a piece; returns once the client's side has room for more (backpressure)."""
        ...

    def push(self, data: bytes) -> bool:
        """Sends a piece at once; False where `write` has to wait for room before the next."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """Ends the answer, with a last piece: both leave in one write."""
        ...

    def when_left(self, call: WhenLeft | None) -> None:
        """Calls `call`, in place of a former one, once the client has left; None: nobody wants to know."""
        ...
