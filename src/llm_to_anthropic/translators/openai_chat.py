"""OpenAI Chat Completions, both ways, for one request: the Translator that the gateway drives.

Holds the parts together: the encoded request, the framing of what comes back, the answer's state and the writer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from llm_to_anthropic.errors import ApiError, UpstreamError, UpstreamProtocolError
from llm_to_anthropic.exchange import Loss, Usage
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.sse import SseDecoder
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.estimate import estimate_tokens
from llm_to_anthropic.translators.openai_chat_answer import AnswerOptions, ChatAnswer
from llm_to_anthropic.translators.openai_chat_errors import http_error
from llm_to_anthropic.translators.openai_chat_healing import lesson
from llm_to_anthropic.translators.openai_chat_loose import read_loosely
from llm_to_anthropic.translators.openai_chat_request import ChatEncoding, encode_chat
from llm_to_anthropic.translators.request import decode_fields
from llm_to_anthropic.translators.translator import ClientRequest, Learned, UpstreamRequest
from llm_to_anthropic.translators.upstream_errors import ErrorContext
from llm_to_anthropic.wire.openai_chat import Completion
from llm_to_anthropic.writer import StreamWriter, WholeWriter

PATH = "/chat/completions"
MAX_WHOLE_BYTES = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_SSE_FIELDS = (b"data", b"event", b":", b"id", b"retry")
_HEADERS = ((b"content-type", b"application/json"), (b"accept", b"text/event-stream, application/json"))

_COMPLETION = msgspec.json.Decoder(Completion)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Form = Literal["sse", "json"]


class OpenAIChatTranslator:
    """One request to one target, and its answer."""

    def __init__(
        self, request: ClientRequest, target: Target, learned: Learned, now: Callable[[], float] = time.time
    ) -> None:
        """`now` gives Unix time: rate limits are told as instants."""
        self.losses: list[Loss] = []
        self.ended = False
        self.failure: ApiError | None = None
        self.stop_reason: str | None = None
        self.usage: Usage | None = None
        self._request = request
        self._target = target
        self._learned = learned
        self._now = now
        self._carrier = Carrier(vendor="c", provider=target.provider.name, model=target.model)
        self._writer = self._new_writer()
        self._context: ErrorContext
        self._answer: ChatAnswer
        """Both are made by `encode()`: how an answer is read depends on what was asked."""
        self._wants_nothing = False
        self._sent_effort: str | None = None
        self._form: Form | None = None
        self._beginning = b""
        """Bytes before the form of the answer is known."""
        self._sse = SseDecoder()
        self._whole: list[bytes] = []
        self._whole_bytes = 0

    def encode(self) -> UpstreamRequest:
        """The upstream request. Idempotent. Raises ClientError for what cannot be sent at all."""
        target = self._target
        if self._learned.quirks:
            target = msgspec.structs.replace(target, quirks=self._quirks())
        request = decode_fields(self._request.body)
        encoding = encode_chat(request, self._request, target, self._learned)
        self.losses = list(encoding.losses)
        self._wants_nothing = request.max_tokens == 0
        self._sent_effort = encoding.reasoning_effort
        self._context = ErrorContext(
            target=target, client_model=self._request.model, prompt_tokens=estimate_tokens(encoding.input_bytes)
        )
        self._answer = ChatAnswer(self._writer, self._options(encoding, target.quirks))
        return UpstreamRequest(path=PATH, headers=_HEADERS, body=encoding.body)

    def local_answer(self) -> bytes | None:
        """The empty message of a request for no tokens: it warms caches, and no other API has it.

        After `encode()`.
        """
        if not self._wants_nothing or self._request.stream:
            return None
        writer = self._whole_writer()
        self.usage = Usage()
        writer.finish("max_tokens", self.usage)
        self.stop_reason = writer.stop_reason
        self.ended = True
        return writer.message()

    def begin(self) -> bytes:
        """message_start and ping, for when the client must be answered before anything meaningful came."""
        self._writer.start()
        return self._take()

    def receive_data(self, data: bytes) -> bytes:
        """Any slice of the upstream's answer -> zero or more bytes of Anthropic SSE."""
        if self.ended or self.failure is not None:
            return b""
        try:
            self._receive(data)
        except ApiError as error:
            self.failure = error
        return self._take()

    def receive_eof(self) -> bytes:
        """The upstream's answer is at its end: closes the message, or sets `failure` where it stopped midway."""
        if self.ended or self.failure is not None:
            return b""
        try:
            self._receive_end()
        except ApiError as error:
            self.failure = error
        return self._take()

    def follow_up(self) -> UpstreamRequest | None:
        """Chat Completions answers in one go."""
        return None

    def count_request(self) -> UpstreamRequest | None:
        """Chat Completions counts nothing."""
        return None

    def decode_count(self, body: bytes) -> int:
        """Never asked for."""
        raise UpstreamProtocolError(f"upstream ({self._name}) counted tokens unasked: {len(body)} bytes")

    def message(self) -> bytes:
        """The whole message as JSON, for a client that did not ask for a stream. After `ended`."""
        if not isinstance(self._writer, WholeWriter):
            raise TypeError("a streamed message is not kept")
        return self._writer.message()

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
        """An upstream's HTTP error -> our error. `headers` have lower-case names."""
        return http_error(status, headers, body, self._context, self._now())

    def heal(self, error: ApiError, body: bytes) -> bool:
        """Learns from an upstream's 400 or 422 what to leave out; True if one retry makes sense."""
        if error.status != 400:
            return False
        found = lesson(body, self._quirks(), self._sent_effort)
        if found is None:
            return False
        field, value = found
        # What was learned once and did not help is not tried again; levels of effort only ever become fewer.
        if field in self._learned.quirks and field != "efforts":
            return False
        self._learned.quirks[field] = value
        return True

    def _quirks(self) -> ChatQuirks:
        return msgspec.structs.replace(self._target.quirks, **self._learned.quirks)

    def _options(self, encoding: ChatEncoding, quirks: ChatQuirks) -> AnswerOptions:
        hide = encoding.reasoning_off and quirks.reasoning_history == "none"
        return AnswerOptions(
            context=self._context,
            carrier=self._carrier,
            seed=self._request.message_id,
            tool_names=encoding.tool_names,
            strict_schemas=encoding.strict_schemas,
            live_arguments=quirks.tool_args == "live" and self._request.stream,
            single_call=encoding.single_call,
            stop_sequences=encoding.stop_sequences,
            prefill=encoding.prefill,
            think_tags=quirks.think_tags,
            keep_details=quirks.reasoning_details and not hide,
            hide_thinking=hide,
            input_bytes=encoding.input_bytes,
        )

    def _new_writer(self) -> StreamWriter | WholeWriter:
        if not self._request.stream:
            return self._whole_writer()
        return StreamWriter(
            message_id=self._request.message_id, model=self._request.model, signature=encode_carrier(self._carrier)
        )

    def _whole_writer(self) -> WholeWriter:
        return WholeWriter(
            message_id=self._request.message_id, model=self._request.model, signature=encode_carrier(self._carrier)
        )

    def _take(self) -> bytes:
        if self._answer.ended and not self.ended:
            self.ended = True
            self.usage = self._answer.usage
            self.stop_reason = self._writer.stop_reason
        return self._writer.take() if isinstance(self._writer, StreamWriter) else b""

    def _receive(self, data: bytes) -> None:
        if self._form is None:
            self._beginning += data
            self._form = self._sniff(self._beginning)
            if self._form is None:
                return
            data, self._beginning = self._beginning, b""
        if self._form == "json":
            self._keep(data)
            return
        for event in self._sse.feed(data):
            self._chunk(event)

    def _sniff(self, beginning: bytes) -> Form | None:
        """The form of an answer by its first bytes; None: there are too few. Content types are often wrong."""
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
        raise UpstreamProtocolError(f"upstream ({self._name}) answered with {what}; is its base URL right?")

    def _keep(self, data: bytes) -> None:
        self._whole.append(data)
        self._whole_bytes += len(data)
        if self._whole_bytes > MAX_WHOLE_BYTES:
            raise UpstreamProtocolError(f"upstream ({self._name}) answered with more than {MAX_WHOLE_BYTES >> 20} MiB")

    def _chunk(self, event: bytes) -> None:
        if self._answer.ended:
            return
        try:
            chunk = _COMPLETION.decode(event)
        except _UNREADABLE:
            self._odd_chunk(event)
        else:
            self._answer.receive(chunk)

    def _odd_chunk(self, event: bytes) -> None:
        if event.strip() == b"[DONE]":
            self._answer.end()
            return
        try:
            chunk = read_loosely(event)
        except ValueError as error:
            lines = event.split(b"\n")
            if len(lines) == 1:
                raise UpstreamProtocolError(f"upstream ({self._name}) sent a chunk that is no JSON") from error
            # Events with one line break between them where two belong.
            for line in lines:
                self._chunk(line)
        else:
            self._answer.receive(chunk)

    def _receive_end(self) -> None:
        if self._form == "json":
            self._receive_whole(b"".join(self._whole))
            return
        if self._form is None and self._beginning.strip():
            raise UpstreamProtocolError(f"upstream ({self._name}) answered with neither JSON nor an event stream")
        for event in self._sse.close():
            self._last_chunk(event)
        self._answer.end_of_stream()

    def _last_chunk(self, event: bytes) -> None:
        """An event whose blank line never came: whole, or cut off with the stream."""
        try:
            self._chunk(event)
        except UpstreamProtocolError:
            self._answer.end_of_stream()

    def _receive_whole(self, body: bytes) -> None:
        try:
            answer = _COMPLETION.decode(body.removeprefix(_BOM))
        except _UNREADABLE:
            answer = self._odd_whole(body)
        if answer.choices or answer.error:
            self._answer.receive_whole(answer)
            return
        raise self._without_choices(body)

    def _odd_whole(self, body: bytes) -> Completion:
        try:
            return read_loosely(body)
        except ValueError as error:
            raise UpstreamProtocolError(f"upstream ({self._name}) answered with something that is no JSON") from error

    def _without_choices(self, body: bytes) -> UpstreamError:
        told = http_error(502, {}, body, self._context, self._now())
        return UpstreamProtocolError(f"upstream returned no choices: {told.message}")

    @property
    def _name(self) -> str:
        return self._target.provider.name
