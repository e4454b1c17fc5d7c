"""What an upstream refuses is left out from then on, and whoever runs the proxy is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.gateway.gateway import MAX_LESSONS, Gateway
from llm_to_anthropic.scripted import Script, ScriptedUpstream, stream, whole
from llm_to_anthropic.settings import Retries, Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.conftest import providers
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.messages import parse_events, rebuild
from tests.translators.chat_answers import DONE, delta, usage

ANSWER = {"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def noting(
    upstream: ScriptedUpstream, timeouts: Timeouts, retries: Retries, told: list[str]
) -> AsyncIterator[Gateway]:
    settings = Settings(providers=providers(upstream.url), aliases={}, timeouts=timeouts, retries=retries)
    running = Gateway(settings, Upstream(timeouts, environ={}), [], note=told.append)
    yield running
    await running.close()


def refusal(message: str) -> object:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


async def test_a_lesson_is_told_once(noting: Gateway, script: Script, told: list[str]) -> None:
    """The first request teaches which field to leave out; later ones leave it out and say nothing."""
    script.push(whole(refusal("Unrecognized request argument supplied: temperature"), status=400))
    for _ in range(2):
        script.push(whole(ANSWER))
        await noting.messages(call(ask("openai/gpt-4.1", temperature=0.5)), MemoryReply())
    assert told == ["openai refused a field for gpt-4.1: sampling is False from now on"]


async def test_an_answer_that_must_be_streamed_is_given_whole(noting: Gateway, script: Script) -> None:
    """A client that does not stream gets its whole answer of a model that thinks in streams alone."""
    script.push(whole(refusal("parameter.enable_thinking must be set to false for non-streaming calls"), status=400))
    script.push(stream(delta(reasoning_content="Hm."), delta("stop", content="hello"), usage(), DONE))
    reply = await reply_to(noting, call(ask("openai/gpt-4.1")))
    blocks = json.loads(reply.body)["content"]
    assert [block.get("thinking") or block["text"] for block in blocks] == ["Hm.", "hello"]


async def test_messages_that_no_template_renders_are_put_in_order(
    noting: Gateway, script: Script, upstream: ScriptedUpstream, told: list[str]
) -> None:
    """llama.cpp calls it its own fault that a template takes no system message amid a conversation."""
    fault = {"error": {"code": 500, "message": "System message must be at the beginning.", "type": "server_error"}}
    script.push(whole(fault, status=500), whole(ANSWER))
    amid = [{"role": "user", "content": "hi"}, {"role": "system", "content": "agents"}]
    reply = await reply_to(noting, call(ask("openai/gpt-4.1", messages=amid)))
    assert reply.status == 200
    assert [message["role"] for message in json.loads(upstream.requests[-1].body)["messages"]] == ["user", "user"]
    assert told == ["openai refused a field for gpt-4.1: merge_system is True from now on"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_a_server_refuses_inside_its_answer_is_learned(
    noting: Gateway, script: Script, upstream: ScriptedUpstream, told: list[str], streamed: bool
) -> None:
    """LM Studio begins its stream, and says in it that the template takes no system message amid a conversation."""
    fault = {"error": {"message": 'Error rendering prompt: "System message must be at the beginning."'}}
    good = (delta("stop", content="hello"), usage(), DONE)
    if streamed:
        script.push(stream(b"event: error\ndata: %b\n\n" % json.dumps(fault).encode()), stream(*good))
    else:
        script.push(whole(fault), whole(ANSWER))
    amid = [{"role": "user", "content": "hi"}, {"role": "system", "content": "agents"}]
    reply = await reply_to(noting, call(ask("openai/gpt-4.1", messages=amid, stream=streamed)))
    assert (reply.status, b"hello" in reply.body, len(upstream.requests)) == (200, True, 2)
    assert [message["role"] for message in json.loads(upstream.requests[-1].body)["messages"]] == ["user", "user"]
    assert told == ["openai refused a field for gpt-4.1: merge_system is True from now on"]


async def test_a_refusal_behind_the_first_words_is_told(noting: Gateway, script: Script, told: list[str]) -> None:
    """What the client has of an answer cannot be asked for again: it ends in the error, and nothing is learned."""
    fault = {"error": {"message": "System message must be at the beginning."}}
    script.push(stream(delta(content="Hel"), b"data: %b\n\n" % json.dumps(fault).encode()))
    amid = [{"role": "user", "content": "hi"}, {"role": "system", "content": "agents"}]
    reply = await reply_to(noting, call(ask("openai/gpt-4.1", messages=amid, stream=True)))
    assert parse_events(bytes(reply.body))[-1]["type"] == "error"
    assert told == []


async def test_a_server_is_learned_within_one_request(
    noting: Gateway, script: Script, upstream: ScriptedUpstream, told: list[str]
) -> None:
    """A server refuses one thing after the other: the client, which would not ask again, gets its answer."""
    refusals = ("Unknown field: temperature", "max_tokens is too large: it supports at most 10 output tokens")
    script.push(*(whole(refusal(message), status=400) for message in refusals), whole(ANSWER))
    reply = await reply_to(noting, call(ask("openai/gpt-4.1", temperature=0.5)))
    assert (reply.status, len(upstream.requests), len(told)) == (200, 3, 2)


async def test_lessons_of_one_request_have_an_end(noting: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """However many things a server refuses, one request is sent five times at most."""
    names = ("temperature", "parallel_tool_calls", "stream_options", "tool_choice", "stop", "json_schema")
    script.push(*(whole(refusal(f"Unknown field: {name}"), status=400) for name in names))
    reply = await reply_to(noting, call(ask("openai/gpt-4.1", temperature=0.5)))
    assert (reply.status, len(upstream.requests)) == (400, 1 + MAX_LESSONS)


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_refusal_that_teaches_nothing_is_passed_on(
    noting: Gateway, script: Script, upstream: ScriptedUpstream, told: list[str], status: int
) -> None:
    """It is not asked again, and nobody is told."""
    script.push(whole(refusal("The image is no image."), status=status))
    reply = await reply_to(noting, call(ask("openai/gpt-4.1")))
    assert (reply.status, len(upstream.requests), told) == (status, 1, [])


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("lead", ["", "litellm.BadRequestError: AzureException - "], ids=["Azure", "a gateway's"])
async def test_reasoning_that_used_up_all_tokens_is_a_message_cut_off(
    noting: Gateway, script: Script, told: list[str], streamed: bool, lead: str
) -> None:
    """Claude Code asks a model for one token to see whether it is there; OpenAI's, which reason first, refuse that."""
    words = "Could not finish the message because max_tokens or model output limit was reached."
    script.push(whole(refusal(f"{lead}{words} Please try again with higher max_tokens."), status=400))
    reply = await reply_to(noting, call(ask("openai/gpt-4.1", stream=streamed, max_tokens=1)))
    message = rebuild(parse_events(bytes(reply.body))) if streamed else json.loads(reply.body)
    assert (reply.status, message["content"], message["stop_reason"], told) == (200, [], "max_tokens", [])
    assert (message["usage"]["input_tokens"] > 0, message["usage"]["output_tokens"]) == (True, 0)
