"""A line in the form of Anthropic Messages: whole, as events, and errors."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from llm_to_anthropic.scripted.line import Line, ToolCall, fragments, pieces

SIGNATURE = "c2NyaXB0ZWQ="
MESSAGE_ID = "msg_scripted"


def message(line: Line, model: str) -> dict[str, object]:
    """The whole answer."""
    content: list[dict[str, object]] = []
    if line.reasoning:
        content.append({"type": "thinking", "thinking": line.reasoning, "signature": SIGNATURE})
    if line.text:
        content.append({"type": "text", "text": line.text})
    content += [_tool_use(call) for call in line.calls]
    return {**_frame(model), "content": content, "stop_reason": stop_reason(line), "usage": usage(line)}


def events(line: Line, model: str) -> list[bytes]:
    """The streamed answer, one server-sent event each."""
    start = {**_frame(model), "usage": {**usage(line), "output_tokens": 1}}
    end = {"stop_reason": stop_reason(line), "stop_sequence": None}
    return [
        event({"type": "message_start", "message": start}),
        event({"type": "ping"}),
        *(event(block_event) for block_event in _block_events(line)),
        event({"type": "message_delta", "delta": end, "usage": {"output_tokens": line.output_tokens}}),
        event({"type": "message_stop"}),
    ]


def usage(line: Line) -> dict[str, object]:
    """Counts of both forms of the answer."""
    return {
        "input_tokens": line.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": line.output_tokens,
        "service_tier": "standard",
    }


def stop_reason(line: Line) -> str:
    if line.cut_off:
        return "max_tokens"
    return "tool_use" if line.calls else "end_turn"


def event(value: dict[str, object]) -> bytes:
    """One server-sent event, named by its type."""
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


def error(message: str, *, type: str = "invalid_request_error") -> dict[str, object]:
    """The body of an error, and the data of an `error` event."""
    return {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_scripted"}


def models(names: tuple[str, ...]) -> dict[str, object]:
    """`GET /v1/models`."""
    rows = [{"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names]
    return {
        "data": rows,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }


def _tool_use(call: ToolCall) -> dict[str, object]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": msgspec.json.decode(call.arguments)}


def _frame(model: str) -> dict[str, object]:
    return {
        "id": MESSAGE_ID,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _block_events(line: Line) -> Iterator[dict[str, object]]:
    for index, (opening, deltas) in enumerate(_blocks(line)):
        yield {"type": "content_block_start", "index": index, "content_block": opening}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}


def _blocks(line: Line) -> Iterator[tuple[dict[str, object], list[dict[str, object]]]]:
    if line.reasoning:
        thoughts: list[dict[str, object]] = [
            {"type": "thinking_delta", "thinking": piece} for piece in pieces(line.reasoning)
        ]
        yield (
            {"type": "thinking", "thinking": "", "signature": ""},
            [*thoughts, {"type": "signature_delta", "signature": SIGNATURE}],
        )
    if line.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(line.text)]
    for call in line.calls:
        yield _call_block(call)


def _call_block(call: ToolCall) -> tuple[dict[str, object], list[dict[str, object]]]:
    deltas: list[dict[str, object]] = [
        {"type": "input_json_delta", "partial_json": fragment} for fragment in ["", *fragments(call.arguments)]
    ]
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas
