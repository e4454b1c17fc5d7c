"""Answers as bytes: whatever the slices, the same answer; whatever breaks HTTP, an error."""

from __future__ import annotations

import pytest

from llm_to_anthropic.errors import UpstreamProtocolError
from tests.upstream.carried import Carried
from tests.upstream.raw_server import chunked

HEAD = b"HTTP/1.1 200 OK\r\n"
BODY = b"data: one\n\ndata: two\n\n"


WHOLE = {
    "length": (HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY, False),
    "chunked": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY[:11], BODY[11:]), False),
    "chunked with extensions and trailers": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n16;a=b\r\n" + BODY + b"\r\n0\r\nx-sum: 1\r\n\r\n",
        False,
    ),
    "until the end": (HEAD + b"Content-Type: text/plain\r\n\r\n" + BODY, True),
    "after interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        + HEAD
        + b"Content-Length: %d\r\n\r\n" % len(BODY)
        + BODY,
        False,
    ),
}


@pytest.mark.parametrize(("answer", "eof"), WHOLE.values(), ids=WHOLE)
async def test_body_is_the_same_at_every_split(answer: bytes, eof: bool) -> None:
    """However an answer is cut into two reads, status and body are the same."""
    for at in range(1, len(answer)):
        carried = Carried()
        carried.feed(answer[:at], answer[at:], eof=eof)
        assert await carried.read() == BODY
        assert carried.call.status == 200


@pytest.mark.parametrize(("answer", "eof"), WHOLE.values(), ids=WHOLE)
async def test_body_is_the_same_byte_by_byte(answer: bytes, eof: bool) -> None:
    """An answer that comes byte by byte is read like a whole one."""
    carried = Carried()
    carried.feed(*[answer[at : at + 1] for at in range(len(answer))], eof=eof)
    assert await carried.read() == BODY


@pytest.mark.parametrize(("answer", "eof"), WHOLE.values(), ids=WHOLE)
async def test_every_cut_is_noticed(answer: bytes, eof: bool) -> None:
    """An answer that stops before its end is an error, never a shorter answer."""
    ends = len(answer) if not eof else answer.index(b"\r\n\r\n") + 4
    for at in range(ends):
        carried = Carried()
        carried.feed(*([answer[:at]] if at else []), eof=True)
        with pytest.raises(UpstreamProtocolError, match="closed the connection"):
            await carried.read()


async def test_reset_is_no_end() -> None:
    """A body without a length ends with the connection's orderly end only, not with a reset."""
    carried = Carried()
    carried.feed(HEAD + b"\r\npart")
    carried.connection.connection_lost(ConnectionResetError())
    assert await carried.call.read() == b"part"
    with pytest.raises(UpstreamProtocolError, match="in the middle of its answer"):
        await carried.call.read()


async def test_what_came_before_the_cut_is_read_first() -> None:
    """What has arrived is handed out before the error that ended the answer."""
    carried = Carried()
    carried.feed(HEAD + b"Content-Length: 9\r\n\r\npart", eof=True)
    assert await carried.call.head()
    assert await carried.call.read() == b"part"
    with pytest.raises(UpstreamProtocolError):
        await carried.call.read()


async def test_header_names_are_lower_case() -> None:
    """Header names come in lower case, values as they were, repeated ones in order."""
    carried = Carried()
    carried.feed(HEAD + b"X-Limit:  Five \r\nx-limit: 6\r\nEmpty:\r\nContent-Length: 0\r\n\r\n")
    await carried.read()
    assert carried.call.headers[:3] == [(b"x-limit", b"Five "), (b"x-limit", b"6"), (b"empty", b"")]
    assert carried.call.header(b"x-limit").strip() == b"Five"
    assert carried.call.header(b"none") == b""


async def outcome(*slices: bytes) -> object:
    """What comes of an answer: status, headers, body and whether the connection serves again; or a refusal."""
    carried = Carried()
    carried.feed(*slices, eof=True)
    try:
        await carried.call.head()
        told = carried.call.status, carried.call.headers, carried.call.header(b"x")
        return *told, await carried.read(), bool(carried.freed)
    except UpstreamProtocolError as error:
        return "not valid HTTP" in str(error)


ODD_PIECES = [
    *(b"\r", b"\n", b"\r\n", b"\r\n ", b" ", b"\t", b":", b"\0", b"\x0b", b"\x7f", b"\xff", b"-", b",", b"0", b"9"),
    *(b"\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"chunked", b"x: y\r\n", b"content-encoding: identity\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:gzip\r\n", b"Content-Length: 5\r\n"),
]
SOUND_HEADS = [
    HEAD + b"X-Empty:\r\nX:\t a b \t\r\nCookie: a\r\ncookie: b\r\nVary: Encoding\r\nContent-Length: 2\r\n\r\n",
    HEAD + b"Transfer-Encoding: Chunked \r\nContent-Encoding: identity\r\nX: 1\r\n\r\n",
    b"HTTP/1.0 503 Busy\r\nRetry-After: 5\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n",
]


@pytest.mark.parametrize("head", SOUND_HEADS)
@pytest.mark.parametrize("piece", ODD_PIECES)
async def test_head_reads_the_same_in_one_read_and_in_two(head: bytes, piece: bytes) -> None:
    """Whatever stands in a head, and wherever: it is taken or refused alike in one read, and cut in two."""
    body = b"hi" if b"Content-Length" in head else b"2\r\nhi\r\n0\r\n\r\n"
    for at in range(len(head) + 1):
        answer = head[:at] + piece + head[at:] + body
        assert await outcome(answer) == await outcome(answer[:8], answer[8:]), answer


async def test_head_has_256_headers_at_most() -> None:
    """256 headers are taken, one more is refused, in one read as in two."""
    for count, taken in ((256, True), (257, False)):
        answer = HEAD + b"x: y\r\n" * (count - 1) + b"Content-Length: 0\r\n\r\n"
        for slices in ([answer], [answer[:9], answer[9:]]):
            carried = Carried()
            carried.feed(*slices)
            assert bool(carried.freed) is taken


async def test_trailers_are_no_headers() -> None:
    """What follows a body in chunks neither counts as a header nor changes how the body is framed."""
    carried = Carried()
    trailers = b"0\r\nTransfer-Encoding: gzip\r\nX-Request-Id: 2\r\n\r\n"
    carried.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n" + trailers)
    assert await carried.read() == b"hi"
    assert carried.call.headers == [(b"transfer-encoding", b"chunked")]


async def test_headers_of_a_kind_come_by_name() -> None:
    """Headers whose names begin alike are found, whatever their case; of repeated ones the first, of values no part."""
    carried = Carried()
    carried.feed(HEAD + b"X-Limit-A: 1 \r\nY: x-limit-b: 2\r\nx-limit-c:3\r\nX-LIMIT-A: 4\r\nContent-Length: 0\r\n\r\n")
    assert carried.call.headers_like(b"x-limit-") == {"x-limit-a": "1 ", "x-limit-c": "3"}
    assert carried.call.headers_like(b"z") == {}


BROKEN_HEADS = {
    "no HTTP": b"\x15\x03\x01\x00\x02\x02",
    "a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "length and chunked": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\nhello",
    "length list": HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
    "signed length": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "overflowing length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip in transfer": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "space before colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    "folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL in header": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "chunk size with line feed": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n",
    "status 99": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "10000 headers": HEAD + b"a: b\r\n" * 10_000 + b"\r\n",
}


@pytest.mark.parametrize("answer", BROKEN_HEADS.values(), ids=BROKEN_HEADS)
async def test_broken_head_is_refused(answer: bytes) -> None:
    """An answer that could be read in two ways, or in none, is refused and its connection closed."""
    carried = Carried()
    carried.feed(answer)
    with pytest.raises(UpstreamProtocolError, match="not valid HTTP"):
        await carried.read()
    assert carried.transport.closed
    assert not carried.freed


@pytest.mark.parametrize(
    "endless",
    [HEAD + b"x: ", HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nx: ", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["header", "trailer", "interim answers"],
)
async def test_endless_framing_is_refused(endless: bytes) -> None:
    """A megabyte that is no body is refused long before it lies in memory."""
    carried = Carried()
    step = b"HTTP/1.1 100 Continue\r\n\r\n" * 512 if endless.startswith(b"HTTP/1.1 100") else b"a" * 16_384
    carried.feed(endless)
    taken = 0
    while not carried.transport.closed:
        carried.feed(step)
        taken += len(step)
    assert taken < 512 * 1024
    with pytest.raises(UpstreamProtocolError, match="too large"):
        await carried.read()


async def test_chunk_that_breaks_off_keeps_what_was_good() -> None:
    """The good part of a body that turns into garbage is handed out, then the error."""
    carried = Carried()
    carried.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhiXX")
    assert await carried.call.read() == b"hi"
    with pytest.raises(UpstreamProtocolError, match="not valid HTTP"):
        await carried.call.read()


@pytest.mark.parametrize(
    ("answer", "bodiless"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", False),
        (HEAD + b"Content-Length: 5\r\n\r\n", True),
        (HEAD + b"\r\n", True),
    ],
    ids=["204", "304 with a length", "HEAD with a length", "HEAD without"],
)
async def test_answer_without_a_body_ends_with_its_head(answer: bytes, bodiless: bool) -> None:
    """204, 304 and answers to HEAD have no body, whatever their headers say."""
    carried = Carried(bodiless=bodiless)
    carried.feed(answer)
    assert await carried.read() == b""


REUSE = {
    "kept": (HEAD + b"Content-Length: 2\r\n\r\nhi", True),
    "kept, HTTP/1.0 keep-alive": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", True),
    "closed by the upstream's wish": (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", False),
    "closed, HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", False),
    "closed, garbage follows": (HEAD + b"Content-Length: 2\r\n\r\nhiXX", False),
    "closed, a second answer follows": ((HEAD + b"Content-Length: 2\r\n\r\nhi") * 2, False),
}


@pytest.mark.parametrize(("answer", "kept"), REUSE.values(), ids=REUSE)
async def test_connection_is_kept_only_after_a_clean_end(answer: bytes, kept: bool) -> None:
    """A connection serves again only if its answer ended cleanly and nothing followed."""
    carried = Carried()
    carried.feed(answer)
    assert bool(carried.freed) is kept
    assert carried.transport.closed is not kept
    assert await carried.read() == b"hi"


async def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    """Bytes on an idle connection close it: they would be taken for the next answer."""
    carried = Carried()
    carried.feed(HEAD + b"Content-Length: 0\r\n\r\n")
    assert carried.freed
    carried.feed(HEAD)
    assert not carried.connection.usable
    assert carried.transport.closed


async def test_many_chunks_of_one_read_are_one_slice() -> None:
    """All that one read of the socket brought comes as one slice."""
    carried = Carried()
    carried.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*[b"ab"] * 100)[:-5])
    assert await carried.call.read() == b"ab" * 100
    carried.connection.abort()
