"""One message of several requests: Gemini is asked again after a slip, and goes on where it was cut."""

from __future__ import annotations

import json

import pytest

from tests.messages import grammar_problems, parse_events, rebuild
from tests.translators.gemini_answers import answer, chunk, data, failure, rounds, text, texts, translator, usage
from tests.translators.reading import feed


@pytest.mark.parametrize(
    "reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "TOO_MANY_TOOL_CALLS"]
)
def test_slip_is_asked_again_once(reason: str) -> None:
    """Where nothing was written, an answer that the model got wrong is asked for once more."""
    message = rounds([chunk(finish=reason)], [chunk(text("well"), finish="STOP")])
    assert texts(message) == "well"


def test_slip_twice_is_an_error() -> None:
    """The second time it is an error, never an empty end_turn."""
    status, type_, message = failure(chunk(finish="MALFORMED_FUNCTION_CALL", finishMessage="print(look)"))
    assert (status, type_) == (502, "api_error")
    assert "MALFORMED_FUNCTION_CALL: print(look)" in message


def test_slip_after_text_is_an_error() -> None:
    """What the client has cannot be taken back: it gets an error, not a made-up end."""
    made = translator()
    out = made.receive_data(chunk(text("a"))) + made.receive_data(chunk(finish="MALFORMED_FUNCTION_CALL"))
    out += made.receive_eof()
    assert made.failure is not None
    assert b"message_stop" not in out


def test_missing_signature_is_asked_again_without() -> None:
    """An upstream that misses signatures is asked once more, without those of the history."""
    made = translator()
    assert made.receive_data(chunk(finish="MISSING_THOUGHT_SIGNATURE")) + made.receive_eof() == b""
    assert made.follow_up() is not None
    made.receive_data(chunk(text("a"), finish="STOP"))
    made.receive_eof()
    assert made.ended


def test_empty_answer_is_asked_again_then_accepted() -> None:
    """STOP with nothing in it is worth one more request; the second time it is an empty message."""
    assert texts(rounds([chunk(finish="STOP")], [chunk(text("a"), finish="STOP")])) == "a"
    empty = rounds([chunk(finish="STOP")], [chunk(finish="STOP")])
    assert (empty["content"], empty["stop_reason"]) == ([], "end_turn")


def test_answer_without_candidates_is_asked_again_then_an_error() -> None:
    """No candidates and no word why: one more request, then 502."""
    assert texts(rounds([data({"usageMetadata": usage()})], [chunk(text("a"), finish="STOP")])) == "a"
    status, type_, message = failure(data({"usageMetadata": usage()}))
    assert (status, type_) == (502, "api_error")
    assert "no candidates" in message


def test_silence_bridged_does_not_forbid_asking_again() -> None:
    """message_start alone is no content: the answer may still be asked for again."""
    made = translator()
    out = made.begin() + feed(made, [chunk(finish="STOP")], [chunk(text("a"), finish="STOP")])
    events = parse_events(out)
    assert grammar_problems(events) == []
    assert texts(rebuild(events)) == "a"


def test_continuation_goes_on_in_the_same_message() -> None:
    """CONTINUATION is no end: the rest is asked for with its token, and the open block goes on."""
    made = translator()
    out = made.receive_data(chunk(text("Hel"), finish="CONTINUATION", continuationToken="t1")) + made.receive_eof()
    request = made.follow_up()
    assert request is not None
    assert json.loads(request.body)["generationConfig"]["continuationToken"] == "t1"
    out += made.receive_data(chunk(text("lo"), finish="STOP")) + made.receive_eof()
    message = rebuild(parse_events(out))
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.output_tokens) == (10, 10)


def test_continuation_stops_at_the_clients_limit() -> None:
    """Once the rounds together reach max_tokens the message ends so."""
    full = answer(text("a"), finish="CONTINUATION", continuationToken="t")
    full["usageMetadata"] = usage(output=600)
    message = rounds([data(full)])
    assert (texts(message), message["stop_reason"]) == ("aa", "max_tokens")
    assert message["usage"]["output_tokens"] == 1200


def test_continuation_has_a_bound() -> None:
    """An upstream that never ends its answer is left after twenty rounds."""
    message = rounds([chunk(text("a"), finish="CONTINUATION", continuationToken="t")])
    assert (texts(message), message["stop_reason"]) == ("a" * 20, "max_tokens")
