"""Answers of Chat-compatible servers that deviate in their types, made the Structs of the protocol.

Seen: content as parts or as an object, ids and indexes as strings or numbers, arguments as objects, a call in place of
a list of calls, halves of surrogate pairs, bytes that are no UTF-8. What cannot be read is left out; what is no JSON
object raises ValueError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.upstream_errors import load_object
from llm_to_anthropic.wire.anthropic import NO_RAW
from llm_to_anthropic.wire.openai_chat import (
    Choice,
    Completion,
    CompletionTokensDetails,
    CustomCall,
    Delta,
    FunctionCall,
    GroqExtras,
    PromptTokensDetails,
    ToolCall,
    Usage,
)

Json = dict[str, object]

_REASONING = {"thinking": "thinking", "reasoning": "summary"}
"""Types of parts that hold reasoning, and the member that holds it."""
_DETAILS: Mapping[str, type[msgspec.Struct]] = {
    "prompt_tokens_details": PromptTokensDetails,
    "input_tokens_details": PromptTokensDetails,
    "completion_tokens_details": CompletionTokensDetails,
    "output_tokens_details": CompletionTokensDetails,
}


def read_loosely(data: bytes) -> Completion:
    """The completion in a JSON text. Raises ValueError where there is none."""
    value = load_object(data)
    extras = _object(value.get("x_groq"))
    choices = value.get("choices")
    return Completion(
        choices=[_choice(_object(choice)) for choice in _list(choices)] if isinstance(choices, list) else None,
        usage=_usage(value.get("usage")),
        error=_raw(value.get("error")),
        service_tier=_text_or_none(value.get("service_tier")),
        x_groq=GroqExtras(usage=_usage(extras.get("usage")), error=_raw(extras.get("error"))),
        **{name: _raw(value.get(name)) for name in ("message", "detail", "code", "type")},
    )


def _choice(choice: Json) -> Choice:
    delta, message = choice.get("delta"), choice.get("message")
    stop = choice.get("stop_reason") or choice.get("matched_stop")
    return Choice(
        index=_integer(choice.get("index")),
        delta=_delta(delta) if isinstance(delta, dict) else None,
        message=_delta(message) if isinstance(message, dict) else None,
        finish_reason=_text_or_none(choice.get("finish_reason")),
        stop_reason=stop if isinstance(stop, str) else None,
        error=_raw(choice.get("error")),
        usage=_usage(choice.get("usage")),
    )


def _delta(delta: Json) -> Delta:
    content, thinking = _content(delta.get("content"))
    reasoning = _text_or_none(delta.get("reasoning_content"))
    call = delta.get("function_call")
    return Delta(
        content=content,
        reasoning_content=(reasoning or "") + thinking or None,
        reasoning=_text_or_none(delta.get("reasoning")),
        reasoning_text=_text_or_none(delta.get("reasoning_text")),
        reasoning_details=[_raw(detail) for detail in _list(delta.get("reasoning_details"))] or None,
        refusal=_text_or_none(delta.get("refusal")),
        tool_calls=[_call(_object(item)) for item in _calls(delta.get("tool_calls"))] or None,
        function_call=_function(call) if isinstance(call, dict) else None,
    )


def _content(content: object) -> tuple[str | None, str]:
    """(text, reasoning) of a content of any type; Mistral and Databricks send their reasoning as parts."""
    if content is None or isinstance(content, str):
        return content, ""
    if isinstance(content, dict):
        text = content.get("text")
        return (text if isinstance(text, str) else _dump(content)), ""
    parts = [_object(part) if not isinstance(part, str) else {"text": part} for part in _list(content)]
    text = "".join(_flat(part.get("text")) for part in parts if part.get("type") not in _REASONING)
    return text, "".join(_flat(part.get(_REASONING.get(str(part.get("type")), ""))) for part in parts)


def _flat(value: object) -> str:
    if isinstance(value, str):
        return value
    return "".join(_flat(_object(part).get("text")) for part in _list(value))


def _calls(calls: object) -> list[object]:
    return [calls] if isinstance(calls, dict) else _list(calls)


def _call(call: Json) -> ToolCall:
    function, custom = call.get("function"), call.get("custom")
    return ToolCall(
        index=_integer(call.get("index")),
        id=_text_or_none(call.get("id")),
        type=_text_or_none(call.get("type")),
        function=_function(function) if isinstance(function, dict) else None,
        custom=CustomCall(name=_text_or_none(custom.get("name")), input=_text_or_none(custom.get("input")))
        if isinstance(custom, dict)
        else None,
        extra_content=_raw(call.get("extra_content")),
    )


def _function(function: Json) -> FunctionCall:
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = _dump(arguments)
    return FunctionCall(name=_text_or_none(function.get("name")), arguments=arguments)


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    found: Json = {
        field: _integer(usage.get(field)) for field in Usage.__struct_fields__ if not field.endswith("_details")
    }
    for name, kind in _DETAILS.items():
        if isinstance(details := usage.get(name), dict):
            found[name] = {field: _integer(details.get(field)) for field in kind.__struct_fields__}
    return msgspec.convert(found, Usage)


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return int(value) if abs(value) < 2**63 else None  # which NaN is not
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else None


def _text_or_none(value: object) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _raw(value: object) -> Raw:
    return NO_RAW if value is None else Raw(_dump(value))


def _dump(value: object) -> str:
    # Surrogates are escaped, numbers of any size stay exact: msgspec can do neither.
    return json.dumps(value)
