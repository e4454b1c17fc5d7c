"""Reads what a client would get: events, their grammar, and the message that they describe."""

from __future__ import annotations

import json
import random
from typing import Any

import anthropic
import httpx2

Event = dict[str, Any]

_DELTA_BLOCKS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
    "citations_delta": ("text", "citation"),
    "compaction_delta": ("compaction", "encrypted_content"),
}
_WITH_INPUT = ("tool_use", "server_tool_use", "mcp_tool_use")


def parse_events(stream: bytes) -> list[Event]:
    """Strictly: each event has a name equal to its type, one line of data and a blank line."""
    events = []
    for frame in stream.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event: Event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    assert stream == b"" or stream.endswith(b"\n\n")
    return events


def slicings(data: bytes, seed: str) -> dict[str, list[bytes]]:
    """An answer whole, byte by byte, and at places that the seed decides."""
    chance = random.Random(seed)  # noqa: S311
    places = sorted(chance.sample(range(len(data)), min(50, len(data) // 2)))
    return {
        "whole": [data],
        "bytes": [data[place : place + 1] for place in range(len(data))],
        "random": [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)],
    }


def grammar_problems(events: list[Event], *, complete: bool = True) -> list[str]:
    """What is wrong with the order of events; not `complete`: they may stop anywhere."""
    problems: list[str] = []
    state = {"next": 0, "open": None, "signed": 0}
    kinds = [event["type"] for event in events if event["type"] != "ping"]
    if kinds and kinds[0] != "message_start":
        problems.append("does not begin with message_start")
    if kinds.count("message_start") > 1 or kinds.count("message_stop") > 1:
        problems.append("begins or stops twice")
    if complete and kinds[-2:] != ["message_delta", "message_stop"]:
        problems.append("does not end with message_delta and message_stop")
    if "message_stop" in kinds[:-1]:
        problems.append("goes on after message_stop")
    for event in events:
        problems += _block_problems(event, state)
    if complete and state["open"] is not None:
        problems.append("a block stays open")
    return problems


def _block_problems(event: Event, state: dict[str, Any]) -> list[str]:
    match event["type"]:
        case "content_block_start":
            problems = [] if state["open"] is None else ["starts a block in a block"]
            if event["index"] != state["next"]:
                problems.append("skips an index")
            state.update(open=event["content_block"]["type"], next=event["index"] + 1, signed=0, size=0)
            return problems
        case "content_block_delta":
            return _delta_problems(event, state)
        case "content_block_stop":
            kind = state["open"]
            state["open"] = None
            wrong = (
                kind is None or (kind == "thinking" and state["signed"] != 1) or (kind == "text" and not state["size"])
            )
            return [f"stops a {kind} block that is not complete"] if wrong else []
        case "message_delta" if state["open"] is not None:
            return ["ends in a block"]
    return []


def _delta_problems(event: Event, state: dict[str, Any]) -> list[str]:
    delta = event["delta"]
    kind, field = _DELTA_BLOCKS[delta["type"]]
    kinds = _WITH_INPUT if kind == "tool_use" else (kind,)
    problems = [] if state["open"] in kinds else [f"{delta['type']} in a {state['open']} block"]
    if event["index"] != state["next"] - 1:
        problems.append("a delta of another block")
    if state["signed"]:
        problems.append("a delta after the signature")
    if not delta[field]:
        problems.append("an empty delta")
    state["signed"] += delta["type"] == "signature_delta"
    state["size"] += len(delta[field])
    return problems


def rebuild(events: list[Event]) -> Event:
    """The message that the events describe; a cut tool input becomes None."""
    message: Event = {}
    inputs: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = {**event["message"], "content": []}
            case "content_block_start":
                message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                kind, field = _DELTA_BLOCKS[event["delta"]["type"]]
                if kind == "text" and field == "citation":
                    block = message["content"][event["index"]]
                    block["citations"] = [*block.get("citations", []), event["delta"]["citation"]]
                elif kind == "tool_use":
                    inputs[event["index"]] = inputs.get(event["index"], "") + event["delta"][field]
                else:
                    block = message["content"][event["index"]]
                    block[field] = block.get(field, "") + event["delta"][field]
            case "message_delta":
                message |= event["delta"]
                message["usage"] = {**message["usage"], **event["usage"]}
    for index, text in inputs.items():
        message["content"][index]["input"] = _input(text)
    return message


def _input(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    assert isinstance(value, dict)
    return value


def sdk_message(body: bytes, *, stream: bool) -> Event:
    """The message as the official SDK reads it from an answer."""
    headers = {"content-type": "text/event-stream" if stream else "application/json"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))
    with (
        httpx2.Client(transport=transport) as http,
        anthropic.Anthropic(
            api_key="test-key", base_url="http://proxy.test", http_client=http, max_retries=0
        ) as client,
    ):
        asked: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        if not stream:
            whole: Event = client.messages.create(**asked).model_dump()
            return whole
        with client.messages.stream(**asked) as answer:
            message: Event = answer.get_final_message().model_dump()
            return message
