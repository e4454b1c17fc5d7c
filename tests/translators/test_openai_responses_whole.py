"""Whole Responses answers that are nothing but text: told as they came, and read as if they had been decoded."""

from __future__ import annotations

import pytest

from tests.messages import Event
from tests.translators.responses_answers import (
    Json,
    citation,
    collected,
    completed,
    created,
    event,
    message,
    reasoning,
    refusal,
    response,
    translator,
    usage,
    whole,
)


def _texts(answer: Event) -> list[str]:
    return [block["text"] for block in answer["content"]]


def test_answer_of_one_text_is_the_same_however_it_is_told() -> None:
    """As JSON, and as the last event of a stream, an answer of one text makes one message with its usage."""
    counted = usage(10, 7, cached_tokens=4, reasoning_tokens=2)
    messages = [
        collected(whole(message("Hello"), usage=counted)),
        collected(created(), completed(message("Hello"), usage=counted)),
        # A prefill has every answer looked into.
        collected(whole(message("Hello"), usage=counted), request=_PREFILLED),
    ]
    assert messages[0] == messages[1] == messages[2]
    assert _texts(messages[0]) == ["Hello"]
    assert messages[0]["usage"]["cache_read_input_tokens"] == 4


_PREFILLED = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Well"}]}


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ([message("one", annotations=[citation()])], ["text"]),
        ([reasoning("thought"), message("one")], ["thinking", "text"]),
        ([message("one"), message("two")], ["text", "text"]),
        ([message("")], []),
        ([message("one", role="user")], []),
    ],
)
def test_whole_answer_with_more_or_less_than_text_is_looked_into(said: list[Json], kinds: list[str]) -> None:
    """Citations, reasoning and further messages stay what they are; what is no text of the model makes no block."""
    told = collected(whole(*said), request={"thinking": {"type": "adaptive"}})
    assert [block["type"] for block in told["content"]] == kinds


def test_refusal_alone_is_a_refusal() -> None:
    """The words of a refusal are no usual text."""
    assert collected(whole(refusal("No.")))["stop_reason"] == "refusal"


def test_answer_without_usage_is_estimated_by_its_decoded_text() -> None:
    """Where the upstream counts nothing, the text is measured."""
    assert collected(whole(message("a" * 7), usage=None))["usage"]["output_tokens"] == 2


def test_answer_of_text_that_failed_is_an_error() -> None:
    """An error beside a text is told as one."""
    driven = translator(stream=False)
    failed = response(message("half"), error={"code": "server_error", "message": "Boom"})
    driven.receive_data(event("response.completed", response=failed))
    assert driven.failure is not None
    assert driven.failure.status == 502
