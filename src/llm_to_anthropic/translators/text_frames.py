"""Text events of a stream, read without decoding them.

In most streams the events that carry text are the same to the byte but for the text itself. What stands around it, its
frame, is learned from one such event; the inside of the JSON string in the next ones is passed on as it came.
"""

from __future__ import annotations

from collections.abc import Callable

PLAIN = bytes(code for code in range(0x20, 0x100) if code not in b'"\\\x7f')
"""Bytes that stand for themselves inside a JSON string."""
MAX_VAIN = 4
"""Frames are not learned for ever in streams whose events have none: each costs as much as a decoding."""
_PROBE = b"?"


class TextFrames:
    """The frame of one stream's text events."""

    __slots__ = ("_lesson", "_prefix", "_read", "_suffix", "_vain")

    def __init__(self, read: Callable[[bytes], str | None]) -> None:
        """`read` gives the text of an event that is nothing but text, and None of any other."""
        self._read = read
        self._prefix = b""
        self._suffix = b""
        self._lesson = b""
        """An event to learn from."""
        self._vain = 0
        """Frames learned since one was met again."""

    def text(self, event: bytes) -> bytes | None:
        """The inside of the text's JSON string, in which every byte stands for itself; None: decode the event."""
        prefix, suffix = self._prefix, self._suffix
        if not prefix or not event.startswith(prefix) or not event.endswith(suffix):
            lesson, self._lesson = self._lesson, b""
            return self.text(event) if lesson and self._learn(lesson) else None
        text = event[len(prefix) : -len(suffix)]
        if not text or text.translate(None, PLAIN):
            return None
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                return None
        self._vain = 0
        return text

    def learn(self, event: bytes) -> None:
        """Looks for a frame in an event that had none, once another comes: the first of a stream is waited for."""
        if self._vain < MAX_VAIN:
            self._lesson = event

    def _learn(self, event: bytes) -> bool:
        text = self._read(event)
        if not text:
            return False
        inside = text.encode("utf-8", "replace")
        prefix, found, suffix = event.partition(b'"%b"' % inside)
        # The same text may stand elsewhere too: only a frame that lets another text be read in its place is one.
        if found and self._read(b'%b"%b"%b' % (prefix, _PROBE, suffix)) == _PROBE.decode():
            self._prefix, self._suffix = prefix + b'"', b'"' + suffix
            self._vain += 1
            return True
        return False
