"""What stands before the visible text of an answer: a repeated prefill, and reasoning between tags.

Both are recognised piece by piece; each filter holds back no more than may still belong to what it looks for.
"""

from __future__ import annotations

from typing import Literal

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
