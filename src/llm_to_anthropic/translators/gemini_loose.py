"""Answers of servers that deviate from Gemini's types, made the Structs of the protocol.

Seen: enums as numbers, numbers as strings, halves of surrogate pairs, bytes that are no UTF-8, arrays of one object.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.translators.upstream_errors import read_json
from llm_to_anthropic.wire.gemini import Answer, Part
from llm_to_anthropic.writer import sound

_FINISH_REASONS: Mapping[int, str] = {
    1: "STOP",
    2: "MAX_TOKENS",
    3: "SAFETY",
    4: "RECITATION",
    5: "OTHER",
    6: "BLOCKLIST",
    7: "PROHIBITED_CONTENT",
    8: "SPII",
    9: "MALFORMED_FUNCTION_CALL",
}
"""By their numbers in the protocol buffer (google.ai.generativelanguage, Candidate.FinishReason)."""


def read_loosely(data: bytes) -> Answer:
    """The answer in a JSON text; halves of surrogate pairs stay in its texts, since the other may come next.

    Raises ValueError where there is none.
    """
    value = read_json(data)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  the text is wrong, not a type of ours
    try:
        answer = msgspec.json.decode(msgspec.json.encode(_tidied(value)), type=Answer, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    for candidate, given in zip(answer.candidates or (), _listed(value, "candidates"), strict=False):
        parts = candidate.content.parts if candidate.content else None
        content = given.get("content") if isinstance(given, dict) else None
        _put_halves_back(parts or [], _listed(content, "parts"))
    return answer


def _put_halves_back(parts: list[Part], given: list[object]) -> None:
    """No JSON that msgspec reads can hold them."""
    for part, raw in zip(parts, given, strict=False):
        text = raw.get("text") if isinstance(raw, dict) else None
        if isinstance(text, str) and part.text != text:
            part.text = text


def _listed(value: object, name: str) -> list[object]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _tidied(value: object) -> object:
    match value:
        case str():
            return sound(value)
        case list():
            return [_tidied(item) for item in value]
        case dict():
            return {sound(key): _tidied(item) for key, item in value.items()} | _named(value)
        case _:
            return value


def _named(value: Mapping[str, object]) -> dict[str, object]:
    number = value.get("finishReason")
    return {"finishReason": _FINISH_REASONS.get(number, "OTHER") if number else None} if type(number) is int else {}
