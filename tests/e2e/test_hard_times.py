"""What a machine may do to the whole proxy: each is served or told in words, and is over within five seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from llm_to_anthropic.scripted import ScriptedUpstream
from tests.e2e.raw import event_names, posted, request
from tests.running import COMMAND, clean_environment, ended, running_proxy, workers_of
from verification.behaviours import Behaviours

RECOVERS_WITHIN_S = 5.0
MAX_FILES = 64


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(Behaviours()) as running:
        yield running


def environ(upstream: ScriptedUpstream) -> dict[str, str]:
    return {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API": "chat"}


async def answer(url: str, model: str = "good") -> bytes:
    """All of one streamed answer."""
    async with posted(url, request(stream=True, model=f"openai/{model}")) as (reader, _):
        return await asyncio.wait_for(reader.read(), 30)


async def until_served(url: str) -> float:
    """Asks until a message comes; the seconds that it took."""
    started = time.monotonic()
    while time.monotonic() < started + 2 * RECOVERS_WITHIN_S:
        try:
            if b"event: message_stop" in await answer(url):
                break
        except OSError:
            pass
        await asyncio.sleep(0.05)
    return time.monotonic() - started


async def test_a_process_that_stood_still_goes_on(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Five seconds of standstill (SIGSTOP, a suspended laptop) cost time: streams end as meant, the next is served."""
    async with running_proxy(cwd=tmp_path, env=environ(upstream)) as proxy:
        running = [asyncio.create_task(answer(proxy.url, "slow_chunk_100")) for _ in range(5)]
        async with asyncio.timeout(10):
            while len(upstream.requests) < 5:  # noqa: ASYNC110  another process asks
                await asyncio.sleep(0.01)
        proxy.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(5)
        proxy.process.send_signal(signal.SIGCONT)
        assert await until_served(proxy.url) < RECOVERS_WITHIN_S
        assert [event_names(each)[-1] for each in await asyncio.gather(*running)] == ["message_stop"] * 5


async def test_no_more_files_is_told_and_passes(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """With 64 open files for 128 clients all are served, told, or not let in; then all are served."""

    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))

    async with running_proxy(cwd=tmp_path, env=environ(upstream), first=few_files) as proxy:
        crowd = (answer(proxy.url, "slow_ttft_1000") for _ in range(2 * MAX_FILES))
        answers = await asyncio.gather(*crowd, return_exceptions=True)
        for each in answers:
            # Without a descriptor there is nothing to answer on: the system closes what it cannot hand over.
            told = isinstance(each, bytes) and (b"event: message_stop" in each or b'"type":"error"' in each)
            assert told or each == b"" or isinstance(each, ConnectionResetError)
        assert any(isinstance(each, bytes) and b"event: message_stop" in each for each in answers)
        assert await until_served(proxy.url) < RECOVERS_WITHIN_S
    assert "Traceback" not in proxy.err


@contextlib.asynccontextmanager
async def mute_proxy(
    *flags: str, cwd: Path, env: Mapping[str, str], first: Callable[[], None]
) -> AsyncIterator[tuple[str, int]]:
    """A proxy that cannot say where it is, and must end a drain with 0: its address and process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (*COMMAND, "--host", "127.0.0.1", "--port", str(port), *flags)
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, env=clean_environment(cwd, env), preexec_fn=first)
    async with ended(process):
        url = f"http://127.0.0.1:{port}"
        await until_served(url)
        yield url, process.pid
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


def fill_outputs() -> None:
    """Whatever is written to standard output or error finds no room."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.dup2(full, 2)


@pytest.mark.parametrize("unbuffered", ["1", ""], ids=["unbuffered", "buffered"])
@pytest.mark.parametrize("verbose", [False, True], ids=["log", "log with bodies"])
async def test_a_full_disk_stops_the_log_alone(
    tmp_path: Path, upstream: ScriptedUpstream, verbose: bool, unbuffered: str
) -> None:
    """Where nothing more can be written down requests are served all the same, and a drain still ends with 0."""
    flags = ["--verbose"] if verbose else []
    env = {**environ(upstream), "PYTHONUNBUFFERED": unbuffered}
    async with mute_proxy(*flags, cwd=tmp_path, env=env, first=fill_outputs) as (url, _):
        answers = [await answer(url) for _ in range(50)]
        assert all(b"event: message_stop" in each for each in answers)


async def test_closed_standard_files_stop_nothing(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Closed standard input, output and error keep nobody from being served, and no socket takes their place."""
    closed = partial(os.closerange, 0, 3)
    async with mute_proxy("--verbose", cwd=tmp_path, env=environ(upstream), first=closed) as (url, pid):
        assert b"event: message_stop" in await answer(url)
        standing = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)}
        assert standing == {os.devnull}


@pytest.mark.parametrize("inherited", [signal.SIG_DFL, signal.SIG_IGN], ids=["heard", "SIGCHLD ignored"])
async def test_a_killed_worker_is_replaced(
    tmp_path: Path, upstream: ScriptedUpstream, inherited: signal.Handlers
) -> None:
    """A worker that the system kills (`kill -9`), however young, costs what it was serving; the next is served."""

    def inherit() -> None:
        signal.signal(signal.SIGCHLD, inherited)

    async with running_proxy("--workers", "2", cwd=tmp_path, env=environ(upstream), first=inherit) as proxy:
        await until_served(proxy.url)
        before = workers_of(proxy.process.pid)
        os.kill(before[0], signal.SIGKILL)
        assert await until_served(proxy.url) < RECOVERS_WITHIN_S
        async with asyncio.timeout(RECOVERS_WITHIN_S):
            while len(set(workers_of(proxy.process.pid)) - set(before)) != 1:  # noqa: ASYNC110  the system tells nobody
                await asyncio.sleep(0.05)
        assert all([b"event: message_stop" in await answer(proxy.url) for _ in range(20)])
        proxy.process.terminate()
        assert await proxy.process.wait() == 0


async def test_a_child_that_is_no_worker_may_end(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """What a script began before it became the proxy (`agent & exec ...`), or process 1 is left with, is no worker."""
    told, tell = os.pipe()

    def leave_a_child() -> None:
        os.close(tell)
        if os.fork() == 0:
            os.closerange(0, told)
            os.closerange(told + 1, 256)
            os.read(told, 1)
            os._exit(3)

    async with running_proxy("--workers", "2", cwd=tmp_path, env=environ(upstream), first=leave_a_child) as proxy:
        os.close(told)
        before = workers_of(proxy.process.pid)
        os.close(tell)
        async with asyncio.timeout(RECOVERS_WITHIN_S):
            while len(workers_of(proxy.process.pid)) != 2:  # noqa: ASYNC110  the system tells nobody
                await asyncio.sleep(0.01)
        assert set(workers_of(proxy.process.pid)) < set(before)
        assert b"event: message_stop" in await answer(proxy.url)
        proxy.process.terminate()
        assert await proxy.process.wait() == 0
    assert "worker process" not in proxy.err
