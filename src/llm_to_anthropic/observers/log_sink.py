"""Where log lines go: gathered for a moment, so that many requests cost one write, and never waited for."""

from __future__ import annotations

import asyncio
import atexit
import os
import select
import stat
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

import msgspec

from llm_to_anthropic.observers.redaction import Redactor
from llm_to_anthropic.observers.terminal import Terminal

FLUSH_S = 0.02
"""How soon after it was said a line is written; at once where no event loop runs."""
RETRY_S = 0.005
"""How often to look whether a reader that does not keep up takes more."""
PATIENCE_MS = 1000
"""How long the reader of the last lines has to take some."""
MAX_HELD = 8 * 1024 * 1024
"""How many letters wait for a reader; lines beyond are counted and lost."""
PIECE = 4096
"""A pipe that has room takes as much without a wait (PIPE_BUF)."""
WIDE_PIECE = PIECE // 8
"""The same in letters that may be several bytes each."""

Line = str | Callable[[], str]
"""A line, or what makes it when it is written: many in a row take a third of the time of each alone, since the
processor has the code at hand."""


class LogSink:
    """Takes secrets out of each line and writes lines to a stream. `json`: one object per line is wanted."""

    def __init__(self, stream: TextIO, redactor: Redactor, *, json: bool) -> None:
        self.json = json
        self._stream = stream
        self._redactor = redactor
        self._lines: list[Line] = []
        self._terminal = Terminal.of(stream)
        self._room = _room_of(self._terminal or stream)
        self._held: deque[str] = deque()
        """What is to be written, with secrets taken out."""
        self._held_size = 0
        self._lost = 0
        """Lines for which there was no room."""
        self._waits = False
        """It is tried again soon."""
        atexit.register(self._part)

    def learn(self, secrets: Iterable[str]) -> None:
        """Has more secrets taken out."""
        self._redactor = self._redactor.knowing(secrets)

    def clean(self, text: str) -> str:
        """A text without secrets, for callers that show a part of it: a secret that is cut would not be found."""
        return self._redactor.clean(text)

    def write(self, line: Line) -> None:
        """One line, without its line end."""
        lines = self._lines
        lines.append(line)
        if len(lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_later(FLUSH_S, self._in_passing)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Writes what has gathered. A stream that is gone, or that nobody reads, takes its lines with it."""
        if not self._pass_on(PATIENCE_MS):
            self._held.clear()
            self._held_size = 0

    def _part(self) -> None:
        """The same at the process's end, which does not fail for what a full disk has not taken by then."""
        self.flush()
        try:
            self._stream.flush()
        except (OSError, ValueError):
            _let_go(self._stream)

    def _in_passing(self) -> None:
        """The same within an event loop, which waits for nobody."""
        if not self._pass_on(0) and not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_later(RETRY_S, self._again)

    def _again(self) -> None:
        self._waits = False
        self._in_passing()

    def _pass_on(self, patience_ms: int) -> bool:
        """Whether all was taken."""
        self._gather()
        while self._held:
            if self._room is not None and not self._room.poll(patience_ms):
                return False
            if not self._write_some():
                return False
        return True

    def _gather(self) -> None:
        # All at once: a search costs more to begin than to make.
        lines, self._lines = self._lines, []
        if not lines:
            return
        if self._held_size > MAX_HELD:
            self._lost += len(lines)
            return
        if self._lost:
            lines.insert(0, _told_loss(self._lost))
            self._lost = 0
        shown = [line if isinstance(line, str) else line() for line in lines]
        text = self._redactor.clean("\n".join(shown) + "\n")
        self._held.append(text)
        self._held_size += len(text)

    def _write_some(self) -> bool:
        """Whether something was taken."""
        text = self._held.popleft()
        if self._room is not None:
            size = PIECE if text.isascii() else WIDE_PIECE
            if len(text) > size:
                # Between lines, where that can be: another process may write into the same pipe.
                size = text.rfind("\n", 0, size) + 1 or size
                self._held.appendleft(text[size:])
                text = text[:size]
        rest = self._write(text)
        self._held_size -= len(text) - len(rest)
        if rest:
            self._held.appendleft(rest)
        return rest != text

    def _write(self, text: str) -> str:
        """Writes a piece; gives what was not taken."""
        if self._terminal is not None:
            return self._terminal.write(text)
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return ""


def _room_of(stream: TextIO | Terminal) -> select.poll | None:
    """What tells whether a stream takes more without a wait; None for files and the like, which always do."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    may_wait = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or isinstance(stream, Terminal)
    if not may_wait or not hasattr(select, "poll"):
        return None
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    return room


def _let_go(stream: TextIO) -> None:
    """Discards what waits in a stream: Python would write it once more at its end, and fail to."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _told_loss(lines: int) -> str:
    return msgspec.json.encode(
        {"event": "log lines were lost: nobody read them", "level": "warning", "lost": lines}
    ).decode()


class SinkLogger:
    """The end of structlog's chain: every level is a line in the sink."""

    def __init__(self, sink: LogSink) -> None:
        self.msg = self.debug = self.info = self.warning = self.warn = sink.write
        self.error = self.exception = self.critical = self.fatal = self.failure = sink.write


class SinkLoggers:
    """Makes loggers for structlog; all share one sink."""

    def __init__(self, sink: LogSink) -> None:
        self.sink = sink
        self._logger = SinkLogger(sink)

    def __call__(self, *_args: object) -> SinkLogger:
        return self._logger
