"""Connections are used again, and a dead one costs nothing but a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_to_anthropic.errors import UpstreamProtocolError, UpstreamUnreachable
from llm_to_anthropic.upstream import OutgoingRequest, Upstream
from tests.upstream.raw_server import OK, Peer, RawServer


async def fetch(client: Upstream, request: OutgoingRequest) -> bytes:
    """One whole exchange."""
    call = await client.send(request)
    await call.head()
    body = await call.read_all(1 << 20)
    call.close()
    return body


async def test_connection_serves_the_next_request(client: Upstream) -> None:
    """Requests one after the other share one connection."""
    async with RawServer(lambda peer: peer.answer(OK, OK, OK)) as server:
        for _ in range(3):
            assert await fetch(client, server.post()) == b"hi"
        assert len(server.peers) == 1


async def test_finished_answer_frees_the_connection_before_it_is_read(client: Upstream) -> None:
    """A complete answer leaves its connection to others, read or not."""
    async with RawServer(lambda peer: peer.answer(OK, OK)) as server:
        first = await client.send(server.post())
        await first.head()
        assert await fetch(client, server.post()) == b"hi"
        assert await first.read() == b"hi"
        assert len(server.peers) == 1


UNENDED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlast\r\n"
"""An answer whose last words have come, and the end of its framing has not."""


async def last_words(client: Upstream, request: OutgoingRequest) -> None:
    """An exchange that ends once the last words are read."""
    call = await client.send(request)
    assert (await call.read() or b"").startswith(b"last")
    call.release()
    call.close()


async def test_answer_that_is_known_to_be_over_keeps_its_connection(client: Upstream) -> None:
    """Where the end of the framing follows the last words, the connection serves the next request."""
    over, ended = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        if peer.number == 0:
            await peer.answer(UNENDED)
            await over.wait()
            await peer.send(b"0\r\n\r\n")
            ended.set()
            await peer.answer(OK)
        else:
            await ended.wait()
            await peer.answer(OK, OK)

    async with RawServer(script) as server:
        await last_words(client, server.post())
        over.set()
        assert await fetch(client, server.post()) == b"hi"
        assert await asyncio.gather(*[fetch(client, server.post()) for _ in range(2)]) == [b"hi", b"hi"]
        assert len(server.peers) == 2


@pytest.mark.parametrize("more", [b"", b"%x\r\n%b\r\n" % (1 << 20, b"x" * (1 << 20))], ids=["silence", "a lot"])
async def test_connection_does_not_wait_long_for_the_end(client: Upstream, more: bytes) -> None:
    """An answer that goes on after its last words, or never ends, has its connection closed after a second."""

    async def script(peer: Peer) -> None:
        await peer.answer(UNENDED)
        peer.writer.write(more)
        await peer.wait_gone()

    async with RawServer(script) as server:
        await last_words(client, server.post())
        await asyncio.wait_for((await server.first_peer()).gone.wait(), 5)


async def test_concurrent_requests_have_their_own_connections(client: Upstream) -> None:
    """Requests at the same time do not wait for each other."""
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        await peer.request()
        await both.wait()
        await peer.send(OK)

    async with RawServer(script) as server:
        assert await asyncio.gather(*[fetch(client, server.post()) for _ in range(2)]) == [b"hi", b"hi"]
        assert len(server.peers) == 2


async def closed_by_upstream(client: Upstream, server: RawServer) -> None:
    """The first connection has served and is closed on the server's side; the client has seen it."""
    assert await fetch(client, server.post()) == b"hi"
    server.peers[0].writer.close()
    await server.peers[0].writer.wait_closed()


async def test_idle_connection_that_the_upstream_closed_is_not_used(client: Upstream) -> None:
    """After the upstream has closed an idle connection the next request opens a new one."""
    async with RawServer(lambda peer: peer.answer(OK)) as server:
        await closed_by_upstream(client, server)
        assert await fetch(client, server.post()) == b"hi"
        assert len(server.peers) == 2


def dies_on_reuse(death: Callable[[Peer], None], *then: bytes) -> Callable[[Peer], asyncio.Future[None]]:
    """The first connection answers once and dies at the second request; the others answer `then`."""

    async def script(peer: Peer) -> None:
        if peer.number:
            await peer.answer(*then)
            return
        await peer.answer(OK)
        await peer.request()
        death(peer)

    return lambda peer: asyncio.ensure_future(script(peer))


@pytest.mark.parametrize("death", [Peer.reset, lambda peer: peer.writer.close()], ids=["reset", "closed"])
async def test_stale_connection_is_replaced_once(client: Upstream, death: Callable[[Peer], None]) -> None:
    """A used connection that dies before any byte of the answer costs a new connection, not the request."""
    async with RawServer(dies_on_reuse(death, OK)) as server:
        assert await fetch(client, server.post()) == b"hi"
        assert await fetch(client, server.post(body=b'{"n":2}')) == b"hi"
        assert len(server.peers) == 2


async def test_second_death_is_an_error(client: Upstream) -> None:
    """The replacement is tried once: when it dies too the request fails."""
    async with RawServer(dies_on_reuse(Peer.reset)) as server:
        await fetch(client, server.post())
        with pytest.raises(UpstreamProtocolError, match="without a complete answer"):
            await fetch(client, server.post())
        assert len(server.peers) == 2


async def test_new_connection_that_dies_is_not_retried(client: Upstream) -> None:
    """On a new connection nothing is sent twice."""
    arrived: list[bytes] = []

    async def script(peer: Peer) -> None:
        arrived.append(await peer.request())

    async with RawServer(script) as server:
        with pytest.raises(UpstreamProtocolError, match="closed the connection"):
            await fetch(client, server.post())
        assert len(arrived) == 1


async def test_no_retry_after_a_byte_of_the_answer(client: Upstream) -> None:
    """Once a single byte of the answer has come the request is not sent again."""

    async def script(peer: Peer) -> None:
        await peer.answer(OK)
        await peer.request()
        await peer.send(b"H")

    async with RawServer(script) as server:
        await fetch(client, server.post())
        with pytest.raises(UpstreamProtocolError):
            await fetch(client, server.post())
        assert len(server.peers) == 1


async def test_closed_call_ends_its_connection(client: Upstream) -> None:
    """Closing an unfinished call closes its connection at once: the upstream stops working for nobody."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await peer.wait_gone()

    async with RawServer(script) as server:
        call = await client.send(server.post())
        assert await call.read() == b"hi"
        call.close()
        call.close()
        await asyncio.wait_for(server.peers[0].gone.wait(), 0.25)
        with pytest.raises(UpstreamProtocolError, match="was closed"):
            await call.read()


@pytest.mark.parametrize("answered", [False, True], ids=["before the answer", "within the answer"])
async def test_cancelled_reader_ends_its_connection(client: Upstream, answered: bool) -> None:
    """Cancelling the task that waits closes the upstream's connection promptly."""
    waiting = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if answered:
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        waiting.set()
        await peer.wait_gone()

    async with RawServer(script) as server:
        task = asyncio.ensure_future(fetch(client, server.post()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.peers[0].gone.wait(), 0.25)


async def test_closing_the_client_ends_calls_under_way(client: Upstream) -> None:
    """Calls under way end with an error when the client closes, and nothing new is sent."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.wait_gone()

    async with RawServer(script) as server:
        call = await client.send(server.post())
        await client.close()
        with pytest.raises(UpstreamProtocolError):
            await call.head()
        with pytest.raises(UpstreamUnreachable, match="shutting down"):
            await client.send(server.post())
