"""Whole Responses answers that are nothing but text: told as they came, and read as if they had been decoded."""

from __future__ import annotations

import json

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


def _told(said: str) -> Event:
    """The message made of an answer with this JSON as its text."""
    driven = translator(stream=False)
    body = json.dumps(response(message("?"))).replace('"?"', said)
    driven.receive_data(b"event: response.completed\ndata: ")
    driven.receive_data(f'{{"type":"response.completed","response":{body}}}\n\n'.encode("utf-8", "surrogatepass"))
    assert driven.failure is None
    told: Event = json.loads(driven.message())
    return told


def _texts(answer: Event) -> list[str]:
    return [block["text"] for block in answer["content"]]


@pytest.mark.parametrize(
    "said",
    [
        '"plain"',
        '"caf\u00e9 \U0001f98a"',
        r'"caf\u00e9 \u0000 \u2028"',
        r'"a\/b \"c\" \\ud83e \n\t\b\f\r"',
        r'"fox \ud83e\udd8a and \uD83E\uDD8A"',
    ],
)
def test_text_of_a_whole_answer_reads_as_the_upstream_wrote_it(said: str) -> None:
    """However an upstream escapes its text, a client that parses the message gets the same characters."""
    assert _texts(_told(said)) == [json.loads(said)]


@pytest.mark.parametrize("said", [r'"half \ud83e!"', r'"half \uDD8A!"', '"half \ud83e!"'])
def test_half_a_surrogate_pair_never_reaches_a_client(said: str) -> None:
    """What is no character comes out as the replacement character, escaped or not."""
    shown = _texts(_told(said))[0]
    assert shown.startswith("half \ufffd")
    assert shown.endswith("!")


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
