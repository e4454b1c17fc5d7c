"""Answers of servers that deviate from Gemini's types, made the Structs of the protocol.

Seen: enums as numbers, numbers as strings, halves of surrogate pairs, bytes that are no UTF-8, arrays of one object.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.translators.upstream_errors import load_object
from llm_to_anthropic.wire.gemini import Answer, Part
from llm_to_anthropic.writer import sound

_NAMES: Mapping[str, Mapping[int, str]] = {
    "finishReason": {
        1: "STOP",
        2: "MAX_TOKENS",
        3: "SAFETY",
        4: "RECITATION",
        5: "OTHER",
        6: "BLOCKLIST",
        7: "PROHIBITED_CONTENT",
        8: "SPII",
        9: "MALFORMED_FUNCTION_CALL",
    },
    "blockReason": {1: "SAFETY", 2: "OTHER", 3: "BLOCKLIST", 4: "PROHIBITED_CONTENT"},
    "language": {1: "PYTHON"},
    "outcome": {1: "OUTCOME_OK", 2: "OUTCOME_FAILED", 3: "OUTCOME_DEADLINE_EXCEEDED"},
}
"""Names of enums by their numbers in the protocol buffers (google.cloud.aiplatform.v1)."""


def read_loosely(data: bytes) -> Answer:
    """The answer in a JSON text; halves of surrogate pairs stay in its texts, since the other may come next.

    Raises ValueError where there is none.
    """
    value = load_object(data)
    try:
        tidied = _tidied(value)
        _name_enums(tidied)
        answer = msgspec.json.decode(msgspec.json.encode(tidied), type=Answer, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    for candidate, given in zip(answer.candidates or (), _listed(value, "candidates"), strict=False):
        parts = candidate.content.parts if candidate.content else None
        _put_halves_back(parts or [], _listed(_member(given, "content"), "parts"))
    return answer


def _put_halves_back(parts: list[Part], given: list[object]) -> None:
    """No JSON that msgspec reads can hold them."""
    for part, raw in zip(parts, given, strict=False):
        text = _member(raw, "text")
        if isinstance(text, str) and part.text != text:
            part.text = text


def _listed(value: object, name: str) -> list[object]:
    found = _member(value, name)
    return found if isinstance(found, list) else []


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _tidied(value: object) -> object:
    match value:
        case str():
            return sound(value)
        case list():
            return [_tidied(item) for item in value]
        case dict():
            return {sound(key): _tidied(item) for key, item in value.items()}
        case _:
            return value


def _name_enums(answer: object) -> None:
    """Puts names in the place of numbers, where enums stand and nowhere else: a call's arguments stay as they are."""
    for holder in _with_enums(answer):
        for name, names in _NAMES.items():
            if type(number := holder.get(name)) is int:
                holder[name] = names.get(number, "OTHER") if number else None


def _with_enums(answer: object) -> list[dict[str, object]]:
    candidates = _listed(answer, "candidates")
    parts = [part for candidate in candidates for part in _listed(_member(candidate, "content"), "parts")]
    code = [_member(part, kind) for part in parts for kind in ("executableCode", "codeExecutionResult")]
    holders = [_member(answer, "promptFeedback"), *candidates, *code]
    return [holder for holder in holders if isinstance(holder, dict)]
