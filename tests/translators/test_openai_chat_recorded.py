"""Recorded answers of 40 vendors become legal messages, however they are cut.

The recordings lie beside this project and are no part of it: without them these tests are skipped.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from tests.messages import grammar_problems, parse_events, sdk_message
from tests.translators.chat_answers import translator
from tests.translators.reading import check_beginnings, check_refusal, check_slicings, feed, outcome
from tests.translators.recordings import answer, headers, recorded

Exchange = dict[str, Any]

QUIRKS = {
    "buffer": ChatQuirks(),
    "live": ChatQuirks(tool_args="live"),
    "details": ChatQuirks(reasoning_details=True, think_tags=True),
}


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS)
@pytest.mark.parametrize("path", recorded("openai_chat"))
def test_slices_do_not_matter(path: Path, quirks: ChatQuirks) -> None:
    """Fed whole, byte by byte and at random splits, an answer gives the same bytes."""
    check_slicings(partial(translator, quirks=quirks), answer(path), path.stem)


@pytest.mark.parametrize("path", recorded("openai_chat"))
def test_answer_is_a_legal_message_or_a_failure(path: Path) -> None:
    """Each answer ends as a message that the official SDK reads alike, streamed and whole, or has failed."""
    data = answer(path)
    stream, whole = translator(), translator(stream=False)
    events = feed(stream, [data])
    assert feed(whole, [data]) == b""
    assert outcome(stream) == outcome(whole)
    assert stream.ended == (stream.failure is None)
    assert grammar_problems(parse_events(events), complete=stream.ended) == []
    if not stream.ended:
        return
    read, expected = sdk_message(events, stream=True), sdk_message(whole.message(), stream=False)
    assert visible(read) == visible(expected)
    assert read["usage"]["output_tokens"] == expected["usage"]["output_tokens"]
    if b'"prompt_tokens"' in data:  # else it is estimated from the request, and a stream asks for a little more
        assert read["usage"]["input_tokens"] == expected["usage"]["input_tokens"]


def visible(message: Exchange) -> list[object]:
    # A call that the token limit cut is left out of whole messages.
    kinds = ("text", "thinking", "signature", "name", "input", "id")
    blocks = [{key: block.get(key) for key in kinds} for block in message["content"]]
    if message["stop_reason"] == "max_tokens":
        blocks = [block for block in blocks if block["name"] is None]
    return [message["stop_reason"], *blocks]


@pytest.mark.parametrize("path", recorded("openai_chat", stream=True))
def test_every_beginning_of_a_stream_is_legal(path: Path) -> None:
    """Wherever a stream breaks off, there is a failure or the message was complete: never a made-up ending."""
    check_beginnings(translator, answer(path))


@pytest.mark.parametrize("path", recorded("openai_chat", failed=True))
def test_error_is_one_of_anthropics(path: Path) -> None:
    """Each HTTP error has a status and type of Anthropic's and a sentence without markup."""
    check_refusal(translator(), json.loads(path.read_bytes())["response"]["status"], headers(path), answer(path))
