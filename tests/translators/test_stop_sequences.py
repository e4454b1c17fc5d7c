"""Stop sequences end the visible text where they begin, however it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.stop_sequences import ShortText, StopMatcher


def match(sequences: tuple[str, ...], *pieces: str) -> tuple[str, str | None]:
    matcher = StopMatcher(sequences)
    shown = "".join([matcher.feed(piece) for piece in pieces])
    return shown + matcher.flush(), matcher.matched


@pytest.mark.parametrize(
    ("sequences", "text", "shown", "matched"),
    [
        pytest.param((), "all of it", "all of it", None, id="none"),
        pytest.param(("STOP",), "go on", "go on", None, id="no match"),
        pytest.param(("STOP",), "go STOP on", "go ", "STOP", id="match"),
        pytest.param(("STOP",), "go STO", "go STO", None, id="only a beginning"),
        pytest.param(("b", "a"), "xab", "x", "a", id="first place wins"),
        pytest.param(("ab", "abc"), "xabcd", "x", "abc", id="longest wins"),
        pytest.param(("ab", "abc"), "xabd", "x", "ab", id="the longer one does not come"),
        pytest.param(("ab", "abc"), "xab", "x", "ab", id="the longer one is cut off"),
        pytest.param(("abab",), "aabab", "a", "abab", id="overlaps its own beginning"),
        pytest.param(("xaby", "ab"), "xabz", "x", "ab", id="an earlier one does not come"),
        pytest.param(("]", "-", "^", "\\"), "a^b", "a", "^", id="characters of patterns"),
        pytest.param(("🙂",), "a🙂b", "a", "🙂", id="emoji"),
        pytest.param(("",), "abc", "abc", None, id="empty one"),
    ],
)
def test_text_ends_at_the_match(sequences: tuple[str, ...], text: str, shown: str, matched: str | None) -> None:
    """The first match that can be had decides, in one piece and in single characters."""
    assert match(sequences, text) == (shown, matched)
    assert match(sequences, *text) == (shown, matched)


def test_only_what_may_match_is_held_back() -> None:
    """Text that cannot be part of a stop sequence is shown at once."""
    matcher = StopMatcher(("\n\nHuman:",))
    assert matcher.feed("Hello\n") == "Hello"
    assert matcher.feed("world\n\nHu") == "\nworld"
    assert matcher.feed("go") == "\n\nHugo"


def test_nothing_is_shown_after_the_match() -> None:
    """What follows a stop sequence is dropped."""
    matcher = StopMatcher(("x",))
    assert matcher.feed("axb") == "a"
    assert matcher.feed("c") == ""
    assert matcher.flush() == ""


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3).map(tuple),
    st.text("abc", max_size=20),
    st.data(),
)
def test_pieces_do_not_matter(sequences: tuple[str, ...], text: str, data: st.DataObject) -> None:
    """Any text cut anywhere gives the same result."""
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    assert match(sequences, *pieces) == match(sequences, text)


def test_short_text_ends_at_its_limit() -> None:
    """A text of so many tokens may have eight bytes for each, and no character is cut in two."""
    for pieces in (["12345678", "9"], ["123456789"]):
        matcher = ShortText((), 1)
        assert ("".join(map(matcher.feed, pieces)), matcher.full, matcher.flush()) == ("12345678", True, "")
    matcher = ShortText((), 1)
    assert (matcher.feed("1234567é"), matcher.full) == ("1234567", True)


def test_stop_sequence_beyond_the_limit_does_not_count() -> None:
    """What ends a text is what comes first."""
    matcher = ShortText(("END",), 1)
    assert (matcher.feed("123456789END"), matcher.full, matcher.matched) == ("12345678", True, None)
    matcher = ShortText(("END",), 1)
    assert (matcher.feed("1234END"), matcher.full, matcher.matched) == ("1234", False, "END")
