"""A model that the asked one of OpenAI's APIs does not have is reached by the other."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import (
    Answer,
    Line,
    Script,
    ScriptedUpstream,
    openai_chat,
    openai_responses,
    stream,
    whole,
)
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.messages import sdk_message

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
COPILOT = 'model "gpt-5.3-codex" is not accessible via the /chat/completions endpoint'
STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


def refused(words: str, status: int = 400) -> Answer:
    return whole({"error": {"message": words, "code": "unsupported_api_for_model"}}, status=status)


def by_chat(*, streamed: bool) -> Answer:
    line = Line(text="done")
    return stream(*openai_chat.chunks(line, "m")) if streamed else whole(openai_chat.completion(line, "m"))


def by_responses(*, streamed: bool) -> Answer:
    line = Line(text="done")
    return stream(*openai_responses.events(line, "m")) if streamed else whole(openai_responses.response(line, "m"))


@STREAMED
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (COPILOT, 400),
        ("This model is only supported in v1/responses and not in v1/chat/completions.", 404),
        ("The chatCompletion operation does not work with the specified model, gpt-5.1-codex.", 400),
        ("Unsupported legacy protocol: /v1/chat/completions is not supported. Please use /v1/responses.", 400),
    ],
    ids=["Copilot", "OpenAI", "Azure", "sub2api"],
)
async def test_a_model_that_has_responses_alone_is_reached_by_it(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, *, words: str, status: int, streamed: bool
) -> None:
    """Whoever has named a model, and no API, gets its answer; the next request goes there at once."""
    script.push(refused(words, status), *(by_responses(streamed=streamed) for _ in range(2)))
    for attempts in (b"2", b"1"):
        reply = await reply_to(gateway, call(ask("openai/my-codex", stream=streamed)))
        assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
        assert reply.headers[b"x-upstream-attempts"] == attempts
    assert [request.path for request in upstream.requests] == [CHAT, RESPONSES, RESPONSES]


async def counted(gateway: Gateway) -> bool:
    """Whether tokens are counted, or estimated."""
    reply = MemoryReply()
    await gateway.count_tokens(call(ask("responses/claude-x")), reply)
    return reply.status == 200 and json.loads(reply.body)["input_tokens"] > 0


@STREAMED
@pytest.mark.parametrize(
    "words",
    [
        "model claude-opus-4.5 does not support Responses API.",
        "model claude-opus-4.5 is not accessible via the /responses endpoint",
        "The requested model 'gpt-4o-audio-preview' cannot be used with the Responses API.",
        "The requested model 'ft:gpt-4o-audio:us::1' is not supported with the Responses API.",
    ],
)
async def test_a_model_that_has_chat_completions_alone_is_reached_by_it(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, *, words: str, streamed: bool
) -> None:
    """Its tokens are estimated meanwhile: only Responses counts them."""
    script.push(refused(words))
    assert await counted(gateway)
    script.push(refused(words), by_chat(streamed=streamed))
    reply = await reply_to(gateway, call(ask("responses/claude-x", stream=streamed)))
    assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
    assert await counted(gateway)
    assert [request.path for request in upstream.requests] == [f"{RESPONSES}/input_tokens", RESPONSES, CHAT]


async def test_a_server_that_lacks_the_other_api_has_said_what_there_is_to_say(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, records: Records
) -> None:
    """The first refusal says more than that there is no such address, and nothing is learned of it."""
    for _ in range(2):
        script.push(refused(COPILOT), whole({"detail": "Not Found"}, status=404))
        reply = await reply_to(gateway, call(ask("openai/my-codex")))
        assert (reply.status, COPILOT in json.loads(reply.body)["error"]["message"]) == (400, True)
        assert records.exchanges[-1].protocol == "openai_chat"
    assert [request.path for request in upstream.requests] == [CHAT, RESPONSES] * 2


async def test_a_model_that_moved_back_is_reached_by_the_first_api_again(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """What was learned of one API ends with the other's word: no request after that is refused first."""
    script.push(refused(COPILOT), by_responses(streamed=False))
    script.push(refused("model m does not support Responses API."), by_chat(streamed=False), by_chat(streamed=False))
    for _ in range(3):
        assert (await reply_to(gateway, call(ask("openai/my-codex")))).status == 200
    assert [request.path for request in upstream.requests] == [CHAT, RESPONSES, RESPONSES, CHAT, CHAT]


async def test_a_failure_of_the_other_api_is_told(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """It is the one that has the model, whatever it says of this request; not asked a third time."""
    script.push(refused(COPILOT), refused("model m does not support Responses API."))
    reply = await reply_to(gateway, call(ask("openai/my-codex")))
    assert (reply.status, "does not support" in json.loads(reply.body)["error"]["message"]) == (400, True)
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("model", "words", "status"),
    [
        ("openai/m", "model claude-opus-4.5 does not support Responses API.", 400),
        ("responses/m", COPILOT, 400),
        ("responses/m", "Unsupported parameter: 'stop' is not supported with the Responses API.", 400),
        ("responses/m", "Tool web_fetch cannot be used with the Responses API.", 404),
        ("gemini/m", COPILOT, 400),
        ("openai/m", COPILOT, 403),
        ("openai/m", "Tools of the type 'custom' are only supported in v1/responses.", 400),
        ("openai/m", f"1 validation error [type=string_type, input_value={{'content': '{COPILOT}'}}]", 400),
    ],
)
async def test_other_refusals_stay(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, *, model: str, words: str, status: int
) -> None:
    """No reason to ask the other: words about that, about a part of the request, or of a client that are repeated."""
    script.push(refused(words, status))
    reply = await reply_to(gateway, call(ask(model)))
    assert (reply.status, len(upstream.requests)) == (status, 1)
