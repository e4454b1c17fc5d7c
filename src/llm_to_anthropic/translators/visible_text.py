"""The text of an answer that the client gets to see, out of all that comes.

Without what stands before it (a repeated prefill, reasoning between tags), up to where it ends (stop_sequences.py). All
is recognised piece by piece; each filter holds back no more than may still belong to what it looks for.
"""

from __future__ import annotations

from typing import Literal

from llm_to_anthropic.translators.encoding import Encoding
from llm_to_anthropic.translators.stop_sequences import ShortText, StopMatcher

_OPEN = "<think>"
_CLOSE = "</think>"


class PrefillFilter:
    """Drops the prefill where the answer begins by repeating it, as servers do that cannot continue a message."""

    def __init__(self, prefill: str) -> None:
        self._prefill = prefill.lstrip()
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that may be shown."""
        if not self._prefill:
            return text
        self._held += text
        begun = self._held.lstrip()
        if len(begun) < len(self._prefill) and self._prefill.startswith(begun):
            return ""
        shown = begun[len(self._prefill) :] if begun.startswith(self._prefill) else self._held
        self._prefill = self._held = ""
        return shown

    def flush(self) -> str:
        """What was held back: something else than text follows."""
        held, self._held = self._held, ""
        if held:
            self._prefill = ""
        return held


class VisibleText:
    """The text of one answer from behind a repeated prefill to where it has to end."""

    def __init__(self, encoding: Encoding) -> None:
        stops, most = encoding.stop_sequences, encoding.most_visible
        self._prefill = PrefillFilter(encoding.prefill)
        self._stops = ShortText(stops, most) if most else StopMatcher(stops)

    @property
    def end(self) -> tuple[str, str | None] | None:
        """Why the message is over, whatever the upstream still says: stop reason and sequence. None: it goes on."""
        if self._stops.full:
            return "max_tokens", None
        return None if self._stops.matched is None else ("stop_sequence", self._stops.matched)

    def feed(self, text: str) -> str:
        """The text that may be shown."""
        return self._stops.feed(self._prefill.feed(text))

    def flush(self) -> str:
        """What was held back: something else than text follows."""
        return self._stops.feed(self._prefill.flush()) + self._stops.flush()

    def whole(self, text: str) -> tuple[int, str]:
        """How many characters of a complete text are hidden before what is shown, and what is shown."""
        begun = self._prefill.feed(text) + self._prefill.flush()
        return len(text) - len(begun), self._stops.feed(begun) + self._stops.flush()


class ThinkTags:
    """Parts a <think> block at the start of an answer from the text after it."""

    def __init__(self) -> None:
        self._place: Literal["start", "thinking", "gap", "text"] = "start"
        self._held = ""

    def feed(self, text: str) -> tuple[str, str]:
        """(thinking, text) that may be shown."""
        if self._place == "text":
            return "", text
        self._held += text
        if self._place == "start":
            self._look_for_open()
        thinking = self._take_thinking() if self._place == "thinking" else ""
        if self._place == "gap" and self._held.strip():
            self._held = self._held.lstrip()
            self._place = "text"
        return thinking, self._take() if self._place == "text" else ""

    def flush(self) -> tuple[str, str]:
        """(thinking, text) that was held back: something else than text follows."""
        place, held = self._place, self._take()
        if held:
            self._place = "text"
        if place == "thinking":
            return held, ""
        return "", held if place == "start" else ""

    def _look_for_open(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_OPEN):
            self._place = "thinking"
            self._held = begun[len(_OPEN) :]
        elif not _OPEN.startswith(begun):
            self._place = "text"

    def _take_thinking(self) -> str:
        thinking, close, rest = self._held.partition(_CLOSE)
        if close:
            self._place = "gap"
            self._held = rest
            return thinking
        end = len(self._held) - _overlap(self._held, _CLOSE)
        thinking, self._held = self._held[:end], self._held[end:]
        return thinking

    def _take(self) -> str:
        held, self._held = self._held, ""
        return held


def _overlap(text: str, tag: str) -> int:
    """How many characters at the text's end are the tag's beginning."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)
