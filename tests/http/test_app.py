"""Routes, methods and request ids, over a real socket."""

from __future__ import annotations

import json
import re

import pytest

from llm_to_anthropic.gateway.call import Call, Reply
from tests.http.fake import FakeGateway, front, left


async def test_messages_reach_the_gateway_as_a_call() -> None:
    """POST /v1/messages with any query hands method, path, query, headers and body over."""
    async with front() as server:
        answer = await server.request("POST", "/v1/messages?beta=true", {"anthropic-beta": "a,b"}, b'{"model":"m"}')
        call = server.gateway.calls[0]
    assert answer.json() == {"type": "message"}
    assert (call.method, call.path, call.query, call.body) == ("POST", "/v1/messages", "beta=true", b'{"model":"m"}')
    assert call.header(b"anthropic-beta") == "a,b"
    assert answer.header("request-id") == call.request_id


async def test_count_tokens_has_its_own_endpoint() -> None:
    """POST /v1/messages/count_tokens is answered by the gateway's count_tokens."""
    async with front() as server:
        answer = await server.request("POST", "/v1/messages/count_tokens", body=b"{}")
    assert answer.json() == {"input_tokens": 7}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files"),
        ("DELETE", "/v1/files/file_1"),
        ("POST", "/v1/messages/batches"),
        ("PUT", "/v1/nothing%20known"),
    ],
)
async def test_other_api_paths_go_to_the_gateway(method: str, path: str) -> None:
    """Any other path and method below /v1/ is the gateway's to forward or refuse."""
    async with front() as server:
        answer = await server.request(method, path, {"content-type": "multipart/form-data"}, b"x")
        call = server.gateway.calls[0]
    assert answer.json()["from"] == "gateway"
    assert (call.method, call.raw_path, call.body) == (method, path, b"x")
    assert server.gateway.exchanges == []


@pytest.mark.parametrize(
    "path", ["/v2/messages", "/nothing", "/v1", "/v1/", "/v1//messages", "/v1/../admin", "/v1/%2e%2e/admin", "//v1/x"]
)
async def test_unknown_path_is_404(path: str) -> None:
    """A path that nobody has, or that could mean another one upstream, is a not_found_error, and is recorded."""
    async with front() as server:
        answer = await server.request("GET", path)
        record = server.gateway.exchanges[0]
    assert answer.error == (404, "not_found_error")
    assert (record.status, record.outcome, server.gateway.calls) == (404, "not_found_error", [])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/v1/messages", "without /v1"),
        ("/messages", "with /v1"),
        ("/messages/count_tokens", "with /v1"),
        ("/models", "with /v1"),
    ],
)
async def test_doubled_or_missing_version_in_path_is_explained(path: str, told: str) -> None:
    """A base URL with or without /v1, where its client wants the other, is the usual mistake: its 404 says so."""
    async with front() as server:
        answer = await server.request("POST", path, body=b"{}")
    assert answer.error == (404, "not_found_error")
    assert told in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/messages", "POST"),
        ("OPTIONS", "/v1/messages", "POST"),
        ("DELETE", "/v1/messages/count_tokens", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/claude-one", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("GET", "/v1/metrics", "POST"),
    ],
)
async def test_wrong_method_is_405(method: str, path: str, allowed: str) -> None:
    """A known path with another method is an invalid_request_error that names the methods."""
    async with front() as server:
        answer = await server.request(method, path)
        record = server.gateway.exchanges[0]
    assert answer.error == (405, "invalid_request_error")
    assert answer.header("allow") == allowed
    assert record.status == 405


@pytest.mark.parametrize("path", ["/", "/api/hello"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_are_answered_without_a_key(method: str, path: str) -> None:
    """Claude Code's connectivity probes get a 200 without credentials."""
    async with front(allow_unauthenticated=False, client_keys=()) as server:
        answer = await server.request(method, path, {"x-forwarded-for": "192.0.2.1"})
    assert answer.status == 200
    assert answer.header("request-id").startswith("req_")


@pytest.mark.parametrize("kind", ["metrics", "logs", "traces"])
async def test_telemetry_is_taken_and_discarded(kind: str) -> None:
    """OpenTelemetry posts of signed-in clients get a 200."""
    async with front() as server:
        answer = await server.request("POST", f"/v1/{kind}", body=b"{}")
    assert (answer.status, answer.body) == (200, b"{}")


async def test_request_ids_are_unique_and_well_formed() -> None:
    """Every answer carries a request-id of its own: req_ and 24 letters or digits."""
    async with front() as server:
        answers = [await server.request("GET", path) for path in ("/health", "/nothing", "/v1/models", "/v1/messages")]
    ids = [answer.header("request-id") for answer in answers]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"req_[0-9A-Za-z]{24}", one) for one in ids)


async def test_health_says_ok() -> None:
    """GET /health is 200 as long as the process lives."""
    async with front() as server:
        answer = await server.request("GET", "/health")
    assert (answer.status, answer.json()["status"]) == (200, "ok")


@pytest.mark.parametrize(("able", "status"), [(True, 200), (False, 503)])
async def test_ready_follows_the_gateway(able: bool, status: int) -> None:
    """GET /health/ready is 200 only while the gateway can answer, and shows why."""
    gateway = FakeGateway()
    gateway.able = able
    async with front(gateway) as server:
        answer = await server.request("GET", "/health/ready")
    assert answer.status == status
    assert answer.json()["providers"] == ["openai"]


async def test_crash_is_a_500_that_tells_nothing() -> None:
    """An unexpected exception becomes an api_error with the request id alone."""

    async def crash(call: Call, reply: Reply) -> None:
        raise RuntimeError("secret detail")

    async with front(FakeGateway(crash)) as server:
        answer = await server.post()
    assert answer.error == (500, "api_error")
    assert b"secret detail" not in answer.body
    assert answer.header("request-id") in answer.json()["error"]["message"]


async def test_crash_amid_a_stream_ends_it_with_an_error_event() -> None:
    """A client never sees a stream that just stops."""

    async def crash(call: Call, reply: Reply) -> None:
        reply.start(200, [(b"content-type", b"text/event-stream; charset=utf-8")])
        await reply.write(b"event: ping\ndata: {}\n\n")
        raise RuntimeError("secret detail")

    async with front(FakeGateway(crash)) as server:
        answer = await server.post()
    event = answer.body.split(b"\n\n")[1]
    assert event.startswith(b"event: error\ndata: ")
    assert json.loads(event.partition(b"data: ")[2])["error"]["type"] == "api_error"


async def test_connection_is_kept_alive() -> None:
    """Several requests go over one connection."""
    async with front() as server, server.connect() as client:
        for _ in range(3):
            await client.send(server.encode("POST", "/v1/messages", body=b"{}"))
            assert (await client.response()).status == 200
    assert len(server.gateway.calls) == 3


async def test_stream_arrives_as_it_is_written() -> None:
    """Each write of the gateway reaches the client, with the stream's own headers and request-id."""

    async def stream(call: Call, reply: Reply) -> None:
        reply.start(200, [(b"content-type", b"text/event-stream")])
        for number in range(3):
            await reply.write(b"event: %d\n\n" % number)
        await reply.end()

    async with front(FakeGateway(stream)) as server:
        answer = await server.post()
    assert answer.body == b"event: 0\n\nevent: 1\n\nevent: 2\n\n"
    assert answer.header("content-type") == "text/event-stream"
    assert answer.header("request-id") == server.gateway.calls[0].request_id


async def test_disconnect_is_told_to_the_gateway() -> None:
    """It is told soon after the client has left."""
    gateway = FakeGateway()

    async def wait(call: Call, reply: Reply) -> None:
        reply.start(200, [(b"content-type", b"text/event-stream")])
        await reply.write(b"x")
        await left(reply)
        gateway.closed.set()

    gateway.answer = wait
    async with front(gateway) as server:
        async with server.connect() as client:
            await client.send(server.encode("POST", "/v1/messages", body=b"{}"))
            await client.head()
        await gateway.closed.wait()
