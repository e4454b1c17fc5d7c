"""The toxics do to a connection what they say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.scripted import ScriptedUpstream
from tests.upstream.raw_server import Peer, RawServer
from verification import toxics
from verification.fault_proxy import FaultProxy
from verification.toxics import Toxic

ANSWER = bytes(range(97, 123)) * 40
"""What the server says to every line it gets."""


async def say(peer: Peer) -> None:
    while await peer.reader.readline():
        await peer.send(ANSWER)


async def say_and_close(peer: Peer) -> None:
    await peer.reader.readline()
    await peer.send(ANSWER)


@contextlib.asynccontextmanager
async def through(toxic: Toxic) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a toxic, on which a line was sent."""
    async with RawServer(say) as server, FaultProxy(server.port, toxic) as fault:
        reader, writer = await asyncio.open_connection("127.0.0.1", fault.port)
        writer.write(b"hello\n")
        try:
            yield reader, writer
        finally:
            writer.close()


HARMLESS = [
    toxics.Latency(seconds=0.01),
    toxics.Jitter(most_s=0.01),
    toxics.Bandwidth(bytes_per_s=1_000_000),
    toxics.Slicer(),
    toxics.SlowClose(),
    toxics.LimitData(at=5000),
    toxics.Stale(),
]


@pytest.mark.parametrize("toxic", HARMLESS, ids=lambda toxic: toxic.name)
async def test_slow_network_loses_nothing(toxic: Toxic) -> None:
    """What only slows down, or hurts later, carries every byte in order."""
    async with through(toxic) as (reader, _):
        assert await asyncio.wait_for(reader.readexactly(len(ANSWER)), 5) == ANSWER


async def test_limit_data_ends_in_order() -> None:
    """The connection ends behind the byte that was named, as if the server had closed it."""
    async with through(toxics.LimitData(at=300)) as (reader, _):
        assert await reader.read() == ANSWER[:300]


async def test_reset_peer_breaks() -> None:
    """The connection breaks behind the byte that was named."""
    async with through(toxics.ResetPeer(at=300)) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_timeout_says_nothing_more() -> None:
    """Behind the byte that was named comes nothing, and the connection stays open."""
    async with through(toxics.Timeout(at=300)) as (reader, _):
        assert await reader.readexactly(300) == ANSWER[:300]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)


async def test_garbage_changes_one_byte() -> None:
    """The byte that was named is another one, and it alone."""
    async with through(toxics.Garbage(at=300, byte=0)) as (reader, _):
        got = await reader.readexactly(len(ANSWER))
    assert [at for at, byte in enumerate(got) if byte != ANSWER[at]] == [300]


@pytest.mark.parametrize("toxic", [toxics.Refuse(), toxics.LimitUpload(at=3)], ids=lambda toxic: toxic.name)
async def test_nothing_comes_through(toxic: Toxic) -> None:
    """A connection that is refused, or whose request is cut, ends without an answer."""
    async with through(toxic) as (reader, _):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_stale_connection_serves_once() -> None:
    """A second request on the same connection finds it closed."""
    async with through(toxics.Stale()) as (reader, writer):
        await reader.readexactly(len(ANSWER))
        writer.write(b"again\n")
        assert await reader.read() == b""


async def test_slicer_cuts() -> None:
    """Many small writes carry what was one."""
    async with through(toxics.Slicer()) as (reader, _):
        assert len(await reader.read(len(ANSWER))) < len(ANSWER)


async def test_slow_close_holds_the_end_back() -> None:
    """All bytes are there before the end is."""
    async with RawServer(say_and_close) as server, FaultProxy(server.port, toxics.SlowClose(seconds=0.1)) as fault:
        reader, writer = await asyncio.open_connection("127.0.0.1", fault.port)
        writer.write(b"hello\n")
        await reader.readexactly(len(ANSWER))
        clock = asyncio.get_running_loop().time
        before = clock()
        assert await reader.read() == b""
        assert clock() - before > 0.05
        writer.close()


async def test_scripted_upstream_is_reached(conversation: ScriptedUpstream) -> None:
    """A healthy network reaches the upstream, and closes with its client."""
    async with FaultProxy(conversation.port, Toxic()) as fault:
        reader, writer = await asyncio.open_connection("127.0.0.1", fault.port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        await conversation.until_idle()
