"""Where the visible text ends before the upstream's: at a stop sequence, or where it is longer than the client wants.

Stop sequences are matched here: any number of them, and upstreams do not say which one they met.
"""

from __future__ import annotations

import re

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.estimate import text_bytes

_NOWHERE = re.compile(r"(?!)")
_LONG_TOKEN = 8
"""Bytes that a token of text has at most, on average: nothing is cut off that may be within the limit."""


class StopMatcher:
    """Cuts a text at the first stop sequence in it, however the text comes in pieces.

    The match that begins first wins; of those that begin together, the longest.
    """

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._sequences: tuple[str, ...] = ()
        self._start = _NOWHERE
        self._tail = ""
        self.matched: str | None = None
        self.full = False
        """The text has got as long as it may be."""
        if sequences:
            self._sequences = tuple(sorted(filter(None, sequences), key=len, reverse=True))
            starts = "".join(re.escape(sequence[0]) for sequence in self._sequences)
            self._start = re.compile(f"[{starts}]") if starts else _NOWHERE

    def feed(self, text: str) -> str:
        """The text so far that is no part of a stop sequence and may be shown."""
        if self.matched is not None:
            return ""
        if not self._tail and self._start.search(text) is None:
            return text
        text = self._tail + text
        place, found = self._first(text)
        held = self._held_from(text, place, found)
        if found and held is None:
            return self._cut(text, place, found)
        keep = len(text) if held is None else held
        self._tail = text[keep:]
        return text[:keep]

    def flush(self) -> str:
        """The rest: no more text follows directly."""
        text, self._tail = self._tail, ""
        place, found = self._first(text)
        return self._cut(text, place, found) if found else text

    def _cut(self, text: str, place: int, found: str) -> str:
        self._tail, self.matched = "", found
        return text[:place]

    def _first(self, text: str) -> tuple[int, str]:
        first, found = len(text), ""
        for sequence in self._sequences:
            place = text.find(sequence, 0, first + len(sequence))
            if 0 <= place < first:
                first, found = place, sequence
        return first, found

    def _held_from(self, text: str, place: int, found: str) -> int | None:
        """Where a better match than `found` may have begun that only more text decides."""
        held = None
        for sequence in self._sequences:
            for start in range(max(0, len(text) - len(sequence) + 1), min(len(text), place + 1)):
                better = start < place or len(sequence) > len(found)
                if better and sequence.startswith(text[start:]):
                    held = start if held is None else min(held, start)
                    break
        return held


class ShortText(StopMatcher):
    """The same, for a text that may have no more than `most` tokens."""

    def __init__(self, sequences: tuple[str, ...], most: int) -> None:
        super().__init__(sequences)
        self._left = most * _LONG_TOKEN

    def feed(self, text: str) -> str:
        return self._within(super().feed(text))

    def flush(self) -> str:
        return self._within(super().flush())

    def _within(self, text: str) -> str:
        if self.full:
            return ""
        self._left -= text_bytes(text)
        if self._left >= 0:
            return text
        self.full, self.matched = True, None
        return text.encode("utf-8", "surrogatepass")[: self._left].decode("utf-8", "ignore")


def told_end(stop_reason: str, usage: Usage, most: int) -> str:
    """The stop reason of an answer whose text may have `most` tokens (0: any number).

    A turn that is over is none where the upstream's count of what is no reasoning says that it got longer.
    """
    over = usage.thinking_tokens > 0 and usage.output_tokens - usage.thinking_tokens > most
    return "max_tokens" if most and over and stop_reason == "end_turn" else stop_reason
