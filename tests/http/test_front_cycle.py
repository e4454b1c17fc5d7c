"""How answers are framed, in which order they leave, and what becomes of those that are never given."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from uvicorn.server import ServerState

from llm_to_anthropic.gateway.call import Call, Headers, Reply
from llm_to_anthropic.http.front_cycle import FrontCycle
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.protocol import FrontProtocol, ServerConfig
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.outbox import SMALL_BYTES
from llm_to_anthropic.settings import Limits
from tests.http.fake import FakeGateway, front, left, settings

HEAD = b"POST /v1/messages%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
EVENT_STREAM: Headers = [(b"content-type", b"text/event-stream")]


async def echo(call: Call, reply: Reply) -> None:
    await reply.whole(200, [], json.dumps(call.query).encode())


async def stream(_call: Call, reply: Reply) -> None:
    reply.start(200, [*EVENT_STREAM, (b"content-length", b"3")])
    await reply.write(b"one")
    await reply.write(b"")
    await reply.write(b"two")
    await reply.end()


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    """Requests that come before the first is answered wait for their turn, each with its own answer."""
    first_may_end = asyncio.Event()

    async def answer(call: Call, reply: Reply) -> None:
        if call.query == "0":
            await first_may_end.wait()
        await echo(call, reply)

    async with front(FakeGateway(answer)) as server, server.connect() as client:
        await client.send(b"".join(HEAD % (b"?%d" % number) for number in range(5)))
        first_may_end.set()
        answers = [(await client.response()).json() for _ in range(5)]
    assert answers == ["0", "1", "2", "3", "4"]


async def test_client_that_leaves_with_pipelined_requests_is_noticed() -> None:
    """The request being answered learns that its client has left, though another one came after it."""
    gateway = FakeGateway()
    running = asyncio.Event()

    async def wait(call: Call, reply: Reply) -> None:
        running.set()
        await left(reply)
        gateway.closed.set()

    gateway.answer = wait
    async with front(gateway) as server:
        async with server.connect() as client:
            await client.send(HEAD % b"" * 2)
            await running.wait()
        async with asyncio.timeout(5):
            await gateway.closed.wait()
    assert len(gateway.calls) == 1


async def test_stream_is_chunked_whatever_length_was_promised() -> None:
    """A streamed answer has chunks and no content-length, and an empty piece does not end it."""
    async with front(FakeGateway(stream)) as server:
        answer = await server.post()
    assert (answer.body, answer.header("transfer-encoding")) == (b"onetwo", "chunked")
    assert answer.header("content-length") == ""


async def test_who_has_read_the_end_of_a_stream_finds_it_recorded() -> None:
    """The end of a stream leaves once the request is recorded: it is counted for whoever has read it."""
    recorded = False

    async def slow_to_record(_call: Call, reply: Reply) -> None:
        nonlocal recorded
        await stream(_call, reply)
        for _ in range(20):  # the loop has the time to send whatever it was given
            await asyncio.sleep(0)
        recorded = True

    async with front(FakeGateway(slow_to_record)) as server:
        assert (await server.post()).body == b"onetwo"
        assert recorded


class Wire(asyncio.Transport):
    """Notes what is written, and that it was closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000)})
        self.written: list[bytes] = []
        self.full_from = 0
        self.when_full: Callable[[], None] | None = None
        """Called by a write of more bytes than `full_from`."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        if self.when_full is not None and len(data) > self.full_from:
            self.when_full()

    def write_eof(self) -> None:
        self.written.append(b"end")

    def close(self) -> None:
        self.written.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.written

    def get_write_buffer_size(self) -> int:
        return 0


async def answered_and_then(follow: Callable[[FrontProtocol, Wire], None]) -> list[bytes]:
    """What a connection writes where `follow` comes before the turn is over in which a request was answered."""
    done = asyncio.Event()

    async def answer(_call: Call, reply: Reply) -> None:
        await reply.whole(200, [], b"the answer")
        follow(protocol, wire)
        done.set()

    known = settings()
    gateway = FakeGateway(answer)
    live = Live(known, gateway, Standing(known))
    protocol = FrontProtocol(ServerConfig(live), ServerState(), asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(wire)
    protocol.data_received(HEAD % b"")
    await asyncio.wait_for(done.wait(), 2)
    protocol.connection_lost(None)
    return wire.written


async def test_refusal_of_what_follows_comes_after_the_answer() -> None:
    """A broken request right behind a good one does not overtake the good one's answer."""
    answer, refusal, *rest = await answered_and_then(lambda protocol, _: protocol.data_received(b"\0\r\n\r\n"))
    assert answer.endswith(b"the answer")
    assert refusal.startswith(b"HTTP/1.1 400 ")
    assert rest[0] == b"end"


async def test_client_that_says_it_is_done_still_gets_its_answer() -> None:
    """Who half-closes its connection in the moment of the answer gets the answer."""

    def half_close(protocol: FrontProtocol, wire: Wire) -> None:
        protocol.eof_received()
        wire.close()  # as an event loop does then

    answer, *_ = await answered_and_then(half_close)
    assert answer.endswith(b"the answer")


async def test_server_that_stops_still_sends_the_answer() -> None:
    """A connection that is closed in the moment of its answer is closed behind it."""
    answer, *rest = await answered_and_then(lambda protocol, _: protocol.shutdown())
    assert answer.endswith(b"the answer")
    assert rest[0] == b"closed"


async def ended_without_room(end: Callable[[FrontProtocol, Reply], Awaitable[None]]) -> list[bytes]:
    """What a connection writes where `end` ends a stream whose client has no room for more."""
    done = asyncio.Event()

    async def answer(_call: Call, reply: Reply) -> None:
        reply.start(200, EVENT_STREAM)
        reply.push(b"one")
        protocol.pause_writing()
        await end(protocol, reply)
        done.set()

    known = settings()
    gateway = FakeGateway(answer)
    protocol = FrontProtocol(
        ServerConfig(Live(known, gateway, Standing(known))), ServerState(), asyncio.get_running_loop()
    )
    wire = Wire()
    protocol.connection_made(wire)
    protocol.data_received(HEAD % b"")
    await asyncio.wait_for(done.wait(), 2)
    for _ in range(3):  # the turn in which the end leaves
        await asyncio.sleep(0)
    written = wire.written[1:]
    protocol.connection_lost(None)
    return written


async def test_stream_that_is_cut_short_while_it_waits_to_end_is_ended_in_words() -> None:
    """Where the server stops while a client has no room for the last events, an `error` event ends the stream."""

    async def cut_short(protocol: FrontProtocol, reply: Reply) -> None:
        ending = asyncio.ensure_future(reply.end(b"last"))
        await asyncio.sleep(0)
        ending.cancel()
        await asyncio.wait([ending])
        protocol.resume_writing()
        await reply.write(b"error")
        await reply.end()

    assert await ended_without_room(cut_short) == [b"5\r\nerror\r\n", b"0\r\n\r\n"]


async def test_request_runs_until_there_is_room_after_a_large_end() -> None:
    """What a client has not taken is no finished answer, though it be the last piece: the request keeps its place."""
    over = asyncio.Event()

    async def end_large(protocol: FrontProtocol, reply: Reply) -> None:
        protocol.resume_writing()
        wire = protocol.transport
        assert isinstance(wire, Wire)
        wire.full_from = SMALL_BYTES
        wire.when_full = protocol.pause_writing
        ending = asyncio.ensure_future(reply.end(b"x" * 2 * SMALL_BYTES))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not ending.done()
        protocol.resume_writing()
        await ending
        over.set()

    written = await ended_without_room(end_large)
    assert over.is_set()
    assert b"".join(written).endswith(b"x\r\n0\r\n\r\n")


async def test_nothing_follows_the_end_of_an_answer() -> None:
    """What is written after the end is a mistake of ours, and does not slip in before the end."""

    async def write_late(protocol: FrontProtocol, reply: Reply) -> None:
        protocol.resume_writing()
        await reply.end(b"last")
        with pytest.raises(RuntimeError, match="between the head and the end"):
            await reply.write(b"late")

    assert await ended_without_room(write_late) == [b"4\r\nlast\r\n0\r\n\r\n"]


async def test_http_1_0_client_gets_a_stream_without_chunks() -> None:
    """A client of HTTP/1.0 reads the pieces as they are, up to the connection's end."""
    async with front(FakeGateway(stream)) as server, server.connect() as client:
        await client.send((HEAD % b"").replace(b"HTTP/1.1", b"HTTP/1.0"))
        _, headers = await client.head()
        assert await client.reader.read() == b"onetwo"
    assert dict(headers)["connection"] == "close"
    assert "transfer-encoding" not in dict(headers)


async def test_answer_to_head_has_no_body() -> None:
    """HEAD gets the head of GET's answer, its length too, and the connection stays usable."""
    async with front() as server, server.connect() as client:
        await client.send(server.encode("HEAD", "/health"))
        head = await client.response(head_only=True)
        await client.send(server.encode("GET", "/health"))
        answer = await client.response()
    assert head.header("content-length") == answer.header("content-length") == str(len(answer.body))


async def test_close_is_granted() -> None:
    """A client that wants the connection closed is told so and has it closed."""
    async with front() as server, server.connect() as client:
        await client.send(server.encode("POST", "/v1/messages", {"connection": "close"}, b"{}"))
        answer = await client.response()
        assert await client.closed()
    assert (answer.status, answer.header("connection")) == (200, "close")


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nb", b"a\rb", b"a\0b"], ids=["crlf", "lf", "cr", "nul"])
async def test_header_that_would_break_the_head_is_never_sent(value: bytes) -> None:
    """A header value with a line break or NUL becomes an internal error instead of two headers."""

    async def broken(_call: Call, reply: Reply) -> None:
        await reply.whole(200, [(b"x-upstream-model", value)], b"{}")

    async with front(FakeGateway(broken)) as server:
        answer = await server.post()
    assert answer.error == (500, "api_error")
    assert answer.header("x-evil") == answer.header("x-upstream-model") == ""


async def test_request_without_an_answer_is_a_500() -> None:
    """A client never waits for a gateway that has ended without a word."""

    async def silent(_call: Call, _reply: Reply) -> None:
        return

    async with front(FakeGateway(silent)) as server, server.connect() as client:
        await client.send(HEAD % b"")
        answer = await client.response()
        assert await client.closed()
    assert answer.error == (500, "api_error")


async def test_stream_that_is_left_open_is_cut() -> None:
    """A stream that its gateway does not end is cut off, so that nobody takes it for complete."""

    async def forgotten(_call: Call, reply: Reply) -> None:
        reply.start(200, [(b"content-type", b"application/x-ndjson")])
        await reply.write(b"one")

    async with front(FakeGateway(forgotten)) as server, server.connect() as client:
        await client.send(HEAD % b"")
        await client.head()
        assert await client.reader.read() == b"3\r\none\r\n"


async def test_trailers_are_not_headers() -> None:
    """What trails a body cannot add to the headers that were checked."""
    request = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with front() as server:
        answer = await server.raw(request + b"2\r\n{}\r\n0\r\nanthropic-beta: late\r\nx-forwarded-for: 1\r\n\r\n")
        call = server.gateway.calls[0]
    assert answer.status == 200
    assert [name for name, _ in call.headers] == [b"host", b"transfer-encoding"]


async def test_large_body_in_many_pieces_comes_whole() -> None:
    """A body beyond what is read ahead reaches the gateway in one piece, and the next request works."""
    body = bytes(range(256)) * 4096
    async with front(limits=Limits(max_body_bytes=len(body))) as server, server.connect() as client:
        for _ in range(2):
            await client.send(server.encode("POST", "/v1/messages", body=body))
            assert (await client.response()).status == 200
    assert [call.body for call in server.gateway.calls] == [body, body]


async def test_finished_requests_are_not_kept() -> None:
    """Nothing of an answered request stays in memory until the collector comes."""
    kept: list[weakref.ref[Reply]] = []

    async def answer(call: Call, reply: Reply) -> None:
        kept.append(weakref.ref(reply))
        await echo(call, reply)

    async with front(FakeGateway(answer)) as server, server.connect() as client:
        gc.disable()
        try:
            for fields in ({}, {}, {"connection": "close"}):
                await client.send(server.encode("POST", "/v1/messages", fields, b"{}"))
                assert (await client.response()).status == 200
            assert await client.closed()
            assert [reply() for reply in kept] == [None, None, None]
        finally:
            gc.enable()


async def test_pushed_pieces_leave_at_once_and_in_order() -> None:
    """A piece that is pushed is on its way when the call returns, framed like a written one."""

    async def answer(_call: Call, reply: Reply) -> None:
        reply.start(200, EVENT_STREAM)
        await reply.write(b"one")
        assert reply.push(b"two")
        assert reply.push(b"three")
        await reply.end()

    async with front(FakeGateway(answer)) as server, server.connect() as client:
        await client.send(HEAD % b"")
        assert (await client.response()).body == b"onetwothree"


async def test_client_without_room_stops_what_is_pushed() -> None:
    """Once a client's side is full a push says so, and the next write returns when there is room again."""
    pushes: list[int] = []
    full = asyncio.Event()

    async def answer(_call: Call, reply: Reply) -> None:
        reply.start(200, EVENT_STREAM)
        await reply.write(b"-")
        count = 1
        while reply.push(b"x" * 65536):
            count += 1
        pushes.append(count)
        full.set()
        await reply.write(b"")
        await reply.end()

    async with front(FakeGateway(answer)) as server, server.connect() as client:
        await client.send(HEAD % b"")
        await full.wait()
        body = (await client.response()).body
    assert len(body) == 1 + 65536 * pushes[0]


async def test_an_answer_may_begin_with_a_push() -> None:
    """A piece that is pushed first takes the head along, whether or not the head was made ready before."""

    async def answer(call: Call, reply: Reply) -> None:
        headers = [*EVENT_STREAM, (b"x-made", b"ready")]
        if call.query:
            reply.prepare(200, headers)
        reply.start(200, headers)
        assert reply.push(b"one")
        await reply.end()

    async with front(FakeGateway(answer)) as server, server.connect() as client:
        await client.send(HEAD % b"" + HEAD % b"?prepare")
        for _ in range(2):
            told = await client.response()
            assert (told.status, dict(told.headers)["x-made"], told.body) == (200, "ready", b"one")


async def test_a_head_made_ready_is_not_sent_in_place_of_another() -> None:
    """What was made ready for a stream leaves no trace in an answer that becomes another one."""

    async def answer(call: Call, reply: Reply) -> None:
        reply.prepare(200, [*EVENT_STREAM, (b"x-made", b"ready")])
        if call.query:
            await reply.whole(400, [], b"{}")
            return
        reply.start(203, EVENT_STREAM)
        await reply.write(b"one")
        await reply.end()

    async with front(FakeGateway(answer)) as server, server.connect() as client:
        await client.send(HEAD % b"" + HEAD % b"?refuse")
        told = [await client.response() for _ in range(2)]
    assert [(one.status, one.body) for one in told] == [(203, b"one"), (400, b"{}")]
    assert all("x-made" not in dict(one.headers) for one in told)


async def test_a_head_made_ready_before_the_server_drains_closes_its_connection() -> None:
    """A connection that may serve no more requests is told so, though the head was ready before that."""

    async def answer(_call: Call, reply: Reply) -> None:
        headers = [*EVENT_STREAM]
        reply.prepare(200, headers)
        cast("FrontCycle", reply).keep_alive = False
        reply.start(200, headers)
        await reply.end()

    async with front(FakeGateway(answer)) as server, server.connect() as client:
        await client.send(HEAD % b"")
        assert dict((await client.response()).headers)["connection"] == "close"
