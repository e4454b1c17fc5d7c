"""A line in the form of OpenAI Chat Completions: whole, in chunks, and errors."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from llm_to_anthropic.scripted.line import Line, fragments, pieces

CREATED = 1_700_000_000
DONE = b"data: [DONE]\n\n"


def completion(line: Line, model: str) -> dict[str, object]:
    """The whole answer: `chat.completion`."""
    message: dict[str, object] = {"role": "assistant", "content": line.text or None, "refusal": None, "annotations": []}
    if line.reasoning:
        message["reasoning_content"] = line.reasoning
    if line.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in line.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(line)}
    return {**_frame("chat.completion", model), "choices": [choice], "usage": usage(line)}


def chunks(line: Line, model: str, *, include_usage: bool = True) -> list[bytes]:
    """The streamed answer, one server-sent event each, `[DONE]` last."""
    frame = _frame("chat.completion.chunk", model)
    if include_usage:
        frame["usage"] = None
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": "", "refusal": None}, *_deltas(line)]
    told = [*((delta, None) for delta in deltas), ({}, finish_reason(line))]
    events = [
        event({**frame, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})
        for delta, finish in told
    ]
    if include_usage:
        events.append(event({**frame, "choices": [], "usage": usage(line)}))
    return [*events, DONE]


def usage(line: Line) -> dict[str, object]:
    """Counts of both forms of the answer."""
    return {
        "prompt_tokens": line.input_tokens,
        "completion_tokens": line.output_tokens,
        "total_tokens": line.input_tokens + line.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": line.reasoning_tokens, "audio_tokens": 0},
    }


def finish_reason(line: Line) -> str:
    if line.cut_off:
        return "length"
    return "tool_calls" if line.calls else "stop"


def event(value: object) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def error(message: str, *, type: str = "invalid_request_error", code: str | None = None) -> dict[str, object]:
    """The body of an error."""
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


def models(names: tuple[str, ...]) -> dict[str, object]:
    """`GET /v1/models`."""
    rows = [{"id": name, "object": "model", "created": CREATED, "owned_by": "scripted"} for name in names]
    return {"object": "list", "data": rows}


def _frame(kind: str, model: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-scripted",
        "object": kind,
        "created": CREATED,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }


def _deltas(line: Line) -> Iterator[dict[str, object]]:
    for piece in pieces(line.reasoning):
        yield {"reasoning_content": piece}
    for piece in pieces(line.text):
        yield {"content": piece}
    for index, call in enumerate(line.calls):
        head = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [head]}
        for fragment in fragments(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}
