"""Whole answers of OpenAI Responses come from the last event of a stream, and from all events where that tells less."""

from __future__ import annotations

import json

import pytest

from tests.messages import Event
from tests.translators.reading import feed
from tests.translators.responses_answers import (
    ON,
    added,
    arguments,
    call,
    collected,
    completed,
    created,
    done,
    event,
    failed,
    failure,
    message,
    reasoning,
    stream_of,
    text,
    thought,
    translator,
)

HELLO = message("Hello there")
BEGINNING = (created(), added(0, message()), text(0, "Hello "), text(0, "there"), done(0, HELLO))


def said(answer: Event) -> list[str]:
    return [block.get("text") or block.get("thinking") or block["name"] for block in answer["content"]]


def test_last_event_tells_the_whole() -> None:
    """What the last event tells of an answer of text and calls is the message."""
    assert said(collected(*stream_of(HELLO, call("look")))) == ["Hello there", "look"]


@pytest.mark.parametrize(
    "last", [completed(), event("response.completed"), event("response.completed", response={"output": "?"})]
)
def test_empty_last_event_leaves_what_came_before(last: bytes) -> None:
    """A last event without the answer costs nothing of it."""
    assert said(collected(*BEGINNING, last)) == ["Hello there"]


def test_last_event_with_fewer_items_leaves_what_came_before() -> None:
    """A last event that forgets an item costs nothing of the answer."""
    assert said(collected(*BEGINNING, done(1, call("look")), completed(call("look")))) == ["Hello there", "look"]


@pytest.mark.parametrize("content", [[], None, ""])
def test_last_event_with_empty_items_leaves_what_came_before(content: object) -> None:
    """A last event that names its items, and nothing in them, costs nothing of the answer."""
    events = (*BEGINNING, added(1, call("look", "")), arguments(1, '{"at":1}'), done(1, call("look", "")))
    answer = collected(*events, completed(HELLO | {"content": content}, call("look", "")))
    assert said(answer) == ["Hello there", "look"]
    assert answer["content"][1]["input"] == {"at": 1}


def test_reasoning_is_read_as_it_comes() -> None:
    """Reasoning that the last event does not repeat is in the message, as it is in a stream."""
    events = (
        added(0, reasoning()),
        thought(0, "Thinking aloud"),
        done(0, reasoning("Thinking aloud")),
        *(added(1, message()), text(1, "Hello"), done(1, message("Hello"))),
    )
    assert said(collected(*events, completed(reasoning(), message("Hello")), request=ON)) == ["Thinking aloud", "Hello"]


def test_what_cannot_be_read_ends_the_waiting() -> None:
    """An event that is no JSON is the same error as in a stream, and is told at once."""
    made = translator(stream=False)
    feed(made, [*BEGINNING, b"data: {broken\n\n"])
    assert made.failure is not None
    assert "no JSON" in made.failure.message


def test_failure_after_text_is_a_failure() -> None:
    """An answer that fails after some text is an error, not half a message."""
    assert failure(*BEGINNING, failed("server_error", "Boom"))[0] == 502


def test_stop_sequence_ends_the_answer_before_its_last_event() -> None:
    """A stop sequence ends a whole answer as soon as it comes: nothing more is paid for."""
    made = translator({"stop_sequences": ["there"]}, stream=False)
    feed(made, [created(), added(0, message()), text(0, "Hello there")])
    assert made.ended
    assert made.stop_reason == "stop_sequence"


def test_cuts_change_nothing() -> None:
    """However the stream is cut, and whatever its lines end with, the message is the same."""
    stream = b"".join(stream_of(HELLO, call("look")))
    compact = stream.replace(b'": ', b'":').replace(b', "', b',"')
    whole = translator(stream=False)
    whole.receive_data(stream)
    for data in (stream, compact, compact.replace(b"\n", b"\r\n")):
        for size in (1, 7, 64, 200):
            made = translator(stream=False)
            for at in range(0, len(data), size):
                made.receive_data(data[at : at + size])
            made.receive_eof()
            assert made.message() == whole.message()


def test_answer_that_is_incomplete_by_its_event_alone() -> None:
    """Where only the last event's type says that the answer was cut, it is told as cut."""
    cut = event("response.incomplete", response={"output": [HELLO]})
    assert collected(*BEGINNING, cut)["stop_reason"] == "max_tokens"


def test_events_as_openai_writes_them_are_put_by_and_read_where_they_must() -> None:
    """Compact events, each in a read of its own, make the same message, whether the last tells the whole or nothing."""
    for last in (completed(HELLO), completed()):
        made = translator(stream=False)
        stream = b"".join((*BEGINNING, last)).replace(b'": ', b'":').replace(b', "', b',"')
        for one in stream.split(b"\n\n")[:-1]:
            made.receive_data(one + b"\n\n")
        assert [block["text"] for block in json.loads(made.message())["content"]] == ["Hello there"]
