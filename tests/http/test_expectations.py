"""Requests that expect a word before their body, or wish for another protocol."""

from __future__ import annotations

import asyncio

import pytest

from tests.http.fake import CHUNKED, HOST, POST, front


async def test_expect_continue_is_answered() -> None:
    """A client that asks before it sends its body is told to go on."""
    async with front() as server, server.connect() as client:
        await client.send(POST + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await client.head())[0] == 100
        await client.send(b"{}")
        assert (await client.response()).status == 200


async def test_http_1_0_client_gets_no_interim_answer() -> None:
    """HTTP/1.0 knows none: such a client would take it for the answer (RFC 9110, section 10.1.1)."""
    async with front() as server, server.connect() as client:
        head = (POST + HOST).replace(b"HTTP/1.1", b"HTTP/1.0") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        await client.send(head)
        await server.request("GET", "/health")  # by then it would have come
        await client.send(b"{}")
        assert (await client.head())[0] == 200


@pytest.mark.parametrize(
    ("path", "status"), [(b"/nope", 404), (b"/v1/metrics", 200), (b"/health", 405), (b"/v1/models", 405)]
)
async def test_nothing_is_read_as_a_body_that_nobody_asked_for(path: bytes, status: int) -> None:
    """Who expects a word and gets an answer instead may leave its body out: its next request is not taken for it."""
    async with front() as server, server.connect() as client:
        head = POST.replace(b"/v1/messages", path) + HOST + b"Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n"
        await client.send(head + server.encode("GET", "/health"))
        answer = await client.response()
        assert (answer.status, answer.header("connection")) == (status, "close")
        assert await client.closed()


async def test_who_expects_a_word_and_sends_a_broken_body_is_refused_alone() -> None:
    """A client that asks before it sends its body, and sends a broken one with it, is refused, and at fault."""
    async with front() as server, server.connect() as client:
        await client.send(POST + HOST + b"Expect: 100-continue\r\n" + CHUNKED + b"xyz\r\n")
        assert (await client.response()).error == (400, "invalid_request_error")
        assert await client.reader.read() == b""
    assert [(record.status, record.outcome) for record in server.gateway.exchanges] == [(400, "invalid_request_error")]


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"


async def test_wish_for_another_protocol_is_ignored() -> None:
    """A client that offers HTTP/2 or WebSocket is answered in HTTP/1.1, on a connection that stays usable."""
    async with front() as server, server.connect() as client:
        for _ in range(2):
            await client.send(b"GET /health HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n")
            assert (await client.response()).status == 200


async def test_many_wishes_at_once_are_ignored_one_by_one() -> None:
    """A thousand requests in one read that all wish for another protocol are a thousand requests."""
    wish = b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with front() as server, server.connect() as client:
        await client.send(wish * 1000)
        assert [(await client.response()).status for _ in range(1000)] == [200] * 1000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Content-Length: 12\r\n\r\n" + b'{"model":""}', id="length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n" + b'c\r\n{"model":""}\r\n0\r\n\r\n', id="chunked"),
    ],
)
@pytest.mark.parametrize("cut", [0, 5], ids=["at_once", "in_two"])
async def test_body_beside_a_wish_for_another_protocol_arrives(body: bytes, cut: int) -> None:
    """Clients that offer HTTP/2 with a POST lose neither its body, nor have it taken for the next request."""
    sent = POST + HOST + UPGRADE + body
    async with front() as server:
        async with server.connect() as client:
            await client.send(sent[: len(sent) - cut])
            if cut:
                await asyncio.sleep(0.02)
                await client.send(sent[-cut:])
            answer = await client.response()
            assert await client.closed()
        assert answer.status == 200
        assert [call.body for call in server.gateway.calls] == [b'{"model":""}']
