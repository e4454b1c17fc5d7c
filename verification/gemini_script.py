"""A line in the form of Gemini's generateContent: whole, in chunks, and errors."""

from __future__ import annotations

import msgspec

from llm_to_anthropic.scripted.line import Line, ToolCall, pieces

SIGNATURE = "c2NyaXB0ZWQ="


def answer(line: Line, model: str) -> dict[str, object]:
    """The whole answer: `GenerateContentResponse`."""
    return _response(_parts(line, line.text, line.reasoning), line, model, finish=finish_reason(line))


def chunks(line: Line, model: str) -> list[bytes]:
    """The streamed answer (`alt=sse`), one server-sent event each; the finish reason stands in the last."""
    thoughts = [_parts(Line(), "", piece) for piece in pieces(line.reasoning)]
    texts = [_parts(Line(), piece, "") for piece in pieces(line.text)]
    calls = [[_function_call(call)] for call in line.calls]
    values = [*thoughts, *texts, *calls]
    last = len(values) - 1
    return [
        event(_response(parts, line, model, finish=finish_reason(line) if at == last else None))
        for at, parts in enumerate(values)
    ]


def usage(line: Line) -> dict[str, object]:
    """Counts of both forms of the answer."""
    counts: dict[str, object] = {
        "promptTokenCount": line.input_tokens,
        "candidatesTokenCount": line.output_tokens - line.reasoning_tokens,
        "totalTokenCount": line.input_tokens + line.output_tokens,
    }
    if line.reasoning:
        counts["thoughtsTokenCount"] = line.reasoning_tokens
    return counts


def finish_reason(line: Line) -> str:
    return "MAX_TOKENS" if line.cut_off else "STOP"


def event(value: object) -> bytes:
    """One server-sent event, with the line ends that Google sends."""
    return b"data: " + msgspec.json.encode(value) + b"\r\n\r\n"


def error(message: str, *, code: int = 400, status: str = "INVALID_ARGUMENT") -> dict[str, object]:
    """The body of an error, and the data of one within a stream."""
    return {"error": {"code": code, "message": message, "status": status}}


def _response(parts: list[dict[str, object]], line: Line, model: str, *, finish: str | None) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage(line),
        "modelVersion": model,
        "responseId": "scripted",
    }


def _parts(line: Line, text: str, reasoning: str) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = []
    if reasoning:
        parts.append({"text": reasoning, "thought": True})
    if text:
        parts.append({"text": text})
    return [*parts, *map(_function_call, line.calls)]


def _function_call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "args": msgspec.json.decode(call.arguments), "id": call.id}
    return {"functionCall": function, "thoughtSignature": SIGNATURE}
