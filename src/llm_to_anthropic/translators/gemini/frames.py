"""Text events of a Gemini stream, read without decoding them: their frames differ by the counts that each brings."""

from __future__ import annotations

import json

import msgspec

from llm_to_anthropic.translators.text_frames import TextFrames
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.gemini import Answer, AnswerContent, Candidate, Part, UsageMetadata

_ANSWER = msgspec.json.Decoder(Answer)
_USAGE = msgspec.json.Decoder(UsageMetadata)
_COUNTS = b'"usageMetadata"'


class GeminiFrames(TextFrames):
    """The frame of one stream's text events, with the counts in it renewed as they come."""

    __slots__ = ("_after", "_middle", "usage")

    def __init__(self) -> None:
        super().__init__(_text_of)
        self.usage: UsageMetadata | None = None
        """The counts in the event whose text was found last."""
        self._middle = b""
        """What stands between the text and the counts; empty: there are none."""
        self._after = b""

    def text(self, event: bytes) -> bytes | None:
        """The text as the JSON string that came; None: decode the event."""
        if self._middle and not event.endswith(self._suffix) and event.startswith(self._prefix):
            self._renew(event)
        return super().text(event)

    def _renew(self, event: bytes) -> None:
        """Takes the frame of an event that differs by its counts."""
        at, middle, after = event.rfind(self._middle), self._middle, self._after
        if at < len(self._prefix) or not event.endswith(after):
            return
        try:
            self.usage = _USAGE.decode(event[at + len(middle) : len(event) - len(after)])
        except UNREADABLE:
            return
        self._suffix = event[at:]

    def _learn(self, event: bytes) -> bool:
        if not super()._learn(event):
            return False
        suffix = self._suffix
        # Wherever they stand: an event with the same ones may follow another with others.
        self._middle, self.usage = b"", _ANSWER.decode(event).usage_metadata
        before, found, counts = suffix.partition(_COUNTS)
        if counts.startswith((b":{", b": {")):
            begins = len(before) + len(found) + counts.index(b"{")
            # Read as Latin-1, every byte is a character.
            _, ends = json.JSONDecoder().raw_decode(suffix.decode("latin-1"), begins)
            self._middle, self._after = suffix[:begins], suffix[ends:]
        return True


def _text_of(event: bytes) -> str | None:
    """The text of a chunk that is nothing but text and counts."""
    try:
        chunk = _ANSWER.decode(event)
    except UNREADABLE:
        return None
    candidate = chunk.candidates[0] if chunk.candidates else None
    content = candidate.content if candidate else None
    if candidate is None or candidate.index or content is None or not content.parts:
        return None
    text = content.parts[0].text
    said = AnswerContent(parts=[Part(text=text)], role=content.role)
    plain = Answer(
        candidates=[Candidate(index=candidate.index, content=said)],
        usage_metadata=chunk.usage_metadata,
        model_version=chunk.model_version,
        response_id=chunk.response_id,
    )
    return text if chunk == plain else None
