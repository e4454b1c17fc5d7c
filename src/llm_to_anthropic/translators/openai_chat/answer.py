"""A Chat Completions answer -> a message: the state between the chunks, from the first to the end.

Takes decoded chunks, or a whole answer as one large chunk, and tells a message writer what comes. Errors inside an
answer are raised, as is an end before the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from llm_to_anthropic.errors import UpstreamError, UpstreamProtocolError
from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.encoding import AnswerOptions
from llm_to_anthropic.translators.estimate import text_bytes
from llm_to_anthropic.translators.openai.errors import embedded_error
from llm_to_anthropic.translators.openai_chat.calls import ToolCalls
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from llm_to_anthropic.translators.openai_chat.reasoning import CallExtras, ReasoningDetails, ReasoningText
from llm_to_anthropic.translators.openai_chat.usage import message_usage, reported_usage, says_anything
from llm_to_anthropic.translators.stop_sequences import told_end
from llm_to_anthropic.translators.tool_ids import ToolIds
from llm_to_anthropic.translators.upstream_errors import is_error
from llm_to_anthropic.translators.visible_text import ThinkTags, VisibleText
from llm_to_anthropic.wire.anthropic import StopDetails
from llm_to_anthropic.wire.openai_chat import Choice, Chosen, Completed, Completion, Delta
from llm_to_anthropic.wire.openai_chat import Usage as ChatUsage
from llm_to_anthropic.writer import MessageWriter

_STOP_REASONS: Mapping[str, str] = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",
    "model_context_window_exceeded": "model_context_window_exceeded",
    "content_filter": "refusal",
    "safety": "refusal",
    "sensitive": "refusal",
    "recitation": "refusal",
    "refusal": "refusal",
    "content_filtered": "refusal",
    "guardrail_intervened": "refusal",
    "prohibited_content": "refusal",
    "blocklist": "refusal",
    "spii": "refusal",
}
"""Our stop reasons by finish reason. Some gateways pass on those of Claude's, Bedrock's and Gemini's own APIs.

All others end the turn, which the writer turns into `tool_use` where there are calls.
"""
_FAILURES: Mapping[str, int] = {
    "error": 502,
    "abort": 502,
    "aborted": 502,
    "network_error": 502,
    "function_call_filter": 502,
    "malformed_function_call": 502,
    "malformed_response": 502,
    "unexpected_tool_call": 502,
    "too_many_tool_calls": 502,
    "missing_thought_signature": 502,
    "malformed_model_output": 502,
    "malformed_tool_use": 502,
    "insufficient_system_resource": 529,
}
"""Our statuses by reasons for which there is no answer; the malformed ones are Gemini's and Bedrock's own."""


_NOT_YET = "null"
"""A finish reason of DashScope's own API, and of iFlytek's agents, in all pieces but the last."""

Words = Literal["text", "thinking"]


class ChatOptions(AnswerOptions[ChatEncoding], frozen=True, kw_only=True):
    """How an answer of Chat Completions is read."""

    live_arguments: bool
    think_tags: bool
    keep_details: bool
    hide_thinking: bool


class ChatAnswer:
    """One answer."""

    def __init__(self, writer: MessageWriter, options: ChatOptions) -> None:
        encoding = options.encoding
        self.ended = False
        self.finished = False
        """The upstream has given a reason for its end."""
        self.usage: Usage | None = None
        self._writer = writer
        self._options = options
        self._calls: ToolCalls | None = None
        """Made, as the next two are, once such a part comes."""
        self._reasoning_text: ReasoningText | None = None
        self._details: ReasoningDetails | None = None
        self._tags = ThinkTags() if options.think_tags else None
        self._visible = VisibleText(encoding) if options.think_tags or encoding.filters_text else None
        """None: text is written as it comes."""
        self._finish: str | None = None
        self._stop_sequence: str | None = None
        self._refusal: list[str] = []
        self._reported: ChatUsage | None = None
        self._reported_in_choice: ChatUsage | None = None
        self._service_tier: str | None = None
        self._output_size = 0
        self._any_choice = False
        self._any_delta = False

    def receive(self, chunk: Completion) -> None:
        """One chunk of a stream. Raises UpstreamError for an error in it."""
        self._take_notes(chunk)
        for choice in chunk.choices or ():
            if choice.index or self.ended:
                continue
            delta = choice.delta
            if delta is not None:
                self._any_delta = True
            elif not self._any_delta:
                # Some servers repeat the whole message beside the deltas, or at their end.
                delta = choice.message
            self._take(choice, delta)

    def receive_words(self, kind: Words, text: bytes, size: int) -> bool:
        """A chunk of nothing but more of the open text or thinking, as a JSON string; False: it has to be decoded.

        `size`: its bytes as UTF-8.
        """
        if self._visible is not None or ((self._calls or self._details) and self._holds_back):
            return False
        if not self._writer.json_delta(kind, text):
            return False
        self._output_size += size
        return True

    @property
    def thinking_in(self) -> str:
        """The field of deltas whose text is the thinking; nothing before any came."""
        return "" if self._reasoning_text is None else self._reasoning_text.field

    def receive_arguments(self, number: int, arguments: str) -> bool:
        """A chunk of nothing but more arguments of a call; False where it has to be decoded."""
        if self._calls is None or self._visible is not None or (self._details is not None and self._details.held):
            return False
        return self._calls.go_on(number, arguments)

    def count_words(self, size: int) -> None:
        """Counts bytes of text or thinking that were passed on without being looked at."""
        self._output_size += size

    def receive_whole(self, answer: Completion) -> None:
        """The whole answer. Raises UpstreamError for an error in it."""
        self._take_notes(answer)
        for choice in _parts_of(answer.choices or []):
            self._take(choice, choice.message or choice.delta)
        self.end()

    def end(self) -> None:
        """The upstream says that the answer is complete. Raises UpstreamProtocolError for one without content."""
        if self.ended:
            return
        if not self._any_choice:
            raise UpstreamProtocolError(f"{self._options.context.upstream} returned no choices")
        self._write_end()

    def end_of_stream(self) -> None:
        """The stream is over. Raises UpstreamProtocolError where it was cut off."""
        if not (self.finished or self.ended):
            raise UpstreamProtocolError(f"{self._options.context.upstream} stream ended before completion")
        self.end()

    def _take_notes(self, completion: Completion) -> None:
        if completion.error and is_error(completion.error):
            raise embedded_error(bytes(completion.error), self._options.context)
        if (completion.message or completion.detail) and not completion.choices:
            raise embedded_error(_bare_error(completion), self._options.context)
        if completion.usage or completion.x_groq:
            self._take_account(completion)
        if completion.service_tier:
            self._service_tier = completion.service_tier

    def _take_account(self, completion: Completion) -> None:
        if completion.x_groq and is_error(completion.x_groq.error):
            raise embedded_error(bytes(completion.x_groq.error), self._options.context)
        if usage := reported_usage(completion):
            self._reported = usage

    def _take(self, choice: Chosen, delta: Delta | None) -> None:
        self._any_choice = True
        if delta is not None:
            self._take_delta(delta)
        if choice.error and is_error(choice.error):
            raise embedded_error(bytes(choice.error), self._options.context)
        if choice.usage is not None and says_anything(choice.usage):
            self._reported_in_choice = choice.usage
        if choice.finish_reason and choice.finish_reason != _NOT_YET and not self.ended:
            self._take_finish(choice.finish_reason, choice.stop_reason or choice.matched_stop)

    def _take_delta(self, delta: Delta) -> None:
        if delta.reasoning_content or delta.reasoning or delta.reasoning_text or delta.reasoning_details:
            self._reasoning(delta)
        if delta.content:
            self._content(delta.content)
        if delta.refusal:
            self._content_refused(delta.refusal)
        if delta.tool_calls and not self.ended:
            self._before_calls().receive(delta.tool_calls)
        if delta.function_call is not None and not self.ended:
            self._before_calls().receive_legacy(delta.function_call)

    def _take_finish(self, reason: str, stop_reason: str | int | None) -> None:
        if status := _FAILURES.get(_kind_of(reason)):
            raise UpstreamError(
                status, f"{self._options.context.upstream} ended the answer with finish_reason '{reason}'"
            )
        self._finish = reason
        self.finished = True
        if reason == "stop" and isinstance(stop_reason, str) and stop_reason in self._options.encoding.stop_sequences:
            self._stop_sequence = stop_reason

    def _reasoning(self, delta: Delta) -> None:
        if self._reasoning_text is None:
            self._reasoning_text = ReasoningText()
        text = self._reasoning_text.read(delta)
        if text:
            self._flush_text()
            if not self.ended:
                self._think(text)
        if self._options.keep_details and delta.reasoning_details and not self.ended:
            if self._details is None:
                self._details = ReasoningDetails(self._options.carrier)
            self._details.add(delta.reasoning_details)

    def _think(self, text: str) -> None:
        self._output_size += text_bytes(text)
        if self._options.hide_thinking:
            return
        self._settle_calls()
        self._writer.thinking(text)

    def _content(self, text: str) -> None:
        self._write_details()
        self._settle_calls()
        if self._visible is not None:
            self._filter(self._visible, text)
            return
        self._output_size += len(text) if text.isascii() else text_bytes(text)
        self._writer.text(text)

    def _filter(self, visible: VisibleText, text: str) -> None:
        if self._tags is not None:
            thinking, text = self._tags.feed(text)
            if thinking:
                self._think(thinking)
        self._write_text(visible.feed(text))
        self._end_early(visible)

    def _end_early(self, visible: VisibleText) -> None:
        """Ends the message where its text does, before the upstream's."""
        if visible.end is None:
            return
        reason, sequence = visible.end
        if reason == "max_tokens":
            self._finish = "length"
        else:
            self._stop_sequence = sequence
        self._write_end()

    def _write_text(self, text: str) -> None:
        self._output_size += len(text) if text.isascii() else text_bytes(text)
        self._writer.text(text)

    def _content_refused(self, text: str) -> None:
        self._refusal.append(text)
        self._flush_text()
        if not self.ended:
            self._write_text(text)

    @property
    def _holds_back(self) -> bool:
        """Whether something waits to be written before text can be."""
        calls, details = self._calls, self._details
        return (calls is not None and calls.open) or (details is not None and bool(details.held))

    def _settle_calls(self) -> None:
        if self._calls is not None and self._calls.open:
            self._calls.settle()

    def _write_details(self) -> None:
        if self._details is not None and self._details.held:
            self._writer.signature(self._details.take())

    def _before_calls(self) -> ToolCalls:
        """What takes the calls, once all that stands before them is written."""
        self._flush_text()
        if not self.ended:
            self._write_details()
        if self._calls is None:
            options = self._options
            encoding = options.encoding
            extras = CallExtras(self._writer, options.carrier, alone=encoding.thinking_asked)
            ids = ToolIds(options.seed, options.call_ids)
            self._calls = ToolCalls(self._writer, extras, encoding, ids, live=options.live_arguments)
        return self._calls

    def _flush_text(self) -> None:
        """Lets go of the text that was held back: what follows is none."""
        visible = self._visible
        if visible is None or self.ended:
            return
        text = ""
        if self._tags is not None:
            thinking, text = self._tags.flush()
            if thinking:
                self._think(thinking)
        self._write_text(visible.feed(text) + visible.flush())
        self._end_early(visible)

    def _write_end(self) -> None:
        if self._visible is None or self._visible.end is None:
            self._flush_text()
        if self.ended:
            return
        self.ended = True
        stop_reason = self._stop_reason()
        if self._writer.calls or not self._output_size:
            self._write_details()
        calls_size = 0
        if self._calls is not None:
            self._calls.finish(cut=self._broken_off)
            calls_size = self._calls.size
        self.usage = message_usage(
            self._reported or self._reported_in_choice,
            input_size=self._options.input_bytes,
            output_size=self._output_size + calls_size,
            service_tier=self._service_tier,
        )
        stop_reason = told_end(stop_reason, self.usage, self._options.encoding.most_visible)
        self._writer.finish(
            stop_reason,
            self.usage,
            stop_sequence=self._stop_sequence,
            stop_details=StopDetails(explanation="".join(self._refusal) or None) if stop_reason == "refusal" else None,
        )

    @property
    def _broken_off(self) -> bool:
        """The model did not end the answer itself. (One that refuses in words may well have made its calls.)"""
        return self._stop_sequence is not None or _kind_of(self._finish or "") in _STOP_REASONS

    def _stop_reason(self) -> str:
        if self._stop_sequence is not None:
            return "stop_sequence"
        if self._refusal:
            return "refusal"
        return _STOP_REASONS.get(_kind_of(self._finish or ""), "end_turn")


def _parts_of(choices: list[Choice]) -> list[Choice]:
    """The choices that make up the answer: the first, as no more are asked for, unless a server parts it.

    GitHub Copilot has the text and the calls of Claude's answers in choices of their own.
    """
    parts = [choice for choice in choices if not choice.index] or choices[:1]
    calls = [choice for choice in choices if choice.message and choice.message.tool_calls]
    if parts and parts[0].finish_reason == "tool_calls" and not any(choice in calls for choice in parts):
        return [*parts, *calls]
    return parts


def _kind_of(finish_reason: str) -> str:
    """Without the cause, which some servers add (`content_filter: PROHIBITED_CONTENT`), and as OpenAI spells it.

    Vercel's gateway has `content-filter`.
    """
    return finish_reason.lower().partition(":")[0].replace("-", "_")


def _bare_error(completion: Completed) -> bytes:
    members = {name: getattr(completion, name) for name in ("message", "detail", "code", "type")}
    return msgspec.json.encode({name: value for name, value in members.items() if value})
