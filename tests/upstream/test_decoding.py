"""Compressed answers are inflated within bounds, or left alone."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from llm_to_anthropic.errors import UpstreamProtocolError
from llm_to_anthropic.upstream import Upstream, UpstreamCall
from llm_to_anthropic.upstream.decoding import ContentDecoder
from tests.upstream.raw_server import RawServer

TEXT = b"".join(b"data: %d\n\n" % number for number in range(2000))


def bare_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


CODINGS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"X-GZip", gzip.compress),
    "deflate": (b"deflate", zlib.compress),
    "bare deflate": (b"deflate", bare_deflate),
    "gzip in two members": (b"gzip", lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:])),
}


def inflate(decoder: ContentDecoder, *slices: bytes) -> bytes:
    """All that comes out of the slices."""
    out = []
    for data in slices:
        decoder.feed(data)
        while piece := decoder.take():
            out.append(piece)
    decoder.close()
    return b"".join(out)


@pytest.mark.parametrize(("coding", "compress"), CODINGS.values(), ids=CODINGS)
def test_inflates_whole_and_byte_by_byte(coding: bytes, compress: Callable[[bytes], bytes]) -> None:
    """The same text comes out however the compressed bytes are cut."""
    packed = compress(TEXT)
    assert inflate(ContentDecoder(coding), packed) == TEXT
    assert inflate(ContentDecoder(coding), *[packed[at : at + 1] for at in range(len(packed))]) == TEXT


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (gzip.compress(TEXT)[:-9], "stopped midway"),
        (b"\x1f\x8b" + b"x" * 40, "damaged"),
        (gzip.compress(TEXT) + b"garbage", "damaged"),
    ],
    ids=["cut", "damaged", "followed by garbage"],
)
def test_bad_compression_is_an_error(data: bytes, sentence: str) -> None:
    """A compressed body that is cut or damaged is an error, never a shorter text."""
    with pytest.raises(UpstreamProtocolError, match=sentence):
        inflate(ContentDecoder(b"gzip"), data)


def test_unknown_coding_is_refused() -> None:
    """A coding that was not asked for and is not known is refused by name."""
    with pytest.raises(UpstreamProtocolError, match="'br'"):
        ContentDecoder(b"br")


async def answered(client: Upstream, coding: bytes, body: bytes, *, decode: bool) -> bytes:
    """What a client reads of an answer with this coding and body."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding, len(body))
    async with RawServer(lambda peer: peer.answer(head + body)) as server:
        call = await client.send(server.post(), decode=decode)
        try:
            return await call.read_all(1 << 30)
        finally:
            call.close()


async def test_compressed_answer_is_inflated(client: Upstream) -> None:
    """An upstream that compresses although identity was asked for is understood."""
    assert await answered(client, b"gzip", gzip.compress(TEXT), decode=True) == TEXT


async def test_compressed_answer_is_passed_on_as_it_is(client: Upstream) -> None:
    """Without decoding the bytes stay as they came."""
    packed = gzip.compress(TEXT)
    assert await answered(client, b"gzip", packed, decode=False) == packed


async def test_identity_is_no_coding(client: Upstream) -> None:
    """`content-encoding: identity` says nothing."""
    assert await answered(client, b"identity", TEXT, decode=True) == TEXT


async def read_on(call: UpstreamCall) -> None:
    while await call.read():
        pass


async def test_bomb_is_defused(client: Upstream) -> None:
    """What inflates a thousandfold is refused, and little memory was used for it."""
    deflater = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(128)) + deflater.flush()
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    async with RawServer(lambda peer: peer.answer(head + bomb)) as server:
        call = await client.send(server.post())
        tracemalloc.start()
        try:
            with pytest.raises(UpstreamProtocolError, match="beyond all measure"):
                await read_on(call)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 << 20
