"""What may be told of an upstream's words about a refused key."""

from __future__ import annotations

import time

import pytest

from llm_to_anthropic.translators.upstream_errors import key_refused
from tests.translators.gemini_answers import target


def test_plain_words_are_passed_on() -> None:
    """Words that can hold no key tell what is wrong."""
    told = key_refused("API key not valid. Please pass a valid API key.", target())
    assert told.endswith(": API key not valid. Please pass a valid API key.")
    assert "GEMINI_API_KEY" in told


@pytest.mark.parametrize("text", ["No: abc123def", "a" * 21, "test-key is wrong"], ids=["digits", "long", "key"])
def test_what_may_be_a_key_is_not_passed_on(text: str) -> None:
    """Everything else is left out."""
    assert text not in key_refused(text, target())


def test_long_words_are_judged_quickly() -> None:
    """A long sentence that turns out to hold a digit at its end costs no more than its length."""
    begun = time.perf_counter()
    key_refused("word" * 30_000 + "1", target())
    key_refused("word " * 30_000 + "1", target())
    assert time.perf_counter() - begun < 1.0
