"""Where log lines go: gathered for a moment, so that many requests cost one write."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable, Iterable
from typing import TextIO

from llm_to_anthropic.observers.redaction import Redactor

FLUSH_S = 0.02
"""A line is written so soon after it was said, or at once where no event loop runs."""

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
        atexit.register(self.flush)

    def learn(self, secrets: Iterable[str]) -> None:
        """Has more secrets taken out."""
        self._redactor = self._redactor.knowing(secrets)

    def write(self, line: Line) -> None:
        """One line, without its line end."""
        lines = self._lines
        lines.append(line)
        if len(lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Writes what has gathered. A stream that is gone takes its lines with it."""
        if not self._lines:
            return
        # All at once: a search costs more to begin than to make.
        lines, self._lines = self._lines, []
        shown = [line if isinstance(line, str) else line() for line in lines]
        text = self._redactor.clean("\n".join(shown) + "\n")
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return


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
