"""A terminal that log lines are shown on, and that may stand still: stopped by Ctrl-S, or behind a line that hangs."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from typing import Self, TextIO


class Terminal:
    """Writes without a wait, by a descriptor of its own: that of the stream is the shell's, which wants to wait."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        weakref.finalize(self, os.close, descriptor).atexit = False  # the last lines are still to come then

    @classmethod
    def of(cls, stream: TextIO) -> Self | None:
        """The terminal that a stream leads to; None for another stream, and where it may not be opened once more."""
        with suppress(OSError, ValueError, AttributeError):
            if stream.isatty():
                how = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
                return cls(os.open(os.ttyname(stream.fileno()), how), stream.encoding)
        return None

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> str:
        """Writes what there is room for, and gives the rest. A terminal that is gone takes all."""
        data = text.encode(self._encoding, "backslashreplace")
        try:
            taken = os.write(self._descriptor, data)
        except BlockingIOError:
            taken = 0
        except OSError:
            return ""
        return data[taken:].decode(self._encoding, "ignore")
