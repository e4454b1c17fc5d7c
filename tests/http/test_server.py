"""Start, drain and exit code of the server as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_to_anthropic.http.address import base_url
from llm_to_anthropic.http.listening import CannotListen, listen_on
from llm_to_anthropic.http.server import serve
from llm_to_anthropic.http.workers import MAX_TOO_SOON
from llm_to_anthropic.settings import Timeouts
from tests.http.fake import FakeGateway, Front, RawClient, front, settings

ROOT = Path(__file__).resolve().parents[2]
STREAM = b"POST /v1/messages%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
PID = b"POST /v1/messages/count_tokens HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


class Served:
    """A server process and what a test does with it."""

    def __init__(self, process: asyncio.subprocess.Process, front: Front) -> None:
        self.process = process
        self.front = front

    async def exit_code(self) -> int:
        async with asyncio.timeout(10):
            return await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def finish_stream(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"second\n")
        await self.process.stdin.drain()

    async def until_refused(self) -> None:
        """Returns once no connection is accepted any more."""
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.front.port)
                except ConnectionError:
                    return
                writer.close()

    async def pid(self) -> int:
        answer = await self.front.raw(PID)
        return int(answer.json()["pid"])


async def start(**given: float) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.http.serving", json.dumps(given)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


@asynccontextmanager
async def served(**given: float) -> AsyncIterator[Served]:
    process = await start(**given)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            url = (await process.stdout.readline()).decode().strip()
        yield Served(process, Front(url, FakeGateway()))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def begin_stream(client: RawClient, query: bytes = b"") -> None:
    await client.send(STREAM % query)
    await client.head()
    assert b"first" in await client.reader.readuntil(b"\n\n\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_an_idle_server_with_0(number: signal.Signals) -> None:
    """A server that is told to stop has not failed; idle connections do not hold it up."""
    async with served() as server, server.front.connect():
        server.signal(number)
        assert await server.exit_code() == 0


async def test_running_stream_finishes_after_sigterm() -> None:
    """SIGTERM closes the door, lets the stream come to its end, and then the process is done with 0."""
    async with served() as server, server.front.connect() as client:
        await begin_stream(client)
        server.signal(signal.SIGTERM)
        await server.until_refused()
        await server.finish_stream()
        rest = await client.reader.read()
        assert b"event: second" in rest
        assert rest.endswith(b"0\r\n\r\n")
        assert await server.exit_code() == 0


async def test_stream_that_outlasts_the_drain_is_ended_by_the_gateway() -> None:
    """After drain_s the gateway is closed, which ends its streams in words."""
    async with served(drain_s=0.2) as server, server.front.connect() as client:
        await begin_stream(client)
        server.signal(signal.SIGTERM)
        rest = await client.reader.read()
        assert b"event: error" in rest
        assert rest.endswith(b"0\r\n\r\n")
        assert await server.exit_code() == 0


async def test_stubborn_request_does_not_outlast_the_process() -> None:
    """What neither finishes nor lets itself be ended is cancelled, and the exit code still 0."""
    async with served(drain_s=0.1) as server, server.front.connect() as client:
        await begin_stream(client, b"?stubborn")
        server.signal(signal.SIGTERM)
        assert await server.exit_code() == 0


async def test_second_sigint_ends_at_once() -> None:
    """A user who presses Ctrl-C again does not want to wait for the drain."""
    async with served(drain_s=60) as server, server.front.connect() as client:
        await begin_stream(client)
        server.signal(signal.SIGINT)
        await server.until_refused()
        server.signal(signal.SIGINT)
        assert await server.exit_code() == 0


async def test_not_ready_but_serving_from_sigterm_on() -> None:
    """A load balancer sees a 503 at once and can still send what is on its way."""
    async with served(pre_stop_s=1) as server:
        assert (await server.front.request("GET", "/health/ready")).status == 200
        server.signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while (await server.front.request("GET", "/health/ready")).status != 503:
                pass
        assert (await server.front.request("GET", "/health")).status == 200
        assert await server.pid() == server.process.pid
        assert await server.exit_code() == 0


async def test_several_workers_share_the_port() -> None:
    """Every worker answers, and one SIGTERM drains them all."""
    async with served(workers=2) as server:
        pids: set[int] = set()
        async with asyncio.timeout(20):
            while len(pids) < 2:
                pids.add(await server.pid())
        assert server.process.pid not in pids
        async with server.front.connect() as client:
            await begin_stream(client)
            server.signal(signal.SIGTERM)
            await server.until_refused()
            await server.finish_stream()
            assert b"event: second" in await client.reader.read()
        assert await server.exit_code() == 0


async def test_workers_end_with_their_parent() -> None:
    """A parent that is killed leaves no worker behind that holds the port."""
    async with served(workers=2) as server:
        await server.pid()
        server.signal(signal.SIGKILL)
        await server.until_refused()


async def test_workers_that_never_serve_stop_the_server() -> None:
    """A fault that every new worker would have ends the server with 1 instead of a loop."""
    process = await start(workers=2, broken=1)
    async with asyncio.timeout(20):
        await process.communicate()
    assert process.returncode == 1


async def test_workers_that_die_one_after_the_other_stop_the_server() -> None:
    """What kills each new worker soon after its start ends the server with 1 instead of a loop; one death does not."""
    async with served(workers=2) as server:
        first = await server.pid()
        os.kill(first, signal.SIGKILL)
        killed = {first}
        async with asyncio.timeout(20):
            while server.process.returncode is None:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    pid = await server.pid()
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        assert server.process.returncode == 1
        assert len(killed) >= MAX_TOO_SOON
        await server.until_refused()


STOPPED_EARLY = """
import os, signal, socket, sys
from llm_to_anthropic.http.workers import run_workers

def run(sockets, ready, *, worker, **_):
    if any(each.fileno() < 0 for each in sockets):
        return 1
    if worker == 0:
        os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()

sys.exit(run_workers([[socket.socket()] for _ in range(64)], run, lambda: print("serving"), lambda: None))
"""


async def test_a_stop_while_workers_start_is_no_failure() -> None:
    """SIGTERM between two workers' starts ends those that run; no other is started, which would have no port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STOPPED_EARLY), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize("workers", [1, 2])
def test_taken_port_is_one_sentence(workers: int) -> None:
    """A port that somebody else has ends the start with a sentence that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"^127.0.0.1:{port} is taken[^\n]*$"):
            serve(settings(port=port, workers=workers), build=lambda _: FakeGateway())


def test_foreign_address_is_one_sentence() -> None:
    """An address that this machine does not have is the operator's to correct."""
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:8082 is not an address of this machine"):
        serve(settings(host="192.0.2.1", port=8082), build=lambda _: FakeGateway())


def test_address_of_ipv6_may_be_missing() -> None:
    """Where IPv6 is switched off, as in many containers, `localhost` is listened on all the same: by IPv4."""
    missing, there = (socket.AF_INET6, "2001:db8::1"), (socket.AF_INET, "127.0.0.1")
    for addresses in ([missing, there], [there, missing]):
        (one,) = listen_on(addresses, 0)
        with one:
            assert one.getsockname()[0] == "127.0.0.1"
    with pytest.raises(OSError, match=r"assign|support"):
        listen_on([missing], 0)


@pytest.mark.parametrize("host", ["proxy..example", "a" * 64, "pro\udcffy"])
def test_host_that_is_no_name_is_one_sentence(host: str) -> None:
    """A host that cannot be a name at all is told like one that does not resolve."""
    with pytest.raises(CannotListen, match=r"it is no name of a host.*check SERVER_HOST"):
        serve(settings(host=host, port=8082), build=lambda _: FakeGateway())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8082"),
        ("0.0.0.0", "http://127.0.0.1:8082"),
        ("::", "http://[::1]:8082"),
        ("::1", "http://[::1]:8082"),
        ("proxy.example", "http://proxy.example:8082"),
    ],
)
def test_base_url_is_one_that_works_here(host: str, url: str) -> None:
    """The URL that is announced can be pasted into a client on the same machine."""
    assert base_url(host, 8082) == url


async def test_running_closes_its_gateway() -> None:
    """The server in a loop of the caller's serves as long as its context, and closes the gateway after it."""
    gateway = FakeGateway()
    async with front(gateway) as server, server.connect() as client:
        await client.send(server.encode("POST", "/v1/messages", body=b"{}"))
        assert (await client.response()).status == 200
    assert gateway.closed.is_set()


async def test_a_request_that_is_still_arriving_when_the_server_stops_is_told() -> None:
    """Whose body is not complete at the end of the drain gets a 529 in words and a record, and not a fault of ours."""
    gateway = FakeGateway()
    async with front(gateway, timeouts=Timeouts(drain_s=0.05)) as server:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", server.port))
        await client.send((STREAM % b"").replace(b"{}", b"").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert (await client.head())[0] == 100
    answer = await client.response()
    client.writer.close()
    assert answer.error == (529, "overloaded_error")
    assert [(one.status, one.outcome, one.refusal) for one in gateway.exchanges] == [
        (529, "overloaded_error", "draining")
    ]
