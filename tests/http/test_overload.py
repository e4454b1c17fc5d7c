"""More requests than the server takes: who waits, who is refused, and that nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from llm_to_anthropic.gateway import memory_gauge
from llm_to_anthropic.gateway.call import Call, Headers, Reply
from llm_to_anthropic.gateway.pressure import FULL_SHARE, PRESSED_SHARE
from llm_to_anthropic.http.front_cycle import FrontCycle
from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.settings import ClientKey, Limits, Timeouts
from tests.http.fake import FakeGateway, Front, RawClient, Response, front, left

EVENT_STREAM: Headers = [(b"content-type", b"text/event-stream")]
EVENTS = [b"event: %d\n\n" % number for number in range(20)]
POST = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CLOSING = POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
ANSWER_S = 0.02
"""What an answer to the flood takes."""
MiB = 1 << 20


class Held:
    """Answers with streams whose rest waits for `go_on`."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.gateway = FakeGateway(self.answer)

    async def answer(self, _call: Call, reply: Reply) -> None:
        reply.start(200, EVENT_STREAM)
        await reply.write(EVENTS[0])
        await self.go_on.wait()
        for event in EVENTS[1:]:
            await reply.write(event)
        await reply.end()


async def load(server: Front, headers: dict[str, str] | None = None) -> dict[str, object]:
    """What the readiness answer tells of the load."""
    told: dict[str, object] = (await server.request("GET", "/health/ready", headers)).json()["load"]
    return told


async def took(answering: Awaitable[Response]) -> float:
    """Seconds until an answer has come, which is a good one."""
    began = time.perf_counter()
    assert (await answering).status == 200
    return time.perf_counter() - began


async def until_load(server: Front, headers: dict[str, str] | None = None, **wanted: object) -> None:
    """Asks until the load is as wanted."""
    async with asyncio.timeout(5):
        while not wanted.items() <= (await load(server, headers)).items():
            pass


async def post_all(clients: list[RawClient]) -> None:
    for client in clients:
        await client.send(POST)


@asynccontextmanager
async def connected(server: Front, count: int) -> AsyncIterator[list[RawClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(server.connect()) for _ in range(count)]


async def test_beyond_the_limits_is_refused_fast_and_nobody_else_notices() -> None:
    """256 streams run; of 200 more exactly 64 wait and 136 get a 529, fast and cheap; no stream loses an event."""
    held = Held()
    limits = Limits(max_running=256, max_queued=64)
    async with front(held.gateway, limits=limits) as server, connected(server, 456) as clients:
        running, waiting, refused = clients[:256], clients[256:320], clients[320:]
        await post_all(running)
        await until_load(server, running=256)
        await post_all(waiting)
        await until_load(server, queued=64)
        memory, took = memory_gauge.used_bytes(), []
        for client in refused:
            began = time.perf_counter()
            await client.send(POST)
            answer = await client.response()
            took.append(time.perf_counter() - began)
            assert answer.error == (529, "overloaded_error")
            assert 1 <= int(answer.header("retry-after")) <= 5
        grown = memory_gauge.used_bytes() - memory
        assert (await load(server)) == {"state": "ok", "running": 256, "queued": 64, "refused": 136}
        held.go_on.set()
        bodies = [(await client.response()).body for client in running + waiting]
    assert sorted(took)[int(len(took) * 0.99)] < 0.05
    assert grown < MiB
    assert bodies == [b"".join(EVENTS)] * 320


async def test_a_body_that_nobody_needs_is_not_read() -> None:
    """A request that is refused hears so after its head; its body need not be sent."""
    held = Held()
    head = POST.replace(b"Content-Length: 2", b"Content-Length: 20000000")[:-2]
    async with (
        front(held.gateway, limits=Limits(max_running=1, max_queued=0)) as server,
        server.connect() as client,
        server.connect() as refused,
    ):
        await client.send(POST)
        await until_load(server, running=1)
        await refused.send(head)
        answer = await refused.response()
        assert answer.error == (529, "overloaded_error")
        assert answer.header("connection") == "close"
        assert await refused.closed()
        held.go_on.set()
        assert (await client.response()).status == 200


async def test_who_waited_in_vain_leaves_nothing_to_the_garbage_collector() -> None:
    """A refusal and the way that it came would hold each other, and what was read of the request with them."""
    held = Held()
    limits, timeouts = Limits(max_running=1, max_queued=8), Timeouts(queue_s=0.05)
    async with front(held.gateway, limits=limits, timeouts=timeouts) as server, server.connect() as first:
        await first.send(POST)
        await first.head()
        gc.collect()
        gc.disable()
        try:
            refused = await asyncio.gather(*(server.raw(CLOSING) for _ in range(4)))
            assert [each.status for each in refused] == [529] * 4
            assert sum(isinstance(one, FrontCycle) for one in gc.get_objects()) == 1
        finally:
            gc.enable()
            held.go_on.set()


async def test_a_refused_client_may_use_its_connection_again() -> None:
    """A refusal of a whole request costs nobody a new connection."""
    held = Held()
    async with (
        front(held.gateway, limits=Limits(max_running=1, max_queued=0)) as server,
        server.connect() as client,
        server.connect() as refused,
    ):
        await client.send(POST)
        await until_load(server, running=1)
        for _ in range(2):
            await refused.send(POST)
            assert (await refused.response()).status == 529
        held.go_on.set()
        assert (await client.response()).status == 200
        await refused.send(POST)
        assert (await refused.response()).status == 200


async def test_leaving_the_line_is_noticed() -> None:
    """A client that leaves while it waits for a place gives it up at once, and its record says so."""
    held = Held()
    async with front(held.gateway, limits=Limits(max_running=1)) as server, server.connect() as client:
        await client.send(POST)
        await until_load(server, running=1)
        async with server.connect() as leaving:
            await leaving.send(POST)
            await until_load(server, queued=1)
        left = time.perf_counter()
        await until_load(server, queued=0)
        assert time.perf_counter() - left < 0.25
        assert [each.outcome for each in server.gateway.exchanges if each.path == "/v1/messages"] == [
            "client_disconnected"
        ]
        held.go_on.set()
        assert (await client.response()).status == 200
        await until_load(server, running=0)
    assert len(server.gateway.calls) == 1


async def test_health_is_answered_whatever_the_load() -> None:
    """A server at its limit is asked for its health without waiting for a place."""
    held = Held()
    async with front(held.gateway, limits=Limits(max_running=1)) as server, server.connect() as client:
        await client.send(POST)
        await until_load(server, running=1)
        assert (await server.request("GET", "/health")).status == 200
        held.go_on.set()


async def test_a_flood_of_one_key_does_not_hold_up_another() -> None:
    """While one key floods with 500 requests another key's wait stays below 100 ms."""

    flooded = asyncio.Event()

    async def answer(call: Call, reply: Reply) -> None:
        await flooded.wait()
        if call.found[b"x-api-key"] == flood["x-api-key"].encode():
            await asyncio.sleep(ANSWER_S)
        await reply.whole(200, [], b"{}")

    keys = tuple(ClientKey(secret=Secret(f"client-key-{name}")) for name in "ab")
    flood, quiet = ({"x-api-key": key.secret.reveal()} for key in keys)
    async with front(FakeGateway(answer), limits=Limits(max_running=4), client_keys=keys) as server:
        flooding = [asyncio.create_task(server.post(flood)) for _ in range(500)]
        await until_load(server, quiet, running=4, queued=64, refused=432)
        flooded.set()
        waits = [await took(server.post(quiet)) for _ in range(6)]
        assert (await load(server, quiet))["queued"] != 0, "the flood was over too soon to tell anything"
        assert {(await each).status for each in flooding} == {200, 529}
    assert max(waits) < 0.1


def least_bytes() -> int:
    """What this process cannot do without."""
    memory_gauge.give_back()
    return memory_gauge.used_bytes()


@pytest.mark.parametrize(
    ("share", "state", "streams", "connection"),
    [((PRESSED_SHARE + FULL_SHARE) / 2, "pressed", False, "close"), (0.5, "ok", True, "")],
)
async def test_memory_presses(share: float, state: str, streams: bool, connection: str) -> None:
    """Hard pressed, the server begins no streams and keeps no connections."""
    limits = Limits(max_memory_bytes=int(least_bytes() / share))
    async with front(limits=limits) as server:
        await until_load(server, state=state)
        answer = await server.post()
        assert (answer.status, answer.header("connection")) == (200, connection)
        assert server.gateway.calls[0].may_stream is streams


async def test_without_memory_nothing_is_let_in() -> None:
    """Beyond 92 % of its memory the server refuses everything but questions after its health."""
    limits = Limits(max_memory_bytes=int(least_bytes() / 0.97))
    async with front(limits=limits) as server:
        await until_load(server, state="full")
        answer = await server.post()
        assert answer.error == (529, "overloaded_error")
        assert "limits.max_memory_bytes" in answer.json()["error"]["message"]
        assert (await server.request("GET", "/v1/models")).status == 529
        assert (await server.request("GET", "/health")).status == 200
    assert not server.gateway.calls


class Unread:
    """A stream without end to a client that may read or not."""

    def __init__(self, piece: bytes = bytes(16 * 1024)) -> None:
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.written = 0
        self.gateway = FakeGateway(self.answer)
        self._piece = piece

    async def answer(self, _call: Call, reply: Reply) -> None:
        reply.start(200, EVENT_STREAM)
        writing = asyncio.create_task(self._write(reply))
        self.outcome.set_result(await left(reply))
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing

    async def _write(self, reply: Reply) -> None:
        while True:
            await reply.write(self._piece)
            self.written += len(self._piece)


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """A client that accepts no byte for write_s loses its connection, and what it did is said."""
    unread = Unread()
    async with front(unread.gateway, timeouts=Timeouts(write_s=0.6)) as server, server.connect() as client:
        await client.send(POST)
        await client.head()
        began = time.perf_counter()
        assert await asyncio.wait_for(unread.outcome, 5) == "client_stalled"
        assert 0.58 <= time.perf_counter() - began < 0.6 + 0.25


async def test_the_rest_of_an_answer_keeps_no_connection_open() -> None:
    """A connection that is to be closed is closed, though its client never takes the last bytes."""

    async def answer(_call: Call, reply: Reply) -> None:
        await reply.whole(200, [(b"connection", b"close")], bytes(80 * 1024))

    limits = Limits(max_connections=1)
    async with front(FakeGateway(answer), timeouts=Timeouts(write_s=0.6), limits=limits) as server, narrow(server):
        async with asyncio.timeout(5):
            while (await server.request("GET", "/health")).status != 200:
                pass


@asynccontextmanager
async def narrow(server: Front) -> AsyncIterator[socket.socket]:
    """A client for which the system reads but little ahead; it has sent a request."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        sock.send(POST)
        yield sock


async def test_a_client_that_reads_slowly_is_not_cut_off() -> None:
    """Reading a little, however slowly, is not stalling: here 60 KB within write_s, as 1 KB/s is in a minute."""
    unread = Unread()
    async with front(unread.gateway, timeouts=Timeouts(write_s=0.4)) as server, narrow(server) as sock:
        until_s = time.perf_counter() + 1.2
        while time.perf_counter() < until_s:
            await asyncio.get_running_loop().sock_recv(sock, 8 * 1024)
            await asyncio.sleep(0.05)
        assert not unread.outcome.done()
        sock.close()
        assert await asyncio.wait_for(unread.outcome, 5) == "client_disconnected"


async def test_what_a_client_does_not_read_stays_small() -> None:
    """For a client that does not read 256 KiB at most are taken from the gateway, the system's buffers included."""
    unread = Unread()
    async with front(unread.gateway) as server, narrow(server):
        before = -1
        while unread.written != before:
            before = unread.written
            await asyncio.sleep(0.1)
        assert 16 * 1024 <= unread.written <= 256 * 1024


async def test_why_it_is_not_ready_is_no_strangers_business() -> None:
    """What is wrong with a provider may name accounts or files: told on this machine, and to those with a key."""
    keys = (ClientKey(secret=Secret("client-key")),)
    far = {"x-forwarded-for": "192.0.2.1"}
    async with front(client_keys=keys) as server:
        asked: tuple[dict[str, str], ...] = ({}, far, far | {"x-api-key": "client-key"})
        told = [await server.request("GET", "/health/ready", headers) for headers in asked]
    assert ["providers" in each.json() for each in told] == [True, False, True]
    assert [(each.status, each.json()["status"]) for each in told] == [(200, "ready")] * 3


async def test_how_busy_it_is_is_nobody_elses_business() -> None:
    """Anybody may ask whether the server is ready; the load is told to those who have a key."""
    keys = (ClientKey(secret=Secret("client-key")),)
    async with front(client_keys=keys) as server:
        told = [await server.request("GET", "/health/ready", headers) for headers in ({}, {"x-api-key": "client-key"})]
    assert ["load" in each.json() for each in told] == [False, True]
    assert [each.status for each in told] == [200, 200]
