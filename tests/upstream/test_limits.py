"""Time limits, silence, backpressure and large requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from llm_to_anthropic.errors import UpstreamProtocolError, UpstreamTimeout
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream import OutgoingRequest, Upstream, UpstreamCall
from tests.upstream.raw_server import OK, Peer, RawServer, content_length, deaf_port

STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"2\r\nhi\r\n"
MiB = 1 << 20


async def silent(peer: Peer) -> None:
    """Takes the request and never answers."""
    await peer.request()
    await peer.wait_gone()


async def stalling(peer: Peer) -> None:
    """Starts an answer and stops midway."""
    await peer.request()
    await peer.send(STREAM + EVENT)
    await peer.wait_gone()


async def dripping(peer: Peer) -> None:
    """Never ends, and is never silent for long."""
    await peer.request()
    await peer.send(STREAM)
    while not peer.writer.is_closing():
        await peer.send(EVENT)
        await asyncio.sleep(0.01)


async def pinging(peer: Peer) -> None:
    """Begins a stream and says nothing in it but that it lives."""
    await peer.request()
    await peer.send(STREAM)
    while not peer.writer.is_closing():
        await peer.send(b"2\r\n:\n\r\n")
        await asyncio.sleep(0.01)


async def deaf(peer: Peer) -> None:
    """Reads the head of the request and no more."""
    await peer.head()
    await asyncio.Event().wait()


LIMITS = {
    "first_event": (Timeouts(first_event_s=0.1), silent, b"{}", "did not begin to answer within 0.1 s"),
    "idle": (Timeouts(idle_s=0.1), stalling, b"{}", "fell silent"),
    "total": (Timeouts(total_s=0.2, idle_s=0.1), dripping, b"{}", "not complete within 0.2 s"),
    "write": (Timeouts(write_s=0.1), deaf, bytes(32 * MiB), "took nothing more of the request"),
}


@pytest.mark.parametrize("phase", LIMITS)
async def test_each_limit_ends_with_its_own_error(phase: str, make_upstream: Callable[..., Upstream]) -> None:
    """A limit that passes ends the request within 250 ms, its error names the phase, the connection closes."""
    timeouts, script, body, sentence = LIMITS[phase]
    client = make_upstream(timeouts)
    async with RawServer(script) as server:
        started = asyncio.get_running_loop().time()
        call = await client.send(server.post(body=body))
        with pytest.raises(UpstreamTimeout, match=sentence) as caught:
            await call.read_all(64 * MiB)
        took = asyncio.get_running_loop().time() - started
    assert caught.value.phase == phase
    limit = 0.2 if phase == "total" else 0.1
    assert limit * 0.9 <= took < limit + 0.25 + (0.5 if phase == "write" else 0)


async def test_connecting_has_a_limit(make_upstream: Callable[..., Upstream]) -> None:
    """An address that neither accepts nor refuses is given up in time, and the error names the phase."""
    client = make_upstream(Timeouts(connect_s=0.2))
    with deaf_port() as port:
        began = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamTimeout, match=r"within 0\.2 s \(timeouts\.connect_s\)") as caught:
            await client.send(OutgoingRequest(method="GET", url=f"http://127.0.0.1:{port}/", headers=[]))
        took = asyncio.get_running_loop().time() - began
    assert caught.value.phase == "connect"
    assert 0.18 <= took < 0.2 + 0.25


async def test_a_stream_of_pings_does_not_begin(make_upstream: Callable[..., Upstream]) -> None:
    """Pings are life, not progress: without an event that says something a stream ends at first_event_s."""
    client = make_upstream(Timeouts(idle_s=0.1, first_event_s=0.3, whole_s=9.0))
    async with RawServer(pinging) as server:
        began = asyncio.get_running_loop().time()
        call = await client.send(msgspec.structs.replace(server.post(), begins="event"))
        with pytest.raises(UpstreamTimeout, match=r"did not begin to answer within 0\.3 s") as caught:
            await call.read_all(MiB)
        took = asyncio.get_running_loop().time() - began
    assert caught.value.phase == "first_event"
    assert 0.27 <= took < 0.3 + 0.25


async def test_a_stream_that_has_begun_lives_by_pings(make_upstream: Callable[..., Upstream]) -> None:
    """Once something was said, pings keep a stream alive however long they are all that comes."""
    client = make_upstream(Timeouts(idle_s=0.1, first_event_s=0.1))
    async with RawServer(pinging) as server:
        call = await client.send(msgspec.structs.replace(server.post(), begins="event"))
        call.begun()
        until = asyncio.get_running_loop().time() + 0.6  # as 12 minutes are to an idle limit of 2
        while asyncio.get_running_loop().time() < until:
            assert await call.read()
        call.close()


async def test_an_answer_in_one_piece_may_take_longer_to_begin(make_upstream: Callable[..., Upstream]) -> None:
    """An upstream that writes its whole answer before it sends the head has whole_s for it."""
    client = make_upstream(Timeouts(idle_s=0.05, first_event_s=0.05, whole_s=0.3))
    async with RawServer(silent) as server:
        began = asyncio.get_running_loop().time()
        call = await client.send(msgspec.structs.replace(server.post(), begins="whole"))
        with pytest.raises(UpstreamTimeout, match=r"within 0\.3 s \(timeouts\.whole_s\)"):
            await call.head()
    assert 0.27 <= asyncio.get_running_loop().time() - began < 0.3 + 0.25


async def test_a_request_may_have_limits_of_its_own(make_upstream: Callable[..., Upstream]) -> None:
    """What a request brings holds in place of the client's limits."""
    client = make_upstream(Timeouts(idle_s=60.0))
    async with RawServer(stalling) as server:
        call = await client.send(msgspec.structs.replace(server.post(), timeouts=Timeouts(idle_s=0.1)))
        with pytest.raises(UpstreamTimeout) as caught:
            await call.read_all(MiB)
    assert caught.value.phase == "idle"


async def test_silence_is_reported_and_is_no_error(client: Upstream) -> None:
    """After `quiet_s` of silence head and read return, and go on when called again."""
    step = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await step.wait()
        step.clear()
        await peer.send(STREAM)
        await step.wait()
        await peer.send(EVENT + b"0\r\n\r\n")

    async with RawServer(script) as server:
        call = await client.send(server.post())
        assert not await call.head(0.02)
        assert not await call.head(0.02)
        step.set()
        assert await call.head(5)
        assert await call.read(0.02) is None
        step.set()
        assert await call.read(5) == b"hi"
        assert await call.read(5) == b""


async def read_impatiently(call: UpstreamCall) -> None:
    for _ in range(20):
        if await call.head(0.03):
            await call.read(0.03)


@pytest.mark.parametrize(("script", "phase"), [(silent, "first_event"), (stalling, "idle")])
async def test_asking_again_does_not_extend_a_limit(
    script: Callable[[Peer], Awaitable[None]], phase: str, make_upstream: Callable[..., Upstream]
) -> None:
    """Returns for silence do not reset the limits: the upstream is still silent."""
    client = make_upstream(Timeouts(first_event_s=0.2, idle_s=0.2))
    async with RawServer(script) as server:
        call = await client.send(server.post())
        with pytest.raises(UpstreamTimeout) as caught:
            await read_impatiently(call)
    assert caught.value.phase == phase


async def test_stream_that_trickles_outlives_the_idle_limit(make_upstream: Callable[..., Upstream]) -> None:
    """The idle limit counts from the last byte, not from the first."""
    client = make_upstream(Timeouts(idle_s=0.2, first_event_s=0.2))
    async with RawServer(dripping) as server:
        call = await client.send(server.post())
        until = asyncio.get_running_loop().time() + 0.6
        while asyncio.get_running_loop().time() < until:
            assert await call.read()
        call.close()


async def test_bytes_that_wait_to_be_read_are_no_silence(make_upstream: Callable[..., Upstream]) -> None:
    """A slow reader does not make the upstream look silent."""
    client = make_upstream(Timeouts(idle_s=0.05))
    async with RawServer(stalling) as server:
        call = await client.send(server.post())
        await call.head()
        await asyncio.sleep(0.2)
        assert await call.read() == b"hi"
        call.close()


async def test_unread_answer_stops_the_upstream(client: Upstream) -> None:
    """While nobody reads, little is taken from the upstream: its writes block. Reading on, all arrives."""
    size = 64 * MiB
    half_sent = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        await peer.send(bytes(size // 2))
        half_sent.set()
        await peer.send(bytes(size // 2))

    async with RawServer(script) as server:
        call = await client.send(server.post())
        await call.head()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(half_sent.wait(), 0.3)
        assert call.unread <= 512 * 1024
        assert len(await call.read_all(size)) == size


async def test_large_request_arrives_whole(client: Upstream) -> None:
    """A body of 32 MiB arrives as it was, however slowly the upstream reads."""
    body = bytes(range(256)) * (32 * MiB // 256)
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        head = await peer.head()
        got.append(await peer.reader.readexactly(content_length(head)))
        await peer.send(OK)

    async with RawServer(script) as server:
        call = await client.send(server.post(body=body))
        assert await call.read_all(10) == b"hi"
    assert got == [body]


@pytest.mark.parametrize("status", [b"413 Too Large", b"200 OK"], ids=["refusal", "answer"])
async def test_answer_before_the_request_is_sent_is_read(client: Upstream, status: bytes) -> None:
    """An upstream that answers before it has read the body is heard, and its connection is not used again."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 " + status + b"\r\ncontent-length: 3\r\n\r\nbig")
        await peer.wait_gone()

    async with RawServer(script) as server:
        call = await client.send(server.post(body=bytes(32 * MiB)))
        assert await call.head()
        assert call.status == int(status[:3])
        assert await call.read_all(10) == b"big"
        await asyncio.wait_for(server.peers[0].gone.wait(), 5)


async def test_large_request_on_a_stale_connection_fills_no_log(
    client: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A large request that finds its kept connection closed goes out on another, and no log tells of each piece."""

    async def script(peer: Peer) -> None:
        head = await peer.head()
        await peer.reader.readexactly(content_length(head))
        await peer.send(OK)

    async with RawServer(script) as server:
        for _ in range(3):
            call = await client.send(server.post(body=bytes(32 * MiB)))
            assert await call.read_all(10) == b"hi"
    assert caplog.messages == []


async def test_answer_over_the_limit_is_refused(client: Upstream) -> None:
    """read_all takes no more than its limit."""
    async with RawServer(dripping) as server:
        call = await client.send(server.post())
        with pytest.raises(UpstreamProtocolError, match="larger than 5 bytes"):
            await call.read_all(5)
