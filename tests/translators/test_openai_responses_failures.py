"""Answers of OpenAI Responses that break off, are none, or carry an error fail: never a made-up ending."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from llm_to_anthropic.providers.provider import ModelLimits
from llm_to_anthropic.translators.openai_responses.translator import OpenAIResponsesTranslator
from llm_to_anthropic.translators.translator import Learned
from tests.messages import parse_events, rebuild
from tests.translators.reading import feed
from tests.translators.responses_answers import (
    DONE,
    Json,
    a_request,
    added,
    arguments,
    call,
    collected,
    completed,
    created,
    event,
    failed,
    failure,
    incomplete,
    message,
    response,
    streamed,
    target,
    text,
    translator,
    whole,
)


def told(error: Json, form: str) -> bytes:
    """The error in one of the forms in which it comes."""
    match form:
        case "failed":
            return event("response.failed", response=response(status="failed", error=error, usage=None))
        case "event":
            return event("error", error=error, sequence_number=2)
        case "flat event":
            return event("error", **{key: value for key, value in error.items() if key != "type"})
        case "untyped":
            return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
        case "bare":
            untyped = {key: value for key, value in error.items() if key != "type"}
            return b"event: error\ndata: " + json.dumps(untyped).encode() + b"\n\n"
        case _:
            return whole(status="failed", error=error, usage=None)


FORMS = ["failed", "event", "flat event", "untyped", "bare", "whole"]
ERRORS = {
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "usage_limit_reached": (429, "rate_limit_error"),
    "server_error": (502, "api_error"),
    "server_is_overloaded": (529, "overloaded_error"),
    "slow_down": (529, "overloaded_error"),
    "insufficient_quota": (402, "billing_error"),
    "context_length_exceeded": (400, "invalid_request_error"),
    "invalid_image_format": (400, "invalid_request_error"),
    "image_too_large": (400, "invalid_request_error"),
    "unsupported_image_media_type": (400, "invalid_request_error"),
    "failed_to_download_image": (400, "invalid_request_error"),
    "something_new": (502, "api_error"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("code", "expected"), ERRORS.items(), ids=ERRORS)
def test_error_inside_an_answer(code: str, expected: tuple[int, str], form: str) -> None:
    """An error in a 200 is the failure that it says, in whichever form it comes."""
    stream = [told({"type": code, "code": code, "message": "Boom"}, form)]
    if form != "whole":
        stream.insert(0, created())
    status, kind, said = failure(*stream)
    assert (status, kind) == expected
    assert "Boom" in said or code == "context_length_exceeded"


def test_overflow_is_told_in_anthropics_words() -> None:
    """Claude Code compacts the conversation on this sentence alone."""
    said = "Your input exceeds the context window of this model. Please adjust your input and try again."
    assert failure(created(), failed("context_length_exceeded", said))[2] == (
        "prompt is too long: 400001 tokens > 400000 maximum"
    )


def test_error_and_failure_are_one() -> None:
    """OpenAI tells an error twice, in an event of its own and as the end of the answer."""
    error = event("error", error={"code": "insufficient_quota", "message": "No credits"})
    assert failure(created(), error, failed("insufficient_quota"))[2] == "upstream (openai): No credits"


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param([], id="before anything"),
        pytest.param([created(), added(0, message(None))], id="before output"),
        pytest.param([created(), text(0, "partial")], id="within a text"),
        pytest.param([added(0, call(given="")), arguments(0, '{"at"')], id="within a call"),
    ],
)
def test_failure_whenever_it_comes(begun: list[bytes]) -> None:
    """What came before an error stays; nothing follows it."""
    made = translator()
    before = b"".join(made.receive_data(piece) for piece in begun)
    assert made.receive_data(failed("server_error") + text(0, "more") + completed()) == b""
    assert made.failure is not None
    assert made.receive_eof() == b""
    assert b"message_stop" not in before


def test_failure_without_a_word() -> None:
    """An upstream that fails and does not say why is told of in words all the same."""
    _, kind, said = failure(event("response.failed", response=response(status="failed", usage=None)))
    assert kind == "api_error"
    assert "did not say why" in said
    assert failure(event("response.failed"))[1] == "api_error"
    assert failure(event("response.cancelled"))[1] == "api_error"


POLICIES = {"invalid_prompt": None, "bio_policy": "bio", "misalignment_policy_violation": None}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("code", "category"), POLICIES.items(), ids=POLICIES)
def test_refusal_by_policy_before_output(code: str, category: str | None, form: str) -> None:
    """A refusal is an answer without content: after an error clients would ask again."""
    answer = told({"code": code, "message": "Not this."}, form)
    for said in (streamed(answer), collected(answer)):
        assert (said["content"], said["stop_reason"]) == ([], "refusal")
        assert said["stop_details"] == {"type": "refusal", "category": category, "explanation": "Not this."}
        assert said["usage"]["input_tokens"] > 0


def test_refusal_by_policy_after_output() -> None:
    """What was said stays, and the message ends as refused."""
    said = streamed(created(), text(0, "First, "), failed("bio_policy", "Not this."))
    assert [block["text"] for block in said["content"]] == ["First, "]
    assert (said["stop_reason"], said["stop_details"]["category"]) == ("refusal", "bio")


def test_refusal_by_policy_within_a_call() -> None:
    """A call that broke off is not made a whole one."""
    stream = [added(0, call(given="")), arguments(0, '{"at":1'), failed("bio_policy")]
    assert streamed(*stream)["content"][0]["input"] is None
    assert collected(*stream)["content"] == []


def test_refusal_by_a_filter_within_a_call() -> None:
    """Nor is one that a content filter broke off, where the server says no more of it."""
    stream = [added(0, call(given="")), arguments(0, '{"at":1'), incomplete("content_filter")]
    found = streamed(*stream)
    assert (found["content"][0]["input"], found["stop_reason"]) == (None, "refusal")
    assert collected(*stream)["content"] == []


def test_other_policies_are_errors() -> None:
    """What the request was flagged for is told, and no refusal made of it."""
    error = {"type": "invalid_request_error", "code": "cyber_policy", "message": "This content was flagged."}
    status, kind, said = failure(created(), event("error", error=error))
    assert (status, kind) == (400, "invalid_request_error")
    assert "flagged" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"", "stream ended before completion", id="nothing"),
        pytest.param(b"<!DOCTYPE html><html>log in</html>", "web page", id="web page"),
        pytest.param(b"not json at all", "neither JSON nor an event stream", id="text"),
        pytest.param(b"{}", "no output", id="empty object"),
        pytest.param(b'{"output": [', "no output", id="cut JSON"),
        pytest.param(b'{"detail": "Not here"}', "Not here", id="another error form"),
        pytest.param(b'{"error": {"message": "Not here"}}', "Not here", id="error without an answer"),
        pytest.param(b'{"choices": [{"message": {"content": "Hi"}}]}', "no output", id="another API"),
        pytest.param(b"data: nonsense\n\n", "no JSON", id="event that is no JSON"),
        pytest.param(b"data: " + b"[" * 5000 + b"\n\n", "no JSON", id="nested deeply"),
        pytest.param(DONE, "stream ended before completion", id="only the end"),
    ],
)
def test_answer_that_is_none(body: bytes, said: str) -> None:
    """What is no answer is the upstream's failure, in words and without its web pages."""
    status, kind, told = failure(body)
    assert (status, kind) == (502, "api_error")
    assert said in told
    assert "<" not in told


def test_done_without_an_end_is_no_end() -> None:
    """An end mark does not stand for the event that completes an answer."""
    assert failure(created(), text(0, "Hi"), DONE)[2] == "upstream (openai) stream ended before completion"


def test_last_event_without_its_blank_line_counts() -> None:
    """A server that leaves out the last line break has still said its end; one that was cut has not."""
    made = translator()
    events = feed(made, [text(0, "Hi"), completed().rstrip(b"\n")])
    assert rebuild(parse_events(events))["stop_reason"] == "end_turn"
    assert failure(text(0, "Hi"), completed()[:-20])[1] == "api_error"


def test_no_key_in_a_failure() -> None:
    """Whatever an upstream repeats of the credential stays here."""
    said = failure(created(), failed("server_error", "Bad key test-key for org-abcdefgh1234"))[2]
    assert "test-key" not in said
    assert "org-abcdefgh1234" not in said


def test_overflow_of_a_window_nobody_knows_is_told_by_an_estimate() -> None:
    """Where neither the refusal nor the catalogue has a number, the request's own size stands in: clients read both."""
    made = OpenAIResponsesTranslator(a_request(), msgspec.structs.replace(target(), limits=ModelLimits()), Learned())
    made.encode()
    said = "Your input exceeds the context window of this model. Please adjust your input and try again."
    refused = json.dumps({"error": {"message": said, "code": "context_length_exceeded"}}).encode()
    told = re.fullmatch(
        r"prompt is too long: (\d+) tokens > (\d+) maximum", made.decode_error(400, {}, refused).message
    )
    assert told is not None
    assert int(told[1]) == int(told[2]) + 1 > 50
