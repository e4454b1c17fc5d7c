"""Gemini behind the gateway: what is asked again, what is learned, and what reaches the wire."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Answer, Delay, Reset, Script, ScriptedUpstream, stream, whole
from llm_to_anthropic.settings import Retries, Timeouts
from tests.gateway.answers import NO_END, Ending
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.translators.gemini_answers import Json, answer, chunk, data, text, usage
from tests.translators.gemini_answers import call as function_call

MODEL = "gemini/gemini-3-pro"


def events(*slices: bytes) -> Answer:
    return stream(*slices)


def refusal(message: str, status: int = 400, name: str = "INVALID_ARGUMENT", **members: Json) -> Answer:
    return whole({"error": {"code": status, "message": message, "status": name} | members}, status=status)


async def test_a_stream(gateway: Gateway, script: Script, upstream: ScriptedUpstream, records: Records) -> None:
    """A streamed answer arrives as events; the key travels in its header and not in the address."""
    script.push(events(chunk(text("hel")), chunk(text("lo"), finish="STOP")))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.status == 200
    assert reply.events()[-2:] == ["message_delta", "message_stop"]
    request = upstream.requests[0]
    assert (request.path, request.query) == ("/v1beta/models/gemini-3-pro:streamGenerateContent", "alt=sse")
    assert dict(request.headers)["x-goog-api-key"] == "upstream-key"
    assert records.exchanges[0].outcome == "ok"


async def test_empty_answer_is_asked_again_unseen(gateway: Gateway, script: Script, records: Records) -> None:
    """A flake costs the client nothing but time: one message, two attempts."""
    script.push(events(chunk(finish="STOP")))
    script.push(events(chunk(text("hello"), finish="STOP")))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.events().count("message_start") == 1
    assert b"hello" in reply.body
    assert records.exchanges[0].attempts == 2


class TestRetries:
    """A gateway that asks a failing upstream again."""

    @pytest.fixture
    def retries(self) -> Retries:
        return Retries(max_retries=2)

    @pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
    @pytest.mark.parametrize(
        "failing",
        [
            pytest.param(chunk(finish="MALFORMED_FUNCTION_CALL"), id="a call that is none"),
            pytest.param(data({"usageMetadata": usage()}), id="no candidates"),
        ],
    )
    async def test_an_answer_that_the_model_gets_wrong_twice_is_an_error(
        self, gateway: Gateway, script: Script, upstream: ScriptedUpstream, failing: bytes, streamed: bool
    ) -> None:
        """Each such answer is paid for: it is asked for once more, and not once more by each retry."""
        for _ in range(6):
            script.push(events(failing))
        reply = await reply_to(gateway, call(ask(MODEL, stream=streamed)))
        assert (reply.status, reply.headers[b"x-should-retry"]) == (502, b"false")
        assert len(upstream.requests) == 2


async def test_rounds_are_one_whole_message(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """A client that waits for the whole message gets all rounds of it in one."""
    script.push(events(chunk(text("hel"), finish="CONTINUATION", continuationToken="t1")))
    script.push(events(chunk(text("lo"), finish="STOP")))
    reply = await reply_to(gateway, call(ask(MODEL)))
    assert reply.json()["content"] == [{"type": "text", "text": "hello"}]
    sent = [json.loads(request.body).get("generationConfig", {}) for request in upstream.requests]
    assert [config.get("continuationToken") for config in sent] == [None, "t1"]


async def test_refused_signature_is_retried_without(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """A history that Google refuses is sent once more with the documented stand-in."""
    script.push(events(chunk(function_call("look", signature="c2ln"), finish="STOP")))
    first = MemoryReply()
    await gateway.messages(call(ask(MODEL)), first)
    content = first.json()["content"]
    assert isinstance(content, list)
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "ok"}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    script.push(refusal("Corrupted thought signature."))
    script.push(events(chunk(text("done"), finish="STOP")))
    second = MemoryReply()
    await gateway.messages(call(ask(MODEL, messages=messages)), second)
    assert second.status == 200
    assert b'"thoughtSignature":"c2ln"' in upstream.requests[1].body
    assert b"c2ln" not in upstream.requests[2].body


async def test_lesson_is_remembered(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """What a model refused once is left out of later requests."""
    tools = [{"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}]
    script.push(refusal("Unknown name \"parametersJsonSchema\" at 'tools[0]': Cannot find field."))
    for _ in range(2):
        script.push(events(chunk(text("a"), finish="STOP")))
        await gateway.messages(call(ask(MODEL, tools=tools)), MemoryReply())
    assert [b"parametersJsonSchema" in request.body for request in upstream.requests] == [True, False, False]


async def test_rate_limit_keeps_its_wait(gateway: Gateway, script: Script) -> None:
    """A quota error keeps its status, and the delay that Google asks for."""
    script.push(refusal("Slow", 429, "RESOURCE_EXHAUSTED", details=[{"retryDelay": "34.4s"}]))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert (reply.status, reply.headers[b"retry-after"]) == (429, b"35")


async def test_stream_that_breaks_off(gateway: Gateway, script: Script, records: Records) -> None:
    """A stream without a finish reason ends in an error event."""
    script.push(events(chunk(text("hel"))))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.events()[-1] == "error"
    assert records.exchanges[0].outcome != "ok"


async def test_tokens_are_counted_by_google(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """count_tokens asks Google."""
    script.push(whole({"totalTokens": 42}))
    reply = MemoryReply()
    asked = ask(MODEL)
    del asked["max_tokens"]
    await gateway.count_tokens(call(asked, path="/v1/messages/count_tokens"), reply)
    assert reply.json() == {"input_tokens": 42}
    assert upstream.requests[0].path == "/v1beta/models/gemini-3-pro:countTokens"


async def test_count_is_estimated_where_google_cannot(gateway: Gateway, script: Script) -> None:
    """An estimate is better than an error."""
    script.push(refusal("Busy", 503, "UNAVAILABLE"))
    reply = MemoryReply()
    await gateway.count_tokens(call(ask(MODEL), path="/v1/messages/count_tokens"), reply)
    tokens = reply.json()["input_tokens"]
    assert isinstance(tokens, int)
    assert tokens > 0


async def test_whole_answer_to_a_stream_request(gateway: Gateway, script: Script) -> None:
    """A server that answers with one JSON object all the same is understood."""
    script.push(whole(answer(text("hello"), finish="STOP")))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.events()[-1] == "message_stop"


class TestLastWords:
    """A server that has finished its answer, but not its stream."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        return Timeouts(ping_s=0.05, idle_s=2.0, total_s=5.0)

    @pytest.mark.parametrize("ending", NO_END)
    async def test_a_finished_answer_is_a_message(
        self, gateway: Gateway, script: Script, records: Records, ending: Ending
    ) -> None:
        """After a finish reason nothing of the answer is missing: a broken end costs nobody the message."""
        script.push(stream(chunk(text("hel")), chunk(text("lo"), finish="STOP"), *ending))
        reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
        assert (reply.events()[-1], records.exchanges[0].outcome) == ("message_stop", "ok")

    @pytest.mark.parametrize(
        "chunks",
        [
            pytest.param((chunk(text("hel"), finish="STOP"), chunk(text("lo"), finish="STOP")), id="with each chunk"),
            pytest.param((*map(chunk, map(text, "hel")), chunk(text("l"), finish="STOP"), chunk(text("o"))), id="amid"),
        ],
    )
    async def test_a_server_that_finishes_too_early_has_to_end(
        self, gateway: Gateway, script: Script, chunks: tuple[bytes, ...]
    ) -> None:
        """Where text follows a finish reason, that one proves nothing: only the stream's end does."""
        script.push(stream(*chunks, Reset()))
        reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
        assert reply.events()[-1] == "error"

    async def test_the_answer_to_a_second_request_is_waited_for(
        self, gateway: Gateway, script: Script, records: Records
    ) -> None:
        """An empty answer is over, but not the one to the request that follows it, however long it takes."""
        script.push(stream(chunk(finish="STOP")))
        script.push(stream(Delay(0.3), chunk(text("hello"), finish="STOP")))
        reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
        assert (reply.events()[-1], records.exchanges[0].outcome) == ("message_stop", "ok")
        assert b"hello" in reply.body
