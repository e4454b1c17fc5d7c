"""The count against what providers reported: recorded Chat requests, turned into the Anthropic requests they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import pytest

from llm_to_anthropic.counting import TokenCounter
from llm_to_anthropic.wire.anthropic import MessagesRequest

CORPUS = Path(__file__).resolve().parents[1] / "../shared/traffic/openai_chat"
MEDIA = re.compile(r'"(image_url|input_audio|file|video_url|document_url|audio)":')
OPENAI = re.compile(r"gpt-(4o|4\.1|[5-9]|oss)|codex|^o\d")


class Recording(NamedTuple):
    name: str
    model: str
    body: dict[str, Any]
    prompt_tokens: int


def test_prompt_tokens_of_openai_models_within_tenth() -> None:
    """For models that read o200k each text-only recording is counted within 10 % or 4 tokens."""
    counter = TokenCounter()
    wrong = {}
    for recording in recordings():
        if OPENAI.search(recording.model) and "search" not in recording.model:  # these count no template
            count = count_of(counter, recording)
            if abs(count - recording.prompt_tokens) > max(4, recording.prompt_tokens * 0.1):
                wrong[recording.name] = (count, recording.prompt_tokens)
    counter.close()
    assert not wrong


def test_prompt_tokens_over_all_recordings_within_tenth() -> None:
    """Over all vendors the sum and the median of the text-only recordings are within 10 %."""
    counter = TokenCounter()
    counted = [(count_of(counter, one), one.prompt_tokens) for one in recordings() if not is_searching(one.body)]
    counter.close()
    assert sum(count for count, _ in counted) == pytest.approx(sum(told for _, told in counted), rel=0.1)
    assert median(abs(count - told) / told for count, told in counted) <= 0.1


def count_of(counter: TokenCounter, recording: Recording) -> int:
    request = msgspec.convert(msgspec.json.decode(msgspec.json.encode(to_anthropic(recording.body))), dict)
    decoded = msgspec.json.decode(msgspec.json.encode(request), type=MessagesRequest)
    return counter.count_now(decoded, recording.model)


def is_searching(body: dict[str, Any]) -> bool:
    """The provider searches the web and puts what it finds into the prompt."""
    return any("function" not in tool for tool in body.get("tools") or [])


def recordings() -> Iterator[Recording]:
    if not CORPUS.is_dir():
        pytest.skip("the recorded traffic is not here (../shared)")
    for file in sorted(CORPUS.glob("*.json")):
        record = json.loads(file.read_text())
        body = record["request"]["body"]
        tokens = reported(record["response"])
        if isinstance(body, dict) and tokens and not MEDIA.search(json.dumps(body)):
            yield Recording(file.stem, record["model"].lower(), body, tokens)


def reported(response: dict[str, Any]) -> int:
    if response["status"] != 200:
        return 0
    lines = re.findall(r"^data: ?(\{.*)$", response.get("sse") or "", re.MULTILINE)
    bodies: list[Any] = [parse(line) for line in lines] or [response.get("body")]
    usages = [body["usage"] for body in bodies if isinstance(body, dict) and body.get("usage")]
    return int(usages[-1].get("prompt_tokens") or 0) if usages else 0


def parse(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def to_anthropic(body: dict[str, Any]) -> dict[str, Any]:
    messages = list(body["messages"])
    system = []
    while messages and messages[0]["role"] in ("system", "developer"):
        system += text_blocks(messages.pop(0)["content"])
    functions = [tool["function"] for tool in body.get("tools") or [] if "function" in tool]
    request: dict[str, Any] = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 64,
        "messages": merge(messages),
        "tools": [to_tool(function) for function in functions + (body.get("functions") or [])],
    }
    if system:
        request["system"] = system
    choice = body.get("tool_choice") or body.get("function_call")
    if isinstance(choice, dict):
        request["tool_choice"] = {"type": "tool", "name": choice.get("function", choice)["name"]}
    if choice == "none":
        request["tool_choice"] = {"type": "none"}
    if body.get("reasoning") or body.get("reasoning_effort"):
        request["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    output = body.get("response_format") or {}
    if output.get("type") == "json_schema":
        request["output_config"] = {"format": {"type": "json_schema", "schema": output["json_schema"]["schema"]}}
    return request


def to_tool(function: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": function["name"],
        "description": function.get("description") or "",
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }


def merge(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results of tools that follow one another are one user message."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        turn = to_message(message)
        last = merged[-1] if merged else None
        if message["role"] == "tool" and last and last["content"] and last["content"][0]["type"] == "tool_result":
            last["content"] += turn["content"]
        else:
            merged.append(turn)
    return merged


def to_message(message: dict[str, Any]) -> dict[str, Any]:
    blocks = text_blocks(message.get("content"))
    if message["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": blocks}
        return {"role": "user", "content": [result]}
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str):
        blocks.insert(0, {"type": "thinking", "thinking": thought, "signature": ""})
    for call in message.get("tool_calls") or []:
        function = call["function"]
        arguments = json.loads(function["arguments"] or "{}")
        blocks.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments})
    role = message["role"] if message["role"] in ("user", "assistant") else "system"
    return {"role": role, "content": blocks}


def text_blocks(content: str | list[Any] | None) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    texts = [part if isinstance(part, str) else part.get("text") for part in content or []]
    return [{"type": "text", "text": text} for text in texts if text]
