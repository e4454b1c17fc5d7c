"""A repeated prefill and reasoning between tags are told from the answer, however it comes."""

from __future__ import annotations

import pytest

from llm_to_anthropic.translators.visible_text import PrefillFilter, ThinkTags


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param('{"a": 1}', ": 1}", id="repeated"),
        pytest.param('\n{"a": 1}', ": 1}", id="repeated after a line break"),
        pytest.param('{"', '{"', id="only its beginning"),
        pytest.param("Sure.", "Sure.", id="not repeated"),
        pytest.param("{ ", "{ ", id="another beginning"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_prefill_is_dropped_once(text: str, shown: str) -> None:
    """An answer that begins with the prefill goes on after it; any other stays as it is."""
    for pieces in ([text], list(text)):
        prefill = PrefillFilter('{"a"')
        assert "".join([prefill.feed(piece) for piece in pieces]) + prefill.flush() == shown


@pytest.mark.parametrize("text", ["\n\nHere: it is", "Here: it is", " Here: it is"])
def test_prefill_that_begins_with_white_space_is_dropped_too(text: str) -> None:
    """Models repeat it with that white space, with another, or with none."""
    for pieces in ([text], list(text)):
        prefill = PrefillFilter("\n\nHere:")
        assert "".join([prefill.feed(piece) for piece in pieces]) + prefill.flush() == " it is"


def test_beginning_of_a_prefill_is_text_in_the_end() -> None:
    """What looked like the prefill and was not is shown when the text ends."""
    prefill = PrefillFilter("Once upon")
    assert prefill.feed("Once") == ""
    assert prefill.flush() == "Once"


def split(*pieces: str) -> tuple[str, str]:
    tags = ThinkTags()
    parts = [tags.feed(piece) for piece in pieces] + [tags.flush()]
    return "".join(part[0] for part in parts), "".join(part[1] for part in parts)


@pytest.mark.parametrize(
    ("text", "thinking", "shown"),
    [
        pytest.param("<think>Hm.</think>\n\nYes", "Hm.", "Yes", id="thinking first"),
        pytest.param("\n<think>Hm.</think>Yes", "Hm.", "Yes", id="after a line break"),
        pytest.param("<think>Hm < 3 </thin", "Hm < 3 </thin", "", id="never closed"),
        pytest.param("<think></think>Yes", "", "Yes", id="empty"),
        pytest.param("Yes <think>no</think>", "", "Yes <think>no</think>", id="not at the start"),
        pytest.param("<thi", "", "<thi", id="only a beginning"),
        pytest.param("<b>bold", "", "<b>bold", id="another tag"),
        pytest.param("<think>a</think> b </think>", "a", "b </think>", id="closed twice"),
    ],
)
def test_thinking_is_told_from_text(text: str, thinking: str, shown: str) -> None:
    """Reasoning between tags at the start is thinking, all else is text, in any pieces."""
    assert split(text) == (thinking, shown)
    assert split(*text) == (thinking, shown)
