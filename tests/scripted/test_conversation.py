"""The scripted model, judged by the official SDKs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import openai
import pytest
from anthropic.types import MessageParam, ToolParam
from openai.types.chat import ChatCompletionToolParam
from openai.types.responses import FunctionToolParam

from llm_to_anthropic.scripted import ScriptedUpstream

SCHEMA: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL: ChatCompletionToolParam = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
TOOL: ToolParam = {"name": "get_weather", "input_schema": SCHEMA}
QUESTION = "What is the weather in Paris?"


@pytest.fixture
async def chat(conversation: ScriptedUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=conversation.url + "/v1", api_key="test-key", max_retries=0) as client:
        yield client


@pytest.fixture
async def messages(conversation: ScriptedUpstream) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=conversation.url, api_key="test-key", max_retries=0) as client:
        yield client


async def test_chat_stream_gives_the_whole_answer(chat: openai.AsyncOpenAI) -> None:
    """A streamed Chat answer joins to the text and the usage of the whole one."""
    whole = await chat.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    stream = await chat.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello"}], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("content", ["{reminder}\n\nHello", "Hello\n{reminder}", "{reminder}{reminder}Hello"])
async def test_chat_hears_the_person_and_no_reminder(chat: openai.AsyncOpenAI, content: str) -> None:
    """Reminders that a client puts into the text of a person, before or behind it, are not what was said."""
    said = content.replace("{reminder}", "<system-reminder>\nBe brief.\n</system-reminder>")
    answer = await chat.chat.completions.create(model="m", messages=[{"role": "user", "content": said}])
    assert (answer.choices[0].message.content or "").startswith('You said: "Hello".')


async def test_chat_usage_chunk_only_when_asked(chat: openai.AsyncOpenAI) -> None:
    """Without `include_usage` a stream carries no usage, as on the real service."""
    stream = await chat.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}], stream=True)
    assert [chunk.usage async for chunk in stream if chunk.usage] == []


async def test_chat_calls_the_tool_that_fits(chat: openai.AsyncOpenAI) -> None:
    """A question that names what a tool reads makes the model call it with arguments of its schema."""
    answer = await chat.chat.completions.create(
        model="m", messages=[{"role": "user", "content": QUESTION}], tools=[CHAT_TOOL]
    )
    calls = answer.choices[0].message.tool_calls or []
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [(call.function.name, call.function.arguments) for call in calls if call.type == "function"] == [
        ("get_weather", '{"city":"Paris"}')
    ]


async def test_chat_tool_that_does_not_fit_is_not_called(chat: openai.AsyncOpenAI) -> None:
    """Tools alone do not make the model call one."""
    answer = await chat.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello"}], tools=[CHAT_TOOL]
    )
    assert answer.choices[0].message.tool_calls is None


async def test_chat_answer_follows_a_json_schema(chat: openai.AsyncOpenAI) -> None:
    """A demanded JSON schema gets a value of that schema."""
    answer = await chat.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "Name the capital: Paris"}],
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}},
    )
    assert answer.choices[0].message.content == '{"city":"Paris"}'


async def test_chat_malformed_request_is_a_400(chat: openai.AsyncOpenAI) -> None:
    """A request without messages is refused in the service's error shape."""
    with pytest.raises(openai.BadRequestError, match="malformed"):
        await chat.post("/chat/completions", cast_to=object, body={"model": "m"})


async def test_messages_stream_gives_the_whole_answer(messages: anthropic.AsyncAnthropic) -> None:
    """A streamed Anthropic message rebuilds to the whole one."""
    asked: list[MessageParam] = [{"role": "user", "content": QUESTION}]
    whole = await messages.messages.create(model="m", max_tokens=99, messages=asked, tools=[TOOL])
    async with messages.messages.stream(model="m", max_tokens=99, messages=asked, tools=[TOOL]) as stream:
        streamed = await stream.get_final_message()
    assert streamed.to_dict()["content"] == whole.to_dict()["content"]
    assert streamed.usage == whole.usage
    assert streamed.stop_reason == whole.stop_reason == "tool_use"


async def test_tool_result_is_used(messages: anthropic.AsyncAnthropic) -> None:
    """After a tool's result the model's text tells it."""
    answer = await messages.messages.create(
        model="m",
        max_tokens=99,
        tools=[TOOL],
        messages=[
            {"role": "user", "content": QUESTION},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "22 degrees"}]},
        ],
    )
    assert [block.text for block in answer.content if block.type == "text"] == [
        "I asked get_weather and it says: 22 degrees"
    ]


async def test_models_in_both_shapes(chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic) -> None:
    """Each SDK lists the same models, in its own service's shape."""
    openai_ids = [model.id async for model in chat.models.list()]
    anthropic_ids = [model.id async for model in messages.models.list()]
    assert openai_ids == anthropic_ids == ["gpt-4.1", "gpt-4.1-mini"]


async def test_count_agrees_with_usage(messages: anthropic.AsyncAnthropic) -> None:
    """count_tokens says what an answer's usage will say."""
    asked: list[MessageParam] = [{"role": "user", "content": QUESTION}]
    count = await messages.messages.count_tokens(model="m", messages=asked)
    answer = await messages.messages.create(model="m", max_tokens=99, messages=asked)
    assert count.input_tokens == answer.usage.input_tokens


RESPONSES_TOOL: FunctionToolParam = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}


async def test_responses_stream_gives_the_whole_answer(chat: openai.AsyncOpenAI) -> None:
    """A streamed Responses answer tells piece by piece what its last event and a whole answer tell at once."""
    whole = await chat.responses.create(model="m", input="Hello")
    async with chat.responses.stream(model="m", input="Hello") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == final.output_text
    assert final.usage == whole.usage


async def test_responses_tool_round_trip(chat: openai.AsyncOpenAI) -> None:
    """The model calls the tool that fits and tells its result."""
    first = await chat.responses.create(model="m", input=QUESTION, tools=[RESPONSES_TOOL])
    [call] = [item for item in first.output if item.type == "function_call"]
    assert (call.name, call.arguments) == ("get_weather", '{"city":"Paris"}')
    second = await chat.responses.create(
        model="m",
        input=[
            {"type": "message", "role": "user", "content": QUESTION},
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": "22 degrees"},
        ],
    )
    assert second.output_text == "I asked get_weather and it says: 22 degrees"


async def test_responses_answer_follows_a_json_schema(chat: openai.AsyncOpenAI) -> None:
    """A demanded JSON schema gets a value of that schema."""
    answer = await chat.responses.create(
        model="m",
        input="Name the capital: Paris",
        text={"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}},
    )
    assert answer.output_text == '{"city":"Paris"}'


async def test_responses_counts_tokens(chat: openai.AsyncOpenAI) -> None:
    """A count is what the answer to the same request reports."""
    counted = await chat.responses.input_tokens.count(model="m", input="Hello")
    answer = await chat.responses.create(model="m", input="Hello")
    assert answer.usage is not None
    assert counted.input_tokens == answer.usage.input_tokens
