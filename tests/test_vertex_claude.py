"""Claude on Vertex AI: requests pass through as they do to Anthropic, but for path, one member and the login."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.scripted import Script, ScriptedUpstream, stream, whole
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.translators.anthropic import VERTEX_VERSION, for_vertex, for_vertex_counting
from llm_to_anthropic.upstream import Upstream
from tests.gateway.memory_reply import MemoryReply, call, reply_to
from tests.google_login import claude_on_vertex, numbered_tokens, service_account

MEMBER = b'"anthropic_version":"vertex-2023-10-16"'
BASE = "/v1/projects/my-project/locations/global/publishers/anthropic/models/"
MESSAGE = (
    b'{"type":"message","model":"claude-x","content":[],"stop_reason":"end_turn","usage":{"input_tokens":3,'
    b'"output_tokens":1}}'
)
STREAM = (
    b'event: vertex_event\ndata: {"type":"vertex_event"}\n\n'
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x","usage":{}}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)

DENIED = {
    "error": {
        "code": 403,
        "message": "Permission denied on resource '//aiplatform.test/projects/shop-1234/locations/us/models/x'.",
        "status": "PERMISSION_DENIED",
    }
}


@pytest.fixture
async def gateway(tmp_path: Path, upstream: ScriptedUpstream) -> AsyncIterator[Gateway]:
    """A gateway with Claude on Vertex AI under the name claude, which an alias reaches too."""
    async with ScriptedUpstream(Script(otherwise=numbered_tokens)) as token_server:
        provider = claude_on_vertex(upstream.url, service_account(tmp_path, token_server))
        timeouts = Timeouts(first_event_s=5.0, idle_s=5.0, total_s=20.0)
        settings = Settings(
            providers={"claude": provider},
            aliases={"claude-mine": ("claude/claude-sonnet-4-5@20250929",), "claude-x": ("claude/claude-x",)},
            timeouts=timeouts,
        )
        running = Gateway(settings, Upstream(timeouts, environ={}), [])
        # The login begins by itself; a test that ends before it would leave it without its server.
        assert await running.credentials.failure(provider) is None
        yield running
        await running.close()


@pytest.mark.parametrize(
    ("streamed", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")], ids=["whole", "streamed"]
)
async def test_path_names_model_and_verb(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, streamed: bool, verb: str
) -> None:
    """The model stands in the path, and the verb says whether the answer streams; the query is ours alone."""
    script.push(stream(STREAM) if streamed else whole(MESSAGE))
    body = b'{"model":"claude-x","max_tokens":9,"messages":[],"stream":%s}' % (b"true" if streamed else b"false")
    reply = await reply_to(gateway, call(body, query="beta=true"))
    (request,) = upstream.requests
    assert (request.method, request.path, request.query) == ("POST", f"{BASE}claude-x:{verb}", "")
    assert (reply.status, reply.body) == (200, STREAM if streamed else MESSAGE)


async def test_every_other_byte_is_kept(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """The version stands where the model stood; numbers, blanks and unknown members arrive as they were sent."""
    script.push(whole(MESSAGE))
    body = b'{ "x":1.50, "model" : "claude-x",  "max_tokens":1e1, "messages":[{"role":"user","content":"\\u00e9"}] }'
    await gateway.messages(call(body), MemoryReply())
    assert upstream.requests[0].body == body.replace(b'"model" : "claude-x"', MEMBER)


async def test_alias_names_vertex_own_id(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """An aliased model goes under Vertex AI's id, with its date behind an @, and comes back under the client's name."""
    script.push(whole(MESSAGE.replace(b"claude-x", b"claude-sonnet-4-5@20250929")))
    reply = await reply_to(gateway, call(b'{"model":"claude-mine","max_tokens":9,"messages":[]}'))
    assert upstream.requests[0].path == f"{BASE}claude-sonnet-4-5@20250929:rawPredict"
    assert upstream.requests[0].body == b'{%s,"max_tokens":9,"messages":[]}' % MEMBER
    assert reply.json()["model"] == "claude-mine"


async def test_model_cannot_leave_its_place_in_the_path(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """A model name with signs of a path is escaped: it reaches no other path of Vertex AI."""
    script.push(whole(MESSAGE))
    await gateway.messages(call({"model": "claude/../../x?y:z", "max_tokens": 9, "messages": []}), MemoryReply())
    assert upstream.requests[0].path == f"{BASE}..%2F..%2Fx%3Fy%3Az:rawPredict"


async def test_headers_are_vertex_own(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """Betas travel; the version does not, for the body names Vertex AI's own; no key of the client does."""
    script.push(whole(MESSAGE))
    sent = {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "one, two",
        "x-api-key": "client-key",
        "authorization": "Bearer client-key",
        "x-goog-user-project": "another",
    }
    await gateway.messages(call({"model": "claude-x", "max_tokens": 9, "messages": []}, headers=sent), MemoryReply())
    received = upstream.requests[0].headers
    assert (received["anthropic-beta"], received["authorization"]) == ("one, two", "Bearer token-0")
    assert not {"anthropic-version", "x-api-key", "x-goog-user-project"} & set(received)


async def test_tokens_are_counted_by_vertex(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """Token counting has a path of its own, and there the model stays in the body."""
    script.push(whole(b'{"input_tokens":7}'))
    reply = MemoryReply()
    body = b'{"model":"claude-mine","messages":[]}'
    await gateway.count_tokens(call(body, path="/v1/messages/count_tokens"), reply)
    (request,) = upstream.requests
    assert request.path == f"{BASE}count-tokens:rawPredict"
    assert request.json() == {
        "model": "claude-sonnet-4-5@20250929",
        "messages": [],
        "anthropic_version": VERTEX_VERSION,
    }
    assert reply.json() == {"input_tokens": 7}


async def test_counting_is_estimated_while_vertex_cannot(gateway: Gateway, script: Script) -> None:
    """Where Vertex AI has no count now, an estimate is the answer."""
    script.push(whole({"error": {"code": 503, "message": "later"}}, status=503))
    reply = MemoryReply()
    body = {"model": "claude-x", "messages": [{"role": "user", "content": "How many tokens is this?"}]}
    await gateway.count_tokens(call(body, path="/v1/messages/count_tokens"), reply)
    assert reply.status == 200
    count = reply.json()["input_tokens"]
    assert isinstance(count, int)
    assert count > 3


async def test_counting_is_estimated_where_vertex_refuses_betas(gateway: Gateway, script: Script) -> None:
    """Betas that Vertex AI takes with messages alone do not make counting fail, on which a client would wait."""
    words = "Unexpected value(s) `web-search-2025-03-05` for the `anthropic-beta` header."
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    script.push(whole(error, status=400))
    reply = MemoryReply()
    body = {"model": "claude-x", "messages": [{"role": "user", "content": "How many tokens is this?"}]}
    await gateway.count_tokens(call(body, path="/v1/messages/count_tokens"), reply)
    count = reply.json()["input_tokens"]
    assert isinstance(count, int)
    assert (reply.status, count > 3) == (200, True)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files", "/v1/messages/batches"])
async def test_other_paths_do_not_go_to_vertex(gateway: Gateway, upstream: ScriptedUpstream, path: str) -> None:
    """What Vertex AI does not serve is refused here, and nothing is sent there."""
    reply = MemoryReply()
    await gateway.forward(call(b"{}", path=path), reply)
    assert reply.status in {400, 404}
    assert b"ANTHROPIC_API_KEY" in reply.body
    assert upstream.requests == []


async def test_other_paths_go_to_anthropic_beside_it(
    tmp_path: Path, script: Script, upstream: ScriptedUpstream
) -> None:
    """With a key of Anthropic as well, its other paths are forwarded to it, though Vertex AI stands first."""
    script.push(whole(b'{"data":[]}'))
    async with ScriptedUpstream(Script(otherwise=numbered_tokens)) as token_server:
        key = Credential(key=Secret("test-key"), variable="TEST_KEY")
        providers = {
            "claude": claude_on_vertex(upstream.url, service_account(tmp_path, token_server)),
            "other": Provider(name="other", protocol="anthropic", base_url=upstream.url, credential=key),
        }
        timeouts = Timeouts()
        gateway = Gateway(Settings(providers=providers, aliases={}), Upstream(timeouts, environ={}), [])
        assert await gateway.credentials.failure(providers["claude"]) is None
        reply = MemoryReply()
        await gateway.forward(call(b"", method="GET", path="/v1/files"), reply)
        await gateway.close()
    assert (upstream.requests[0].path, reply.status) == ("/v1/files", 200)
    assert upstream.requests[0].headers["x-api-key"] == "test-key"


@pytest.mark.parametrize("wrapped", [False, True], ids=["object", "array"])
async def test_googles_errors_keep_status_and_words(gateway: Gateway, script: Script, wrapped: bool) -> None:
    """An error in Google's form becomes Anthropic's envelope, with Google's words alone."""
    error = {"error": {"code": 429, "message": "Quota exceeded for claude-x", "status": "RESOURCE_EXHAUSTED"}}
    script.push(*[whole([error] if wrapped else error, status=429)] * 3)
    reply = await reply_to(gateway, call({"model": "claude-x", "max_tokens": 9, "messages": [], "stream": wrapped}))
    assert reply.status == 429
    assert json.loads(reply.body)["error"] == {"type": "rate_limit_error", "message": "Quota exceeded for claude-x"}


async def test_googles_errors_do_not_tell_the_project(gateway: Gateway, script: Script) -> None:
    """Which project pays is no business of a client."""
    asked = {"model": "claude-x", "max_tokens": 9, "messages": []}
    script.push(whole(DENIED, status=403))
    reply = await reply_to(gateway, call(asked))
    assert (reply.status, b"shop-1234" in reply.body) == (403, False)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_googles_errors_under_a_good_status_do_not_tell_the_project(
    gateway: Gateway, script: Script, *, streamed: bool
) -> None:
    """Nor do those that come where an answer should."""
    answer = stream(b"data: %b\n\n" % msgspec.json.encode(DENIED)) if streamed else whole(DENIED)
    script.push(answer)
    reply = await reply_to(gateway, call({"model": "claude-x", "max_tokens": 9, "messages": [], "stream": streamed}))
    assert b"Permission denied" in reply.body
    assert b"shop-1234" not in reply.body


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"model":"a","messages":[]}', b'{%s,"messages":[]}' % MEMBER),
        (b'{"messages":[],"model":"a\\"b"}', b'{"messages":[],%s}' % MEMBER),
        (b'{"metadata":{"model":"b"},"model":"a"}', b'{"metadata":{"model":"b"},%s}' % MEMBER),
        (b'{"model":"a","anthropic_version":"vertex-next"}', b'{"anthropic_version":"vertex-next"}'),
        (b'{"model":"a","x":1.50,"model":"b"}', b'{"x":1.50,%s}' % MEMBER),
    ],
    ids=["first", "last-and-escaped", "nested-before", "version-given", "twice"],
)
def test_version_takes_the_place_of_the_model(body: bytes, sent: bytes) -> None:
    """Wherever the model stands, it goes, and the version is there once; a version of the client's stays."""
    assert for_vertex(body) == sent


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "x"]) | st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "messages", "metadata"]), JSON), st.text(), st.booleans())
def test_any_body_keeps_its_members(members: dict[str, object], model: str, last: bool) -> None:
    """Whatever else a body holds arrives unchanged."""
    body = {**members, "model": model} if last else {"model": model, **members}
    expected = {**members, "anthropic_version": VERTEX_VERSION}
    encoded = msgspec.json.encode(body)
    assert msgspec.json.decode(for_vertex(encoded)) == expected
    assert msgspec.json.decode(for_vertex_counting(encoded)) == {**expected, "model": model}
