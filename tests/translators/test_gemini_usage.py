"""Gemini's token counts become Anthropic's arithmetic."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.errors import UpstreamProtocolError
from tests.translators.gemini_answers import Json, answer, chunk, data, streamed, text, translator, usage


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (usage(100, 5), (100, 0, 5, 0)),
        (usage(100, 5, cachedContentTokenCount=90), (10, 90, 5, 0)),
        (usage(100, 5, thoughtsTokenCount=7), (100, 0, 12, 7)),
        (usage(100, 5, toolUsePromptTokenCount=20, totalTokenCount=125), (120, 0, 5, 0)),
        (usage(100, 5, cachedContentTokenCount=90, toolUsePromptTokenCount=20, totalTokenCount=125), (30, 90, 5, 0)),
        ({"promptTokenCount": 100, "totalTokenCount": 109}, (100, 0, 9, 0)),
        ({"promptTokenCount": 100, "thoughtsTokenCount": 3, "totalTokenCount": 103}, (100, 0, 3, 3)),
        (usage(10, 5, cachedContentTokenCount=12), (0, 12, 5, 0)),
    ],
    ids=["plain", "cached", "thoughts", "tools", "cached and tools", "total alone", "thoughts alone", "odd"],
)
def test_usage(reported: Json, expected: tuple[int, int, int, int]) -> None:
    """Cached tokens are taken out of the input once, tool prompts belong to it, thoughts are output."""
    last = answer(text("a"), finish="STOP") | {"usageMetadata": reported}
    counts = streamed(chunk(text("b")), data(last))["usage"]
    assert (
        counts["input_tokens"],
        counts["cache_read_input_tokens"],
        counts["output_tokens"],
        counts["output_tokens_details"]["thinking_tokens"],
    ) == expected


@pytest.mark.parametrize("reported", [None, {}, {"totalTokenCount": 90}, {"trafficType": "ON_DEMAND"}, usage(0, 0)])
def test_usage_that_misses_is_estimated(reported: Json) -> None:
    """Clients compact by the usage, so it is never zero."""
    last = answer(text("some words"), finish="STOP") | {"usageMetadata": reported}
    counts = streamed(data(last))["usage"]
    assert counts["input_tokens"] > 0
    assert counts["output_tokens"] > 0


@pytest.mark.parametrize("prompt", [{}, {"promptTokenCount": 0, "totalTokenCount": 190}], ids=["missing", "zero"])
def test_usage_without_the_prompt_is_estimated_for_the_prompt_alone(prompt: Json) -> None:
    """Google leaves out the prompt's count now and then: what it counts of the answer stands."""
    reported = prompt | {"candidatesTokenCount": 23, "thoughtsTokenCount": 67}
    last = data(answer(text("some words"), finish="STOP") | {"usageMetadata": reported})
    whole = json.dumps(answer(text("some words"), finish="STOP") | {"usageMetadata": reported}).encode()
    for slices in ([last], [whole]):
        counts = streamed(*slices)["usage"]
        assert counts["input_tokens"] > 0
        assert (counts["output_tokens"], counts["output_tokens_details"]["thinking_tokens"]) == (90, 67)


@pytest.mark.parametrize("counts", [{"totalTokenCount": 100}, {"candidatesTokenCount": 0}], ids=["missing", "zero"])
def test_usage_without_the_answer_is_estimated_for_the_answer_alone(counts: Json) -> None:
    """A stream begins with the prompt's count alone: an answer that a stop sequence ends there has tokens, too."""
    begun = answer(text("some words END and more")) | {"usageMetadata": {"promptTokenCount": 100} | counts}
    told = streamed(data(begun), request={"stop_sequences": ["END"]})["usage"]
    assert told["input_tokens"] == 100
    assert told["output_tokens"] > 0


def test_whole_text_without_a_count_of_it_is_estimated() -> None:
    """A whole answer that is one text is counted, too, where only its prompt was."""
    made = translator(stream=False)
    whole = answer(text("some words"), finish="STOP") | {"usageMetadata": {"promptTokenCount": 100}}
    made.receive_data(json.dumps(whole).encode())
    made.receive_eof()
    assert json.loads(made.message())["usage"]["output_tokens"] > 0


def test_counts_of_the_answer_alone_leave_the_prompts_count() -> None:
    """The last counts may tell of the answer only: the prompt's came before."""
    last = answer(text("b"), finish="STOP") | {"usageMetadata": {"candidatesTokenCount": 8}}
    first = answer(text("a")) | {"usageMetadata": usage(100, 1, cachedContentTokenCount=90)}
    counts = streamed(data(first), data(last))["usage"]
    assert (counts["input_tokens"], counts["cache_read_input_tokens"], counts["output_tokens"]) == (10, 90, 8)


def test_count_is_decoded() -> None:
    """countTokens tells the total; anything else is an error of the upstream."""
    made = translator()
    assert made.decode_count(b'{"totalTokens": 42, "cachedContentTokenCount": 3}') == 42
    for body in (b"{}", b"nope", b"[]"):
        with pytest.raises(UpstreamProtocolError):
            made.decode_count(body)
