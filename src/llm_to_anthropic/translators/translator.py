"""What the way of a request asks of every translator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.exchange import Loss, Usage
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.memory.conversation import Conversation, conversation_memory
from llm_to_anthropic.translators.memory.memory import Memory, Remembered
from llm_to_anthropic.translators.memory.surroundings import KnownSurroundings, Surroundings
from llm_to_anthropic.translators.text_frames import TextFlow
from llm_to_anthropic.wire.anthropic import NO_RAW


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What goes upstream, below the provider's base URL and without credentials."""

    method: str = "POST"
    path: str
    headers: tuple[tuple[bytes, bytes], ...] = (
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream, application/json"),
    )
    body: bytes


class ClientRequest(msgspec.Struct, kw_only=True):
    """A client's `POST /v1/messages` as a translator sees it.

    It does not change, but for what it lets go of, and for what an upstream's refusal tells of this request alone.
    """

    body: bytes
    messages: Raw = NO_RAW
    """Those of the body, where they were found in it already."""
    surroundings: Surroundings | None = None
    """What stands around the messages, where these were not looked at to find it; they may be no valid JSON then."""
    model: str
    """The model name that the client sent."""
    stream: bool
    request_id: str
    message_id: str
    """`msg_...`: the id that the answer will carry."""
    api_version: str = "2023-06-01"
    session_id: str = ""
    """x-claude-code-session-id, a good source of a prompt cache key."""
    strict: bool = False
    """Losses are refused with a 400."""
    unsigned: bool = False
    """The upstream refused what only it can read of the history: it is asked to do without."""
    affordable: int = 0
    """The most tokens that the account can still pay for; 0: nobody said."""

    def let_go(self) -> None:
        """Its answer has begun, and it will not be sent again: the conversation need not be kept for so long."""
        self.body, self.messages, self.surroundings = b"", NO_RAW, None


class Learned(msgspec.Struct):
    """What an upstream's refusals taught about one target; shared by all its requests of this process."""

    quirks: dict[str, object] = msgspec.field(default_factory=dict)
    """Quirk field -> the value that works there."""
    scope: str = ""
    """The same as text: what was rendered is remembered by it."""
    fitted: tuple[Target, Target] | None = None
    """The target, and what the lessons make of it."""
    messages: Memory[Remembered] = msgspec.field(default_factory=Memory)
    """Messages rendered before, of all targets."""
    conversations: Memory[Conversation] = msgspec.field(default_factory=conversation_memory)
    """Conversations as far as they were rendered before."""
    frames: Memory[object] = msgspec.field(default_factory=Memory)
    """What surrounded them; each translator knows its own kind."""
    surroundings: KnownSurroundings = msgspec.field(default_factory=KnownSurroundings)
    """The same as clients send it."""

    def learn(self, lessons: Mapping[str, object]) -> None:
        """Quirk fields, and the values that were found to work."""
        self.quirks.update(lessons)
        self.scope, self.fitted = str(self.quirks), None

    def fit(self, target: Target, kind: str) -> Target:
        """The target with what was learned of it; `kind` names the quirks of its protocol. Made once per lesson."""
        if self.fitted is None or self.fitted[0] is not target:
            quirks = msgspec.structs.replace(getattr(target, kind), **self.quirks)
            self.fitted = target, msgspec.structs.replace(target, **{kind: quirks})
        return self.fitted[1]


class Translator(Protocol):
    """One request and its answer. Built per request and attempt; not shared between requests.

    A translated upstream may answer as SSE or as one JSON body, whichever was asked for: both go in
    through `receive_data` in slices of any size, and the same events come out however it was cut.
    """

    losses: list[Loss]
    """The parts of the request that could not be carried over. Complete after `encode()`."""
    ended: bool
    """The message is complete: nothing more need be read from the upstream."""

    @property
    def settled(self) -> bool:
        """The upstream has said that its answer is over; only token counts and its end mark may still come."""
        ...

    keep: Callable[[int], int] | None
    """Sets memory aside while an answer grows that is no stream: takes its size, and gives the size up to which it need
    not be asked again. Raises ApiError."""
    failure: ApiError | None
    """Set once the upstream failed; nothing is written after it. The way of a request decides
    whether it becomes an HTTP status or an `error` event."""
    flow: TextFlow | None
    """What takes slices of the answer in place of `receive_data`, as long as it makes something of them."""
    stop_reason: str | None
    usage: Usage | None

    def encode(self) -> UpstreamRequest:
        """The upstream request. Idempotent. Raises ClientError for what cannot be sent at all."""
        ...

    def expect(self) -> None:
        """Makes ready for the answer, while the upstream thinks; left undone, the answer's first bytes do it.

        After `encode()`.
        """
        ...

    def local_answer(self) -> bytes | None:
        """The message where no upstream is needed (`max_tokens: 0`), else None."""
        ...

    def begin(self) -> bytes:
        """message_start and ping, for when the client must be answered before anything meaningful came."""
        ...

    def receive_data(self, data: bytes) -> bytes:
        """Any slice of the upstream's answer -> zero or more bytes of Anthropic SSE.

        Empty until the first meaningful event, and always empty for a client that wants a whole message.
        """
        ...

    def receive_eof(self) -> bytes:
        """The upstream's answer is at its end: closes the message, or sets `failure` where it stopped midway."""
        ...

    def let_go(self) -> None:
        """The client's answer has begun: forgets what only another request like the first would need."""
        ...

    def follow_up(self) -> UpstreamRequest | None:
        """After `receive_eof()` that neither ended the message nor failed: the request whose answer goes on with it.

        An upstream that hands out its answer in rounds, or one whose empty answer is worth asking again.
        """
        ...

    def count_request(self) -> UpstreamRequest | None:
        """The request that has the upstream count the input tokens; None where it cannot. Not after `encode()`."""
        ...

    def decode_count(self, body: bytes) -> int:
        """The count in the upstream's answer to `count_request()`. Raises UpstreamProtocolError."""
        ...

    def message(self) -> bytes:
        """The whole message as JSON, for a client that did not ask for a stream. After `ended`."""
        ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
        """An upstream's HTTP error -> our error. `headers` have lower-case names."""
        ...

    def answer_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers of an upstream's 200 that the client gets (rate limits), by Anthropic's names in lower case."""
        ...

    def answer_behind(self, status: int, body: bytes) -> bytes:
        """The answer that an upstream's error stands for, in the upstream's own form; empty for any other error."""
        ...

    def heal(self, error: ApiError, body: bytes) -> bool:
        """Learns from an upstream's 400 or 422 what to leave out; True if one retry makes sense."""
        ...


class TranslatorFactory(Protocol):
    """`now` gives Unix time: some answers tell until when something lasts."""

    def __call__(
        self, request: ClientRequest, target: Target, learned: Learned, now: Callable[[], float] = ...
    ) -> Translator: ...
