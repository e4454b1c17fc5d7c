"""The application under any ASGI server."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Message, Scope

from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.http.app import create_app
from tests.http.fake import FakeGateway, left, settings


def scope(method: str, path: str) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-length", b"2")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8082),
    }


async def served(gateway: FakeGateway, method: str, path: str) -> list[Message]:
    """What the application sends for a request with the body `{}` that comes in two pieces."""
    pieces: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.request", "body": b"}", "more_body": False},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0) if pieces else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await create_app(settings(), gateway)(scope(method, path), receive, send)
    return sent


async def test_whole_answer_over_asgi() -> None:
    """A call gets its body, and its answer leaves with length and request-id."""
    gateway = FakeGateway()
    start, body = await served(gateway, "POST", "/v1/messages")
    headers = dict(start["headers"])
    assert gateway.calls[0].body == b"{}"
    assert (start["status"], json.loads(body["body"])) == (200, {"type": "message"})
    assert headers[b"content-length"] == b"%d" % len(body["body"])
    assert headers[b"request-id"].decode() == gateway.calls[0].request_id


async def test_end_of_a_stream_is_not_taken_for_a_client_that_leaves() -> None:
    """A general server tells the end of an answer as it tells that a client has left: nobody is told of that."""
    ended = asyncio.Event()
    parted: list[str] = []
    asked: list[Message] = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def answer(_call: Call, reply: Reply) -> None:
        reply.when_left(parted.append)
        await asyncio.sleep(0)  # so that it is listened for
        reply.start(200, [(b"content-type", b"text/event-stream")])
        await reply.end(b"all")
        await asyncio.sleep(0)

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            ended.set()
            for _ in range(3):
                await asyncio.sleep(0)

    await create_app(settings(), FakeGateway(answer))(scope("POST", "/v1/messages"), receive, send)
    assert (ended.is_set(), parted) == (True, [])


async def test_stream_over_asgi() -> None:
    """Each write is a message of its own, and the framing is the server's."""

    async def stream(_call: Call, reply: Reply) -> None:
        reply.start(200, [(b"content-type", b"text/event-stream")])
        await reply.write(b"one")
        await left(reply)
        await reply.end()

    start, first, last = await served(FakeGateway(stream), "POST", "/v1/messages")
    assert b"transfer-encoding" not in dict(start["headers"])
    assert (first["body"], first["more_body"]) == (b"one", True)
    assert (last["body"], last.get("more_body", False)) == (b"", False)


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/nothing", 404), ("/v1/messages", 405)])
async def test_ordinary_routes_over_asgi(path: str, status: int) -> None:
    """Routes and refusals answer there too."""
    start, body = await served(FakeGateway(), "GET", path)
    assert start["status"] == status
    assert json.loads(body["body"])
