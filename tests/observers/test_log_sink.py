"""Log lines are gathered, never lost."""

from __future__ import annotations

import asyncio
import io

from llm_to_anthropic.observers.log_sink import LogSink
from llm_to_anthropic.observers.redaction import Redactor


class Watched(io.StringIO):
    """A stream that tells when it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.written = asyncio.Event()

    def write(self, text: str) -> int:
        self.writes += 1
        self.written.set()
        return super().write(text)


async def test_lines_of_a_busy_moment_are_one_write() -> None:
    """Inside the event loop lines wait a moment for each other and leave in order."""
    out = Watched()
    sink = LogSink(out, Redactor(), json=True)
    for number in range(3):
        sink.write(str(number))
    assert out.writes == 0
    async with asyncio.timeout(5):
        await out.written.wait()
    assert (out.getvalue(), out.writes) == ("0\n1\n2\n", 1)


def test_outside_of_a_loop_a_line_is_written_at_once() -> None:
    """Lines of start-up and end are not held back."""
    out = Watched()
    LogSink(out, Redactor(), json=True).write("x")
    assert out.getvalue() == "x\n"


def test_a_stream_that_is_gone_harms_nobody() -> None:
    """A closed stderr does not fail a request."""
    out = Watched()
    out.close()
    LogSink(out, Redactor(), json=True).write("x")
