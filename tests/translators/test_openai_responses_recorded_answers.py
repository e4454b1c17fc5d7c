"""Recorded answers of a dozen vendors become legal messages, however they are cut.

The recordings lie beside this project and are no part of it: without them these tests are skipped.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.messages import grammar_problems, parse_events, sdk_message
from tests.translators.reading import check_beginnings, check_refusal, check_slicings, feed, outcome
from tests.translators.recordings import answer, headers, recorded
from tests.translators.responses_answers import CODE, OMITTED, ON, SEARCH, translator, without_nulls

Exchange = dict[str, Any]

REQUESTS: dict[str, Any] = {"plain": {}, "thinking": ON, "hidden": OMITTED | SEARCH, "tools": ON | CODE}


@pytest.mark.parametrize("path", recorded("openai_responses"))
def test_slices_do_not_matter(path: Path) -> None:
    """Fed whole, byte by byte and at random splits, an answer gives the same bytes."""
    check_slicings(partial(translator, ON), answer(path), path.stem)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("path", recorded("openai_responses"))
def test_answer_is_a_legal_message_or_a_failure(path: Path, request_: Any) -> None:
    """Each answer ends as a message that the official SDK reads alike, streamed and whole, or has failed."""
    data = answer(path)
    stream, whole = translator(request_), translator(request_, stream=False)
    events = feed(stream, [data])
    assert feed(whole, [data]) == b""
    assert outcome(stream) == outcome(whole)
    assert stream.ended == (stream.failure is None)
    assert grammar_problems(parse_events(events), complete=stream.ended) == []
    if not stream.ended:
        return
    read, expected = sdk_message(events, stream=True), sdk_message(whole.message(), stream=False)
    assert visible(read) == visible(expected)
    assert read["container"] == expected["container"]
    for counted in ("output_tokens", "server_tool_use"):
        assert read["usage"][counted] == expected["usage"][counted]


def visible(message: Exchange) -> list[object]:
    # A call that the token limit cut is left out of whole messages.
    blocks = [without_nulls(block) for block in message["content"]]
    if message["stop_reason"] == "max_tokens":
        blocks = [block for block in blocks if block["type"] != "tool_use"]
    return [message["stop_reason"], *blocks]


@pytest.mark.parametrize("path", recorded("openai_responses", stream=True))
def test_end_of_a_stream_repeats_it(path: Path) -> None:
    """What a stream says piece by piece, its last event says at once: both make the same blocks."""
    data = answer(path)
    events = events_of(data)
    last = next((event for event in reversed(events) if event["type"] == "response.completed"), None)
    if last is None or not last["response"]["output"]:
        pytest.skip("this stream does not end with the whole answer")
    if contradicts_itself(events):
        pytest.skip("two answers in one recording, or the pieces of a text are another text than the whole")
    stream, whole = translator(ON, stream=False), translator(ON, stream=False)
    feed(stream, [data])
    feed(whole, [json.dumps(last["response"]).encode()])
    said, repeated = json.loads(stream.message()), json.loads(whole.message())
    assert shape(said) == shape(repeated)
    assert said["usage"] == repeated["usage"]


def events_of(data: bytes) -> list[Exchange]:
    lines = [line.removeprefix(b"data:") for line in data.splitlines() if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line.strip().startswith(b"{")]


def contradicts_itself(events: list[Exchange]) -> bool:
    def said(kind: str, member: str) -> str:
        return "".join(event[member] for event in events if event["type"] == kind)

    begun = [event for event in events if event["type"] == "response.created"]
    return len(begun) > 1 or said("response.output_text.delta", "delta") != said("response.output_text.done", "text")


def shape(message: Exchange) -> list[object]:
    """Texts as one, since citations part them only where they come in time; signatures aside, whose items differ."""
    kinds = ("thinking", "name", "input", "id")
    return [
        message["stop_reason"],
        "".join(block.get("text", "") for block in message["content"]),
        *[{kind: block.get(kind) for kind in kinds} for block in message["content"] if block["type"] != "text"],
    ]


@pytest.mark.parametrize("path", recorded("openai_responses", stream=True))
def test_every_beginning_of_a_stream_is_legal(path: Path) -> None:
    """Wherever a stream breaks off, there is a failure or the message was complete: never a made-up ending."""
    check_beginnings(partial(translator, ON), answer(path))


@pytest.mark.parametrize("path", recorded("openai_responses", failed=True))
def test_error_is_one_of_anthropics(path: Path) -> None:
    """Each HTTP error has a status and type of Anthropic's and a sentence without markup."""
    check_refusal(translator(), json.loads(path.read_bytes())["response"]["status"], headers(path), answer(path))
