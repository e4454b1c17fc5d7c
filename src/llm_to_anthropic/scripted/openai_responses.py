"""A line in the form of OpenAI Responses: whole, and as events. Bodies of errors are those of Chat Completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llm_to_anthropic.scripted.anthropic import event
from llm_to_anthropic.scripted.line import Line, fragments, pieces

CREATED = 1_700_000_000
RESPONSE_ID = "resp_scripted"

Json = dict[str, object]

_BLANK: Mapping[str, Json] = {
    "reasoning": {"summary": []},
    "message": {"content": []},
    "function_call": {"arguments": ""},
}
"""What an item is announced without."""


def response(line: Line, model: str, *, encrypted: bool = False) -> Json:
    """The whole answer. `encrypted`: reasoning comes with content that only this upstream can read."""
    status = "incomplete" if line.cut_off else "completed"
    details = {"reason": "max_output_tokens"} if line.cut_off else None
    return _frame(model, status) | {
        "incomplete_details": details,
        "output": _items(line, encrypted=encrypted),
        "usage": usage(line),
    }


def events(line: Line, model: str, *, encrypted: bool = False) -> list[bytes]:
    """The streamed answer, one server-sent event each."""
    begun = _frame(model, "in_progress") | {"output": [], "usage": None}
    answer = response(line, model, encrypted=encrypted)
    told: list[Json] = [{"type": kind, "response": begun} for kind in ("response.created", "response.in_progress")]
    for index, item in enumerate(_items(line, encrypted=encrypted)):
        told += _item_events(index, item)
    told.append({"type": f"response.{answer['status']}", "response": answer})
    return [event(one | {"sequence_number": number}) for number, one in enumerate(told)]


def failure(message: str, model: str, *, code: str = "server_error") -> list[bytes]:
    """A stream that fails before it said anything."""
    begun = _frame(model, "in_progress") | {"output": [], "usage": None}
    ended = _frame(model, "failed") | {"output": [], "usage": None, "error": {"code": code, "message": message}}
    return [
        event({"type": "response.created", "response": begun, "sequence_number": 0}),
        event({"type": "response.failed", "response": ended, "sequence_number": 1}),
    ]


def usage(line: Line) -> Json:
    """Counts of both forms of the answer."""
    return {
        "input_tokens": line.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": line.output_tokens,
        "output_tokens_details": {"reasoning_tokens": line.reasoning_tokens},
        "total_tokens": line.input_tokens + line.output_tokens,
    }


def input_tokens(count: int) -> Json:
    """The answer of `POST /v1/responses/input_tokens`."""
    return {"object": "response.input_tokens", "input_tokens": count}


def _frame(model: str, status: str) -> Json:
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "model": model,
        "service_tier": "default",
        "store": False,
    }


def _items(line: Line, *, encrypted: bool) -> list[Json]:
    items: list[Json] = []
    if line.reasoning:
        summary = [{"type": "summary_text", "text": line.reasoning}]
        item: Json = {"id": "rs_scripted", "type": "reasoning", "summary": summary}
        items.append(item | {"encrypted_content": f"sealed:{len(line.reasoning)}"} if encrypted else item)
    if line.text:
        content = [{"type": "output_text", "text": line.text, "annotations": [], "logprobs": []}]
        items.append(
            {"id": "msg_scripted", "type": "message", "status": "completed", "role": "assistant", "content": content}
        )
    for number, call in enumerate(line.calls):
        items.append(
            {
                "id": f"fc_scripted_{number}",
                "type": "function_call",
                "status": "incomplete" if line.cut_off else "completed",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return items


def _item_events(index: int, item: Json) -> Iterator[Json]:
    begun = item | {"status": "in_progress"} | _BLANK[str(item["type"])]
    begun.pop("encrypted_content", None)
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    place: Json = {"item_id": item["id"], "output_index": index}
    match item:
        case {"type": "reasoning", "summary": [{"text": str(text)}]}:
            yield from _summary(text, place | {"summary_index": 0})
        case {"type": "message", "content": [{"text": str(text)}]}:
            yield from _text(text, place | {"content_index": 0})
        case {"arguments": str(arguments)}:
            yield from _arguments(arguments, place)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _summary(text: str, place: Json) -> Iterator[Json]:
    part: Json = {"type": "summary_text", "text": text}
    yield place | {"type": "response.reasoning_summary_part.added", "part": part | {"text": ""}}
    for piece in pieces(text):
        yield place | {"type": "response.reasoning_summary_text.delta", "delta": piece}
    yield place | {"type": "response.reasoning_summary_text.done", "text": text}
    yield place | {"type": "response.reasoning_summary_part.done", "part": part}


def _text(text: str, place: Json) -> Iterator[Json]:
    part: Json = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    yield place | {"type": "response.content_part.added", "part": part | {"text": ""}}
    for piece in pieces(text):
        yield place | {"type": "response.output_text.delta", "delta": piece, "logprobs": []}
    yield place | {"type": "response.output_text.done", "text": text, "logprobs": []}
    yield place | {"type": "response.content_part.done", "part": part}


def _arguments(arguments: str, place: Json) -> Iterator[Json]:
    for fragment in fragments(arguments):
        yield place | {"type": "response.function_call_arguments.delta", "delta": fragment}
    yield place | {"type": "response.function_call_arguments.done", "arguments": arguments}
