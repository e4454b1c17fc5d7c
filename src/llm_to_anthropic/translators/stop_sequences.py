"""Stop sequences, matched here: any number of them, and upstreams do not say which one they met."""

from __future__ import annotations

import re

_NOWHERE = re.compile(r"(?!)")


class StopMatcher:
    """Cuts a text at the first stop sequence in it, however the text comes in pieces.

    The match that begins first wins; of those that begin together, the longest.
    """

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._sequences: tuple[str, ...] = ()
        self._start = _NOWHERE
        self._tail = ""
        self.matched: str | None = None
        if sequences:
            self._sequences = tuple(sorted(filter(None, sequences), key=len, reverse=True))
            starts = "".join(re.escape(sequence[0]) for sequence in self._sequences)
            self._start = re.compile(f"[{starts}]") if starts else _NOWHERE

    def feed(self, text: str) -> str:
        """What of the text so far is not part of a stop sequence and may be shown."""
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
