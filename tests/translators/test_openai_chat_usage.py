"""Token counts of every vendor become Anthropic's arithmetic."""

from __future__ import annotations

import json

import pytest

from tests.messages import Event
from tests.translators.chat_answers import DONE, FINISH, collected, data, delta, streamed, usage


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param({"prompt_tokens": 100, "completion_tokens": 7}, (100, 0, 0, 7, 0), id="plain"),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 90}},
            (10, 90, 0, 7, 0),
            id="cached",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 20},
            },
            (50, 30, 20, 7, 0),
            id="cache written",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 30, "cache_creation_input_tokens": 20},
            },
            (50, 30, 20, 7, 0),
            id="DashScope",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 30, "created_cache_tokens": 20},
            },
            (50, 30, 20, 7, 0),
            id="vLLM",
        ),
        pytest.param(
            {
                "input_tokens": 100,
                "output_tokens": 7,
                "input_tokens_details": {"cached_tokens": 90},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            (10, 90, 0, 7, 3),
            id="in the spelling of the Responses API",
        ),
        pytest.param(
            {"input_tokens": "100", "output_tokens": 7.0, "input_tokens_details": {"cached_tokens": "90"}},
            (10, 90, 0, 7, 0),
            id="the same in odd types",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 7, "prompt_cache_hit_tokens": 64},
            (36, 64, 0, 7, 0),
            id="DeepSeek",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 7, "cached_tokens": 9}, (91, 9, 0, 7, 0), id="Moonshot"
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 90}},
            (0, 90, 0, 7, 0),
            id="never negative",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 5}},
            (9, 0, 0, 7, 5),
            id="reasoning is part of the output",
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "total_tokens": 21,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            (9, 0, 0, 12, 5),
            id="xAI leaves the reasoning out",
        ),
        pytest.param(
            {"input_tokens": 9, "output_tokens": 7, "cache_read_input_tokens": 4},
            (9, 4, 0, 7, 0),
            id="Anthropic's names",
        ),
        pytest.param(
            {"input_tokens": 0, "output_tokens": 7, "cache_read_input_tokens": 4},
            (0, 4, 0, 7, 0),
            id="all from a cache",
        ),
        pytest.param({"prompt_tokens": 9.0, "completion_tokens": "7"}, (9, 0, 0, 7, 0), id="odd types"),
    ],
)
def test_usage_arithmetic(reported: Event, expected: tuple[int, ...]) -> None:
    """Cached tokens are no input tokens, and reasoning is output, whatever the server calls them."""
    message = streamed(delta(content="x"), FINISH, data({"choices": [], "usage": reported}), DONE)
    found = message["usage"]
    assert (
        found["input_tokens"],
        found["cache_read_input_tokens"],
        found["cache_creation_input_tokens"],
        found["output_tokens"],
        found["output_tokens_details"]["thinking_tokens"],
    ) == expected


def test_last_usage_counts() -> None:
    """Usage in every chunk is cumulative: the last one is true, not the sum."""
    message = streamed(usage(9, 1), delta(content="x"), usage(9, 2), FINISH, usage(9, 3))
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 3)


def test_zeros_after_the_usage_do_not_count() -> None:
    """A last chunk whose usage is all zero takes nothing back."""
    message = streamed(delta(content="x"), FINISH, usage(9, 2), usage(0, 0), DONE)
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 2)


def test_usage_in_groqs_place() -> None:
    """Groq puts the usage of a stream into `x_groq`."""
    chunk = {"choices": [], "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 3}}}
    assert streamed(delta(content="x"), FINISH, data(chunk))["usage"]["input_tokens"] == 9


@pytest.mark.parametrize("index", [0, "0"], ids=["strict", "odd types"])
def test_usage_in_moonshots_place(index: object) -> None:
    """Moonshot puts the usage of a stream into the choice; where it stands beside the choices too, that one counts."""
    last = {"index": index, "delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
    for more, expected in (((), 9), ((usage(8, 3),), 8)):
        answer = (delta(content="x"), data({"choices": [last]}), *more, DONE)
        for message in (streamed(*answer), collected(*answer)):
            counts = message["usage"]
            assert (counts["input_tokens"], counts["output_tokens"]) == (expected, 3)


@pytest.mark.parametrize(
    "reported",
    [
        pytest.param((), id="none"),
        pytest.param((usage(0, 0, total_tokens=0),), id="zeros"),
        pytest.param((data({"choices": [], "usage": None}),), id="null"),
        pytest.param((data({"choices": [], "usage": {}}),), id="empty"),
    ],
)
def test_missing_usage_is_estimated(reported: tuple[bytes, ...]) -> None:
    """A client that counts its context by usage never sees zeros."""
    answer = (delta(content="some text"), FINISH, *reported)
    for message in (streamed(*answer), collected(*answer)):
        assert message["usage"]["input_tokens"] > 0
        assert message["usage"]["output_tokens"] == 3


@pytest.mark.parametrize(
    "reported",
    [
        {"completion_tokens": 7},
        {"prompt_tokens": None, "completion_tokens": 7},
        {"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 7},
        {"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 1046},
    ],
)
def test_usage_without_the_prompt_is_estimated_for_the_prompt_alone(reported: Event) -> None:
    """A server that counts its answer only is believed as far as it goes."""
    spoken = (delta(content="some text"), FINISH, data({"choices": [], "usage": reported}), DONE)
    body = {"choices": [{"message": {"content": "some text"}, "finish_reason": "stop"}], "usage": reported}
    for message in (streamed(*spoken), collected(*spoken), collected(json.dumps(body).encode())):
        assert message["usage"]["input_tokens"] > 0
        assert message["usage"]["output_tokens"] == 7
