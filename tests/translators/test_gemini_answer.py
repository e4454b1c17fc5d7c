"""Gemini's answers become messages: parts, signatures, endings, counts and further requests."""

from __future__ import annotations

import json

import msgspec
import pytest

from llm_to_anthropic.errors import UpstreamProtocolError
from llm_to_anthropic.providers.quirks import GeminiQuirks
from tests.messages import grammar_problems, parse_events, rebuild
from tests.translators.gemini_answers import (
    ADAPTIVE,
    CODE,
    OFF,
    Json,
    answer,
    call,
    carried,
    chunk,
    data,
    failure,
    kinds,
    rounds,
    streamed,
    target,
    text,
    texts,
    thought,
    translator,
    usage,
)
from tests.translators.reading import feed


def array(*chunks: Json) -> bytes:
    """An answer as without `alt=sse`."""
    return b"[" + b",\r\n".join(json.dumps(chunk).encode() for chunk in chunks) + b"\n]"


def test_text_of_several_chunks_is_one_block() -> None:
    """Adjacent texts are one block, and STOP ends the turn."""
    message = streamed(chunk(text("Hel")), chunk(text("lo"), finish="STOP"))
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert message["stop_reason"] == "end_turn"


def test_thoughts_become_one_thinking_block() -> None:
    """A part marked as thought is thinking, and the text after it is a block of its own."""
    message = streamed(chunk(thought("a")), chunk(thought("b")), chunk(text("c"), finish="STOP"))
    assert kinds(message) == ["thinking", "text"]
    assert message["content"][0]["thinking"] == "ab"


def test_thoughts_after_text_are_a_new_block() -> None:
    """Thought, text, thought, text: four blocks in this order."""
    message = streamed(chunk(thought("a"), text("b")), chunk(thought("c")), chunk(text("d"), finish="STOP"))
    assert kinds(message) == ["thinking", "text", "thinking", "text"]


def test_signature_alone_does_not_make_a_thought() -> None:
    """A signed text is text."""
    message = streamed(chunk(text("408", thoughtSignature="c2ln"), finish="STOP"))
    assert texts(message) == "408"


def test_client_that_switched_thinking_off_gets_none() -> None:
    """With thinking disabled neither thoughts nor carriers are written."""
    parts = [thought("hm"), text("a", thoughtSignature="c2ln"), call(signature="c2ln")]
    assert kinds(streamed(chunk(*parts, finish="STOP"), request=OFF)) == ["text", "tool_use"]


def test_signature_of_a_call_signs_the_thoughts_before_it() -> None:
    """The thinking block stays open until the call has come, and carries its signature and id."""
    message = streamed(chunk(thought("hm")), chunk(call(args={"at": 1}, id="c1", signature="c2ln"), finish="STOP"))
    assert kinds(message) == ["thinking", "tool_use"]
    assert carried(message["content"][0]) == [{"k": "fc", "n": 0, "id": "c1", "sig": "c2ln"}]


def test_signature_of_a_call_without_thoughts_gets_a_block() -> None:
    """An empty thinking block directly before the call carries the signature."""
    message = streamed(chunk(text("so"), call(signature="c2ln"), finish="STOP"), request=ADAPTIVE)
    assert kinds(message) == ["text", "thinking", "tool_use"]
    assert message["content"][1]["thinking"] == ""
    assert carried(message["content"][1]) == [{"k": "fc", "n": 0, "sig": "c2ln"}]


def test_parallel_calls_share_one_carrier() -> None:
    """Of parallel calls the first alone is signed; one block before it carries what belongs to all."""
    message = streamed(chunk(call(id="a", signature="c2ln")), chunk(call(id="b"), finish="STOP"))
    assert kinds(message) == ["thinking", "tool_use", "tool_use"]
    assert carried(message["content"][0]) == [
        {"k": "fc", "n": 0, "id": "a", "sig": "c2ln"},
        {"k": "fc", "n": 1, "id": "b"},
    ]


def test_signature_on_an_empty_text_opens_no_block() -> None:
    """What comes after its text is let go: clients take the last block of a message for its answer."""
    message = streamed(chunk(text("done")), chunk(text("", thoughtSignature="c2ln"), finish="STOP"))
    assert kinds(message) == ["text"]


def test_signature_in_the_chunk_of_its_text_is_kept() -> None:
    """A carrier before the text takes the signature where that is known in time, as it is in whole answers."""
    parts = [text("do"), text("ne"), text("", thoughtSignature="c2ln")]
    message = streamed(chunk(*parts, finish="STOP"), request=ADAPTIVE)
    assert kinds(message) == ["thinking", "text"]
    assert carried(message["content"][0]) == [{"k": "tx", "n": 0, "sig": "c2ln"}]


def test_client_that_did_not_ask_for_thinking_gets_no_thoughts_amid_its_answer() -> None:
    """Such a client meets an empty thinking block only where a call begins the message, whose signature it holds."""
    parts = [text("a", thoughtSignature="c2ln"), call(signature="c2ln")]
    assert kinds(streamed(chunk(*parts, finish="STOP"))) == ["text", "tool_use"]
    assert kinds(streamed(chunk(call(signature="c2ln"), finish="STOP"))) == ["thinking", "tool_use"]


def test_signature_of_a_text_after_thoughts_signs_them() -> None:
    """Where thoughts are open, the text's signature needs no block of its own."""
    message = streamed(chunk(thought("hm")), chunk(text("done", thoughtSignature="c2ln"), finish="STOP"))
    assert kinds(message) == ["thinking", "text"]
    assert carried(message["content"][0]) == [{"k": "tx", "n": 0, "sig": "c2ln"}]


def test_signature_of_a_thought_serves_the_call_that_has_none() -> None:
    """Thoughts do not go back, so their signature stands for the first call after them."""
    message = streamed(chunk(thought("hm", thoughtSignature="c2ln")), chunk(call(), finish="STOP"))
    assert carried(message["content"][0]) == [{"k": "fc", "n": 0, "sig": "c2ln"}]


def test_call_becomes_tool_use() -> None:
    """A call keeps its id, name and arguments, and STOP with a call is tool_use."""
    message = streamed(chunk(call("look", {"at": "é😀"}, id="c1"), finish="STOP"))
    assert message["content"] == [{"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "é😀"}}]
    assert message["stop_reason"] == "tool_use"


def test_call_after_the_finish_reason_is_delivered() -> None:
    """STOP is no end of the stream: a call in a later chunk still counts."""
    message = streamed(chunk(text("a"), finish="STOP"), chunk(call()))
    assert kinds(message) == ["text", "tool_use"]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("args", [None, {}, "null"], ids=["missing", "empty", "null"])
def test_call_without_arguments_has_an_empty_input(args: Json) -> None:
    """Arguments that miss or are null are an empty object."""
    part = call() if args is None else {"functionCall": {"name": "look", "args": None if args == "null" else args}}
    assert streamed(chunk(part, finish="STOP"))["content"][0]["input"] == {}


@pytest.mark.parametrize("id", [None, "", "bad id!", "x" * 65], ids=["missing", "empty", "characters", "long"])
def test_call_without_a_sound_id_gets_one(id: str | None) -> None:
    """Ids that Anthropic's API would refuse are replaced, each by another."""
    message = streamed(chunk(call(id=id), call(id=id and id + "2"), finish="STOP"))
    first, second = (block["id"] for block in message["content"])
    assert first.startswith("toolu_")
    assert second.startswith("toolu_")
    assert first != second


def test_repeated_call_is_delivered_once() -> None:
    """A call that a later chunk repeats under the same id is not called twice."""
    assert kinds(streamed(chunk(call(id="c1")), chunk(call(id="c1"), finish="STOP"))) == ["tool_use"]


def test_calls_that_share_an_id_are_all_delivered() -> None:
    """Gateways give the function's name for an id: parallel calls of it are no repetitions of the first."""
    parts = [call(args={"at": at}, id="look") for at in ("here", "there")]
    message = streamed(chunk(*parts, finish="STOP"))
    first, second = message["content"]
    assert [first["input"], second["input"]] == [{"at": "here"}, {"at": "there"}]
    assert first["id"] != second["id"]


def test_only_the_first_call_where_parallel_ones_are_disabled() -> None:
    """With disable_parallel_tool_use later calls are left out, also of the carrier."""
    request = {
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }
    message = streamed(chunk(call(id="a", signature="c2ln"), call(id="b"), finish="STOP"), request=request)
    assert [block["id"] for block in message["content"] if block["type"] == "tool_use"] == ["a"]
    assert [item["id"] for item in carried(message["content"][0])] == ["a"]


def test_arguments_in_pieces_are_put_together() -> None:
    """Arguments that come by JSON path, as Vertex AI can send them, are one object."""
    pieces: list[Json] = [
        {"name": "look", "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.at[0].x", "stringValue": "Bo", "willContinue": True}], "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.at[0].x", "stringValue": "ston"}], "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.n", "numberValue": 2}, {"jsonPath": "$.b", "boolValue": True}]},
    ]
    message = streamed(*(chunk({"functionCall": piece}) for piece in pieces), chunk(finish="STOP"))
    assert message["content"][0]["input"] == {"at": [{"x": "Boston"}], "n": 2, "b": True}


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


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (usage(100, 5), (100, 0, 5, 0)),
        (usage(100, 5, cachedContentTokenCount=90), (10, 90, 5, 0)),
        (usage(100, 5, thoughtsTokenCount=7), (100, 0, 12, 7)),
        (usage(100, 5, toolUsePromptTokenCount=20, totalTokenCount=125), (120, 0, 5, 0)),
        (usage(100, 5, cachedContentTokenCount=90, toolUsePromptTokenCount=20, totalTokenCount=125), (30, 90, 5, 0)),
        ({"promptTokenCount": 100, "totalTokenCount": 109}, (100, 0, 9, 0)),
        ({"promptTokenCount": 100, "thoughtsTokenCount": 3, "totalTokenCount": 103}, (100, 0, 3, 3)),
        ({"promptTokenCount": 10, "cachedContentTokenCount": 12}, (0, 12, 0, 0)),
    ],
    ids=["plain", "cached", "thoughts", "tools", "cached and tools", "total alone", "thoughts alone", "odd"],
)
def test_usage(reported: Json, expected: tuple[int, int, int, int]) -> None:
    """Cached tokens are taken out of the input once, tool prompts belong to it, thoughts are output."""
    last = answer(text("a"), finish="STOP") | {"usageMetadata": reported}
    counts = streamed(chunk(text("b")), data(last))["usage"]
    assert (
        counts["input_tokens"],
        counts["cache_read_input_tokens"],
        counts["output_tokens"],
        counts["output_tokens_details"]["thinking_tokens"],
    ) == expected


@pytest.mark.parametrize("reported", [None, {}, {"totalTokenCount": 90}, {"trafficType": "ON_DEMAND"}])
def test_usage_that_misses_is_estimated(reported: Json) -> None:
    """Clients compact by the usage, so it is never zero."""
    last = answer(text("some words"), finish="STOP") | {"usageMetadata": reported}
    counts = streamed(data(last))["usage"]
    assert counts["input_tokens"] > 0
    assert counts["output_tokens"] > 0


def test_usage_without_the_prompt_is_estimated_for_the_prompt_alone() -> None:
    """Google leaves out the prompt's count now and then: what it counts of the answer stands."""
    reported = {"candidatesTokenCount": 23, "thoughtsTokenCount": 67}
    last = data(answer(text("some words"), finish="STOP") | {"usageMetadata": reported})
    whole = json.dumps(answer(text("some words"), finish="STOP") | {"usageMetadata": reported}).encode()
    for slices in ([last], [whole]):
        counts = streamed(*slices)["usage"]
        assert counts["input_tokens"] > 0
        assert (counts["output_tokens"], counts["output_tokens_details"]["thinking_tokens"]) == (90, 67)


def test_counts_of_the_answer_alone_leave_the_prompts_count() -> None:
    """The last counts may tell of the answer only: the prompt's came before."""
    last = answer(text("b"), finish="STOP") | {"usageMetadata": {"candidatesTokenCount": 8}}
    first = answer(text("a")) | {"usageMetadata": usage(100, 1, cachedContentTokenCount=90)}
    counts = streamed(data(first), data(last))["usage"]
    assert (counts["input_tokens"], counts["cache_read_input_tokens"], counts["output_tokens"]) == (10, 90, 8)


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


def test_numbers_among_arguments_stay_numbers() -> None:
    """A member of a call's arguments may be named as an enum is."""
    called = streamed(
        data(
            {"candidates": [{"content": {"parts": [call(args={"outcome": 1, "finishReason": 2})]}, "finishReason": 1}]}
        )
    )
    assert called["content"][-1]["input"] == {"outcome": 1, "finishReason": 2}


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


def test_count_is_decoded() -> None:
    """countTokens tells the total; anything else is an error of the upstream."""
    made = translator()
    assert made.decode_count(b'{"totalTokens": 42, "cachedContentTokenCount": 3}') == 42
    for body in (b"{}", b"nope", b"[]"):
        with pytest.raises(UpstreamProtocolError):
            made.decode_count(body)


def test_client_that_asks_for_no_tokens_gets_none() -> None:
    """max_tokens 0 is answered here."""
    local = translator({"max_tokens": 0}, stream=False).local_answer()
    assert local is not None
    assert json.loads(local)["stop_reason"] == "max_tokens"


def test_carrier_names_the_back_end() -> None:
    """Signatures of Vertex AI are bound to it."""
    quirks = GeminiQuirks(backend="vertex")
    message = streamed(chunk(call(signature="c2ln"), finish="STOP"), quirks=quirks)
    assert msgspec.structs.asdict(target(quirks).gemini)["backend"] == "vertex"
    assert kinds(message) == ["thinking", "tool_use"]
