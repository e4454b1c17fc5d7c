"""Whole Gemini answers that are nothing but text: told as they came, and read as if they had been decoded."""

from __future__ import annotations

import json

import pytest

from tests.messages import Event
from tests.translators.gemini_answers import (
    ADAPTIVE,
    Json,
    answer,
    call,
    failure,
    kinds,
    rounds,
    text,
    thought,
    translator,
    usage,
)


def _whole(*parts: Json, finish: str = "STOP", **members: Json) -> bytes:
    return json.dumps(answer(*parts, finish=finish) | members).encode()


def _texts(message: Event) -> list[str]:
    return [block["text"] for block in message["content"]]


@pytest.mark.parametrize("finish", ["STOP", "MAX_TOKENS"])
@pytest.mark.parametrize(
    "counted", [{"cachedContentTokenCount": 4, "thoughtsTokenCount": 2}, {"toolUsePromptTokenCount": 3}]
)
def test_answer_of_one_text_is_the_same_however_it_is_told(finish: str, counted: Json) -> None:
    """With a prefill every answer is looked into, and says the same with the same usage."""
    body = _whole(text("Hello", thoughtSignature="c2ln"), finish=finish, usageMetadata=usage(10, 7, **counted))
    told = []
    for request in ({}, _PREFILLED):
        driven = translator(request, stream=False)
        driven.receive_data(body)
        driven.receive_eof()
        told.append((json.loads(driven.message()), driven.usage, driven.stop_reason))
    assert told[0] == told[1]
    assert _texts(told[0][0]) == ["Hello"]


_PREFILLED = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Well"}]}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([thought("hm"), text("one")], ["thinking", "text"]),
        ([text("one"), call()], ["text", "tool_use"]),
        ([text("one"), text("two")], ["text"]),
        ([text("one", thoughtSignature="c2ln")], ["thinking", "text"]),
        ([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], ["text"]),
    ],
)
def test_whole_answer_with_more_than_text_is_looked_into(parts: list[Json], told: list[str]) -> None:
    """Thoughts, calls, further texts, files, and signatures where thinking was asked for stay what they are."""
    assert kinds(rounds([_whole(*parts)], request=ADAPTIVE)) == told


def test_answer_that_was_blocked_is_a_refusal() -> None:
    """A text for which Google says that it does not stand is no usual one."""
    assert rounds([_whole(text("half"), finish="SAFETY")])["stop_reason"] == "refusal"


def test_answer_without_usage_is_estimated_by_its_decoded_text() -> None:
    """Where the upstream counts nothing, the text is measured."""
    driven = translator(stream=False)
    driven.receive_data(_whole(text("a" * 7), usageMetadata=None))
    driven.receive_eof()
    assert json.loads(driven.message())["usage"]["output_tokens"] == 2


def test_answer_of_text_that_failed_is_an_error() -> None:
    """An error beside a text is told as one."""
    status, _, told = failure(_whole(text("half"), error={"code": 503, "message": "Boom", "status": "UNAVAILABLE"}))
    assert (status, "Boom" in told) == (529, True)
