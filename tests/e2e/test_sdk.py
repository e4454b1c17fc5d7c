"""The official Anthropic SDK against the whole proxy: what works there works for users."""

from __future__ import annotations

import anthropic
import pytest
from anthropic.types import (
    Message,
    MessageParam,
    TextBlock,
    ThinkingBlock,
    ThinkingConfigParam,
    ToolParam,
    ToolResultBlockParam,
    ToolUseBlock,
)

from llm_to_anthropic.scripted import (
    Cut,
    Line,
    Script,
    ScriptedUpstream,
    ToolCall,
    openai_chat,
    openai_responses,
    stream,
    whole,
)
from llm_to_anthropic.scripted import anthropic as anthropic_wire

MODELS = ["openai/gpt-4.1", "responses/gpt-5.6-sol", "anthropic/claude-sonnet-5-5"]
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
WEATHER: list[MessageParam] = [{"role": "user", "content": "What is the weather in Lisbon?"}]
TOOL: ToolParam = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

each_protocol = pytest.mark.parametrize("model", MODELS, ids=["openai-chat", "openai-responses", "anthropic"])


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


def content_of(message: Message) -> list[dict[str, object]]:
    """The blocks with the fields that have a value."""
    blocks = [block.to_dict() for block in message.content]
    return [{name: value for name, value in block.items() if value is not None} for block in blocks]


async def streamed(client: anthropic.AsyncAnthropic, model: str, messages: list[MessageParam]) -> Message:
    async with client.messages.stream(model=model, max_tokens=64, messages=messages, tools=[TOOL]) as events:
        return await events.get_final_message()


@each_protocol
async def test_create(client: anthropic.AsyncAnthropic, model: str) -> None:
    """A whole message arrives with its text, its stop reason, usage, and the model's name as it was sent."""
    message = await client.messages.create(model=model, max_tokens=64, messages=HELLO)
    assert text_of(message).startswith('You said: "Hello".')
    assert message.stop_reason == "end_turn"
    assert message.model == model
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@each_protocol
@pytest.mark.parametrize("messages", [HELLO, WEATHER], ids=["text", "tool"])
async def test_stream_rebuilds_the_whole_message(
    client: anthropic.AsyncAnthropic, model: str, messages: list[MessageParam]
) -> None:
    """The SDK rebuilds from a stream what it gets as a whole message: content, stop reason and usage."""
    whole_message = await client.messages.create(model=model, max_tokens=64, messages=messages, tools=[TOOL])
    rebuilt = await streamed(client, model, messages)
    assert content_of(rebuilt) == content_of(whole_message)
    assert rebuilt.stop_reason == whole_message.stop_reason
    assert rebuilt.usage.output_tokens == whole_message.usage.output_tokens
    assert rebuilt.usage.input_tokens == whole_message.usage.input_tokens


@each_protocol
async def test_tool_round_trip(client: anthropic.AsyncAnthropic, model: str) -> None:
    """A tool is called with its arguments, and its result reaches the model."""
    first = await streamed(client, model, WEATHER)
    assert first.stop_reason == "tool_use"
    [call] = [block for block in first.content if isinstance(block, ToolUseBlock)]
    assert (call.name, call.input) == ("get_weather", {"city": "Lisbon"})
    turns: list[MessageParam] = [
        *WEATHER,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "22 degrees"}]},
    ]
    assert text_of(await streamed(client, model, turns)) == "I asked get_weather and it says: 22 degrees"


THINKING: ThinkingConfigParam = {"type": "adaptive"}


async def test_thinking_and_tools_over_several_turns(
    client: anthropic.AsyncAnthropic, script: Script, upstream: ScriptedUpstream
) -> None:
    """The model thinks, calls two tools in turn and answers; each turn brings its encrypted thoughts back."""
    calls = [ToolCall("get_weather", f'{{"city":"{city}"}}', f"call_{city}") for city in ("Lisbon", "Porto")]
    lines = [Line(reasoning=f"I need {call.id}. ", text="I look.", calls=(call,)) for call in calls]
    lines.append(Line(reasoning="Now I know.", text="Sunny in both."))
    script.push(*[stream(*openai_responses.events(line, "m", encrypted=True)) for line in lines])
    turns = list(WEATHER)
    for line in lines:
        async with client.messages.stream(
            model="responses/gpt-5.6-sol", max_tokens=2000, messages=turns, tools=[TOOL], thinking=THINKING
        ) as events:
            message = await events.get_final_message()
        assert [block.thinking for block in message.content if isinstance(block, ThinkingBlock)] == [line.reasoning]
        assert text_of(message) == line.text
        used = [block for block in message.content if isinstance(block, ToolUseBlock)]
        assert [(block.id, block.name) for block in used] == [(call.id, call.name) for call in line.calls]
        assert message.stop_reason == ("tool_use" if used else "end_turn")
        turns.append({"role": "assistant", "content": message.content})
        if used:
            result: ToolResultBlockParam = {"type": "tool_result", "tool_use_id": used[0].id, "content": "sunny"}
            turns.append({"role": "user", "content": [result]})
    sent = upstream.requests[2].json()["input"]
    assert isinstance(sent, list)
    turn = ["reasoning", "message", "function_call", "function_call_output"]
    assert [item["type"] for item in sent] == ["message", *turn, *turn]
    sealed = [f"sealed:{len(line.reasoning)}" for line in lines[:2]]
    assert [item["encrypted_content"] for item in sent if item["type"] == "reasoning"] == sealed


async def test_mapped_model(client: anthropic.AsyncAnthropic, upstream: ScriptedUpstream) -> None:
    """A Claude name is answered by the mapped model, under the name that the client sent."""
    message = await client.messages.create(model="claude-haiku-4-5-20251001", max_tokens=64, messages=HELLO)
    assert message.model == "claude-haiku-4-5-20251001"
    assert upstream.requests[0].json()["model"] == "gpt-4.1-mini"


ERRORS: dict[int, type[anthropic.APIStatusError]] = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
@each_protocol
async def test_upstream_error(
    client: anthropic.AsyncAnthropic, script: Script, model: str, streaming: bool, status: int
) -> None:
    """An upstream's refusal reaches the SDK as the exception of its kind, also for a stream."""
    refusals = {
        "openai/gpt-4.1": openai_chat.error("refused"),
        "responses/gpt-5.6-sol": openai_chat.error("refused"),
        "anthropic/claude-sonnet-5-5": anthropic_wire.error("no"),
    }
    script.push(*[whole(refusals[model], status=status) for _ in range(3)])
    with pytest.raises(ERRORS[status]) as caught:
        await client.messages.create(model=model, max_tokens=64, messages=HELLO, stream=streaming)
    assert caught.value.request_id


@each_protocol
async def test_rate_limit_says_when(client: anthropic.AsyncAnthropic, script: Script, model: str) -> None:
    """The upstream's retry-after reaches the client, which goes by it."""
    refusal = whole(openai_chat.error("slow down"), status=429, headers=(("retry-after", "7"),))
    script.push(*[refusal] * 3)
    with pytest.raises(anthropic.RateLimitError) as caught:
        await client.messages.create(model=model, max_tokens=64, messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "7"


@each_protocol
async def test_cut_stream_raises(client: anthropic.AsyncAnthropic, script: Script, model: str) -> None:
    """A stream that the upstream cuts raises in the SDK; it never looks finished."""
    line = Line(text="This sentence is never going to end")
    events = {
        "openai/gpt-4.1": openai_chat.chunks,
        "responses/gpt-5.6-sol": openai_responses.events,
        "anthropic/claude-sonnet-5-5": anthropic_wire.events,
    }
    script.push(stream(*events[model](line, "m")[:5], Cut()))
    with pytest.raises(anthropic.APIStatusError):
        await streamed(client, model, HELLO)


@each_protocol
async def test_count_tokens(client: anthropic.AsyncAnthropic, model: str) -> None:
    """Tokens are counted for either protocol."""
    counted = await client.messages.count_tokens(model=model, messages=HELLO, system="Be brief.", tools=[TOOL])
    assert 5 < counted.input_tokens < 200


async def test_models(client: anthropic.AsyncAnthropic) -> None:
    """The SDK pages through the models, Claude's names and the configured ones."""
    ids = [model.id async for model in client.models.list(limit=2)]
    assert "openai/gpt-4.1" in ids
    assert any(name.startswith("claude-sonnet") for name in ids)
    assert len(ids) == len(set(ids))


async def test_one_model(client: anthropic.AsyncAnthropic) -> None:
    """A single model can be asked for, slash and all."""
    assert (await client.models.retrieve("openai/gpt-4.1")).id == "openai/gpt-4.1"


async def test_unknown_model(client: anthropic.AsyncAnthropic) -> None:
    """An unknown model is a NotFoundError that names it."""
    with pytest.raises(anthropic.NotFoundError, match="no-such-thing"):
        await client.messages.create(model="no-such-thing", max_tokens=64, messages=HELLO)


async def test_answer_says_where_it_came_from(client: anthropic.AsyncAnthropic) -> None:
    """Every answer names its upstream, its model and its request id in headers."""
    raw = await client.messages.with_raw_response.create(model="openai/gpt-4.1", max_tokens=64, messages=HELLO)
    assert raw.headers["x-upstream-provider"] == "openai"
    assert raw.headers["x-upstream-model"] == "gpt-4.1"
    assert raw.headers["request-id"].startswith("req_")


async def test_losses_are_reported(client: anthropic.AsyncAnthropic) -> None:
    """What the upstream cannot take is named in a header (top_k exists in the first API version alone)."""
    raw = await client.messages.with_raw_response.create(
        model="openai/gpt-4.1",
        max_tokens=64,
        messages=HELLO,
        extra_body={"top_k": 5},
        extra_headers={"anthropic-version": "2023-06-01"},
    )
    assert "top_k" in raw.headers["x-proxy-losses"]


async def test_client_key_goes_no_further(client: anthropic.AsyncAnthropic, upstream: ScriptedUpstream) -> None:
    """The client's own key never reaches the upstream; the configured one does."""
    for model in MODELS:
        await client.messages.create(model=model, max_tokens=64, messages=HELLO)
    sent = [" ".join(value for _, value in request.header_list) for request in upstream.requests]
    assert all("test-key" in headers and "client-key" not in headers for headers in sent)


async def test_no_header_is_sent_twice(client: anthropic.AsyncAnthropic, upstream: ScriptedUpstream) -> None:
    """Every header of an upstream request stands there once: servers refuse or join what is repeated."""
    for model in MODELS:
        await client.messages.create(model=model, max_tokens=64, messages=HELLO)
    names = [[name for name, _ in request.header_list] for request in upstream.requests]
    assert names == [list(dict.fromkeys(given)) for given in names]
