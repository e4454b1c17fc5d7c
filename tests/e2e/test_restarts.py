"""No turn of a conversation needs the process that served the last one: all state travels with the client."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import anthropic
import msgspec
from anthropic.types import Message, MessageParam, ToolParam, ToolResultBlockParam
from msgspec import Raw

from llm_to_anthropic.scripted import ScriptedUpstream
from llm_to_anthropic.scripted import stream as streamed
from llm_to_anthropic.scripted.script import Answer, Request
from tests.running import running_proxy

TURNS = 10
TOOL: ToolParam = {
    "name": "look_up",
    "input_schema": {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]},
}
Item = Mapping[str, object]


class ReasoningModel:
    """A model on OpenAI Responses that thinks before its calls; some turns call twice, some speak in between."""

    def __init__(self) -> None:
        self.turns = [list(_items(turn)) for turn in range(TURNS)]

    def __call__(self, request: Request) -> Answer:
        items = self.turns[request.number]
        events: list[dict[str, object]] = [{"type": "response.created", "response": _response(request.number, [])}]
        for index, item in enumerate(items):
            events += _item_events(index, item)
        events.append({"type": "response.completed", "response": _response(request.number, items, "completed")})
        return streamed(*(_sse(number, event) for number, event in enumerate(events)))


def _items(turn: int) -> Iterator[Item]:
    yield _reasoning(turn, "first")
    if turn == TURNS - 1:
        yield _message(turn, "All looked up.")
        return
    if turn % 4 == 2:
        yield _message(turn, "Let me look.")
    yield _call(turn, "one")
    if turn % 3 == 1:
        yield _call(turn, "two")
    if turn == 5:
        yield _reasoning(turn, "second")
        yield _call(turn, "three")


def _reasoning(turn: int, which: str) -> Item:
    secret = random.Random(f"{turn}{which}").randbytes(3000)  # noqa: S311
    summary = [{"type": "summary_text", "text": f'Für {turn}/{which}: \\ "☃".'}]
    return {
        "id": f"rs_{turn}_{which}",
        "type": "reasoning",
        "encrypted_content": base64.b64encode(secret).decode(),
        "summary": summary,
    }


def _call(turn: int, which: str) -> Item:
    arguments = msgspec.json.encode({"what": f"{turn}/{which}"}).decode()
    kind = {"id": f"fc_{turn}_{which}", "type": "function_call", "status": "completed"}
    return {**kind, "call_id": f"call_{turn}_{which}", "name": "look_up", "arguments": arguments}


def _message(turn: int, text: str) -> Item:
    part = {"type": "output_text", "annotations": [], "text": text}
    return {"id": f"msg_{turn}", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def _item_events(index: int, item: Item) -> list[dict[str, object]]:
    place = {"output_index": index, "item_id": item["id"]}
    begun = {**item, "encrypted_content": ""} if item["type"] == "reasoning" else {**item, "arguments": ""}
    deltas: list[dict[str, object]] = []
    match item:
        case {"type": "reasoning", "summary": [{"text": text}]}:
            kind = {"type": "response.reasoning_summary_text.delta"}
            deltas = [{**kind, **place, "summary_index": 0, "delta": text}]
        case {"type": "function_call", "arguments": str(text)}:
            kind = {"type": "response.function_call_arguments.delta"}
            deltas = [{**kind, **place, "delta": piece} for piece in (text[:5], text[5:])]
        case {"type": "message", "content": [{"text": text}]}:
            begun = {**item, "content": []}
            deltas = [{"type": "response.output_text.delta", **place, "content_index": 0, "delta": text}]
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        *deltas,
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _response(turn: int, output: list[Item], status: str = "in_progress") -> dict[str, object]:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    return {"id": f"resp_{turn}", "object": "response", "status": status, "output": output, "usage": usage}


def _sse(number: int, event: dict[str, object]) -> bytes:
    body = _encode({**event, "sequence_number": number})
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), body)


def _encode(value: object) -> bytes:
    """With escapes where JSON needs none: whoever reads and writes it again changes the bytes."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode()


def results(message: Message) -> MessageParam:
    """What the client says to the calls of a turn."""
    calls = [block for block in message.content if block.type == "tool_use"]
    found: list[ToolResultBlockParam] = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"found {call.input}"} for call in calls
    ]
    return {"role": "user", "content": found}


async def ask(url: str, messages: list[MessageParam]) -> Message:
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key="client-key", max_retries=0) as client,
        client.messages.stream(
            model="openai/gpt-5",
            max_tokens=4096,
            thinking={"type": "enabled", "budget_tokens": 2048},
            tools=[TOOL],
            messages=messages,
        ) as events,
    ):
        return await events.get_final_message()


class _Body(msgspec.Struct):
    input: list[Raw]


class _Opaque(msgspec.Struct):
    id: Raw
    summary: Raw
    encrypted_content: Raw


def _opaque(item: Raw | bytes) -> bytes:
    """What a reasoning item says, byte for byte; the order of its fields says nothing."""
    fields = msgspec.json.decode(item, type=_Opaque)
    return b" ".join((fields.id, fields.summary, fields.encrypted_content))


class _Said(msgspec.Struct):
    type: str = "message"
    role: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""


def replayed(request: Request) -> list[bytes | tuple[str, ...]]:
    """The input of a request: reasoning as its bytes, the rest by what it is."""
    found: list[bytes | tuple[str, ...]] = []
    for raw in msgspec.json.decode(request.body, type=_Body).input:
        item = msgspec.json.decode(raw, type=_Said)
        match item.type:
            case "reasoning":
                found.append(_opaque(raw))
            case "message":
                found.append((item.type, item.role))
            case kind:
                found.append((kind, item.call_id, item.arguments))
    return found


def expected(turns: list[list[Item]]) -> list[bytes | tuple[str, ...]]:
    """The same of the turns so far, and of the results that the client gave."""
    found: list[bytes | tuple[str, ...]] = [("message", "user")]
    for items in turns:
        calls = [item for item in items if item["type"] == "function_call"]
        for item in items:
            match item:
                case {"type": "reasoning"}:
                    found.append(_opaque(_encode(item)))
                case {"type": "message"}:
                    found.append(("message", "assistant"))
                case _:
                    found.append(("function_call", str(item["call_id"]), str(item["arguments"])))
        found += [("function_call_output", str(call["call_id"]), "") for call in calls]
    return found


async def test_reasoning_survives_processes_that_come_and_go(tmp_path: Path) -> None:
    """Two processes serve a tool conversation by turns and are started anew each time; all reasoning comes back.

    The upstream gets every reasoning item of every turn again, byte for byte, at its place between the calls.
    """
    model = ReasoningModel()
    messages: list[MessageParam] = [{"role": "user", "content": "Look everything up."}]
    async with ScriptedUpstream(model) as upstream:
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API": "responses"}
        places = [tmp_path / "one", tmp_path / "two"]
        for place in places:
            place.mkdir()
        for turn in range(TURNS):
            async with running_proxy(cwd=places[turn % 2], env=env) as proxy:
                message = await ask(proxy.url, messages)
            messages.append({"role": "assistant", "content": message.content})
            messages.append(results(message))
    assert message.stop_reason == "end_turn"
    assert [replayed(request) for request in upstream.requests] == [
        expected(model.turns[:turn]) for turn in range(TURNS)
    ]
