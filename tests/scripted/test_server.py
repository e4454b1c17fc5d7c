"""The scripted upstream's HTTP side: what a raw client sees of each step."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from llm_to_anthropic.scripted import (
    Answer,
    Cut,
    Delay,
    Pause,
    Reset,
    Script,
    ScriptedUpstream,
    Stall,
    Trickle,
    never,
    stream,
    whole,
)

GET = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
LAST = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def connect(upstream: ScriptedUpstream, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(data)
    return reader, writer


async def fetch(upstream: ScriptedUpstream, data: bytes = LAST) -> bytes:
    """Everything that the upstream sends until it closes."""
    reader, writer = await connect(upstream, data)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_whole_answer_has_status_headers_and_length(upstream: ScriptedUpstream, script: Script) -> None:
    """A whole answer is sent with its status, its headers and its length."""
    script.push(whole({"a": 1}, status=429, headers=(("retry-after", "7"),)))
    head, _, body = (await fetch(upstream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"retry-after: 7" in head
    assert b"content-length: 7" in head
    assert body == b'{"a":1}'


async def test_request_is_recorded(upstream: ScriptedUpstream, script: Script) -> None:
    """Method, path, query, headers and JSON body of a request can be read afterwards."""
    script.push(whole({}))
    body = b'{"model":"m"}'
    head = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\nX-Api-Key: test-key\r\nConnection: close\r\n"
    await fetch(upstream, head + b"content-length: %d\r\n\r\n" % len(body) + body)
    request = await upstream.request(0)
    assert (request.method, request.path, request.query) == ("POST", "/v1/messages", "beta=true")
    assert request.headers["x-api-key"] == "test-key"
    assert request.json() == {"model": "m"}
    assert request.answered.is_set()


async def test_stream_is_one_chunk_per_step(upstream: ScriptedUpstream, script: Script) -> None:
    """Each piece of a stream is a chunk of its own, and the body ends properly."""
    script.push(stream(b"data: 1\n\n", b"data: 2\n\n"))
    _, _, body = (await fetch(upstream)).partition(b"\r\n\r\n")
    assert body == b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"


async def test_trickle_sends_single_bytes(upstream: ScriptedUpstream, script: Script) -> None:
    """A trickle puts every byte into a chunk of its own."""
    script.push(stream(Trickle(b"ab")))
    _, _, body = (await fetch(upstream)).partition(b"\r\n\r\n")
    assert body == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


async def test_pause_waits_for_its_event(upstream: ScriptedUpstream, script: Script) -> None:
    """Nothing after a pause is sent before its event is set."""
    event = asyncio.Event()
    script.push(stream(b"first", Pause(event), b"second"))
    reader, writer = await connect(upstream, LAST)
    await reader.readuntil(b"first\r\n")
    assert not upstream.requests[0].answered.is_set()
    event.set()
    assert (await reader.read()).startswith(b"6\r\nsecond")
    writer.close()


@pytest.mark.parametrize("step", [Cut(), Reset()], ids=["fin", "rst"])
async def test_broken_stream_lacks_its_end(upstream: ScriptedUpstream, script: Script, step: Cut | Reset) -> None:
    """A cut or reset stream never shows the chunk that would end it."""
    script.push(stream(b"data: 1\n\n", step, b"never sent"))
    reader, writer = await connect(upstream, GET)
    seen = await reader.readuntil(b"data: 1\n\n\r\n")
    try:
        seen += await asyncio.wait_for(reader.read(), 5)
        assert isinstance(step, Cut)
    except ConnectionResetError:
        assert isinstance(step, Reset)
    assert b"0\r\n\r\n" not in seen
    assert b"never sent" not in seen
    writer.close()


@pytest.mark.parametrize("answer", [never(), stream(b"data: 1\n\n", Stall())], ids=["no-answer", "mid-stream"])
async def test_client_that_leaves_is_noticed(upstream: ScriptedUpstream, script: Script, answer: Answer) -> None:
    """When the client leaves a silent answer, the request says so."""
    script.push(answer)
    _, writer = await connect(upstream, GET)
    request = await upstream.request(0)
    assert not request.closed.is_set()
    writer.close()
    await asyncio.wait_for(request.closed.wait(), 5)
    assert not request.answered.is_set()


async def test_connection_is_kept_alive(upstream: ScriptedUpstream, script: Script) -> None:
    """Two requests may share one connection."""
    script.push(whole({"n": 1}), whole({"n": 2}))
    seen = await fetch(upstream, GET + LAST)
    assert seen.index(b'{"n":1}') < seen.index(b'{"n":2}')
    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(framing="raw", body=(b"not HTTP",)), b"not HTTP"),
        (Answer(framing="raw", before_head=(Delay(0.001),), body=(b"late",)), b"late"),
    ],
    ids=["raw", "before-head"],
)
async def test_raw_answer_is_sent_as_it_is(
    upstream: ScriptedUpstream, script: Script, answer: Answer, expected: bytes
) -> None:
    """A raw answer has no head of its own."""
    script.push(answer)
    assert await fetch(upstream, GET) == expected


async def test_answer_that_ends_by_closing(upstream: ScriptedUpstream, script: Script) -> None:
    """An answer may be delimited by the end of its connection."""
    script.push(Answer(framing="close", body=(b"all of it",)))
    head, _, body = (await fetch(upstream, GET)).partition(b"\r\n\r\n")
    assert b"content-length" not in head
    assert body == b"all of it"


async def test_script_at_its_end_says_so(upstream: ScriptedUpstream) -> None:
    """A request that the script does not expect gets an error that names it."""
    assert b"the script has no answer for GET /v1/models" in await fetch(upstream)


async def test_leaving_the_block_frees_the_port() -> None:
    """After its block the upstream neither listens nor holds connections, even in the middle of an answer."""
    async with ScriptedUpstream(Script([never()])) as upstream:
        reader, writer = await connect(upstream, GET)
        await upstream.request(0)
    assert upstream.open_connections == 0
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", upstream.port)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
