"""Recorded answers of Google's become legal messages, however they are cut.

The recordings lie beside this project and are no part of it: without them these tests are skipped.
"""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_to_anthropic.errors import STATUS_TYPES
from tests.messages import grammar_problems, parse_events, rebuild, sdk_message
from tests.translators.gemini_answers import CODE, FETCH, SEARCH, translator, without_nulls
from tests.translators.reading import check_slicings, feed, outcome
from tests.translators.recordings import answer, recorded

REQUESTS: dict[str, Any] = {"plain": {}, "search": SEARCH, "fetch": FETCH, "code": CODE}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("path", recorded("gemini"))
def test_slices_do_not_matter(path: Path, request_: Any) -> None:
    """Fed whole, byte by byte and at random splits, an answer gives the same bytes."""
    check_slicings(partial(translator, request_), answer(path), path.stem)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("path", recorded("gemini"))
def test_answer_is_a_legal_message_or_a_failure(path: Path, request_: Any) -> None:
    """Each answer ends as a message that the official SDK reads alike, streamed and whole, or has failed."""
    data = answer(path)
    stream, whole = translator(request_), translator(request_, stream=False)
    events = feed(stream, [data])
    assert feed(whole, [data]) == b""
    assert outcome(stream) == outcome(whole)
    parsed = parse_events(events)
    assert grammar_problems(parsed, complete=stream.ended) == []
    if not stream.ended:
        assert stream.failure is not None
        return
    read, collected = sdk_message(events, stream=True), sdk_message(whole.message(), stream=False)
    assert without_nulls(read["content"]) == without_nulls(collected["content"])
    assert read["usage"]["output_tokens"] == collected["usage"]["output_tokens"]
    assert read["usage"]["server_tool_use"] == collected["usage"]["server_tool_use"]
    assert rebuild(parsed)["stop_reason"] == collected["stop_reason"]


@pytest.mark.parametrize("path", recorded("gemini"))
def test_every_prefix_is_legal(path: Path) -> None:
    """Wherever an answer breaks off, what was written so far obeys the grammar and no ending is made up."""
    data = answer(path)
    chance = random.Random(path.stem)  # noqa: S311
    for place in sorted(chance.sample(range(len(data)), min(40, len(data)))):
        made = translator()
        events = parse_events(made.receive_data(data[:place]) + made.receive_eof())
        assert grammar_problems(events, complete=made.ended) == []
        assert made.ended or made.failure is not None or made.follow_up() is not None


@pytest.mark.parametrize("path", recorded("gemini", failed=True))
def test_error_is_an_error_of_anthropic(path: Path) -> None:
    """Each recorded error gets a status and a type that Anthropic's clients know, and tells what Google said."""
    response = json.loads(path.read_bytes())["response"]
    body = json.dumps(response["body"]).encode()
    error = translator().decode_error(response["status"], {}, body)
    assert error.type == STATUS_TYPES.get(error.status, "api_error")
    assert error.message
    assert translator().decode_error(response["status"], {}, b"[" + body + b"]").message == error.message
