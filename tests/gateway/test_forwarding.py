"""What goes to Anthropic beside messages: counts, files, and paths that nobody here knows."""

from __future__ import annotations

import asyncio

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Answer, Reset, Script, ScriptedUpstream, Stall, anthropic, never, stream, whole
from llm_to_anthropic.settings import Timeouts
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call
from tests.gateway.test_passthrough import OVERLOADED

UNREADABLE_THOUGHT = anthropic.error("messages.1.content.0: Invalid `signature` in `thinking` block")


async def test_counting_goes_to_anthropic(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """Anthropic counts its own tokens."""
    script.push(whole(b'{"input_tokens":42}'))
    reply = MemoryReply()
    await gateway.count_tokens(call(ask("claude-x"), path="/v1/messages/count_tokens"), reply)
    assert reply.body == b'{"input_tokens":42}'
    assert upstream.requests[0].path == "/v1/messages/count_tokens"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(OVERLOADED, status=529), id="overloaded"),
        pytest.param(stream(Reset()), id="reset"),
        pytest.param(whole(b"<html>"), id="web_page"),
        pytest.param(whole({"detail": "Not Found"}, status=404), id="404"),
        pytest.param(whole(b"<html>nothing here", status=404), id="404_web_page"),
        pytest.param(whole({"detail": "Method Not Allowed"}, status=405), id="405"),
        *(pytest.param(whole(anthropic.error("no"), status=status), id=f"key_{status}") for status in (401, 402, 403)),
        pytest.param(whole({"error": "Unexpected endpoint or method."}), id="error_under_200"),
        pytest.param(whole(UNREADABLE_THOUGHT, status=400), id="thought_of_another"),
    ],
)
async def test_counting_is_estimated_where_the_upstream_gives_no_count(
    gateway: Gateway, script: Script, answer: Answer
) -> None:
    """Anthropic may fail, and not every server of its protocol counts: without a number Claude Code pays to count."""
    script.push(answer)
    reply = MemoryReply()
    await gateway.count_tokens(call(ask("claude-x"), path="/v1/messages/count_tokens"), reply)
    assert reply.status == 200
    assert reply.json()["input_tokens"]


class TestImpatience:
    """Counts that take long."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        """Little patience."""
        return Timeouts(first_event_s=5.0, idle_s=5.0, total_s=20.0, commit_after_s=0.1)

    @pytest.mark.parametrize("answer", [never(), stream(b"{", Stall())], ids=["no head", "no end"])
    async def test_counting_is_estimated_where_anthropic_is_silent(
        self, gateway: Gateway, script: Script, upstream: ScriptedUpstream, answer: Answer
    ) -> None:
        """A person waits for a count: not for long, and Anthropic need not go on with it."""
        script.push(answer)
        reply = MemoryReply()
        async with asyncio.timeout(3):
            await gateway.count_tokens(call(ask("claude-x"), path="/v1/messages/count_tokens"), reply)
            await upstream.requests[0].closed.wait()
        assert reply.status == 200
        assert reply.json()["input_tokens"]


@pytest.mark.parametrize(("status", "told"), [(404, "not_found_error"), (400, "invalid_request_error")])
async def test_a_refused_count_is_passed_on_as_it_came(
    gateway: Gateway, script: Script, status: int, told: str
) -> None:
    """What is wrong with a request is Anthropic's to say, in its words."""
    refused = b'{"type":"error","error":{"type":"%b","message":"model: x"},"request_id":"req_up"}' % told.encode()
    script.push(whole(refused, status=status))
    reply = MemoryReply()
    await gateway.count_tokens(call(ask("claude-x"), path="/v1/messages/count_tokens"), reply)
    assert (reply.status, reply.body) == (status, refused)


async def test_file_that_breaks_before_its_first_byte_is_an_error(gateway: Gateway, script: Script) -> None:
    """An upstream that breaks right after its head is told as what it is, and not by a closed connection."""
    script.push(stream(Reset()))
    reply = MemoryReply()
    await gateway.forward(call(b"", method="GET", path="/v1/files/file_1/content"), reply)
    assert (reply.status, reply.ended) == (502, True)
    assert b"in the middle of its answer" in reply.body


async def test_other_paths_are_forwarded(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """Files, skills and whatever comes: any method and path below /v1 reaches Anthropic as it is."""
    script.push(whole(b"\x00\x01binary", headers=(("content-type", "application/octet-stream"),)))
    reply = MemoryReply()
    await gateway.forward(call(b"", method="GET", path="/v1/files/file_1/content", query="a=b"), reply)
    (request,) = upstream.requests
    assert (request.method, request.path, request.query) == ("GET", "/v1/files/file_1/content", "a=b")
    assert reply.body == b"\x00\x01binary"
    assert reply.headers[b"content-type"] == b"application/octet-stream"


@pytest.mark.parametrize("status", [200, 500])
async def test_what_is_forwarded_says_who_answered(
    gateway: Gateway, script: Script, records: Records, status: int
) -> None:
    """A path without a model has no upstream model to tell, but a provider: in its headers, the log and the metrics."""
    script.push(whole({}, status=status))
    reply = MemoryReply()
    await gateway.forward(call(b"", method="GET", path="/v1/files"), reply)
    assert reply.headers[b"x-upstream-provider"] == b"anthropic"
    assert b"x-upstream-model" not in reply.headers
    (exchange,) = records.exchanges
    assert (exchange.provider, exchange.upstream_model, exchange.protocol) == ("anthropic", "", "anthropic")
