"""What translators share that write their answers: the writer, the form of the upstream's bytes, failure and end.

Knows no protocol: a subclass encodes the request, reads events or JSON, and tells the writer what comes.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Set
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from llm_to_anthropic.errors import ApiError, UpstreamProtocolError
from llm_to_anthropic.exchange import Loss, Usage
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.sse import SseDecoder
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.encoding import Encoded, Encoding
from llm_to_anthropic.translators.estimate import estimate_tokens
from llm_to_anthropic.translators.text_frames import TextFlow
from llm_to_anthropic.translators.translator import ClientRequest, Learned, UpstreamRequest
from llm_to_anthropic.translators.upstream_errors import ErrorContext, told_upstream
from llm_to_anthropic.writer import StreamWriter, WholeWriter, text_message

MAX_WHOLE_BYTES = 64 * 1024 * 1024

FIRST_BYTES = 2048
"""How much of a large read is decoded before its text may flow on undecoded."""
_BOM = b"\xef\xbb\xbf"
_SSE_FIELDS = (b"data", b"event", b":", b"id", b"retry")
_SSE_BEGINNINGS = frozenset({b"event:", b"data: "})
"""How nearly every stream begins."""

Form = Literal["sse", "json"]
Writer = TypeVar("Writer", StreamWriter, WholeWriter)

TextAlone = tuple[bytes, str, Usage]
"""A text as the JSON string that it came as, the stop reason behind it, and the usage."""


class AnswerState(Protocol):
    """What is read of one answer."""

    ended: bool
    usage: Usage | None

    def end_of_stream(self) -> None:
        """The stream is over. Raises UpstreamError where it may not be."""


class AnsweringTranslator(ABC):
    """One request to one target, and its answer."""

    # Python stores attributes inline only under names that the first few instances had. Slots do not depend on
    # that: whatever was answered first, no open stream has a dictionary of 1.4 KB.
    __slots__ = (
        "_answer",
        "_asked",
        "_beginning",
        "_call_ids",
        "_carrier",
        "_encoding",
        "_flows",
        "_form",
        "_input_bytes",
        "_learned",
        "_message",
        "_now",
        "_replayed",
        "_request",
        "_sse",
        "_target",
        "_whole",
        "_whole_bytes",
        "_writer",
        "ended",
        "failure",
        "flow",
        "keep",
        "losses",
        "settled",
        "stop_reason",
        "usage",
    )
    _QUIRKS: ClassVar[str]
    """The field of a target that holds the quirks of the protocol."""
    _SHRINKING: ClassVar[frozenset[str]] = frozenset()
    """Quirks that are learned more than once: each time fewer values are left."""
    _TEACHING: ClassVar[frozenset[int]] = frozenset({400})
    """Our statuses whose errors may teach something."""
    _form: Form | None
    _beginning: bytes
    """Bytes before the form of the answer is known."""
    _sse: SseDecoder
    """Made once the answer turns out to be a stream."""
    _flows: bool
    """The event that came last was plain text: what follows may be passed on in whole reads."""
    flow: TextFlow | None
    """What takes the reads, as long as there is nothing but text in them."""
    settled: bool
    """The upstream has said that its answer is complete, though more bytes may follow; most say so with the last."""
    ended: bool
    failure: ApiError | None
    stop_reason: str | None
    usage: Usage | None
    keep: Callable[[int], int] | None
    _message: bytes
    """The whole message, where the answer was nothing but text; else empty."""
    _answer: AnswerState | None
    """Made by `expect()`, or once it is needed: how an answer is read depends on what was asked."""
    _asked: Target
    """The target with what was known of it when the request was encoded. Set by `encode()`."""
    _encoding: Encoding
    """Of the request, made by `encode()`."""
    _input_bytes: int
    """Bytes of that request's text."""
    _call_ids: Set[str]
    """Ids of the calls in that request."""
    _replayed: bool
    """It holds what only the upstream that made it can read, and may refuse."""
    _carrier: Carrier
    _writer: StreamWriter | WholeWriter

    def __init__(
        self, request: ClientRequest, target: Target, learned: Learned, now: Callable[[], float] = time.time
    ) -> None:
        """`now` gives Unix time: rate limits are told as instants."""
        self.ended = self.settled = self._flows = False
        self.failure = self.flow = self._answer = self.stop_reason = self.usage = self.keep = None
        self._message = b""
        self._input_bytes = 0
        self.losses: list[Loss] = []
        self._request = request
        self._target = target
        self._learned = learned
        self._now = now
        self._await_answer()

    def local_answer(self) -> bytes | None:
        """The empty message of a request for no tokens: it warms caches, and no other API has it.

        After `encode()`.
        """
        if not self._encoding.wants_nothing or self._request.stream:
            return None
        writer = self._new_writer(WholeWriter)
        self.usage = Usage()
        writer.finish("max_tokens", self.usage)
        self.stop_reason = writer.stop_reason
        self.ended = True
        return writer.message()

    def expect(self) -> None:
        """Makes what reads the answer and what writes it, ahead of time: while the upstream still thinks.

        After `encode()`. A whole answer may need neither.
        """
        if self._answer is None:
            self._expect()

    def begin(self) -> bytes:
        """message_start and ping, for when the client must be answered before anything meaningful came."""
        self.expect()
        self._writer.start()
        return self._take()

    def receive_data(self, data: bytes) -> bytes:
        """Any slice of the upstream's answer -> zero or more bytes of Anthropic SSE."""
        if self.ended or self.failure is not None:
            return b""
        flow = self.flow
        try:
            if flow is not None:
                data = self._lead(flow, data)
            form = self._form
            if form == "sse" and len(data) <= FIRST_BYTES:
                events = self._sse.feed(data)
                if not events and flow is None:
                    return b""
                for event in events:
                    self._event(event)
                if self._flows:
                    self._start_flow()
            elif form == "sse":
                self._read(data)
            elif form is not None or (data.startswith(b"{") and not self._beginning):
                self._form = "json"
                self._json(data)
            else:
                self._receive(data)
        except ApiError as error:
            self.failure = error
        return self._take()

    def receive_eof(self) -> bytes:
        """The upstream's answer is at its end: closes the message, or sets `failure` where it stopped midway."""
        if self.ended or self.failure is not None:
            return b""
        try:
            if self.flow is not None:
                for event in self._sse.feed(self._left_of_flow(self.flow)):  # where line ends are mixed
                    self._event(event)
            self._receive_end()
        except ApiError as error:
            self.failure = error
        return self._take()

    def let_go(self) -> None:
        """The client's answer has begun: forgets what only another request like the first would need."""
        self._request.let_go()

    def follow_up(self) -> UpstreamRequest | None:
        """The request whose answer goes on with the message; most answer in one go."""
        return None

    def answer_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002  most tell nothing
        """The headers of an upstream's 200 that a client may use, in Anthropic's names."""
        return {}

    def answer_behind(self, status: int, body: bytes) -> bytes:  # noqa: ARG002  most errors are what they are called
        """The answer that an upstream's error stands for, in the upstream's own form; empty for any other error."""
        return b""

    def heal(self, error: ApiError, body: bytes) -> bool:
        """Learns from an upstream's refusal what to leave out; True if one retry makes sense."""
        if error.status not in self._TEACHING:
            return False
        if self._blames_history(body):
            # The fault of one history, not of the model: nothing that other requests have to know.
            if self._request.unsigned:
                return False
            self._request.unsigned = True
            return True
        found = self._lesson(body)
        if found is None:
            return False
        field, value = found
        if self._quirk(self._asked, field) != self._quirk(self._quirky_target(), field):
            # Another request has taught something of it since this one was encoded.
            return True
        # What was learned once and did not help is not tried again.
        if field in self._learned.quirks and field not in self._SHRINKING:
            return False
        self._learned.learn({field: value})
        return True

    def message(self) -> bytes:
        """The whole message as JSON, for a client that did not ask for a stream. After `ended`."""
        if self._message:
            return self._message
        if not isinstance(self._writer, WholeWriter):
            raise TypeError("a streamed message is not kept")
        return self._writer.message()

    @abstractmethod
    def _expect(self) -> AnswerState:
        """Makes what reads an answer, and with `_make_writer` for the first of a request what writes it."""

    @abstractmethod
    def _empty_carrier(self) -> Carrier:
        """The carrier without items, bound to the upstream."""

    @abstractmethod
    def _blames_history(self, body: bytes) -> bool:
        """Whether an upstream refused what only it can read of the history that was sent."""

    @abstractmethod
    def _lesson(self, body: bytes) -> tuple[str, object] | None:
        """(quirk field, value) that mends what a refusal complains of, or None."""

    @abstractmethod
    def _event(self, data: bytes) -> None:
        """The data of one server-sent event. Raises ApiError."""

    @abstractmethod
    def _json_end(self) -> None:
        """The end of an answer that is JSON. Raises ApiError."""

    def _quirky_target(self) -> Target:
        """The target with what was learned of it."""
        learned = self._learned
        return learned.fit(self._target, self._QUIRKS) if learned.quirks else self._target

    def _context(self) -> ErrorContext:
        """What errors of the upstream have to be told with."""
        tokens = estimate_tokens(self._input_bytes)
        return ErrorContext(target=self._target, client_model=self._request.model, prompt_tokens=tokens)

    def _quirk(self, target: Target, field: str) -> object:
        found: object = getattr(getattr(target, self._QUIRKS), field)
        return found

    def _encoded(self, request: Encoded[Any]) -> bytes:
        """The body of a request as it goes upstream. Of the rest what the way back needs is kept: answers can last."""
        encoding: Encoding = request.encoding
        self._encoding, self._input_bytes, self._replayed = encoding, request.input_bytes, request.replayed
        self._call_ids = request.call_ids
        self.losses = list(encoding.losses)
        return request.body

    def _await_answer(self) -> None:
        """Forgets what was read: the answer to another request follows."""
        self._form = None
        self._beginning = b""
        self._whole: list[bytes] = []
        self._whole_bytes = 0

    def _make_writer(self) -> None:
        self._carrier = self._empty_carrier()
        streams = self._request.stream
        self._writer = self._new_writer(StreamWriter) if streams else self._new_writer(WholeWriter)

    def _new_writer(self, kind: type[Writer]) -> Writer:
        signature = encode_carrier(self._carrier)
        return kind(message_id=self._request.message_id, model=self._request.model, signature=signature)

    def _take(self) -> bytes:
        answer = self._answer
        if answer is None:  # there is no writer either: nothing has come that could be written
            return b""
        writer = self._writer
        if answer.ended and not self.ended:
            self.ended = True
            self.usage = answer.usage
            self.stop_reason = writer.stop_reason
        # Not isinstance: of an abstract class it costs a call into Python.
        return writer.take() if type(writer) is StreamWriter else b""

    def _receive(self, data: bytes) -> None:
        """Takes a slice of an answer whose form is not known yet."""
        self._beginning += data
        self._form = self._sniff(self._beginning)
        if self._form is None:
            if not self._beginning.strip():
                self._beginning = b""  # blank lines keep a connection alive: they need not be kept
            return
        data, self._beginning = self._beginning, b""
        if self._form == "json":
            self._json(data)
            return
        self._begin_stream()
        self._read(data)

    def _read(self, data: bytes) -> None:
        """A slice of a stream. Of a long one no more is decoded than it takes to find that text flows.

        Twice as much is decoded each time: where other events keep coming between texts, looking ahead does not pay.
        """
        size = FIRST_BYTES
        while data:
            for event in self._sse.feed(data[:size]):
                self._event(event)
            data = data[size:]
            size *= 2
            if self._flows:
                self._start_flow()
                if data and self.flow is not None:
                    data = self._lead(self.flow, data)

    def _lead(self, flow: TextFlow, data: bytes) -> bytes:
        """Passes on the text that stands first. Gives what is to be decoded: then the flow is over."""
        out, left = flow.lead(data)
        if out and type(self._writer) is StreamWriter:  # always: no other writer begins a flow
            self._writer.deltas(out)
        if left:
            self.flow = None
            self._end_flow(flow)
        return left

    def _begin_stream(self) -> None:
        """The answer turns out to be a stream."""
        self._sse = SseDecoder()

    @abstractmethod
    def _begin_flow(self) -> TextFlow | None:
        """What takes reads of text; None where it has to be looked at."""

    @abstractmethod
    def _end_flow(self, flow: TextFlow) -> None:
        """Counts what a flow has passed on."""

    def _start_flow(self) -> None:
        self._flows = False
        flow = self._begin_flow()
        if flow is not None and (rest := self._sse.hand_over()) is not None:
            flow.rest = rest
            self.flow = flow

    def _left_of_flow(self, flow: TextFlow) -> bytes:
        """Ends the flow. Gives what it had kept of an event that is not complete."""
        self.flow = None
        self._end_flow(flow)
        return flow.rest

    def _sniff(self, beginning: bytes) -> Form | None:
        """The form of an answer by its first bytes; None: there are too few. Content types are often wrong."""
        if beginning[:6] in _SSE_BEGINNINGS:
            return "sse"
        text = beginning.removeprefix(_BOM).lstrip()
        if not text or _BOM.startswith(text):
            return None
        if text[:1] in b"{[":
            return "json"
        if text.startswith(_SSE_FIELDS):
            return "sse"
        if any(field.startswith(text) for field in _SSE_FIELDS):
            return None
        what = "a web page" if text[:1] == b"<" else "neither JSON nor an event stream"
        raise UpstreamProtocolError(f"{self._upstream} answered with {what}; is its base URL right?", lasting=True)

    def _end_with_text(self, told: TextAlone | None) -> bool:
        """The answer is this text and nothing else; False: there is more to it."""
        if told is None:
            return False
        request = self._request
        text, self.stop_reason, self.usage = told
        self._message = text_message(request.message_id, request.model, text, self.stop_reason, self.usage)
        self.ended = True
        return True

    def _json(self, data: bytes) -> None:
        """A slice of an answer that is JSON. Raises ApiError."""
        self._whole.append(data)
        self._whole_bytes += len(data)
        if self._whole_bytes > MAX_WHOLE_BYTES:
            raise UpstreamProtocolError(f"{self._upstream} answered with more than {MAX_WHOLE_BYTES >> 20} MiB")
        if self.keep is not None:
            self.keep(self._whole_bytes)

    def _kept(self) -> bytes:
        """The whole answer, without a byte order mark."""
        body = self._whole[0] if len(self._whole) == 1 else b"".join(self._whole)
        return body if body.startswith(b"{") else body.removeprefix(_BOM)

    def _receive_end(self) -> None:
        if self._form == "json":
            self._json_end()
            return
        if self._form is None and self._beginning.strip():
            raise UpstreamProtocolError(f"{self._upstream} answered with neither JSON nor an event stream")
        if self._form == "sse":
            for event in self._sse.close():
                self._last_event(event)
        self._end_of_stream()

    def _events_of_lines(self, data: bytes, error: ValueError) -> None:
        """Reads what is not JSON as a whole: events with one line break between them in place of two, or nothing."""
        lines = data.split(b"\n")
        if len(lines) == 1:
            raise UpstreamProtocolError(f"{self._upstream} sent an event that is no JSON") from error
        for line in lines:
            self._event(line)

    def _last_event(self, event: bytes) -> None:
        """An event whose blank line never came: whole, or cut off with the stream."""
        try:
            self._event(event)
        except UpstreamProtocolError:
            self._end_of_stream()

    def _end_of_stream(self) -> None:
        if self._answer is not None:  # as always after `encode()`
            self._answer.end_of_stream()

    @property
    def _upstream(self) -> str:
        return told_upstream(self._target)
