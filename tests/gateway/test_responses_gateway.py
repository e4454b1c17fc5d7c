"""OpenAI Responses behind the gateway: what is asked again, what is learned, and what reaches the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Answer, Script, ScriptedUpstream, never, stream, whole
from llm_to_anthropic.settings import Timeouts
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.translators.responses_answers import call as function_call
from tests.translators.responses_answers import failed, message, reasoning, response, stream_of, text

MODEL = "responses/gpt-5.6-sol"
LOOK: Any = {"tools": [{"name": "look", "input_schema": {"type": "object"}}], "thinking": {"type": "adaptive"}}


def refusal(said: str, status: int = 400, code: str | None = None) -> Answer:
    return whole(
        {"error": {"message": said, "type": "invalid_request_error", "param": None, "code": code}}, status=status
    )


async def second_turn(gateway: Gateway, script: Script) -> dict[str, Any]:
    """The request that answers a call which came with encrypted reasoning."""
    script.push(stream(*stream_of(reasoning("Hm."), function_call())))
    reply = await reply_to(gateway, call(ask(MODEL, **LOOK)))
    content = reply.json()["content"]
    assert isinstance(content, list)
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "ok"}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    return ask(MODEL, messages=messages, **LOOK)


def items(request: Any) -> list[str]:
    return [item["type"] for item in json.loads(request.body)["input"]]


async def test_a_stream(gateway: Gateway, script: Script, upstream: ScriptedUpstream, records: Records) -> None:
    """A streamed answer arrives as events, over a request that is kept nowhere."""
    script.push(stream(*stream_of(message("hello"))))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.status == 200
    assert reply.events()[-2:] == ["message_delta", "message_stop"]
    request = upstream.requests[0]
    assert request.path == "/v1/responses"
    assert dict(request.headers)["authorization"] == "Bearer upstream-key"
    assert request.json()["store"] is False
    assert records.exchanges[0].outcome == "ok"


async def test_whole_message_of_a_stream(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """The upstream streams even where the client waits: long reasoning outlives every idle time on the way."""
    script.push(stream(*stream_of(message("hello"))))
    reply = await reply_to(gateway, call(ask(MODEL, max_tokens=32_000)))
    assert reply.json()["content"] == [{"type": "text", "text": "hello"}]
    assert upstream.requests[0].json()["stream"] is True


async def test_connection_is_kept_after_the_last_event(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """A stream that told its end leaves its connection to the next request."""
    for _ in range(3):
        script.push(stream(*stream_of(message("hello"))))
        await gateway.messages(call(ask(MODEL, stream=True)), MemoryReply())
    assert upstream.connections == 1


async def test_reasoning_comes_back(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """Encrypted reasoning stands before its call again in the next turn."""
    asked = await second_turn(gateway, script)
    script.push(stream(*stream_of(message("done"))))
    await gateway.messages(call(asked), MemoryReply())
    assert items(upstream.requests[1]) == ["message", "reasoning", "function_call", "function_call_output"]
    assert upstream.requests[1].json()["input"][1] == reasoning("Hm.")  # type: ignore[index]


@pytest.mark.parametrize(
    "refused",
    [
        refusal("The encrypted content for item rs_1 could not be verified.", code="invalid_encrypted_content"),
        refusal("Item 'rs_1' of type 'reasoning' was provided without its required following item."),
    ],
    ids=["unreadable", "unpaired"],
)
async def test_refused_reasoning_is_left_out_once(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, refused: Answer
) -> None:
    """A history that the upstream cannot read is sent once more without its reasoning; others keep theirs."""
    asked = await second_turn(gateway, script)
    script.push(refused, stream(*stream_of(message("done"))), stream(*stream_of(message("again"))))
    reply = await reply_to(gateway, call(asked))
    assert reply.status == 200
    await gateway.messages(call(asked), MemoryReply())
    assert ["reasoning" in items(request) for request in upstream.requests[1:]] == [True, False, True]


async def test_lesson_is_remembered(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """What a model refused once is left out of later requests."""
    script.push(refusal("Unsupported parameter: 'store' is not supported with this model."))
    for _ in range(2):
        script.push(stream(*stream_of(message("hello"))))
        await gateway.messages(call(ask(MODEL)), MemoryReply())
    assert ["store" in request.json() for request in upstream.requests] == [True, False, False]


async def test_early_failure_keeps_its_status(gateway: Gateway, script: Script) -> None:
    """An answer that fails before it said anything is an HTTP error."""
    script.push(stream(*stream_of()[:1], failed("rate_limit_exceeded", "Slow down")))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.status == 429


async def test_stream_that_breaks_off(gateway: Gateway, script: Script, records: Records) -> None:
    """A stream without its last event ends in an error event."""
    script.push(stream(text(0, "hel")))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.events()[-1] == "error"
    assert records.exchanges[0].outcome != "ok"


async def test_whole_answer_to_a_stream_request(gateway: Gateway, script: Script) -> None:
    """A server that answers with one JSON object all the same is understood."""
    script.push(whole(response(message("hello"))))
    reply = await reply_to(gateway, call(ask(MODEL, stream=True)))
    assert reply.events()[-1] == "message_stop"


class TestCounting:
    """count_tokens asks the upstream, and estimates where it cannot answer."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        """Little patience."""
        return Timeouts(first_event_s=5.0, idle_s=5.0, total_s=20.0, commit_after_s=0.1)

    async def test_tokens_are_counted_upstream(
        self, gateway: Gateway, script: Script, upstream: ScriptedUpstream
    ) -> None:
        """The upstream's count is the client's, of a request without what only an answer needs."""
        script.push(whole({"object": "response.input_tokens", "input_tokens": 42}))
        assert await count(gateway) == 42
        assert upstream.requests[0].path == "/v1/responses/input_tokens"
        assert not {"stream", "store", "include", "max_output_tokens"} & set(upstream.requests[0].json())

    @pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 429, 500, 501, 503])
    async def test_count_is_estimated_where_the_upstream_cannot(
        self, gateway: Gateway, script: Script, status: int
    ) -> None:
        """A server without the endpoint, or time, or trust in the proxy's key costs the client no error."""
        script.push(refusal("No", status))
        assert await count(gateway) > 0

    @pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"{}", b'{"input_tokens":null}', b"\xff"])
    @pytest.mark.parametrize("model", [MODEL, "gemini/gemini-3-pro"])
    async def test_count_is_estimated_where_the_upstream_tells_none(
        self, gateway: Gateway, script: Script, model: str, body: bytes
    ) -> None:
        """An answer without a count, as of a gateway that knows the path and nothing of it, costs no error either."""
        script.push(whole(body))
        assert await count(gateway, model) > 0

    async def test_count_is_estimated_where_the_upstream_is_silent(self, gateway: Gateway, script: Script) -> None:
        """A person waits for a count: not for long."""
        script.push(never())
        assert await count(gateway) > 0

    async def test_refused_count_is_an_error(self, gateway: Gateway, script: Script) -> None:
        """What is wrong with the request is told."""
        script.push(refusal("Invalid 'input'"))
        reply = MemoryReply()
        await gateway.count_tokens(call(ask(MODEL), path="/v1/messages/count_tokens"), reply)
        assert reply.status == 400

    @pytest.mark.parametrize("model", [MODEL, "gemini/gemini-3-pro", "openai/gpt-4o"])
    async def test_stray_max_tokens_has_no_say_in_a_count(self, gateway: Gateway, script: Script, model: str) -> None:
        """Clients count the request that they are about to send, `max_tokens` and all: no value of it is refused."""
        script.push(whole({"input_tokens": 42, "totalTokens": 42}))
        script.push(whole({"input_tokens": 42, "totalTokens": 42}))
        asked = {"stream": True, "thinking": {"type": "enabled", "budget_tokens": 1024}}
        for max_tokens in (0, -1):
            assert await count(gateway, model, max_tokens=max_tokens, **asked) > 0


async def count(gateway: Gateway, model: str = MODEL, **fields: object) -> int:
    reply = MemoryReply()
    body = {**ask(model), **fields}
    await gateway.count_tokens(call(body, path="/v1/messages/count_tokens"), reply)
    tokens = reply.json()["input_tokens"]
    assert isinstance(tokens, int)
    return tokens
