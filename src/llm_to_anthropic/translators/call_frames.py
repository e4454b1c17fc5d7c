"""Events with a piece of a call's arguments, read without decoding all that stands around it.

As with texts (text_frames.py), only that the calls of a stream may take turns: each has a frame of its own. What is
inside a frame is decoded, since arguments are JSON in JSON and full of escapes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

MAX_FRAMES = 8
"""Frames are kept for the calls that had a piece most recently."""
MAX_VAIN = 4
"""Frames are not learned for ever in streams whose events have none."""
_PROBE = "?"
_TEXT = msgspec.json.Decoder(str)

Piece = tuple[int, str]
"""The number of a call, and what more there is of its arguments."""


class CallFrames:
    """The frames of one stream's pieces of arguments."""

    __slots__ = ("_frames", "_lesson", "_read", "_vain")

    def __init__(self, read: Callable[[bytes], Piece | None]) -> None:
        """`read` gives the piece of an event that is nothing but one, and None of any other."""
        self._read = read
        self._frames: list[tuple[bytes, bytes, int]] = []
        """What stands before and behind a piece, and its call's number; that of the last piece first."""
        self._lesson = b""
        """An event to learn from."""
        self._vain = 0
        """Frames learned since one was met again."""

    def piece(self, event: bytes) -> Piece | None:
        """The piece that the event brings; None: decode the event."""
        for frame in self._frames:
            prefix, suffix, number = frame
            if event.startswith(prefix) and event.endswith(suffix):
                self._vain = 0
                if frame is not self._frames[0]:
                    self._frames.remove(frame)
                    self._frames.insert(0, frame)
                return _piece(number, event[len(prefix) : -len(suffix)])
        lesson, self._lesson = self._lesson, b""
        return self.piece(event) if lesson and self._learn(lesson) else None

    def learn(self, event: bytes) -> None:
        """Looks for a frame in an event that had none only once another comes: many calls come in one piece."""
        if self._vain < MAX_VAIN:
            self._lesson = event

    def _learn(self, event: bytes) -> bool:
        found = self._read(event)
        if found is None or found[1] in ("", _PROBE):
            return False
        number, text = found
        prefix, there, suffix = event.partition(msgspec.json.encode(text))
        # The same text may stand elsewhere too: only a frame that lets another be read in its place is one.
        probe = b'%b"%b"%b' % (prefix, _PROBE.encode(), suffix)
        if not there or self._read(probe) != (number, _PROBE):
            return False
        self._frames.insert(0, (prefix, suffix, number))
        del self._frames[MAX_FRAMES:]
        self._vain += 1
        return True


def _piece(number: int, text: bytes) -> Piece | None:
    try:
        return number, _TEXT.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
