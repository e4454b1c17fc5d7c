"""Text events of Gemini streams are passed on without being decoded, and nobody can tell the difference."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.translators.gemini.frames import GeminiFrames
from tests.messages import parse_events, rebuild
from tests.translators.gemini_answers import answer, call, chunk, data, kinds, text, texts, translator, usage
from tests.translators.reading import feed

WORDS = ["One ", "two\n", 'three "quoted" ', "vier f\u00fcr ", "five ", "six"]


def _counted(words: str, output: int) -> bytes:
    return json.dumps(answer(text(words)) | {"usageMetadata": usage(10, output)}).encode()


def test_frame_is_met_whatever_is_counted() -> None:
    """Google counts in every event: a text is found between other counts too, which are told with it."""
    frames = GeminiFrames()
    frames.learn(_counted("One ", 1))
    for number, words in enumerate(WORDS, 2):
        assert json.loads(frames.text(_counted(words, number)) or b"null") == words
        assert frames.usage is not None
        assert frames.usage.candidates_token_count == number


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(json.dumps(answer(text("x", thought=True))), id="a thought"),
        pytest.param(json.dumps(answer(text("x"), finish="STOP")), id="an end"),
        pytest.param(json.dumps(answer(text("x"), text("y"))), id="two texts"),
        pytest.param(json.dumps(answer(text("x"), call())), id="a call"),
        pytest.param(_counted("x", 3).decode().replace("3", '"3'), id="counts that are none"),
        pytest.param(_counted("x", 3).decode().replace("}}", "},,}"), id="no JSON"),
    ],
)
def test_event_that_is_more_than_text_is_decoded(event: str) -> None:
    """Only what differs by its text and its counts is read by its frame."""
    frames = GeminiFrames()
    frames.learn(_counted("One ", 1))
    assert frames.text(_counted("two", 2)) == b'"two"'
    assert frames.text(event.encode()) is None


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("size", [1, 7, 250, 1000, 100_000])
@pytest.mark.parametrize("grows", [False, True])
def test_stream_reads_the_same_however_it_is_cut(line_end: bytes, size: int, *, grows: bool) -> None:
    """Many events in one read or parts of one, with counts that stay or grow: text, usage and calls are the same."""
    events = [
        answer(text(words)) | {"usageMetadata": usage(10, 5 + number * grows)} for number, words in enumerate(WORDS * 4)
    ]
    sent = b"".join(map(data, events)) + chunk(call(), text("!")) + chunk(text(""), finish="STOP")
    sent = sent.replace(b"\r\n", line_end)
    made = translator()
    told = rebuild(parse_events(feed(made, [sent[at : at + size] for at in range(0, len(sent), size)])))
    assert kinds(told) == ["text", "tool_use", "text"]
    assert texts(told) == "".join(WORDS * 4) + "!"
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.output_tokens) == (10, 5)


def test_counts_of_the_last_text_stand_where_the_end_has_none() -> None:
    """The last counts that came are the message's, also where they came with a text that was not decoded."""
    events = [answer(text(words)) | {"usageMetadata": usage(10, number)} for number, words in enumerate(WORDS, 1)]
    end = {"candidates": [{"index": 0, "finishReason": "STOP"}]}
    made = translator()
    feed(made, map(data, [*events, end]))
    assert made.usage is not None
    assert made.usage.output_tokens == len(WORDS)


def test_counts_before_the_text_are_told_with_it() -> None:
    """A text between the counts of an earlier one takes the place of other counts that came in the meantime."""
    counted = [("a", 3), ("b", 3), ("c", 9), ("d", 3)]
    events = [{"usageMetadata": usage(10, output), **_without_counts(words)} for words, output in counted]
    end = {"candidates": [{"index": 0, "finishReason": "STOP"}]}
    made = translator()
    feed(made, map(data, [*events, end]))
    assert made.usage is not None
    assert made.usage.output_tokens == 3


def _without_counts(words: str) -> dict[str, object]:
    return {"candidates": answer(text(words))["candidates"]}


def test_uncounted_text_is_measured_in_whole_reads_too() -> None:
    """Where Google counts nothing, all texts make the estimate, however they were passed on."""
    events = [answer(text("seven..")) for _ in range(20)]
    for event in events:
        del event["usageMetadata"]
    end = {"candidates": [{"index": 0, "finishReason": "STOP"}]}
    made = translator()
    feed(made, [*map(data, events[:4]), b"".join(map(data, events[4:])), data(end)])
    assert made.usage is not None
    assert made.usage.output_tokens == 40
