"""A Gemini answer -> a message: the state between the chunks, from the first to the end.

Takes decoded chunks and tells a message writer what comes. A message may need more than one request: Google hands out
long answers in rounds, and now and then answers with nothing; `next` then says what to ask for. Errors inside an
answer are raised, as is an end before the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from llm_to_anthropic.errors import NOT_RETRIED, UpstreamError, UpstreamProtocolError
from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.carrier import encode_carrier
from llm_to_anthropic.translators.encoding import AnswerOptions
from llm_to_anthropic.translators.estimate import text_bytes
from llm_to_anthropic.translators.gemini.calls import FunctionCalls
from llm_to_anthropic.translators.gemini.encoding import GeminiEncoding
from llm_to_anthropic.translators.gemini.errors import embedded_error
from llm_to_anthropic.translators.gemini.grounding import Grounding
from llm_to_anthropic.translators.gemini.server_tools import ServerTools
from llm_to_anthropic.translators.gemini.signatures import Signatures
from llm_to_anthropic.translators.gemini.usage import TokenCounts
from llm_to_anthropic.translators.stop_sequences import told_end
from llm_to_anthropic.translators.tool_ids import ToolIds
from llm_to_anthropic.translators.upstream_errors import is_error
from llm_to_anthropic.translators.visible_text import VisibleText
from llm_to_anthropic.wire.anthropic import OutText, StopDetails, WholeBlock
from llm_to_anthropic.wire.gemini import Answer, Candidate, Part, PromptFeedback, UrlContextMetadata, UsageMetadata
from llm_to_anthropic.writer import MessageWriter, sound

MAX_ROUNDS = 20

Next = Literal["go on", "again", "unsigned"]
"""The same message goes on; the same request once more; once more without the history's signatures."""
_Last = Literal["", "text", "thinking", "other"]

_STOP_REASONS: Mapping[str, str] = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens"}
_REFUSALS = frozenset(
    {
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "MODEL_ARMOR",
        "RECITATION",
        "ESCALATION",
        "PUP_LIMITED_DISABLED",
    }
)
_SLIPS: Mapping[str, Next] = {
    "MALFORMED_FUNCTION_CALL": "again",
    "UNEXPECTED_TOOL_CALL": "again",
    "MALFORMED_RESPONSE": "again",
    "TOO_MANY_TOOL_CALLS": "again",
    "MISSING_THOUGHT_SIGNATURE": "unsigned",
}
"""Finish reasons of answers that the model got wrong: asking once more usually helps."""


class GeminiOptions(AnswerOptions[GeminiEncoding], frozen=True, kw_only=True):
    """How an answer of Gemini's is read."""

    may_ask_again: bool = True


class GeminiAnswer:
    """One answer, of all its rounds."""

    def __init__(self, writer: MessageWriter, options: GeminiOptions) -> None:
        encoding = options.encoding
        self.ended = False
        self.usage: Usage | None = None
        self.next: Next | None = None
        """What has to be asked for before the message can end. After `end_of_stream()`."""
        self.continuation_token = ""
        self._writer = writer
        self._options = options
        self._shown = not encoding.reasoning_off
        self._ids = ToolIds(options.seed, options.call_ids)
        self._signatures = Signatures(options.carrier, kept=self._shown, alone=encoding.thinking_asked)
        self._calls = FunctionCalls(writer, self._signatures, self._ids, encoding)
        self._grounding = _grounding(options)
        self._server = ServerTools(self._ids, self._grounding)
        self._server_parts: list[Part] = []
        self._held: list[Part] = []
        """Where the web is searched: all from the first text on, until it is known what the text rests on."""
        self._holds = encoding.web_search
        self._visible = VisibleText(encoding) if encoding.filters_text else None
        self._passes = self._visible is None and not self._holds
        """Text is written as it comes."""
        self._counts = TokenCounts()
        self._last: _Last = ""
        self._texts = 0
        self._thought_signature = ""
        """Came with a thought, which does not go back: it may serve a call that has none."""
        self._rounds = 1
        self._any_candidate = False
        self._any_content = False
        self._finish = ""
        self._finish_message = ""
        self._resumed = False
        """Content came after a finish reason: this server gives them too early."""
        self._blocked: PromptFeedback | None = None
        self._output_size = 0

    def receive(self, chunk: Answer) -> None:
        """One chunk of a stream, or the whole answer. Raises UpstreamError for an error in it."""
        if chunk.error and is_error(chunk.error):
            raise embedded_error(bytes(chunk.error), self._options.context)
        if chunk.usage_metadata is not None:
            self._counts.see(chunk.usage_metadata)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._blocked = chunk.prompt_feedback
        for candidate in chunk.candidates or ():
            if not candidate.index and not self.ended:
                self._take(candidate)

    @property
    def finished(self) -> bool:
        """The model has said that it is done: nothing of the answer is missing, whatever becomes of its end."""
        return bool(self._finish) and self._finish != "CONTINUATION" and not self._resumed

    @property
    def in_text(self) -> bool:
        """What was written last is text."""
        return self._last == "text"

    def receive_text(self, text: bytes, size: int, usage: UsageMetadata | None) -> bool:
        """A chunk that is more of the open text, as a JSON string; False where there is more to it."""
        if self._last != "text" or not self._passes or self._finish or self._calls.waiting or self._server_parts:
            return False
        if not self._writer.json_delta("text", text):
            return False
        self._output_size += size
        if usage is not None:
            self._counts.see(usage)
        return True

    def count_text(self, size: int) -> None:
        """Counts bytes of text that were passed on without being looked at."""
        self._output_size += size

    def end(self) -> None:
        """The whole answer is here, whether it says so or not."""
        if self._any_candidate and not self._blocked:
            self._finish = self._finish or "STOP"
        self.end_of_stream()

    def end_of_stream(self) -> None:
        """The stream is over. Raises UpstreamError where it was cut off or the model failed."""
        if self.ended or self.next is not None:
            return
        if not self._finish:
            self._end_without_reason()
        elif slip := _SLIPS.get(self._finish):
            self._ask_again(slip)
        elif self._finish == "CONTINUATION":
            self._go_on()
        else:
            self._end_with(self._finish)

    def next_round(self) -> None:
        """The answer to the continuation follows."""
        self.next = None
        self.continuation_token = ""
        self._finish = ""
        self._resumed = False
        self._counts.next_round()
        self._rounds += 1

    def _take(self, candidate: Candidate) -> None:
        self._any_candidate = True
        if candidate.grounding_metadata is not None and self._options.encoding.web_search:
            self._grounding.add(candidate.grounding_metadata)
        if candidate.url_context_metadata is not None and self._options.encoding.web_fetch:
            self._fetched(candidate.url_context_metadata)
        if candidate.content is not None:
            parts = candidate.content.parts or []
            self._resumed = self._resumed or bool(parts and self._finish)
            for part in parts if len(parts) == 1 else _signed_at_beginnings(parts):
                if self._holds and (self._held or not part.thought):
                    self._calls.hold(len(msgspec.json.encode(part)))
                    self._held.append(part)
                    self._any_content = self._any_content or not _is_text(part) or bool(part.text)
                else:
                    self._part(part)
        if candidate.finish_reason and candidate.finish_reason != "FINISH_REASON_UNSPECIFIED":
            self._finish = candidate.finish_reason
            self._finish_message = candidate.finish_message or ""
        if candidate.continuation_token:
            self.continuation_token = candidate.continuation_token

    def _part(self, part: Part) -> None:
        if self.ended:
            return
        signature = part.thought_signature or ""
        if part.function_call is not None:
            if part.text:
                self._part(Part(text=part.text, thought=part.thought))
            self._call(part, signature)
        elif part.text is not None:
            if part.thought:
                self._thought(part.text, signature)
            elif part.text or signature:
                self._text(part.text, signature)
        elif part.executable_code or part.code_execution_result or part.tool_call or part.tool_response:
            self._server_part(part)
        elif blob := part.inline_data or part.file_data:
            self._text(f"[{blob.mime_type or 'file'} output omitted]", signature)
        elif signature:
            self._text("", signature)

    def _text(self, text: str, signature: str) -> None:
        if self._calls.waiting or self._server_parts:
            self._settle()
        if signature:
            self._sign_text(text, signature)
        if not text:
            return
        self._any_content = True
        if self._visible is not None:
            self._write_text(self._visible.feed(text))
            self._end_early(self._visible)
        else:
            self._write_text(text)

    def _sign_text(self, text: str, signature: str) -> None:
        begins = self._last != "text" and bool(text)
        self._signatures.text(self._texts if begins or not self._texts else self._texts - 1, signature)
        if begins:
            self._write_signature()

    def _thought(self, text: str, signature: str) -> None:
        self._before_other()
        self._thought_signature = signature or self._thought_signature
        if not text or self.ended:
            return
        self._output_size += text_bytes(text)
        if self._shown:
            self._any_content = True
            self._writer.thinking(text)
            self._last = "thinking"

    def _call(self, part: Part, signature: str) -> None:
        if self._visible is not None:
            self._flush_text()
        if part.function_call is not None and not self.ended:
            self._any_content = True
            self._calls.receive(part.function_call, signature)

    def _server_part(self, part: Part) -> None:
        if self._calls.waiting:
            self._settle()
        self._flush_text()
        if not self.ended:
            self._any_content = True
            self._calls.hold(len(msgspec.json.encode(part)))
            self._server_parts.append(part)

    def _fetched(self, metadata: UrlContextMetadata) -> None:
        if self._server.fetched(metadata):
            self._before_other()
            self._write_blocks(self._server.pages())

    def _before_other(self) -> None:
        """Something else than what was open follows."""
        self._flush_text()
        self._settle()

    def _settle(self) -> None:
        """Writes what was gathered: parts of server tools, and calls behind them. One carrier before them signs all."""
        parts, calls = self._server_parts, self._calls
        if self.ended or not (parts or calls.waiting):
            return
        self._server_parts = []
        if parts:
            self._signatures.raw(parts)
        if calls.waiting:
            calls.sign(calls.waiting, self._thought_signature)
            self._thought_signature = ""
        self._write_signature()
        for part in parts:
            self._write_blocks(self._server.blocks(part))
        if calls.waiting:
            self._write_blocks(self._server.pages())  # no call stands before what the model had read for it
            calls.write()
        self._last = "other"

    def _write_blocks(self, blocks: list[WholeBlock]) -> None:
        for block in blocks:
            self._writer.whole_block(block)
            self._last = "other"

    def _write_signature(self) -> None:
        """Writes the signatures into the open block of thoughts, or into a block of their own."""
        fits = self._last == "thinking" or self._signatures.due(begun=self._writer.begun)
        if fits and (carrier := self._signatures.take()):
            self._writer.signature(carrier)
            self._last = "other"

    def _end_early(self, visible: VisibleText) -> None:
        """Ends the message where its text does, before the upstream's."""
        if visible.end is not None:
            self._close(*visible.end)

    def _write_text(self, text: str) -> None:
        if not text:
            return
        if self._last != "text" and not text.isspace():  # else it waits in the writer
            self._last = "text"
            self._texts += 1
        self._output_size += len(text) if text.isascii() else text_bytes(text)
        self._writer.text(text)

    def _flush_text(self) -> None:
        """Lets go of the text that was held back: what follows is none."""
        visible = self._visible
        if visible is None or self.ended:
            return
        self._write_text(visible.flush())
        self._end_early(visible)

    def _end_without_reason(self) -> None:
        upstream = self._options.context.upstream
        if self._blocked is not None:
            self._end_with("PROMPT_BLOCKED")
        elif not self._any_candidate:
            self._ask_again("again", UpstreamProtocolError(f"{upstream} returned no candidates"))
        else:
            raise UpstreamProtocolError(f"{upstream} stream ended before completion")

    def _ask_again(self, how: Next, otherwise: UpstreamError | None = None) -> None:
        """Once, and only while nothing has been written: what a client has cannot be taken back."""
        if self._options.may_ask_again and not self._writer.begun:
            self.next = how
            return
        error = otherwise or self._stopped()
        if not self._options.may_ask_again:
            error.headers |= NOT_RETRIED
        raise error

    def _go_on(self) -> None:
        limit = self._options.encoding.max_tokens
        room = limit is None or self._counts.output < limit
        if self.continuation_token and self._rounds < MAX_ROUNDS and room:
            self.next = "go on"
        else:
            self._end_with("MAX_TOKENS")

    def _end_with(self, reason: str) -> None:
        if reason == "STOP" and not self._any_content and self._options.may_ask_again and not self._writer.begun:
            self.next = "again"
            return
        if (stop_reason := _STOP_REASONS.get(reason)) is None:
            refused = reason in _REFUSALS or reason == "PROMPT_BLOCKED" or reason.startswith("IMAGE_")
            if not refused and not self._any_content:
                raise self._stopped()
            stop_reason = "refusal" if refused else "end_turn"
        self._release()
        self._before_other()
        if not self.ended:
            self._close(stop_reason)

    def _stopped(self) -> UpstreamError:
        told = f": {sound(self._finish_message)}" if self._finish_message else ""
        return UpstreamError(502, f"{self._options.context.upstream} stopped: {self._finish}{told}")

    def _release(self) -> None:
        """Writes what was held for the sake of the searches behind it, with them before it."""
        self._before_other()
        self._holds = False
        parts, self._held = self._held, []
        for part in parts:
            if part.tool_call or part.tool_response:
                # Only they tell of searches that no metadata repeats.
                self._server_part(part)
        if self._server_parts:
            # No later carrier reaches a client that did not ask for thinking.
            signed = [(call, part.thought_signature or "") for part in parts if (call := part.function_call)]
            self._calls.sign(signed, self._thought_signature)
        self._settle()
        self._write_blocks(self._grounding.blocks(self._ids) + self._server.pages())
        text = "".join(part.text or "" for part in parts if not part.thought)
        place = 0
        for run in _runs(parts) if not self.ended else ():
            length = sum(len(part.text or "") for part in run if not part.thought)
            if _is_text(run[0]):
                self._cited(text, place, place + length, run)
            else:
                for part in run:
                    self._part(part)
            place += length

    def _cited(self, text: str, start: int, end: int, run: list[Part]) -> None:
        """A run of text parts, from `start` to `end` of the whole text."""
        self._settle()
        if self.ended:
            return
        signature = next((part.thought_signature for part in reversed(run) if part.thought_signature), "")
        if signature:
            self._sign_text(text[start:end], signature)
        visible = self._visible
        unseen, shown = visible.whole(text[start:end]) if visible is not None else (0, text[start:end])
        first = start + unseen
        for piece, citations in self._grounding.pieces(text, first, first + len(shown)):
            if not citations:
                self._write_text(piece)
                continue
            self._output_size += text_bytes(piece)
            self._writer.whole_block(OutText(piece, citations))
            self._texts += 1
            self._last = "other"
        if visible is not None:
            self._end_early(visible)

    def _close(self, stop_reason: str, stop_sequence: str | None = None) -> None:
        self.ended = True
        # A signature that came after its text is let go: no model insists on it, and clients take a message's last
        # block for its answer.
        self.usage = self._counts.message_usage(
            input_size=self._options.input_bytes,
            output_size=self._output_size + self._calls.size,
            searches=self._grounding.searches,
            fetches=self._server.fetches,
        )
        stop_reason = told_end(stop_reason, self.usage, self._options.encoding.most_visible)
        self._writer.finish(
            stop_reason,
            self.usage,
            stop_sequence=stop_sequence,
            stop_details=StopDetails(explanation=self._explanation()) if stop_reason == "refusal" else None,
        )

    def _explanation(self) -> str | None:
        if self._blocked is not None and not self._finish:
            told = self._blocked.block_reason_message or self._blocked.block_reason
        else:
            told = self._finish_message or self._finish
        return told or None


def _grounding(options: GeminiOptions) -> Grounding:
    encoding = options.encoding
    return Grounding(
        seal=encode_carrier(options.carrier),
        allowed=encoding.allowed_domains,
        blocked=encoding.blocked_domains,
        cites=encoding.cites,
    )


def _is_text(part: Part) -> bool:
    return part.text is not None and not part.thought and part.function_call is None


def _signed_at_beginnings(parts: list[Part]) -> list[Part]:
    """The parts, the signature of a text that is in several on the first: it has to be written before the text."""
    first: Part | None = None
    for part in parts:
        if not _is_text(part):
            first = None
        elif first is None:
            first = part if part.text else None
        elif part.thought_signature:
            first.thought_signature, part.thought_signature = part.thought_signature, None
    return parts


def _runs(parts: list[Part]) -> list[list[Part]]:
    """Neighbouring text parts together, all others alone; those of searches are written already."""
    runs: list[list[Part]] = []
    for part in parts:
        if part.tool_call or part.tool_response:
            continue
        if runs and _is_text(part) and _is_text(runs[-1][-1]):
            runs[-1].append(part)
        else:
            runs.append([part])
    return runs
