"""Text events of an OpenAI Responses stream, read without decoding them.

They are the same to the byte but for their text and the number of the event, which stands before the text or behind it.
"""

from __future__ import annotations

import re

import msgspec

from llm_to_anthropic.translators.text_frames import LINE_BREAK, MAX_VAIN, PLAIN_BLANK, TextFlow
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.openai_responses_answer import Delta
from llm_to_anthropic.writer import DELTA_TAIL, sound

TEXT_DELTA = "response.output_text.delta"

_NUMBER = re.compile(rb'("sequence_number": ?)[0-9]+')
_MOST_DIGITS = 20
_LEADS = (b"data: ", b"event: %b\ndata: " % TEXT_DELTA.encode())
_PROBE = "?"
_DELTA = msgspec.json.Decoder(Delta)
_STRING = msgspec.json.Decoder(str)
_STRINGS = msgspec.json.Decoder(list[str])


class DeltaFrames:
    """The flows of one stream."""

    __slots__ = ("_flow", "_vain")

    def __init__(self) -> None:
        self._flow: DeltaFlow | None = None
        self._vain = 0
        """Attempts in a row of which nothing came."""

    def flow(self, event: bytes, head: bytes) -> DeltaFlow | None:
        """What takes whole reads from here on, of events that are like this one; None where its like is not known.

        `head` stands before the text in an event for the client.
        """
        if self._flow is not None and self._flow.texts:
            self._vain = 0
        if self._vain >= MAX_VAIN:
            return None
        self._vain += 1
        frame = _frame(event)
        self._flow = None if frame is None else DeltaFlow(frame, head)
        return self._flow


class _Frame(msgspec.Struct, frozen=True):
    """What stands around the text and the number, quotation marks included."""

    before: bytes
    between: bytes
    behind: bytes
    number_first: bool


class DeltaFlow(TextFlow):
    """Reads of nothing but text events, made the client's events."""

    __slots__ = ("_between", "_gap", "_number_first", "texts")

    def __init__(self, frame: _Frame, head: bytes) -> None:
        super().__init__(frame.before, frame.behind + PLAIN_BLANK, head, DELTA_TAIL)
        self._between = frame.between
        self._ends = -len(frame.behind)
        self._gap = len(frame.between) - frame.between.rfind(b":")
        """How far the digits of a number that comes last stand behind its colon."""
        self._number_first = frame.number_first
        self.texts: list[str] = []
        """What was passed on."""

    def pass_on(self, data: bytes) -> bytes:
        """As of any flow."""
        if self.rest:
            data = self.rest + data
        if not self.texts and not self._begins_with_lead(data):
            return b""
        number, text = self._parts(data[:-2])
        if LINE_BREAK in text or not number.isdigit() or self._whole(number, text) != data:
            return self._pass_on_many(data)
        try:
            said = _STRING.decode(b'"%b"' % text)
        except UNREADABLE:
            return b""
        if not said:
            return b""
        self.texts.append(said)
        self.size += len(said) if said.isascii() else len(said.encode())
        self.rest = b""
        return b'%b"%b"%b' % (self._head, text, self._tail)

    def _split(self, data: bytes) -> tuple[list[bytes], bytes]:
        if not self.texts and not self._begins_with_lead(data):
            return [], data
        prefix, suffix = self._prefix, self._suffix
        begins, ends = len(prefix), self._ends
        events = data.split(PLAIN_BLANK)
        rest = events.pop()
        insides = [event[begins:ends] for event in events]
        # Cut by their lengths, they are insides only where all that stands around them is as it should be.
        if b"%b%b%b%b" % (prefix, (suffix + prefix).join(insides), suffix, rest) != data:
            del insides[self._framed(events) :]
        texts: list[bytes] = []
        at = 0
        for inside, (number, text) in zip(insides, self._parted(insides), strict=True):
            if not (text and number.isdigit()):
                break
            texts.append(text)
            at += begins + len(inside) + len(suffix)
        return texts, data[at:]

    def _framed(self, events: list[bytes]) -> int:
        """How many of the events, from the first on, have the frame."""
        prefix, suffix = self._prefix, self._suffix.removesuffix(PLAIN_BLANK)
        for count, event in enumerate(events):
            if not (event.startswith(prefix) and event.endswith(suffix)):
                return count
        return len(events)

    def _parted(self, insides: list[bytes]) -> list[tuple[bytes, ...]]:
        """Number and text of each."""
        between = self._between
        if self._number_first:
            return [inside.partition(between)[::2] for inside in insides]
        return [inside.rpartition(between)[::-2] for inside in insides]

    def _told(self, texts: list[bytes]) -> bytes:
        try:
            said = _STRINGS.decode(b'["%b"]' % b'","'.join(texts))
        except UNREADABLE:
            return b""
        if len(said) != len(texts):
            return b""
        self.texts += said
        self.size += len("".join(said).encode())
        return self._events(texts)

    def _begins_with_lead(self, data: bytes) -> bool:
        """Learns what stands before the data of the events; False where they do not begin as any does."""
        for lead in _LEADS:
            whole = lead + self._prefix
            if data.startswith(whole):
                self._prefix, self._begins = whole, len(whole)
                return True
        return data.startswith(self._prefix)  # learned before, though nothing came of it

    def _parts(self, event: bytes) -> tuple[bytes, bytes]:
        """What stands in the places of the number and of the text in an event without its blank line.

        Looked for by one byte, which is many times faster than by more.
        """
        between, begins, ends = self._between, self._begins, len(event) + self._ends
        if self._number_first:
            cut = event.find(between[:1], begins, begins + _MOST_DIGITS)
            return event[begins:cut], event[cut + len(between) : ends]
        cut = event.rfind(b":", begins, ends) + self._gap
        return event[cut:ends], event[begins : cut - len(between)]

    def _whole(self, number: bytes, text: bytes) -> bytes:
        """The event with these."""
        if self._number_first:
            return self._prefix + number + self._between + text + self._suffix
        return self._prefix + text + self._between + number + self._suffix


def _frame(event: bytes) -> _Frame | None:
    try:
        delta = _DELTA.decode(event)
    except UNREADABLE:
        return None
    # Where the upstream escapes in another way, another text will do.
    before, text, behind = event.partition(msgspec.json.encode(sound(delta.delta or "")))
    if not text or not _is_around_text(before, behind, delta):
        return None
    before, behind = before + b'"', b'"' + behind
    for number_first, part in ((True, before), (False, behind)):
        if (found := _NUMBER.search(part)) is not None:
            head, rest = part[: found.end(1)], part[found.end() :]
            return _Frame(head, rest, behind, True) if number_first else _Frame(before, head, rest, False)
    return None


def _is_around_text(before: bytes, behind: bytes, delta: Delta) -> bool:
    """The same text may stand elsewhere too: only where another is read in its place it is the text."""
    if delta.delta == _PROBE:
        return False
    try:
        read = _DELTA.decode(b'%b"%b"%b' % (before, _PROBE.encode(), behind))
    except UNREADABLE:
        return False
    return read == msgspec.structs.replace(delta, delta=_PROBE)
