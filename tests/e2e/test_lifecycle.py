"""What becomes of requests when clients stall or leave, and when the server is short of memory or stops."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import socket
import termios
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.http.server import running
from llm_to_anthropic.scripted import (
    Answer,
    Line,
    Pause,
    Script,
    ScriptedUpstream,
    anthropic,
    openai_chat,
    stream,
    whole,
)
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.e2e.conftest import settings_for
from tests.e2e.raw import event_names, posted, request
from tests.gateway.conftest import Records
from tests.running import COMMAND, RunningProxy, clean_environment, running_proxy

KiB = 1 << 10
MiB = 1 << 20
STREAMS = 50
LIMIT = 300 * MiB
"""What a process may use."""
BIG_CHUNK = openai_chat.event({"choices": [{"index": 0, "delta": {"content": "x" * 64 * KiB}, "finish_reason": None}]})


@asynccontextmanager
async def recorded(settings: Settings) -> AsyncIterator[tuple[str, Records]]:
    """A proxy with these settings, and what it records."""
    records = Records()
    gateway = Gateway(settings, Upstream(settings.timeouts), [records])
    async with running(settings, gateway) as url:
        yield url, records


def encoded(body: dict[str, object]) -> bytes:
    data = msgspec.json.encode(body)
    head = f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode() + data


@pytest.mark.parametrize("model", ["openai/gpt-4.1", "anthropic/claude-sonnet-5-5"])
async def test_a_client_that_stops_reading_costs_the_upstream_nothing(
    upstream: ScriptedUpstream, script: Script, model: str
) -> None:
    """A client that takes nothing for write_s is cut off, its upstream with it, and the record says why."""
    event = b"event: content_block_delta\ndata: " + b"x" * 64 * KiB + b"\n\n"
    script.push(stream(*[BIG_CHUNK if model.startswith("openai") else event] * 1600))  # 100 MiB
    settings = msgspec.structs.replace(settings_for(upstream), timeouts=Timeouts(write_s=0.6))
    async with recorded(settings) as (url, records), deaf(url, request(stream=True, model=model)):
        sent = await upstream.request(0)
        began = time.perf_counter()
        await asyncio.wait_for(sent.closed.wait(), 5)
        assert 0.6 <= time.perf_counter() - began < 0.6 + 1.0
        assert not sent.answered.is_set()
        assert sent.bytes_sent < 32 * MiB, "the upstream's writes were not held back"
    [exchange] = records.exchanges
    assert (exchange.outcome, exchange.status) == ("client_stalled", 200)


@asynccontextmanager
async def deaf(url: str, asked: dict[str, object]) -> AsyncIterator[socket.socket]:
    """A client that has sent a request and reads nothing."""
    with socket.socket() as sock:
        sock.setblocking(False)
        host, port = url.removeprefix("http://").split(":")
        await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        sock.send(encoded(asked))
        yield sock


def long_answer(model: str) -> Answer:
    """A whole answer of 16 MiB, more than any system keeps for a client."""
    line = Line(text="x" * 16 * MiB)
    return whole(openai_chat.completion(line, model) if model.startswith("openai") else anthropic.message(line, model))


async def until_recorded(records: Records) -> Exchange:
    async with asyncio.timeout(5):
        while not records.exchanges:  # noqa: ASYNC110  records tell nobody that they have come
            await asyncio.sleep(0.005)
    [exchange] = records.exchanges
    return exchange


@pytest.mark.parametrize("model", ["openai/gpt-4.1", "anthropic/claude-sonnet-5-5"])
async def test_a_whole_answer_that_nobody_takes_is_not_a_good_one(
    upstream: ScriptedUpstream, script: Script, model: str
) -> None:
    """A client that takes nothing of a whole answer for write_s is cut off, and the record says why."""
    script.push(long_answer(model))
    settings = msgspec.structs.replace(settings_for(upstream), timeouts=Timeouts(write_s=0.6))
    async with recorded(settings) as (url, records), deaf(url, request(stream=False, model=model)):
        await (await upstream.request(0)).answered.wait()
        began = time.perf_counter()
        exchange = await until_recorded(records)
        assert 0.5 <= time.perf_counter() - began < 0.6 + 2.0
    assert (exchange.outcome, exchange.status) == ("client_stalled", 200)


async def test_a_stream_whose_end_nobody_takes_is_not_a_good_one(upstream: ScriptedUpstream, script: Script) -> None:
    """A client that takes nothing of the last events for write_s is cut off, and the record says why."""
    script.push(long_answer("openai/gpt-4.1"))  # told in one go, whatever was asked for: its events are all the last
    settings = msgspec.structs.replace(settings_for(upstream), timeouts=Timeouts(write_s=0.6))
    async with recorded(settings) as (url, records), deaf(url, request(stream=True, model="openai/gpt-4.1")):
        exchange = await until_recorded(records)
    assert (exchange.outcome, exchange.status) == ("client_stalled", 200)


async def test_a_client_that_leaves_amid_a_whole_answer_is_recorded_so(
    upstream: ScriptedUpstream, script: Script
) -> None:
    """A whole answer is a good one once its client has taken it: who leaves before is recorded as having left."""
    script.push(long_answer("openai/gpt-4.1"))
    async with recorded(settings_for(upstream)) as (url, records):
        async with deaf(url, request(stream=False)) as sock:
            await asyncio.get_running_loop().sock_recv(sock, KiB)
            assert not records.exchanges
        assert (await until_recorded(records)).outcome == "client_disconnected"


class Streaming:
    """Many streams through a proxy in its own process, all of them in the middle."""

    def __init__(self, proxy: RunningProxy, readers: list[asyncio.StreamReader], go_on: asyncio.Event) -> None:
        self.proxy = proxy
        self.go_on = go_on
        self._readers = readers

    async def last_events(self) -> Counter[str]:
        """How the streams ended, once all have."""
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(reader.read() for reader in self._readers))
        return Counter(event_names(answer)[-1] if answer else "nothing" for answer in answers)

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.proxy.process.wait(), 10)

    def outcomes(self) -> Counter[str]:
        """By the log, which is complete once the process has ended."""
        return Counter(line["outcome"] for line in self.log_lines() if line["event"] == "request")

    def log_lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.proxy.err.splitlines() if line.startswith("{")]


@asynccontextmanager
async def streaming(
    folder: Path, *arguments: str, timeouts: str = "", count: int = STREAMS
) -> AsyncIterator[Streaming]:
    """Begins the streams, each after its first words."""
    go_on = asyncio.Event()
    pieces = openai_chat.chunks(Line(text="one two three four five six"), "gpt-4.1")
    script = Script(otherwise=lambda _: stream(*pieces[:4], Pause(go_on), *pieces[4:]))
    (folder / "llm-to-anthropic.toml").write_text(f"[timeouts]\n{timeouts}\n")
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream(script))
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        proxy = await stack.enter_async_context(running_proxy(*arguments, cwd=folder, env=env))
        readers = []
        for _ in range(count):
            reader, _ = await stack.enter_async_context(posted(proxy.url, request(stream=True)))
            readers.append(reader)
        for reader in readers:
            await asyncio.wait_for(reader.readuntil(b"text_delta"), 10)
        yield Streaming(proxy, readers, go_on)
        go_on.set()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_drain_loses_no_stream(tmp_path: Path, workers: str) -> None:
    """50 streams run when SIGTERM comes: all reach message_stop, all are in the log, and the exit code is 0."""
    async with streaming(tmp_path, "--workers", workers) as streams:
        streams.proxy.process.send_signal(signal.SIGTERM)
        await until_refused(streams.proxy.url)
        streams.go_on.set()
        assert await streams.last_events() == {"message_stop": STREAMS}
        assert await streams.exit_code() == 0
    assert streams.outcomes() == {"ok": STREAMS}


async def test_a_drain_that_takes_too_long_ends_in_words(tmp_path: Path) -> None:
    """Streams that outlast drain_s get an `error` event each, none ends without a word, and the exit code is 0."""
    async with streaming(tmp_path, timeouts="drain_s = 0.3") as streams:
        streams.proxy.process.send_signal(signal.SIGTERM)
        assert await streams.last_events() == {"error": STREAMS}
        assert await streams.exit_code() == 0
    assert streams.outcomes() == {"overloaded_error": STREAMS}


async def test_a_second_interrupt_waits_for_nothing(tmp_path: Path) -> None:
    """Ctrl-C once more ends the streams at once, in words too."""
    async with streaming(tmp_path, timeouts="drain_s = 60.0", count=5) as streams:
        streams.proxy.process.send_signal(signal.SIGINT)
        await until_refused(streams.proxy.url)
        began = time.perf_counter()
        streams.proxy.process.send_signal(signal.SIGINT)
        assert await streams.last_events() == {"error": 5}
        assert await streams.exit_code() == 0
        assert time.perf_counter() - began < 2


async def test_who_stops_a_busy_server_is_told_what_it_waits_for(tmp_path: Path) -> None:
    """A stop that has to wait says for how many requests, for how long at most, and how to wait no longer."""
    async with streaming(tmp_path, timeouts="drain_s = 60.0", count=2) as streams:
        streams.proxy.process.send_signal(signal.SIGINT)
        await until_refused(streams.proxy.url)
        streams.go_on.set()
        assert await streams.exit_code() == 0
    (line,) = (line for line in streams.log_lines() if line["event"].startswith("stopping"))
    assert (line["running"], line["patience_s"], "Ctrl-C again" in line["event"]) == (2, 60.0, True)


async def test_a_closed_terminal_ends_the_server(tmp_path: Path) -> None:
    """SIGHUP reloads, but not where it came because the terminal of the server was closed: then it stops."""
    terminal, side = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(side, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("--host", "127.0.0.1", "--port", "0"),
        cwd=tmp_path,
        env=clean_environment(tmp_path, {"OPENAI_API_KEY": "test-key"}),
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=take_terminal,
    )
    os.close(side)
    assert process.stderr is not None
    try:
        await asyncio.wait_for(process.stderr.readuntil(b"ANTHROPIC_AUTH_TOKEN"), 20)
        process.send_signal(signal.SIGHUP)
        await asyncio.wait_for(process.stderr.readuntil(b"the configuration was reloaded"), 10)
        os.close(terminal)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until_refused(url: str) -> None:
    """Asks until the server takes no connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:
                return
            writer.close()


def used_bytes(pid: int, field: str = "VmRSS") -> int:
    """Memory of another process: what it uses now, or with VmHWM what it has used at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * KiB for line in status.splitlines() if line.startswith(field))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the memory of a process")
async def test_a_slow_client_costs_no_memory(tmp_path: Path) -> None:
    """A client that reads slowly from an upstream with 100 MiB to say costs the proxy less than 2 MiB."""
    script = Script([stream(*[BIG_CHUNK] * 1600)] * 2)
    async with ScriptedUpstream(script) as upstream:
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        async with running_proxy(cwd=tmp_path, env=env) as proxy:
            with socket.socket() as first, socket.socket() as slow:
                await read_slowly(proxy.url, first, 0.2)  # what every first request loads
                first.close()
                before = used_bytes(proxy.process.pid)
                await read_slowly(proxy.url, slow, 1.0)
                grown = used_bytes(proxy.process.pid) - before
                assert upstream.requests[1].bytes_sent < 32 * MiB
    assert grown < 2 * MiB


async def read_slowly(url: str, sock: socket.socket, for_s: float) -> None:
    """Reads 20 KB/s of a stream."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KiB)
    sock.setblocking(False)
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, int(port)))
    sock.send(encoded(request(stream=True)))
    until_s = loop.time() + for_s
    while loop.time() < until_s:
        await loop.sock_recv(sock, KiB)
        await asyncio.sleep(0.05)


@pytest.fixture
def control_group() -> Iterator[Path]:
    """A control group of our own with LIMIT bytes, of whichever version there is."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        pytest.skip("needs Linux")
    paths = dict(line.split(":", 2)[1:] for line in lines)
    version = "memory" if "memory" in paths else ""
    root = Path("/sys/fs/cgroup") / version
    own = root / paths.get(version, "/").lstrip("/")
    group = (own if own.exists() else root) / f"test-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if version else "memory.max")).write_text(str(LIMIT))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"needs the right to make a control group: {error}")
    yield group
    group.rmdir()


@pytest.fixture(params=["by a setting", "by a control group", "by a ulimit"])
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], None]:
    """What limits a process to LIMIT bytes that calls it first."""
    match request.param:
        case "by a setting":
            (tmp_path / "llm-to-anthropic.toml").write_text(f"[limits]\nmax_memory_bytes = {LIMIT}\n")
            return lambda: None
        case "by a control group":
            processes = request.getfixturevalue("control_group") / "cgroup.procs"
            return lambda: processes.write_text(str(os.getpid()))
        case _:
            return lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the memory of a process")
async def test_large_requests_are_refused_before_they_are_too_much(tmp_path: Path, limited: Callable[[], None]) -> None:
    """20 requests of 20 MiB at once for a proxy with 300 MiB: some are answered, some refused, and it lives on."""
    big = request(stream=False) | {"messages": [{"role": "user", "content": "x" * 20 * MiB}]}
    data = encoded(big)
    async with ScriptedUpstream() as upstream:
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        async with running_proxy(cwd=tmp_path, env=env, first=limited) as proxy:
            statuses = Counter(await asyncio.gather(*(status_of(proxy.url, data) for _ in range(20))))
            peak = used_bytes(proxy.process.pid, "VmHWM")
            began = time.perf_counter()
            while await status_of(proxy.url, encoded(request(stream=True))) != 200:
                assert time.perf_counter() - began < 5
    assert statuses.keys() == {200, 529}
    assert peak < LIMIT


async def status_of(url: str, data: bytes) -> int:
    """The status of an answer; a server that refuses a request does not read all of it."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        return int((await asyncio.wait_for(reader.readline(), 20)).split()[1])
    finally:
        writer.transport.abort()
