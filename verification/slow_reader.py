"""A client that reads slowly beside streams that flow: what it costs the proxy in memory, and the others in time.

The upstream is in this process, so that a flowing stream can tell when each of its words was sent.
"""

from __future__ import annotations

import asyncio
import re
import socket
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from llm_to_anthropic.scripted import openai_chat
from tests.e2e.raw import posted, request
from tests.running import running_proxy
from verification.finding import Finding
from verification.process import resident_kib

STREAMS = 50
EVENT_S = 0.05
"""Between two words of a stream that flows."""
ANSWER_BYTES = 100 << 20
READ_BYTES = 1024
READ_EVERY_S = 1.0
MAX_GROWTH_MIB = 2.0
MAX_SLOWER = 1.10
NOISE_MS = 0.5
"""A difference that a machine with other work makes by itself."""
MAX_TAKEN_BYTES = 8 << 20
"""Of an answer that hardly anybody reads: what the buffers of two connections may hold."""

_SENT_AT = re.compile(rb'"text":"([\d.]+) "')
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def _delta(text: str) -> bytes:
    return openai_chat.event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


class TellingUpstream:
    """Streams that tell the time with each word, and without end; and one of 100 MiB as fast as it is taken."""

    def __init__(self) -> None:
        self.taken_bytes = 0
        """Of the large answer."""
        self.blocked_s = 0.0
        """The longest time that a write of it waited."""
        self._told = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None  # noqa: S101  it is started first
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None  # noqa: S101  it is started first
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            body = await reader.readexactly(int(found[1]) if found else 0)
            writer.write(_HEAD)
            await (self._flood(writer) if b'"flood"' in body else self._tell(writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the proxy has left
        finally:
            writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        self._told += 1
        await asyncio.sleep(EVENT_S * (self._told % STREAMS) / STREAMS)  # all at once would wait for each other
        while True:
            writer.write(_delta(f"{time.perf_counter():.6f} "))
            await writer.drain()
            await asyncio.sleep(EVENT_S)

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        piece = _delta("x" * (64 << 10))
        while self.taken_bytes < ANSWER_BYTES:
            writer.write(piece)
            began = time.perf_counter()
            try:
                await writer.drain()
                self.taken_bytes += len(piece)
            finally:
                self.blocked_s = max(self.blocked_s, time.perf_counter() - began)


class Flowing:
    """A client that notes how long each word was on its way."""

    def __init__(self) -> None:
        self.delays_ms: list[float] = []

    async def read(self, url: str) -> None:
        async with posted(url, request(stream=True, model="openai/tell")) as (reader, _):
            while data := await reader.read(65_536):
                now = time.perf_counter()
                self.delays_ms += [(now - float(sent)) * 1e3 for sent in _SENT_AT.findall(data)]


async def read_slowly(url: str, for_s: float) -> None:
    """Reads 1 KB/s of the large answer."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        sock.setblocking(False)
        host, _, port = url.removeprefix("http://").partition(":")
        await loop.sock_connect(sock, (host, int(port)))
        body = b'{"model":"openai/flood","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hello"}]}'
        head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
        await loop.sock_sendall(sock, head + body)
        until = loop.time() + for_s
        while loop.time() < until:
            await loop.sock_recv(sock, READ_BYTES)
            await asyncio.sleep(READ_EVERY_S)


class Window(msgspec.Struct, frozen=True):
    """A time that was measured."""

    p99_ms: float
    """What 99 of 100 words took at most; the median of the seconds, since other work on the machine comes and goes."""
    resident_kib: int
    """The most that was seen."""


async def slow_reader(for_s: float = 60.0, warm_up_s: float = 10.0, max_slower: float = MAX_SLOWER) -> Finding:
    """Measures before the slow client comes, while it reads, and after it."""
    upstream = TellingUpstream()
    await upstream.start()
    flowing = [Flowing() for _ in range(STREAMS)]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(upstream.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slow-reader-")))
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        proxy = await stack.enter_async_context(running_proxy(cwd=folder, env=env))
        reading = [asyncio.create_task(one.read(proxy.url)) for one in flowing]
        await read_slowly(proxy.url, min(1.0, warm_up_s))  # what every first one loads
        await asyncio.sleep(warm_up_s)
        upstream.taken_bytes, upstream.blocked_s = 0, 0.0
        before = await _measure(flowing, proxy.process.pid, for_s / 2)
        slow = asyncio.create_task(read_slowly(proxy.url, for_s))
        beside = await _measure(flowing, proxy.process.pid, for_s)
        await slow
        after = await _measure(flowing, proxy.process.pid, for_s / 2)
        for one in reading:
            one.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return judge(upstream, before, beside, after, max_slower)


async def _measure(flowing: list[Flowing], pid: int, for_s: float) -> Window:
    loop = asyncio.get_running_loop()
    until, p99s, resident = loop.time() + for_s, [], 0
    for one in flowing:
        one.delays_ms.clear()
    while loop.time() < until:
        await asyncio.sleep(min(1.0, for_s / 4))
        delays_ms = sorted(delay for one in flowing for delay in one.delays_ms)
        p99s.append(delays_ms[int(len(delays_ms) * 0.99)])
        resident = max(resident, resident_kib(pid) or 0)
        for one in flowing:
            one.delays_ms.clear()
    return Window(statistics.median(p99s), resident)


def judge(upstream: TellingUpstream, before: Window, beside: Window, after: Window, max_slower: float) -> Finding:
    grown_mib = (beside.resident_kib - before.resident_kib) / 1024
    usual_ms = (before.p99_ms + after.p99_ms) / 2
    told = (
        f"memory {grown_mib:+.2f} MiB; {upstream.taken_bytes / (1 << 20):.1f} of {ANSWER_BYTES >> 20} MiB taken, "
        f"a write blocked for {upstream.blocked_s:.1f} s; "
        f"p99 of {STREAMS} others {beside.p99_ms:.2f} ms, {usual_ms:.2f} ms without it"
    )
    return Finding.judged(
        "a slow reader beside others",
        told,
        less_than_2_MiB=grown_mib < MAX_GROWTH_MIB,
        the_upstream_is_held_back=upstream.taken_bytes < MAX_TAKEN_BYTES and upstream.blocked_s > 0,
        others_are_not_slowed=beside.p99_ms < max(usual_ms * max_slower, usual_ms + NOISE_MS),
    )
