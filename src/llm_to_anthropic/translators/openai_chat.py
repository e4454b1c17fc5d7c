"""OpenAI Chat Completions, both ways, for one request: the Translator that the gateway drives.

Holds the parts together: the encoded request, the framing of what comes back, the answer's state and the writer.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.errors import ApiError, UpstreamError, UpstreamProtocolError
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.answering import AnsweringTranslator
from llm_to_anthropic.translators.carrier import Carrier
from llm_to_anthropic.translators.estimate import estimate_tokens
from llm_to_anthropic.translators.openai_chat_answer import AnswerOptions, ChatAnswer
from llm_to_anthropic.translators.openai_chat_healing import lesson
from llm_to_anthropic.translators.openai_chat_loose import read_loosely
from llm_to_anthropic.translators.openai_chat_request import ChatEncoding, encode_chat, encode_known
from llm_to_anthropic.translators.openai_errors import http_error
from llm_to_anthropic.translators.rate_limits import rate_limit_headers
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.text_frames import TextFlow, TextFrames
from llm_to_anthropic.translators.translator import UpstreamRequest
from llm_to_anthropic.translators.upstream_errors import ErrorContext
from llm_to_anthropic.wire.openai_chat import Choice, Completion, Delta
from llm_to_anthropic.writer import TEXT_TAIL

PATH = "/chat/completions"

_HEADERS = ((b"content-type", b"application/json"), (b"accept", b"text/event-stream, application/json"))

_COMPLETION = msgspec.json.Decoder(Completion)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class OpenAIChatTranslator(AnsweringTranslator):
    """One request to one target, and its answer."""

    _answer: ChatAnswer
    _context: ErrorContext
    """Made by `encode()`, as the answer is."""
    _sent_effort: str | None = None

    def encode(self) -> UpstreamRequest:
        """The upstream request. Idempotent. Raises ClientError for what cannot be sent at all."""
        target = self._target
        if self._learned.quirks:
            target = msgspec.structs.replace(target, quirks=self._quirks())
        encoding = encode_known(self._request, target, self._learned)
        if encoding is None:
            encoding = encode_chat(decode_request(self._request.body), self._request, target)
        self.losses = list(encoding.losses)
        self._wants_nothing = encoding.wants_nothing
        self._sent_effort = encoding.reasoning_effort
        self._context = ErrorContext(
            target=target, client_model=self._request.model, prompt_tokens=estimate_tokens(encoding.input_bytes)
        )
        self._answer = ChatAnswer(self._writer, self._options(encoding, target.quirks))
        return UpstreamRequest(path=PATH, headers=_HEADERS, body=encoding.body)

    def follow_up(self) -> UpstreamRequest | None:
        """Chat Completions answers in one go."""
        return None

    def count_request(self) -> UpstreamRequest | None:
        """Chat Completions counts nothing."""
        return None

    def decode_count(self, body: bytes) -> int:
        """Never asked for."""
        raise UpstreamProtocolError(f"upstream ({self._name}) counted tokens unasked: {len(body)} bytes")

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
        """An upstream's HTTP error -> our error. `headers` have lower-case names."""
        return http_error(status, headers, body, self._context, self._now())

    def answer_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The rate limits of OpenAI and those that spell them alike."""
        return rate_limit_headers(headers, self._now())

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

    def _empty_carrier(self) -> Carrier:
        return Carrier(vendor="c", provider=self._target.provider.name, model=self._target.model)

    def _begin_stream(self) -> None:
        super()._begin_stream()
        self._frames = TextFrames(_text_of)

    def _begin_flow(self) -> TextFlow | None:
        head = self._writer.text_head()
        return self._frames.flow(head, TEXT_TAIL) if head else None

    def _end_flow(self, flow: TextFlow) -> None:
        self._answer.count_text(flow.size)

    def _json(self, data: bytes) -> None:
        self._keep(data)

    def _json_end(self) -> None:
        body = self._kept()
        try:
            answer = _COMPLETION.decode(body)
        except _UNREADABLE:
            answer = self._odd_whole(body)
        if answer.choices or answer.error:
            self._answer.receive_whole(answer)
            return
        raise self._without_choices(body)

    def _event(self, data: bytes) -> None:
        answer = self._answer
        if answer.ended:
            return
        frames = self._frames
        if (text := frames.text(data)) and answer.receive_text(text, frames.size):
            self._flows = True
            return
        self._flows = False
        try:
            chunk = _COMPLETION.decode(data)
        except _UNREADABLE:
            self._odd_event(data)
        else:
            answer.receive(chunk)
            if chunk.choices and (delta := chunk.choices[0].delta) is not None and delta.content:
                frames.learn(data)
        # After a finish reason only usage and [DONE] follow.
        self.settled = answer.finished

    def _odd_event(self, event: bytes) -> None:
        if event.strip() == b"[DONE]":
            self._answer.end()
            return
        try:
            chunk = read_loosely(event)
        except ValueError as error:
            self._events_of_lines(event, error)
        else:
            self._answer.receive(chunk)

    def _odd_whole(self, body: bytes) -> Completion:
        try:
            return read_loosely(body)
        except ValueError as error:
            raise UpstreamProtocolError(f"upstream ({self._name}) answered with something that is no JSON") from error

    def _without_choices(self, body: bytes) -> UpstreamError:
        told = http_error(502, {}, body, self._context, self._now())
        return UpstreamProtocolError(f"upstream returned no choices: {told.message}")


def _text_of(event: bytes) -> str | None:
    """The text of a chunk that is nothing but text."""
    try:
        chunk = _COMPLETION.decode(event)
    except _UNREADABLE:
        return None
    choice = chunk.choices[0] if chunk.choices else None
    text = choice.delta.content if choice and choice.delta else None
    plain = Completion(choices=[Choice(index=0, delta=Delta(content=text))], service_tier=chunk.service_tier)
    return text if chunk == plain else None
