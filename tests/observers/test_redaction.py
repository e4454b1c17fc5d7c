"""Secrets never reach a log."""

from __future__ import annotations

import msgspec
import pytest

from llm_to_anthropic.observers.redaction import Redactor


def test_known_secrets_are_stars() -> None:
    """A configured key is taken out wherever it stands."""
    assert Redactor(["test-key-one"]).clean("a test-key-one b") == "a *** b"


@pytest.mark.parametrize("secret", ['test"key', "test\\key", "test'key", "té$t-key"])
def test_a_secret_is_known_in_a_line_of_json_too(secret: str) -> None:
    """Lines are JSON, in which a key with a quotation mark or a backslash is written in another way."""
    redactor = Redactor(["another-key"]).knowing([secret])
    assert redactor.clean(msgspec.json.encode({"error": f"a {secret} b"}).decode()) == '{"error":"a *** b"}'
    assert redactor.clean(f"a {secret} b") == "a *** b"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("sk-" + "x" * 12, id="openai"),
        pytest.param("AIza" + "x" * 30, id="google"),
        pytest.param("ya29." + "x" * 20, id="google token"),
        pytest.param("Bearer " + "x" * 20, id="bearer"),
        pytest.param("https://h/v1?key=" + "x" * 20, id="query"),
    ],
)
def test_shapes_of_keys_are_stars(text: str) -> None:
    """A key that nobody configured, in an upstream's error say, is taken out by its shape."""
    assert "xxxx" not in Redactor().clean(f"error: {text} refused")


def test_ordinary_text_stays() -> None:
    """Text without secrets is not changed."""
    text = "task-force; disk-usage 5; bearer of news; the monkey=1"
    assert Redactor(["abc"]).clean(text) == text
