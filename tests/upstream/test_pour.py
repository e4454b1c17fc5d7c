"""Answers in full flow: each slice goes to whoever takes it in the moment it arrives."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest

from llm_to_anthropic.errors import UpstreamProtocolError, UpstreamTimeout
from llm_to_anthropic.providers.timeouts import CallTimeouts
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream import OutgoingRequest, Upstream, UpstreamCall
from tests.upstream.raw_server import Peer, RawServer

QUIET_S = 30.0
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def one_slice(peer: Peer) -> None:
    """Answers with one slice, and then with nothing until the client leaves."""
    await peer.request()
    await peer.send(HEAD + chunk(b"one"))
    await peer.wait_gone()


async def flowing(server: RawServer, client: Upstream) -> UpstreamCall:
    """A call whose head has come."""
    call = await client.send(server.post())
    await call.head()
    return call


async def test_slices_are_taken_as_they_come_until_the_end(client: Upstream) -> None:
    """Every slice is taken, those that waited before the flow began too, and the end is left for `read` to tell."""
    taken = bytearray()
    first_taken = asyncio.Event()

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + chunk(b"one"))
        await first_taken.wait()
        await peer.send(chunk(b"two") + END)
        await peer.wait_gone()

    def take(data: bytes) -> bool:
        taken.extend(data)
        first_taken.set()
        return True

    async with RawServer(answer) as server:
        call = await flowing(server, client)
        assert not await call.pour(take, QUIET_S)
        assert await call.read() == b""
    assert taken == b"onetwo"


async def test_refused_slice_stops_the_flow(client: Upstream) -> None:
    """Whoever wants no more gets no more: what comes later waits to be read."""
    go_on = asyncio.Event()

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + chunk(b"one"))
        await go_on.wait()
        await peer.send(chunk(b"two") + END)
        await peer.wait_gone()

    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        return False

    async with RawServer(answer) as server:
        call = await flowing(server, client)
        assert await call.pour(take, QUIET_S)
        go_on.set()
        assert await call.read_all(100) == b"two"
    assert taken == [b"one"]


async def test_silence_ends_the_flow(client: Upstream) -> None:
    """After so much silence the caller gets its turn, to send a ping."""
    async with RawServer(one_slice) as server:
        call = await flowing(server, client)
        assert not await call.pour(lambda _: True, 0.05)
        assert await call.read(0) is None
        call.close()


async def test_bytes_that_flow_are_no_silence(make_upstream: Callable[..., Upstream]) -> None:
    """An answer that trickles flows on past the silence and the idle limit, both of which count from the last slice."""
    taken: list[bytes] = []
    client = make_upstream(Timeouts(idle_s=0.2))

    def take(data: bytes) -> bool:
        taken.append(data)
        return True

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        for _ in range(8):
            await peer.send(chunk(b"x"))
            await asyncio.sleep(0.05)  # the pace of the upstream is what is tested
        await peer.send(END)
        await peer.wait_gone()

    async with RawServer(answer) as server:
        call = await flowing(server, client)
        assert not await call.pour(take, 0.15)
        assert await call.read() == b""
    assert len(b"".join(taken)) == 8


async def test_upstream_that_falls_silent_in_full_flow_times_out(make_upstream: Callable[..., Upstream]) -> None:
    """The idle limit holds while an answer flows."""
    client = make_upstream(Timeouts(idle_s=0.1))

    async with RawServer(one_slice) as server:
        call = await flowing(server, client)
        assert not await call.pour(lambda _: True, QUIET_S)
        with pytest.raises(UpstreamTimeout, match="fell silent"):
            await call.read()


async def test_connection_that_breaks_in_full_flow_is_told(client: Upstream) -> None:
    """A connection that is reset while the answer flows ends the flow, and `read` raises."""
    flows = asyncio.Event()

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + chunk(b"one"))
        await flows.wait()
        peer.reset()

    def take(_: bytes) -> bool:
        flows.set()
        return True

    async with RawServer(answer) as server:
        call = await flowing(server, client)
        assert not await call.pour(take, QUIET_S)
        with pytest.raises(UpstreamProtocolError, match="in the middle of its answer"):
            await call.read()


async def test_error_of_the_taker_reaches_the_caller(client: Upstream) -> None:
    """What goes wrong while a slice is taken is raised where the flow was asked for, not lost in the event loop."""

    def take(_: bytes) -> bool:
        raise UpstreamProtocolError("no JSON")

    async with RawServer(one_slice) as server:
        call = await flowing(server, client)
        with pytest.raises(UpstreamProtocolError, match="no JSON"):
            await call.pour(take, QUIET_S)
        call.close()


async def test_compressed_answer_does_not_flow(client: Upstream) -> None:
    """An answer that has to be inflated first is left to `read`."""

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"))
        await peer.wait_gone()

    async with RawServer(answer) as server:
        call = await flowing(server, client)
        assert not await call.pour(lambda _: True, QUIET_S)
        call.close()


async def test_request_is_let_go_once_the_answer_begins(client: Upstream) -> None:
    """A call that runs for an hour does not keep the body that it was asked with."""
    async with RawServer(one_slice) as server:
        body = b"x" * 100_000
        ours = sys.getrefcount(body)
        call = await client.send(OutgoingRequest(method="POST", url=server.url, headers=[], body=body))
        assert sys.getrefcount(body) > ours
        await call.head()
        assert sys.getrefcount(body) == ours
        call.close()


class Clock:
    """A loop's time, told by the test."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def create_future(self) -> asyncio.Future[bool]:
        return asyncio.get_running_loop().create_future()


class Line:
    """A connection that does nothing."""

    sending = False

    def watch(self, at: float) -> None: ...

    def resume(self) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


@pytest.mark.parametrize(("stays", "ends"), [(True, True), (False, False)], ids=["stays quiet", "is told"])
async def test_what_tells_a_client_nothing_breaks_no_silence(stays: bool, ends: bool) -> None:
    """A slice of which nothing comes for the client leaves the end of its silence where it was."""
    clock = Clock()
    call = UpstreamCall("one", CallTimeouts(), clock, (None, ()))  # type: ignore[arg-type]
    call.begin(Line())
    call.receive_head(200, b"", b"")

    def take(_data: bytes) -> bool:
        if stays:
            call.stay_quiet(1.0)
        return True

    pouring = asyncio.ensure_future(call.pour(take, 10.0))
    await asyncio.sleep(0)
    clock.now = 9.0
    assert call.receive(b"x", 1)
    call.look(10.0)
    await asyncio.sleep(0)
    assert pouring.done() is ends
    pouring.cancel()
    call.close()
