"""Upstreams that break HTTP, or try to get something past it: the client gets a clean answer or a clean error."""

from __future__ import annotations

import json
import time
import tracemalloc
import zlib
from functools import lru_cache

import pytest

from tests.http.fake import Response
from tests.security.four_protocols import ANSWERS, MODELS, ask, proxied
from tests.upstream.raw_server import Peer, RawServer, chunked

MIB = 1024 * 1024


def _good(protocol: str) -> bytes:
    return json.dumps(ANSWERS[protocol]).encode()


async def _ask(protocol: str, head: bytes, body: bytes, *, stream: bool) -> Response:
    """The client's answer where the upstream answers with these bytes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)

    async with RawServer(script) as server, proxied(server.url) as proxy:
        return await proxy.request("POST", "/v1/messages", {}, json.dumps(ask(protocol, stream=stream)).encode())


JSON = b"content-type: application/json\r\n"
LENGTH = b"content-length: %d\r\n"
BROKEN = {
    "bare_cr_in_value": b"x-a: b\rset-cookie: c=d\r\n",
    "bare_lf_ends_header": b"x-a: b\nset-cookie: c=d\r\n",
    "nul_in_value": b"x-a: b\0c\r\n",
    "folded": b"x-a: b\r\n set-cookie: c=d\r\n",
    "blank_in_name": b"set cookie: c=d\r\n",
    "two_lengths": LENGTH % 2,
    "length_and_chunked": b"transfer-encoding: chunked\r\n",
    "unknown_coding": b"transfer-encoding: xchunked\r\n",
    "10000_headers": b"".join(b"x-%d: y\r\n" % number for number in range(10_000)),
    "1_mib_header": b"x-a: " + b"y" * MIB + b"\r\n",
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("protocol", MODELS)
@pytest.mark.parametrize("head", BROKEN.values(), ids=BROKEN)
async def test_answer_that_could_be_read_in_two_ways_is_a_502(head: bytes, protocol: str, stream: bool) -> None:
    """Line breaks in headers, contradictory framing and endless heads are the upstream's fault, told as such."""
    body = _good(protocol)
    answer = await _ask(protocol, JSON + LENGTH % len(body) + head, body, stream=stream)
    assert answer.error == (502, "api_error")
    assert answer.header("set-cookie") == ""
    assert "valid HTTP" in answer.json()["error"]["message"]


@pytest.mark.parametrize("protocol", MODELS)
async def test_two_codings_of_transfer_are_a_502(protocol: str) -> None:
    """A transfer-encoding that is said twice is not guessed at."""
    twice = b"transfer-encoding: chunked\r\n" * 2
    answer = await _ask(protocol, JSON + twice, chunked(_good(protocol)), stream=False)
    assert answer.error == (502, "api_error")


@pytest.mark.parametrize("protocol", MODELS)
async def test_names_in_an_answer_cannot_add_headers(protocol: str) -> None:
    """What an upstream puts into the headers that travel on stays one value."""
    body = _good(protocol)
    odd = b"request-id: req\xff\xfe\x80\r\nx-request-id: req\xff\r\nretry-after: 1\r\n"
    answer = await _ask(protocol, JSON + LENGTH % len(body) + odd, body, stream=False)
    assert answer.status == 200
    assert len([name for name, _ in answer.headers if name == "request-id"]) == 1


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """1 GiB of nothing in 1 MiB of gzip: its checksum is never reached."""
    deflater = zlib.compressobj(9, wbits=31)
    head = deflater.compress(b"{") + deflater.flush(zlib.Z_FULL_FLUSH)
    block = deflater.compress(bytes(16 * MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return head + block * 64


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [b"", b"HTTP/1.1 400 Bad\r\n"], ids=["answer", "error"])
@pytest.mark.parametrize("protocol", MODELS)
async def test_bomb_of_an_upstream_is_defused(protocol: str, status: bytes, stream: bool) -> None:
    """A mebibyte that would inflate to a gibibyte is an error within a second, at little memory."""
    bomb = _bomb()
    assert MIB // 2 < len(bomb) < 2 * MIB
    head = (status or b"HTTP/1.1 200 OK\r\n") + JSON + b"content-encoding: gzip\r\n" + LENGTH % len(bomb) + b"\r\n"

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + bomb)

    async with RawServer(script) as server, proxied(server.url) as proxy:
        given = json.dumps(ask(protocol, stream=stream)).encode()
        tracemalloc.start()
        try:
            began = time.perf_counter()
            answer = await proxy.request("POST", "/v1/messages", {}, given)
            took = time.perf_counter() - began
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.status in (400, 502)
    assert took < 1.0
    assert peak < 64 * MIB


async def test_bomb_of_a_client_is_refused_unopened() -> None:
    """A compressed body is a 415 before a byte of it is inflated."""
    bomb = _bomb()
    async with proxied("http://127.0.0.1:9") as proxy:
        tracemalloc.start()
        try:
            began = time.perf_counter()
            answer = await proxy.request("POST", "/v1/messages", {"content-encoding": "gzip"}, bomb)
            took = time.perf_counter() - began
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.error == (415, "invalid_request_error")
    assert took < 1.0
    assert peak < 8 * MIB


REPEATED = {"word": "a", "keys": "sk-", "quotes": '\\"'}


@pytest.mark.parametrize("begin", [b"{", b'{"type":"error",'], ids=["openai", "anthropic"])
@pytest.mark.parametrize("said", REPEATED.values(), ids=REPEATED)
@pytest.mark.parametrize("protocol", MODELS)
async def test_error_of_a_mebibyte_is_told_at_once(protocol: str, said: str, begin: bytes) -> None:
    """Upstreams repeat what they were sent, an image for instance: reading their errors holds nobody up."""
    text = said * (MIB // len(said) - 100)
    body = begin + b'"error":{"message":"' + text.encode() + b'","type":"invalid_request_error","code":400}}'
    for status in (b"400 Bad Request", b"401 Unauthorized", b"200 OK"):
        answer = b"HTTP/1.1 " + status + b"\r\n" + JSON + LENGTH % len(body) + b"\r\n" + body

        async def script(peer: Peer, answer: bytes = answer) -> None:
            await peer.request()
            await peer.send(answer)

        async with RawServer(script) as server, proxied(server.url) as proxy:
            began = time.process_time()
            told = await proxy.request("POST", "/v1/messages", {}, json.dumps(ask(protocol)).encode())
            took = time.process_time() - began
        assert told.status in (400, 401, 502)
        assert took < 1.0


@pytest.mark.parametrize("status", [b"400 Bad Request", b"200 OK"])
@pytest.mark.parametrize("protocol", MODELS)
async def test_error_is_told_as_far_as_it_is_read(protocol: str, status: bytes) -> None:
    """The ids of an account are taken out of an upstream's words: what nobody has looked through is not passed on."""
    body = b'{"error":{"message":"' + b"no " * (MIB // 4) + b'org-abcdefghijkl","code":400}}'
    answer = b"HTTP/1.1 " + status + b"\r\n" + JSON + LENGTH % len(body) + b"\r\n" + body

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    async with RawServer(script) as server, proxied(server.url) as proxy:
        told = await proxy.request("POST", "/v1/messages", {}, json.dumps(ask(protocol)).encode())
    assert told.json()["error"]["message"].count("no no no")
    assert len(told.body) < MIB // 8
