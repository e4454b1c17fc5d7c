"""OpenAI Responses, both ways, for one request: the Translator that the gateway drives.

Holds the parts together: the encoded request, the framing of what comes back, the answer's state and the writer.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.errors import ApiError, UpstreamError, UpstreamProtocolError
from llm_to_anthropic.translators.answering import AnsweringTranslator
from llm_to_anthropic.translators.carrier import Carrier
from llm_to_anthropic.translators.memory.known_messages import read_fields
from llm_to_anthropic.translators.openai.errors import http_error
from llm_to_anthropic.translators.openai_responses.answer import ResponsesAnswer
from llm_to_anthropic.translators.openai_responses.carrier import empty_carrier
from llm_to_anthropic.translators.openai_responses.encoding import ResponsesEncoding
from llm_to_anthropic.translators.openai_responses.frames import TEXT_DELTA, DeltaFlow, DeltaFrames
from llm_to_anthropic.translators.openai_responses.healing import is_about_reasoning, lesson
from llm_to_anthropic.translators.openai_responses.held import HeldEvents
from llm_to_anthropic.translators.openai_responses.loose import decode_loosely, delta_loosely
from llm_to_anthropic.translators.openai_responses.output import ResponsesOptions
from llm_to_anthropic.translators.openai_responses.request import encode_count, encode_known, encode_responses
from llm_to_anthropic.translators.openai_responses.whole import text_alone
from llm_to_anthropic.translators.rate_limits import rate_limit_headers
from llm_to_anthropic.translators.request import decode_fields
from llm_to_anthropic.translators.text_frames import PLAIN_BLANK, TextFlow
from llm_to_anthropic.translators.translator import UpstreamRequest
from llm_to_anthropic.translators.upstream_errors import is_error
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.openai_responses_answer import Delta, InputTokens, Response

PATH = "/responses"
COUNT_PATH = f"{PATH}/input_tokens"

_DELTA = msgspec.json.Decoder(Delta)


class OpenAIResponsesTranslator(AnsweringTranslator):
    """One request to one target, and its answer."""

    __slots__ = ("_frames", "_held", "_holds", "_last_text")
    _QUIRKS = "responses"
    _SHRINKING = frozenset({"efforts", "hosted"})
    _TEACHING = frozenset({400, 403, 404})
    """403 what an account may not use, as summaries; 404 an item of the history that is not kept there."""
    _answer: ResponsesAnswer | None
    """None until it turns out to be needed: most whole answers are one text."""
    _encoding: ResponsesEncoding
    _holds: bool
    """Only the last event of this answer may have to be read."""
    _held: HeldEvents | None
    """Made once the answer turns out to be a stream."""

    def encode(self) -> UpstreamRequest:
        """The upstream request. Idempotent. Raises ClientError for what cannot be sent at all."""
        self._asked = target = self._quirky_target()
        request = self._request
        encoded = None if request.unsigned else encode_known(request, target, self._learned)
        if encoded is None:
            encoded = encode_responses(read_fields(request), request, target)
        body = self._encoded(encoded)
        # A stop sequence ends the answer, and what it costs, as soon as it comes.
        self._holds = not (request.stream or self._encoding.stop_sequences)
        if self._encoding.wants_nothing:
            self._expect()
        return UpstreamRequest(path=PATH, body=body)

    def count_request(self) -> UpstreamRequest | None:
        """The request that has the upstream count the input tokens, where it can."""
        target = self._quirky_target()
        if not target.responses.count_tokens:
            return None
        request = decode_fields(self._request.body, counting=True)
        body = encode_count(request, self._request, target)
        return UpstreamRequest(path=COUNT_PATH, body=body)

    def decode_count(self, body: bytes) -> int:
        """The count in the upstream's answer. Raises UpstreamProtocolError."""
        count = decode_loosely(body, InputTokens).input_tokens
        if count is None:
            raise UpstreamProtocolError(f"{self._upstream} counted tokens but did not tell how many")
        return count

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
        """An upstream's HTTP error -> our error. `headers` have lower-case names."""
        return http_error(status, headers, body, self._context(), self._now())

    def answer_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The rate limits of OpenAI and those that spell them alike."""
        return rate_limit_headers(headers, self._now())

    def _blames_history(self, body: bytes) -> bool:
        return self._replayed and is_about_reasoning(body)

    def _lesson(self, body: bytes) -> tuple[str, object] | None:
        return lesson(body, self._asked.responses, self._encoding.reasoning_effort)

    def _expect(self) -> ResponsesAnswer:
        self._make_writer()
        self._answer = answer = ResponsesAnswer(self._writer, self._options())
        return answer

    def _expected(self) -> ResponsesAnswer:
        return self._answer or self._expect()

    def _options(self) -> ResponsesOptions:
        encoding, streams = self._encoding, self._request.stream
        return ResponsesOptions(
            context=self._context(),
            carrier=self._carrier,
            seed=self._request.message_id,
            encoding=encoding,
            input_bytes=self._input_bytes,
            call_ids=self._call_ids,
            live_arguments=streams and self._asked.responses.tool_args == "live",
            now=self._now(),
        )

    def _empty_carrier(self) -> Carrier:
        return empty_carrier(self._target)

    def _begin_stream(self) -> None:
        if self._holds:
            self._sse = self._held = HeldEvents()
        else:
            super()._begin_stream()
            self._held = None
        self._frames = DeltaFrames()
        self._last_text = b""
        """The event before, where it was one of text."""

    def _begin_flow(self) -> DeltaFlow | None:
        head = self._writer.delta_head("text")
        return self._frames.flow(self._last_text, head) if head and self._sse.blank == PLAIN_BLANK else None

    def _end_flow(self, flow: TextFlow) -> None:
        if isinstance(flow, DeltaFlow):
            self._expected().passed_on(flow.texts, flow.size)

    def _event(self, data: bytes) -> None:
        held, answer = self._held, self._answer
        whole = held.last if held is not None else None
        if answer is None:
            if self.ended or (whole is not None and self._tell_text(whole)):
                self.settled = True
                return
            answer = self._expect()
        if answer.ended:
            return
        if whole is not None:
            answer.receive_whole(whole)
            self.settled = answer.finished
            return
        try:
            delta = _DELTA.decode(data)
        except UNREADABLE:
            self._flows, self._last_text = False, b""
            self._odd_event(answer, data)
        else:
            answer.receive(delta, data)
            is_text = delta.type == TEXT_DELTA
            self._flows = is_text and self._last_text != b"" and answer.takes_text(delta)
            self._last_text = data if is_text else b""
        # Once the upstream has told its end, no more than an end mark follows.
        self.settled = answer.finished

    def _tell_text(self, whole: Response) -> bool:
        """Tells the client an answer that is nothing but text, as it came; False where it has to be looked into."""
        encoding, request = self._encoding, self._request
        if request.stream or encoding.filters_text:
            return False
        return self._end_with_text(text_alone(whole))

    def _odd_event(self, answer: ResponsesAnswer, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            return
        try:
            delta = delta_loosely(data)
        except ValueError as error:
            self._events_of_lines(data, error)
        else:
            if delta is not None:
                answer.receive(delta, data)

    def _json_end(self) -> None:
        body = self._kept()
        answer = decode_loosely(body, Response)
        if answer.status is None and answer.output is None and not is_error(answer.error):
            raise self._no_answer(body)
        if self._answer is not None:
            self._answer.receive_whole(answer)
        elif not self._tell_text(answer):
            self._expect().receive_whole(answer)

    def _end_of_stream(self) -> None:
        if not self.ended:
            self._expected().end_of_stream()

    def _no_answer(self, body: bytes) -> UpstreamError:
        told = http_error(502, {}, body, self._context(), self._now())
        return UpstreamProtocolError(f"upstream returned no output: {told.message}")
