"""Gemini's generateContent, both ways, for one request: the Translator that the gateway drives.

Holds the parts together: the encoded request, the answer's state over as many requests as it takes, and the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ApiError, UpstreamProtocolError
from llm_to_anthropic.translators.answering import AnsweringTranslator
from llm_to_anthropic.translators.carrier import Carrier
from llm_to_anthropic.translators.gemini.answer import GeminiAnswer, GeminiOptions
from llm_to_anthropic.translators.gemini.encoding import GeminiEncoding
from llm_to_anthropic.translators.gemini.errors import http_error
from llm_to_anthropic.translators.gemini.frames import GeminiFrames
from llm_to_anthropic.translators.gemini.healing import is_about_signatures, lesson
from llm_to_anthropic.translators.gemini.json_objects import JsonObjects
from llm_to_anthropic.translators.gemini.loose import read_loosely
from llm_to_anthropic.translators.gemini.request import bare_model, encode_gemini, encode_gemini_count, encode_known
from llm_to_anthropic.translators.gemini.whole import text_alone
from llm_to_anthropic.translators.memory.known_messages import read_fields
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.request import decode_fields
from llm_to_anthropic.translators.text_frames import TextFlow
from llm_to_anthropic.translators.translator import UpstreamRequest
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.gemini import Answer, CountAnswer
from llm_to_anthropic.writer import DELTA_TAIL

_ANSWER = msgspec.json.Decoder(Answer)


class GeminiTranslator(AnsweringTranslator):
    """One request to one target, and its answer."""

    __slots__ = ("_body", "_frames", "_is_object", "_objects")
    _QUIRKS = "gemini"
    _answer: GeminiAnswer | None
    """Made by `encode()` for streams, else once it turns out to be needed: most whole answers are told without."""
    _encoding: GeminiEncoding
    """Made by `encode()`, as the next is."""
    _body: bytes
    """A long answer comes in rounds, each asked for by a request like the first."""

    def encode(self) -> UpstreamRequest:
        """The upstream request. Idempotent. Raises ClientError for what cannot be sent at all."""
        self._asked = target = self._quirky_target()
        request = self._request
        encoded = None if request.unsigned else encode_known(request, target, self._learned)
        if encoded is None:
            encoded = encode_gemini(read_fields(request), request, target)
        self._body = self._encoded(encoded)
        if self._encoding.wants_nothing or self._answer is not None:
            self._expect()
        return self._generate(self._body)

    def follow_up(self) -> UpstreamRequest | None:
        """The request whose answer goes on with the message. After `receive_eof()`."""
        answer = self._answer
        if self.ended or self.failure is not None or answer is None or answer.next is None:
            return None
        self._await_answer()
        if answer.next == "go on":
            body = _continued(self._body, answer.continuation_token)
            answer.next_round()
            return self._generate(body)
        if answer.next == "unsigned":
            self._request.unsigned = True
        return self.encode()

    def count_request(self) -> UpstreamRequest | None:
        """The request that has Google count the input tokens."""
        request = decode_fields(self._request.body, counting=True)
        body = encode_gemini_count(request, self._request, self._quirky_target())
        return UpstreamRequest(path=self._path("countTokens"), body=body)

    def decode_count(self, body: bytes) -> int:
        """The count in Google's answer. Raises UpstreamProtocolError."""
        try:
            count = msgspec.json.decode(body, type=CountAnswer).total_tokens
        except UNREADABLE:
            count = None
        if count is None:
            raise UpstreamProtocolError(f"{self._upstream} counted tokens but did not tell how many")
        return count

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
        """An upstream's HTTP error -> our error. `headers` have lower-case names."""
        return http_error(status, headers, body, self._context(), self._now())

    def _blames_history(self, body: bytes) -> bool:
        return is_about_signatures(body)

    def _lesson(self, body: bytes) -> tuple[str, object] | None:
        return lesson(body, self._asked.gemini)

    def _expect(self) -> GeminiAnswer:
        before = self._answer
        if before is None:
            self._make_writer()
        options = GeminiOptions(
            context=self._context(),
            carrier=self._carrier,
            seed=self._request.message_id,
            encoding=self._encoding,
            input_bytes=self._input_bytes,
            call_ids=self._call_ids,
            may_ask_again=before is None or before.next is None,
        )
        self._answer = GeminiAnswer(self._writer, options)
        return self._answer

    def _expected(self) -> GeminiAnswer:
        return self._answer or self._expect()

    def _generate(self, body: bytes) -> UpstreamRequest:
        if self._request.stream or self._target.gemini.stream_always or self._encoding.stop_sequences:
            return UpstreamRequest(path=self._path("streamGenerateContent") + "?alt=sse", body=body)
        return UpstreamRequest(path=self._path("generateContent"), body=body)

    def _path(self, method: str) -> str:
        return f"{_model_path(self._target.model)}:{method}"

    def _empty_carrier(self) -> Carrier:
        target = self._target
        return Carrier(vendor="g", provider=target.provider.name, model=target.model, route=target.gemini.backend)

    def _await_answer(self) -> None:
        super()._await_answer()
        self.settled = False
        self._objects = JsonObjects()
        self._frames: GeminiFrames | None = None
        """Of the text events of a stream."""
        self._is_object: bool | None = None
        """The answer is one JSON object, and no array; None: it has not begun."""

    def _begin_stream(self) -> None:
        super()._begin_stream()
        self._frames = GeminiFrames()

    def _begin_flow(self) -> TextFlow | None:
        head, frames = self._writer.delta_head("text"), self._frames
        return frames.flow(head, DELTA_TAIL, self._sse.blank) if head and frames is not None else None

    def _end_flow(self, flow: TextFlow) -> None:
        self._expected().count_text(flow.size)

    def _event(self, data: bytes) -> None:
        answer, frames = self._answer or self._expect(), self._frames
        if answer.ended:
            return
        if frames is not None:
            if answer.in_text and (text := frames.text(data)) and answer.receive_text(text, frames.size, frames.usage):
                self._flows = True
                return
            self._flows = False
        try:
            chunk = _ANSWER.decode(data)
        except UNREADABLE:
            if data.strip() == b"[DONE]":
                return
            chunk = self._odd_chunk(data)
        answer.receive(chunk)
        self.settled = answer.finished
        if frames is not None and answer.in_text:
            frames.learn(data)

    def _odd_chunk(self, data: bytes) -> Answer:
        try:
            return read_loosely(data)
        except ValueError as error:
            raise UpstreamProtocolError(
                f"{self._upstream} sent a part of its answer that is not JSON of the Gemini API"
            ) from error

    def _json(self, data: bytes) -> None:
        """An array of chunks, as without `alt=sse`, or the whole answer as one object."""
        if self._is_object is None:
            self._is_object = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
        if self._is_object:
            super()._json(data)
            return
        for chunk in self._objects.feed(data):
            self._event(chunk)

    def _receive_end(self) -> None:
        if self._form != "json":  # a stream without an event too
            self._expected()
        super()._receive_end()

    def _json_end(self) -> None:
        if not self._is_object:
            self._expected().end_of_stream()
            return
        body = self._kept()
        if self._answer is None and self._tell_text(body):
            return
        answer = self._expected()
        try:
            whole = _ANSWER.decode(body)
        except UNREADABLE:
            self._odd_whole(body, answer)
        else:
            answer.receive(whole)
            answer.end()

    def _tell_text(self, body: bytes) -> bool:
        """Tells the client an answer that is nothing but text, as it came; False where it has to be looked into."""
        encoding, request = self._encoding, self._request
        if request.stream or encoding.filters_text or encoding.web_search or encoding.web_fetch:
            return False
        # Where thinking was asked for, a signature gets a block of its own.
        return self._end_with_text(text_alone(body, signed=not encoding.thinking_asked))

    def _odd_whole(self, body: bytes, answer: GeminiAnswer) -> None:
        """What is no sound JSON in one piece may be several objects, or cut off."""
        for chunk in self._objects.feed(body):
            self._event(chunk)
        if self._objects.open:
            answer.end_of_stream()
        else:
            answer.end()


@lru_cache(maxsize=256)
def _model_path(model: str) -> str:
    return f"/models/{quote(bare_model(model), safe='')}"


def _continued(body: bytes, token: str) -> bytes:
    """The same request, for the rest of its answer."""
    request = msgspec.json.decode(body, type=dict[str, Raw])
    config = request.get("generationConfig")
    options = msgspec.json.decode(config, type=dict[str, Raw]) if config else {}
    options["continuationToken"] = raw_json(token)
    request["generationConfig"] = raw_json(options)
    return msgspec.json.encode(request)
