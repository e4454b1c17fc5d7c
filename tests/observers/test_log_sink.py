"""Log lines are gathered, never lost."""

from __future__ import annotations

import asyncio
import io
import os
from threading import Thread

import pytest

from llm_to_anthropic.observers.log_sink import FLUSH_S, MAX_HELD, LogSink
from llm_to_anthropic.observers.redaction import Redactor

LINES = 300
LARGE = MAX_HELD + (1 << 20)


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


def test_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    """A log collector that stands still costs no request a wait, and has every line once it goes on."""
    source, target = os.pipe()
    taken: list[bytes] = []

    async def serve() -> None:
        sink = LogSink(stream, Redactor(), json=True)
        for _ in range(LINES):
            sink.write("x" * 999)
        await asyncio.sleep(5 * FLUSH_S)  # the lines are more than the pipe takes
        taken.append(await asyncio.to_thread(reader.read, LINES * 1000))

    with os.fdopen(source, "rb") as reader, os.fdopen(target, "w") as stream:
        serving = Thread(target=asyncio.run, args=(serve(),), daemon=True)
        serving.start()
        serving.join(10)
        blocked = serving.is_alive()
        if blocked:
            reader.read(LINES * 1000)
            serving.join(1)
    assert not blocked
    assert taken == [(b"x" * 999 + b"\n") * LINES]


def read_lines(terminal: int) -> bytes:
    """What is shown on a terminal, up to the end of the last line."""
    shown = b""
    while shown.count(b"\n") < LINES:
        shown += os.read(terminal, 1 << 16)
    return shown.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(("stop", "go_on"), [(b"", b""), (b"\x13", b"\x11")], ids=["unread", "Ctrl-S"])
def test_a_terminal_that_stands_still_holds_nobody_up(stop: bytes, go_on: bytes) -> None:
    """A terminal that is stopped, or whose connection hangs, costs no request a wait, and shows every line later."""
    leader, follower = os.openpty()
    os.write(leader, stop)
    shown: list[bytes] = []

    async def serve() -> None:
        sink = LogSink(stream, Redactor(), json=False)
        for number in range(LINES):
            sink.write(f"{number} {'x' * 999}")
        await asyncio.sleep(5 * FLUSH_S)  # the lines are more than the terminal takes
        os.write(leader, go_on)
        shown.append(await asyncio.to_thread(read_lines, leader))

    with os.fdopen(leader, "rb"), os.fdopen(follower, "w") as stream:
        serving = Thread(target=asyncio.run, args=(serve(),), daemon=True)
        serving.start()
        serving.join(10)
        blocked = serving.is_alive()
        if blocked:
            os.write(leader, go_on)
            Thread(target=read_lines, args=(leader,), daemon=True).start()
            serving.join(1)
    assert not blocked
    assert shown == [b"".join(b"%d %b\n" % (number, b"x" * 999) for number in range(LINES))]


def test_last_lines_that_nobody_reads_end_with_the_process() -> None:
    """A server that stops waits a second for its log's reader, and not for ever."""
    source, target = os.pipe()
    with os.fdopen(source, "rb"), os.fdopen(target, "w") as stream:
        sink = LogSink(stream, Redactor(), json=True)
        ending = Thread(target=sink.write, args=("x" * LARGE,), daemon=True)
        ending.start()
        ending.join(5)
        assert not ending.is_alive()


async def test_lines_that_find_no_room_are_counted() -> None:
    """What waits for a reader has a bound; how many lines were lost beyond it is told once there is one."""
    source, target = os.pipe()
    with os.fdopen(source, "rb") as reader, os.fdopen(target, "w") as stream:
        sink = LogSink(stream, Redactor(), json=True)
        for line in ("x" * LARGE, "lost", "lost"):
            sink.write(line)
            await asyncio.sleep(2 * FLUSH_S)
        assert (await asyncio.to_thread(reader.read, LARGE + 1)).endswith(b"x\n")
        sink.write("told")
        told = [await asyncio.to_thread(reader.readline) for _ in range(2)]
    assert b'"lost":2' in told[0]
    assert told[1] == b"told\n"
