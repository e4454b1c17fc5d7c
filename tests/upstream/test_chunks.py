"""Reads that are one chunk go to whoever takes the body without being parsed; whatever else comes is parsed."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import UpstreamProtocolError
from llm_to_anthropic.upstream.chunks import MOST_BYTES, lines_of
from tests.upstream.carried import Carried

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
BAD = b"bad"
LIKE_A_CHUNK = b"5\r\nhello\r\n"

sizes = st.sampled_from([b"%x", b"%X", b"0%x", b"%x;a=b"])
"""As servers write them; most write the first or the second."""
bodies = st.one_of(
    st.integers(1, MOST_BYTES + 40).map(lambda size: b"x" * size),
    st.sampled_from([b"a", b"\r\n", LIKE_A_CHUNK, b"data: {}\n\n", b"x" * 15, b"x" * 16, b"x" * 255, b"x" * 256]),
)


class Answer(Carried):
    """An answer in full flow, and what was taken of its body."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[bytes] = []
        self.feed(HEAD)
        self.pouring = asyncio.ensure_future(self.call.pour(self.take, 30.0))

    def take(self, data: bytes) -> bool:
        if data == BAD:
            raise UpstreamProtocolError("broken")
        self.taken.append(data)
        return True


async def flowing(*slices: bytes) -> Answer:
    """An answer whose flow has begun, with these reads."""
    answer = Answer()
    await asyncio.sleep(0)
    answer.feed(*slices)
    return answer


def chunk(body: bytes, size: bytes = b"%x") -> bytes:
    return size % len(body) + b"\r\n" + body + b"\r\n"


async def read(reads: list[bytes]) -> tuple[bytes, bool]:
    """What is taken of an answer that comes in these reads, and whether its connection can serve another."""
    answer = await flowing(*reads)
    whole = await answer.pouring is False and await answer.call.read() == b""
    return b"".join(answer.taken), whole and answer.freed == [answer.connection]


@given(st.lists(st.tuples(bodies, sizes), max_size=12), st.lists(st.integers(0, 4000), max_size=8))
def test_body_is_the_same_however_its_chunks_are_written_and_cut(
    chunks: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    """However chunks are written, and wherever reads end, the body arrives to the byte and the connection stays."""
    whole = b"".join(chunk(body, size) for body, size in chunks) + END
    places = sorted({0, *(cut % len(whole) for cut in cuts), len(whole)})
    by_place = [whole[one:other] for one, other in pairwise(places)]
    by_chunk = [chunk(body, size) for body, size in chunks] + [END]
    for reads in (by_place, by_chunk):
        assert asyncio.run(read(reads)) == (b"".join(body for body, _ in chunks), True)


@pytest.mark.parametrize("size", [b"%x", b"%X"], ids=["lower case", "upper case"])
def test_chunk_is_known_by_its_length(size: bytes) -> None:
    """Of every length, but for those that no chunk has, the line that begins a chunk is known."""
    for length in (10, 11, 15, 16, 171, 255, 256, 1000):
        read = chunk(b"x" * length, size)
        assert lines_of(read, b"x" * length)[len(read)] == size % length + b"\r\n"


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (b"3\r\none\r", b"one"),
        (b"3\r\none\r\n4", b"one"),
        (b"one\r\n3\r\n", b"one"),
        (b"3;a\r\none\r\n", b"one"),
        (b"03\r\none\r\n", b"one"),
        (b"3\r\none\r\n0\r\n\r\n", b"one"),
        (b"", b""),
        (END, b""),
        (chunk(b"x" * MOST_BYTES), b"x" * MOST_BYTES),
    ],
)
def test_other_reads_tell_nothing_of_where_chunks_begin(read: bytes, body: bytes) -> None:
    """What is not one chunk to the byte is left to the parser, and what follows it too."""
    assert lines_of(read, body) == ()


async def test_error_of_the_taker_reaches_whoever_waits() -> None:
    """An error in what takes a chunk that nothing parsed ends the flow as any other does."""
    answer = await flowing(chunk(b"one"), chunk(BAD))
    with pytest.raises(UpstreamProtocolError, match="broken"):
        await answer.pouring


@pytest.mark.parametrize("before", [b"", chunk(b"two")], ids=["alone", "behind a chunk"])
async def test_size_that_comes_in_two_reads_is_read_whole(before: bytes) -> None:
    """The rest of a chunk's size is not taken for a size, though the read looks like a chunk from there on."""
    body = b"hello\r\n" + b"x" * 14
    whole = chunk(body)
    assert whole.startswith(b"1" + LIKE_A_CHUNK)
    reads = [chunk(b"one"), before + whole[:1], whole[1 : 1 + len(LIKE_A_CHUNK)], whole[1 + len(LIKE_A_CHUNK) :] + END]
    taken, complete = await read(reads)
    assert complete
    assert taken == b"one" + (b"two" if before else b"") + body


@pytest.mark.parametrize("length", [5, 21, 262])
async def test_read_as_long_as_no_chunk_is_refused(length: int) -> None:
    """A read that begins with a line break is no chunk, whatever its length: the answer is not valid HTTP."""
    answer = await flowing(chunk(b"one"), b"\n".ljust(length - 2, b"x") + b"\r\n")
    assert answer.taken == [b"one"]
    assert answer.call.closed
    with pytest.raises(UpstreamProtocolError, match="not valid HTTP"):
        await answer.call.read()


async def test_next_answer_of_a_connection_is_parsed_anew() -> None:
    """What was known of one answer's chunks is forgotten with it, also where the next looks like one and flows."""
    answer = await flowing(chunk(b"one"), chunk(b"two"), END)
    await answer.pouring
    call, before = answer.ask(), len(answer.taken)
    answer.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
    pouring = asyncio.ensure_future(call.pour(answer.take, 30.0))
    await asyncio.sleep(0)
    answer.feed(chunk(b"one"))
    assert not await pouring
    assert answer.taken[before:] == [chunk(b"one")]
