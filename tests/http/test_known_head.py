"""A head that a connection has sent before is not read again, and means what it meant."""

from __future__ import annotations

import asyncio

import pytest

from llm_to_anthropic.gateway.call import Call, Headers, Reply
from llm_to_anthropic.http.known_head import MAX_HEAD_BYTES, KnownHead, known_head
from tests.http.fake import FakeGateway, front

FIRST = b"POST /v1/messages?a=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n{}"
HEADERS: Headers = [(b"host", b"localhost"), (b"content-length", b"2"), (b"x-one", b"1")]


def _known(data: bytes = FIRST, headers: Headers = HEADERS) -> KnownHead | None:
    return known_head(data, 2, headers, dict(headers))


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"a":1}', b"x" * 1234])
def test_the_same_head_is_known_whatever_the_length_of_its_body(body: bytes) -> None:
    """A request that differs by its body and the body's length has a known head."""
    known = _known()
    assert known is not None
    data = FIRST[:-2].replace(b": 2", b": %d" % len(body)) + body
    assert known.body_of(data) == body
    assert known.length == b"%d" % len(body)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(FIRST[:-1], id="a body that is not whole"),
        pytest.param(FIRST + b"P", id="more than its body"),
        pytest.param(FIRST * 2, id="two requests"),
        pytest.param(FIRST[:-4], id="half a head"),
        pytest.param(FIRST[:-2].replace(b": 2", b": 0"), id="no body"),
        pytest.param(FIRST[:-2].replace(b": 2", b": "), id="no length"),
        pytest.param(FIRST.replace(b": 2", b": +2"), id="a sign"),
        pytest.param(FIRST.replace(b": 2", b": 2 "), id="a blank"),
        pytest.param(FIRST.replace(b": 2", b": 2, 2"), id="two lengths"),
        pytest.param(FIRST.replace(b": 2", b": 0000000002"), id="too many digits"),
        pytest.param(FIRST.replace(b"X-One", b"x-one"), id="other letters behind"),
        pytest.param(FIRST.replace(b"Host", b"host"), id="other letters in front"),
        pytest.param(FIRST.replace(b"X-One: 1", b"X-One: 1\r\nX-Two: 2"), id="one more header"),
    ],
)
def test_what_differs_is_not_known(data: bytes) -> None:
    """Whatever is not exactly one whole request with the same head is the parser's to read."""
    known = _known()
    assert known is not None
    assert known.body_of(data) is None


@pytest.mark.parametrize(
    "more",
    [
        pytest.param((b"X-One", b"2"), id="repeated"),
        pytest.param((b"Expect", b"100-continue"), id="waits for a word"),
        pytest.param((b"Upgrade", b"h2c"), id="wants another protocol"),
        pytest.param((b"X-Long", b"x" * MAX_HEAD_BYTES), id="large"),
    ],
)
def test_some_heads_are_not_kept(more: tuple[bytes, bytes]) -> None:
    """A head that asks for more than an answer, repeats a name or is large is read each time."""
    data = FIRST.replace(b"\r\n\r\n", b"\r\n%b: %b\r\n\r\n" % more)
    assert _known(data, [*HEADERS, (more[0].lower(), more[1])]) is None


async def test_each_request_of_a_connection_comes_as_it_was_sent() -> None:
    """Calls of one connection have their own length, body and id, and the same headers otherwise."""
    gateway = FakeGateway()
    bodies = [b"{}", b"[]", b"[1]", b"[2]", b'{"a":' + b"1" * 100 + b"}", b"{}"]
    async with front(gateway) as server, server.connect() as client:
        for body in bodies:
            await client.send(server.encode("POST", "/v1/messages?q=1", {"x-one": "1"}, body))
            assert (await client.response()).status == 200
    assert [call.body for call in gateway.calls] == bodies
    assert [dict(call.headers)[b"content-length"] for call in gateway.calls] == [b"%d" % len(body) for body in bodies]
    assert all(dict(call.headers) == call.found for call in gateway.calls)
    assert len({call.request_id for call in gateway.calls}) == len(bodies)
    heads = [[header for header in call.headers if header[0] != b"content-length"] for call in gateway.calls]
    assert all(head == heads[0] for head in heads)
    assert {(call.query, call.path, call.method) for call in gateway.calls} == {("q=1", "/v1/messages", "POST")}


async def test_requests_behind_a_known_one_have_their_turn() -> None:
    """Requests that come in one read with one whose head is known are answered after it, each with its own body."""
    gateway = FakeGateway()
    async with front(gateway) as server, server.connect() as client:
        request = server.encode("POST", "/v1/messages", None, b"{}")
        for _ in range(3):
            await client.send(request)
            await client.response()
        await client.send(request + server.encode("POST", "/v1/messages", None, b"[1]") + request)
        answers = [(await client.response()).status for _ in range(3)]
        await client.send(request)
        assert (await client.response()).status == 200
    assert answers == [200, 200, 200]
    assert [call.body for call in gateway.calls][3:] == [b"{}", b"[1]", b"{}", b"{}"]


async def test_a_client_that_leaves_after_a_known_head_is_noticed() -> None:
    """A client that leaves while a request with a known head is answered is noticed."""
    gateway, left = FakeGateway(), asyncio.Event()
    async with front(gateway) as server, server.connect() as client:
        request = server.encode("POST", "/v1/messages", None, b"{}")
        for _ in range(3):
            await client.send(request)
            await client.response()

        async def wait(_call: Call, reply: Reply) -> None:
            reply.when_left(lambda _: left.set())
            await left.wait()

        gateway.answer = wait
        await client.send(request)
        client.writer.close()
        async with asyncio.timeout(5):
            await left.wait()
