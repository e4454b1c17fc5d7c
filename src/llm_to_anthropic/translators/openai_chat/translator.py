"""OpenAI Chat Completions, both ways, for one request: the Translator that the gateway drives.

Holds the parts together: the encoded request, the framing of what comes back, the answer's state and the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from llm_to_anthropic.errors import ApiError, UpstreamError, UpstreamProtocolError
from llm_to_anthropic.translators.answering import AnsweringTranslator
from llm_to_anthropic.translators.call_frames import CallFrames, Piece
from llm_to_anthropic.translators.carrier import Carrier
from llm_to_anthropic.translators.memory.known_messages import read_fields
from llm_to_anthropic.translators.openai.errors import embedded_error, http_error, is_cut_off, tells_error
from llm_to_anthropic.translators.openai_chat.answer import ChatAnswer, ChatOptions
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from llm_to_anthropic.translators.openai_chat.healing import affordable, form_lessons, is_about_reasoning, lesson
from llm_to_anthropic.translators.openai_chat.loose import read_loosely
from llm_to_anthropic.translators.openai_chat.request import encode_chat, encode_known
from llm_to_anthropic.translators.openai_chat.whole import as_completion, text_alone
from llm_to_anthropic.translators.rate_limits import rate_limit_headers
from llm_to_anthropic.translators.request import decode_messages
from llm_to_anthropic.translators.text_frames import TextFlow, TextFrames
from llm_to_anthropic.translators.translator import UpstreamRequest
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.openai_chat import Choice, Completion, Delta, FunctionCall, ToolCall, WholeCompletion
from llm_to_anthropic.writer import DELTA_TAIL

PATH = "/chat/completions"

_RENDERING = frozenset({400, 404, 500, 502})
"""Our statuses of messages that a model cannot take: llama.cpp and Ollama take that for their own fault, OpenRouter
finds nobody who would, and LM Studio says it inside a stream, where there is no status."""

_CUT_OFF = b'{"choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"length"}]}'

_COMPLETION = msgspec.json.Decoder(Completion)
_WHOLE = msgspec.json.Decoder(WholeCompletion)


class OpenAIChatTranslator(AnsweringTranslator):
    """One request to one target, and its answer."""

    __slots__ = ("_call_frames", "_frames", "_thoughts")
    _QUIRKS = "chat"
    _SHRINKING = frozenset({"efforts", "tool_choice"})
    _answer: ChatAnswer
    _encoding: ChatEncoding

    def encode(self) -> UpstreamRequest:
        """The upstream request. Idempotent. Raises ClientError for what cannot be sent at all."""
        self._asked = target = self._quirky_target()
        request = self._request
        if request.affordable:
            fewer = msgspec.structs.replace(target.chat, max_output=request.affordable)
            target = msgspec.structs.replace(target, chat=fewer)
        encoded = None if request.unsigned or request.affordable else encode_known(request, target, self._learned)
        if encoded is None:
            fields = read_fields(request)
            decode_messages(fields)  # what is wrong with them is told before what cannot be sent
            encoded = encode_chat(fields, request, target)
        body = self._encoded(encoded)
        if self._encoding.wants_nothing:
            self._expect()
        return UpstreamRequest(path=PATH, body=body)

    def count_request(self) -> UpstreamRequest | None:
        """Chat Completions counts nothing."""
        return None

    def decode_count(self, body: bytes) -> int:
        """Never asked for."""
        raise UpstreamProtocolError(f"{self._upstream} counted tokens unasked: {len(body)} bytes")

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
        """An upstream's HTTP error -> our error. `headers` have lower-case names."""
        return http_error(status, headers, body, self._context(), self._now())

    def answer_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The rate limits of OpenAI and those that spell them alike."""
        return rate_limit_headers(headers, self._now())

    def answer_behind(self, status: int, body: bytes) -> bytes:
        """An answer that was cut off before its first word: the model has used up its tokens for reasoning."""
        return _CUT_OFF if status == 400 and is_cut_off(body) else b""

    def heal(self, error: ApiError, body: bytes) -> bool:
        """Learns from an upstream's refusal what to leave out or to write otherwise; True if one retry makes sense."""
        if error.status == 402 and not self._request.affordable and (most := affordable(body)):
            # Not for other requests: what is left changes with each, and is more once somebody has paid.
            self._request.affordable = most
            return True
        if error.status in _RENDERING and (forms := form_lessons(body, self._asked.chat)):
            self._learned.learn(forms)
            return True
        return super().heal(error, body)

    def _blames_history(self, body: bytes) -> bool:
        return self._replayed and is_about_reasoning(body, self._asked.chat)

    def _lesson(self, body: bytes) -> tuple[str, object] | None:
        return lesson(body, self._asked.chat, self._encoding.reasoning_effort)

    def _expect(self) -> ChatAnswer:
        self._make_writer()
        self._answer = ChatAnswer(self._writer, self._options())
        return self._answer

    def _options(self) -> ChatOptions:
        encoding, quirks = self._encoding, self._asked.chat
        hide = encoding.reasoning_off and quirks.reasoning_history == "none"
        return ChatOptions(
            context=self._context(),
            carrier=self._carrier,
            seed=self._request.message_id,
            encoding=encoding,
            input_bytes=self._input_bytes,
            call_ids=self._call_ids,
            live_arguments=quirks.tool_args == "live" and self._request.stream,
            think_tags=quirks.think_tags,
            keep_details=quirks.reasoning_details and not hide,
            hide_thinking=hide,
        )

    def _empty_carrier(self) -> Carrier:
        return Carrier(vendor="c", provider=self._target.provider.name, model=self._target.model)

    def _begin_stream(self) -> None:
        super()._begin_stream()
        self._frames = TextFrames(_WORDS["content"])
        self._thoughts: TextFrames | None = None
        """As the next, made once such a part comes."""
        self._call_frames: CallFrames | None = None
        self.expect()

    def _begin_flow(self) -> TextFlow | None:
        if head := self._writer.delta_head("text"):
            return self._frames.flow(head, DELTA_TAIL)
        head, thoughts = self._writer.delta_head("thinking"), self._thoughts
        return thoughts.flow(head, DELTA_TAIL) if head and thoughts is not None else None

    def _end_flow(self, flow: TextFlow) -> None:
        self._answer.count_words(flow.size)

    def _receive_end(self) -> None:
        if self._form is None:
            self.expect()
        super()._receive_end()

    def _json_end(self) -> None:
        body = self._kept()
        try:
            whole = _WHOLE.decode(body)
            if self._tell_text(whole):
                return
            answer = as_completion(whole)
        except UNREADABLE:
            answer = self._odd_whole(body)
        if answer.choices or answer.error:
            self.expect()
            self._answer.receive_whole(answer)
            return
        raise self._without_choices(body)

    def _tell_text(self, answer: WholeCompletion) -> bool:
        """Tells the client an answer that is nothing but text, as it came; False where it has to be looked into."""
        encoding, request = self._encoding, self._request
        if request.stream or encoding.filters_text or self._asked.chat.think_tags:
            return False
        return self._end_with_text(text_alone(answer))

    def _event(self, data: bytes) -> None:
        answer = self._answer
        if answer.ended:
            return
        calls = self._call_frames
        if calls is not None and (piece := calls.piece(data)) is not None and answer.receive_arguments(*piece):
            self._flows = False
            return
        self._flows = self._receive_words(answer, data)
        if self._flows:
            return
        try:
            chunk = _COMPLETION.decode(data)
        except UNREADABLE:
            self._odd_event(data)
        else:
            if not chunk.choices:
                self._look_for_error(data)
            answer.receive(chunk)
            self._learn(chunk, data)
        # After a finish reason only usage and [DONE] follow.
        self.settled = answer.finished

    def _receive_words(self, answer: ChatAnswer, data: bytes) -> bool:
        """Tells the answer an event that is nothing but text or thinking; False where it has to be decoded."""
        frames, thoughts = self._frames, self._thoughts
        if (text := frames.text(data)) and answer.receive_words("text", text, frames.size):
            return True
        if thoughts is None or not (text := thoughts.text(data)):
            return False
        return answer.receive_words("thinking", text, thoughts.size)

    def _learn(self, chunk: Completion, data: bytes) -> None:
        delta = chunk.choices[0].delta if chunk.choices else None
        if delta is None:
            return
        if delta.content:
            self._frames.learn(data)
        elif delta.reasoning_content or delta.reasoning or delta.reasoning_text:
            self._learn_thinking(data)
        elif delta.tool_calls:
            if self._call_frames is None:
                self._call_frames = CallFrames(_arguments_of)
            self._call_frames.learn(data)

    def _learn_thinking(self, data: bytes) -> None:
        field = self._answer.thinking_in
        if self._thoughts is None and field in _WORDS:
            self._thoughts = TextFrames(_WORDS[field])
        if self._thoughts is not None:
            self._thoughts.learn(data)

    def _odd_event(self, event: bytes) -> None:
        if event.strip() == b"[DONE]":
            self._answer.end()
            return
        try:
            chunk = read_loosely(event)
        except ValueError as error:
            self._events_of_lines(event, error)
        else:
            if not chunk.choices:
                self._look_for_error(event)
            self._answer.receive(chunk)

    def _look_for_error(self, event: bytes) -> None:
        """Looks in an event without a choice; what is called an error is found when it is received."""
        if tells_error(event):
            raise embedded_error(event, self._context())

    def _odd_whole(self, body: bytes) -> Completion:
        try:
            return read_loosely(body)
        except ValueError as error:
            raise UpstreamProtocolError(f"{self._upstream} answered with something that is no JSON") from error

    def _without_choices(self, body: bytes) -> UpstreamError:
        told = http_error(502, {}, body, self._context(), self._now())
        if told.status != 502:
            return told  # it says more than that there is no answer
        return UpstreamProtocolError(f"upstream returned no choices: {told.message}")


def _words_of(field: str, event: bytes) -> str | None:
    """The text in this field of a chunk that is nothing but this text."""
    try:
        chunk = _COMPLETION.decode(event)
    except UNREADABLE:
        return None
    choice = chunk.choices[0] if chunk.choices else None
    text = getattr(choice.delta, field, None) if choice else None
    plain = Completion(choices=[Choice(index=0, delta=Delta(**{field: text}))], service_tier=chunk.service_tier)
    return text if chunk == plain else None


_WORDS = {field: partial(_words_of, field) for field in ("content", "reasoning_content", "reasoning", "reasoning_text")}
"""The readers of these fields, made once for all streams."""


def _arguments_of(event: bytes) -> Piece | None:
    """The piece of a call's arguments in a chunk that is nothing but one."""
    try:
        chunk = _COMPLETION.decode(event)
    except UNREADABLE:
        return None
    choice = chunk.choices[0] if chunk.choices else None
    calls = choice.delta.tool_calls if choice and choice.delta else None
    call = calls[0] if calls else None
    if call is None or call.index is None or call.function is None or call.function.arguments is None:
        return None
    number, text = call.index, call.function.arguments
    alone = Delta(tool_calls=[ToolCall(index=number, function=FunctionCall(arguments=text))])
    plain = Completion(choices=[Choice(index=0, delta=alone)], service_tier=chunk.service_tier)
    return (number, text) if chunk == plain else None
