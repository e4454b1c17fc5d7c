"""Gemini's answers become messages: texts, code, endings, and every form that an answer has."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.providers.quirks import GeminiQuirks
from tests.translators.gemini_answers import (
    CODE,
    OFF,
    Json,
    answer,
    carried,
    chunk,
    data,
    failure,
    kinds,
    streamed,
    text,
    texts,
    translator,
)


def array(*chunks: Json) -> bytes:
    """An answer as without `alt=sse`."""
    return b"[" + b",\r\n".join(json.dumps(chunk).encode() for chunk in chunks) + b"\n]"


def test_text_of_several_chunks_is_one_block() -> None:
    """Adjacent texts are one block, and STOP ends the turn."""
    message = streamed(chunk(text("Hel")), chunk(text("lo"), finish="STOP"))
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert message["stop_reason"] == "end_turn"


def test_other_candidates_are_passed_over() -> None:
    """Of several candidates the first alone is read."""
    both = answer(text("a"), finish="STOP")
    both["candidates"].append({"index": 1, "content": {"parts": [text("b")]}, "finishReason": "SAFETY"})
    assert texts(streamed(data(both))) == "a"


def test_media_output_is_told_in_words() -> None:
    """Anthropic's API has no image output: the text says that there was one."""
    part = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    assert texts(streamed(chunk(part, finish="STOP"))) == "[image/png output omitted]"


def test_unknown_parts_are_passed_over() -> None:
    """Parts and members that are not known here do not disturb."""
    message = streamed(chunk({"videoMetadata": {}}, {"new": 1}, text("a", extra=[1]), finish="STOP", tokenCount=3))
    assert texts(message) == "a"


def test_code_execution_becomes_server_blocks() -> None:
    """Code that Google ran, and what came of it, are Anthropic's blocks; the parts ride along to go back."""
    code = {"executableCode": {"code": "print(1)", "language": "PYTHON"}, "thoughtSignature": "c2ln"}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}
    message = streamed(chunk(code), chunk(result), chunk(text("one"), finish="STOP"), request=CODE)
    assert kinds(message) == ["thinking", "server_tool_use", "code_execution_tool_result", "text"]
    used, told = message["content"][1:3]
    assert (used["name"], used["input"]) == ("code_execution", {"code": "print(1)"})
    assert told["tool_use_id"] == used["id"]
    assert told["content"] == {
        "type": "code_execution_result",
        "stdout": "1\n",
        "stderr": "",
        "return_code": 0,
        "content": [],
    }
    assert carried(message["content"][0]) == [{"k": "raw", "parts": [code, result]}]
    assert message["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("outcome", "content"),
    [
        ("OUTCOME_FAILED", {"stderr": "boom", "return_code": 1}),
        ("OUTCOME_DEADLINE_EXCEEDED", {"error_code": "execution_time_exceeded"}),
    ],
)
def test_code_that_failed(outcome: str, content: Json) -> None:
    """Failed code has its output as stderr; code that took too long is Anthropic's error."""
    parts: list[Json] = [
        {"executableCode": {"code": "x"}},
        {"codeExecutionResult": {"outcome": outcome, "output": "boom"}},
    ]
    message = streamed(chunk(*parts, finish="STOP"), request=CODE | OFF)
    assert content.items() <= message["content"][1]["content"].items()


@pytest.mark.parametrize(
    ("finish", "stop_reason"),
    [
        ("STOP", "end_turn"),
        ("MAX_TOKENS", "max_tokens"),
        ("LANGUAGE", "end_turn"),
        ("OTHER", "end_turn"),
        ("SOMETHING_NEW", "end_turn"),
        *((reason, "refusal") for reason in ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "MODEL_ARMOR")),
        *((reason, "refusal") for reason in ("RECITATION", "ESCALATION", "PUP_LIMITED_DISABLED", "IMAGE_SAFETY")),
    ],
)
def test_finish_reason_of_an_answer_with_text(finish: str, stop_reason: str) -> None:
    """Each finish reason has its stop reason, and the text so far stays."""
    message = streamed(chunk(text("a")), chunk(finish=finish))
    assert message["stop_reason"] == stop_reason
    assert texts(message) == "a"


def test_refusal_says_why() -> None:
    """What Google says of a refusal is the explanation, its name where it says nothing."""
    told = streamed(chunk(finish="SAFETY", finishMessage="Blocked for safety"))
    assert told["stop_details"] == {"type": "refusal", "category": None, "explanation": "Blocked for safety"}
    assert streamed(chunk(finish="SPII"))["stop_details"]["explanation"] == "SPII"


def test_blocked_prompt_is_a_refusal() -> None:
    """A prompt that Google blocks is answered 200 with an empty message that says why."""
    message = streamed(data({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}}))
    assert message["content"] == []
    assert (message["stop_reason"], message["stop_details"]["explanation"]) == ("refusal", "no")


def test_limit_reached_while_thinking_is_no_error() -> None:
    """MAX_TOKENS without parts is an empty message with max_tokens."""
    message = streamed(chunk(finish="MAX_TOKENS"))
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")


@pytest.mark.parametrize("reason", ["OTHER", "LANGUAGE", "NO_IMAGE", "SOMETHING_NEW"])
def test_answer_that_stopped_with_nothing_is_an_error(reason: str) -> None:
    """Nothing at all and no reason that Anthropic's API has: an error that names Google's."""
    status, type_, message = failure(chunk(finish=reason))
    assert (status, type_) == (502, "api_error")
    assert reason in message


def test_stop_sequence_is_matched_here() -> None:
    """The text ends before the stop sequence, wherever the chunks were cut, and the client learns which it was."""
    message = streamed(chunk(text("one EN")), chunk(text("D two"), finish="STOP"), request={"stop_sequences": ["END"]})
    assert (texts(message), message["stop_reason"], message["stop_sequence"]) == ("one ", "stop_sequence", "END")


def test_text_is_no_longer_than_the_client_wants() -> None:
    """Where the upstream had room for its thoughts, what is too long for the client is cut off here."""
    chunks = [chunk(text("0123456789abcd")), chunk(text("efgh"), finish="STOP")]
    message = streamed(*chunks, request=OFF | {"max_tokens": 2})
    assert (texts(message), message["stop_reason"]) == ("0123456789abcdef", "max_tokens")


def test_repeated_prefill_is_left_out() -> None:
    """Where the answer begins with the words that the client had put into its mouth, they are not repeated."""
    request = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Once upon"}]}
    message = streamed(chunk(text("Once ")), chunk(text("upon a time"), finish="STOP"), request=request)
    assert texts(message) == " a time"


def test_stream_that_breaks_off_is_an_error() -> None:
    """Without a finish reason the stream was cut: an error, also after text."""
    status, type_, message = failure(chunk(text("a")))
    assert (status, type_) == (502, "api_error")
    assert "before completion" in message


def test_error_in_the_stream_is_told() -> None:
    """An error chunk after text ends the message with Google's words under Anthropic's type."""
    overloaded = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    status, type_, message = failure(chunk(text("a")), data(overloaded))
    assert (status, type_) == (529, "overloaded_error")
    assert "overloaded" in message


@pytest.mark.parametrize("wrapped", [False, True])
def test_error_beside_the_events_of_a_stream_is_told(wrapped: bool) -> None:
    """Google writes some errors into a stream as plain JSON, without an event around them: they keep their type."""
    overloaded = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    bare = json.dumps([overloaded] if wrapped else overloaded, indent=2).encode() + b"\n"
    status, type_, message = failure(chunk(text("a")), bare)
    assert (status, type_) == (529, "overloaded_error")
    assert "overloaded" in message


FORMS = {
    "array": array(answer(text('a{"}\\')), answer(text("b"), finish="STOP")),
    "array without end": array(answer(text('a{"}\\')), answer(text("b"), finish="STOP"))[:-2],
    "object": json.dumps(answer(text('a{"}\\'), text("b"), finish="STOP")).encode(),
    "object without finish": json.dumps(answer(text('a{"}\\b'))).encode(),
    "pretty object": b"\xef\xbb\xbf\n" + json.dumps(answer(text('a{"}\\b'), finish="STOP"), indent=2).encode(),
    "plain events": b"data: " + json.dumps(answer(text('a{"}\\b'), finish="STOP")).encode() + b"\n\n",
    "open end": chunk(text('a{"}\\b'), finish="STOP").rstrip(),
    "done": chunk(text('a{"}\\b'), finish="STOP") + b"data: [DONE]\n\n",
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_every_form_of_an_answer_is_read(body: bytes) -> None:
    """Events, an array or one object give the same message, whole and byte by byte."""
    assert texts(streamed(body)) == 'a{"}\\b'
    assert texts(streamed(*(body[place : place + 1] for place in range(len(body))))) == 'a{"}\\b'


def test_array_streams_as_it_comes() -> None:
    """An array is no reason to wait for its end."""
    made = translator()
    assert b"Hello" in made.receive_data(array(answer(text("Hello")))[:-1])


@pytest.mark.parametrize(
    "body",
    [b"<html><body>502</body></html>", b"data: {nope}\n\n", b"nonsense", b'[{"candidates": 3}]'],
    ids=["web page", "broken event", "neither", "wrong types"],
)
def test_answer_that_is_none_is_an_error(body: bytes) -> None:
    """What is not Gemini's API fails in words, without a page's markup."""
    status, type_, message = failure(body)
    assert (status, type_) == (502, "api_error")
    assert "<" not in message


def test_numbers_for_enums_are_understood() -> None:
    """Some clients of the binary protocol have enums written as numbers, also of blocked prompts and of code."""
    ended = {"candidates": [{"content": {"parts": [text("a")]}, "finishReason": 2}]}
    assert streamed(data(ended))["stop_reason"] == "max_tokens"
    blocked = streamed(data({"promptFeedback": {"blockReason": 1}}))
    assert (blocked["stop_reason"], blocked["stop_details"]["explanation"]) == ("refusal", "SAFETY")
    ran = [{"executableCode": {"language": 1, "code": "2"}}, {"codeExecutionResult": {"outcome": 2, "output": "bad"}}]
    result = streamed(chunk(*ran, text("done"), finish="STOP"), request=CODE)["content"][-2]["content"]
    assert (result["stderr"], result["return_code"]) == ("bad", 1)


@pytest.mark.parametrize(
    ("stream", "always", "path"),
    [
        (True, False, "/models/gemini-3-pro:streamGenerateContent?alt=sse"),
        (False, False, "/models/gemini-3-pro:generateContent"),
        (False, True, "/models/gemini-3-pro:streamGenerateContent?alt=sse"),
    ],
)
def test_request_asks_as_the_client_does(stream: bool, always: bool, path: str) -> None:
    """A whole answer is asked for whole, unless the model gives less that way; streams come as events."""
    made = translator(None, GeminiQuirks(stream_always=always), stream=stream)
    assert made.encode().path == path


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-x", "/models/gemini-x:countTokens"),
        ("models/gemini-x", "/models/gemini-x:countTokens"),
        ("google/gemini-x", "/models/gemini-x:countTokens"),
        ("a/../b?c#d", "/models/a%2F..%2Fb%3Fc%23d:countTokens"),
    ],
)
def test_model_names_give_one_path(model: str, path: str) -> None:
    """Prefixes are left out, and no name leaves its place in the path."""
    request = translator(model=model).count_request()
    assert request is not None
    assert request.path == path


def test_client_that_asks_for_no_tokens_gets_none() -> None:
    """max_tokens 0 is answered here."""
    local = translator({"max_tokens": 0}, stream=False).local_answer()
    assert local is not None
    assert json.loads(local)["stop_reason"] == "max_tokens"
