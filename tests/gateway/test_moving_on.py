"""One conversation that several upstreams answer in turn, or one that does not know its own earlier turns."""

from __future__ import annotations

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import (
    Answer,
    Line,
    Script,
    ToolCall,
    openai_chat,
    openai_responses,
    stream,
    whole,
)
from tests.gateway.memory_reply import ask, call, reply_to
from tests.messages import sdk_message
from tests.translators.gemini_answers import chunk

TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]
MODELS = ["openai/gpt-4o", "responses/gpt-5.1", "gemini/gemini-3-pro"]
STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


def calling(model: str, id: str, *, streamed: bool) -> Answer:
    """An answer that calls a tool under this id."""
    line = Line(calls=(ToolCall("look", "{}", id),))
    match model.partition("/")[0]:
        case "gemini":
            part = {"functionCall": {"id": id, "name": "look", "args": {}}}
            return stream(chunk(part, finish="STOP"))
        case "responses":
            made = openai_responses
            return stream(*made.events(line, "m")) if streamed else whole(made.response(line, "m"))
        case _:
            return stream(*openai_chat.chunks(line, "m")) if streamed else whole(openai_chat.completion(line, "m"))


def turns(*ids: str, last: str = "go on") -> list[dict[str, object]]:
    """A conversation in which the tool was called under these ids."""
    messages: list[dict[str, object]] = [{"role": "user", "content": "hi"}]
    for id in ids:
        result = {"type": "tool_result", "tool_use_id": id, "content": "seen"}
        messages.append({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "look", "input": {}}]})
        messages.append({"role": "user", "content": [result]})
    messages.append({"role": "user", "content": last})
    return messages


@STREAMED
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("last", ["go on", " "], ids=["sound", "mended"])
async def test_an_id_that_an_earlier_call_has_is_not_given_twice(
    gateway: Gateway, script: Script, model: str, last: str, *, streamed: bool
) -> None:
    """Servers that number the calls of each answer anew (`call_0`) do not make clients take one call for another."""
    script.push(calling(model, "call_0", streamed=streamed))
    reply = await reply_to(
        gateway, call(ask(model, stream=streamed, tools=TOOLS, messages=turns("call_0", "call_1", last=last)))
    )
    (block,) = [one for one in sdk_message(reply.body, stream=streamed)["content"] if one["type"] == "tool_use"]
    assert block["id"] not in ("call_0", "call_1")


@STREAMED
@pytest.mark.parametrize("model", MODELS)
async def test_an_id_that_no_other_call_has_stays(
    gateway: Gateway, script: Script, model: str, *, streamed: bool
) -> None:
    """The upstream's own id comes back to it with the result."""
    script.push(calling(model, "call_7", streamed=streamed))
    reply = await reply_to(gateway, call(ask(model, stream=streamed, tools=TOOLS, messages=turns("call_0"))))
    assert "call_7" in [one.get("id") for one in sdk_message(reply.body, stream=streamed)["content"]]
