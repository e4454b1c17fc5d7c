"""How a Chat answer ends: finish reasons, refusals, stop sequences and the client's limit."""

from __future__ import annotations

import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from tests.messages import parse_events, rebuild
from tests.translators.chat_answers import (
    DONE,
    FINISH,
    call,
    collected,
    data,
    delta,
    failure,
    kinds,
    streamed,
    translator,
    usage,
    whole,
    words,
)


@pytest.mark.parametrize("end", [b"", DONE], ids=["end of stream", "[DONE]"])
def test_stream_ends_after_its_finish_reason(end: bytes) -> None:
    """A finish reason and the end of the stream are enough, with [DONE] or without."""
    assert streamed(delta(content="x"), FINISH, end)["stop_reason"] == "end_turn"


def test_done_without_finish_reason_is_an_end() -> None:
    """Some servers never say why they stopped."""
    assert streamed(delta(content="x"), DONE)["stop_reason"] == "end_turn"


def test_a_stream_that_is_not_finished_in_words_may_be_cut_off() -> None:
    """A finish reason that says in a word that there is none yet (DashScope, iFlytek) ends nothing."""
    assert failure(delta("null", content="x"))[1] == "api_error"
    assert streamed(delta("null", content="x"), delta("length", content="y"))["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    ("finish", "stop_reason"),
    [
        ("stop", "end_turn"),
        ("eos", "end_turn"),
        ("length", "max_tokens"),
        ("model_length", "max_tokens"),
        ("tool_calls", "end_turn"),
        ("function_call", "end_turn"),
        ("content_filter", "refusal"),
        ("content_filter: PROHIBITED_CONTENT", "refusal"),
        ("content-filter", "refusal"),
        ("sensitive", "refusal"),
        ("refusal", "refusal"),
        ("content_filtered", "refusal"),
        ("guardrail_intervened", "refusal"),
        ("PROHIBITED_CONTENT", "refusal"),
        ("BLOCKLIST", "refusal"),
        ("SPII", "refusal"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
        ("something_new", "end_turn"),
        ("", "end_turn"),
    ],
)
def test_finish_reasons(finish: str, stop_reason: str) -> None:
    """Each finish reason has its stop reason, streamed and whole."""
    assert streamed(delta(content="x"), delta(finish), DONE)["stop_reason"] == stop_reason
    assert collected(whole(finish, content="x"))["stop_reason"] == stop_reason


@pytest.mark.parametrize(
    ("finish", "kind"),
    [
        ("error", "api_error"),
        ("abort", "api_error"),
        ("aborted", "api_error"),
        ("network_error", "api_error"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "api_error"),
        ("MALFORMED_FUNCTION_CALL", "api_error"),
        ("UNEXPECTED_TOOL_CALL", "api_error"),
        ("malformed_model_output", "api_error"),
        ("malformed_tool_use", "api_error"),
        ("insufficient_system_resource", "overloaded_error"),
    ],
)
def test_finish_reasons_that_are_failures(finish: str, kind: str) -> None:
    """An upstream that gives up in its finish reason has failed."""
    assert failure(delta(content="x"), delta(finish))[1] == kind


def test_refusal_is_text_and_stop_reason() -> None:
    """A refusal is shown, and told as one."""
    message = streamed(delta(refusal="I can"), delta(refusal="not."), FINISH)
    assert (words(message), message["stop_reason"]) == ("I cannot.", "refusal")
    assert message["stop_details"] == {"type": "refusal", "category": None, "explanation": "I cannot."}


def test_refusal_with_half_a_character_is_told() -> None:
    """Half a surrogate pair in a refusal costs that character, not the answer; two halves are one again."""
    for said in (streamed, collected):
        message = said(delta(refusal="No \ud83d"), delta(refusal="\ude42\ud83d"), FINISH)
        assert (words(message), message["stop_details"]["explanation"]) == ("No 🙂\ufffd", "No 🙂\ufffd")


def test_stop_sequence_ends_the_message() -> None:
    """The text ends before the match, and nothing more is wanted of the upstream."""
    made = translator({"stop_sequences": ["END"]})
    stream = made.receive_data(delta(content="One. E")) + made.receive_data(delta(content="ND Two."))
    message = rebuild(parse_events(stream))
    assert made.ended
    assert (words(message), message["stop_reason"], message["stop_sequence"]) == ("One. ", "stop_sequence", "END")
    assert message["usage"]["input_tokens"] > 0
    assert message["usage"]["output_tokens"] > 0
    assert made.receive_data(delta(content="more")) == made.receive_eof() == b""


def test_stop_sequence_of_a_whole_answer() -> None:
    """A whole answer is cut at the match as well."""
    message = collected(whole(content="One. END Two."), request={"stop_sequences": ["END"]})
    assert (words(message), message["stop_sequence"]) == ("One. ", "END")


def test_held_back_text_is_not_lost() -> None:
    """What looked like a stop sequence and was none is shown, before calls and at the end."""
    message = streamed(
        delta(content="One EN"),
        delta(tool_calls=[call(0, id="x", name="look", arguments='{"n":1}')]),
        delta(content="Two E"),
        FINISH,
        request={"stop_sequences": ["END"]},
    )
    assert [block.get("text") for block in message["content"]] == ["One EN", None, "Two E"]


@pytest.mark.parametrize("index", [0, "0"], ids=["strict", "odd types"])
@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"], ids=["vLLM", "SGLang"])
def test_reported_stop_sequence_is_believed(field: str, index: object) -> None:
    """Some servers say which stop sequence they met; a number there is a token's."""
    request = {"stop_sequences": ["END"]}
    choice = {"index": index, "delta": {}, "finish_reason": "stop"}
    for met, expected in (("END", "stop_sequence"), (128009, "end_turn"), ("OTHER", "end_turn"), (None, "end_turn")):
        answer = (delta(content="x"), data({"choices": [choice | {field: met}]}))
        for message in (streamed(*answer, request=request), collected(*answer, request=request)):
            assert message["stop_reason"] == expected
            assert message["stop_sequence"] == ("END" if expected == "stop_sequence" else None)


@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"], ids=["vLLM", "SGLang"])
@pytest.mark.parametrize(
    ("finish", "expected"), [("tool_calls", "tool_use"), ("length", "max_tokens")], ids=["call", "limit"]
)
def test_what_ended_an_answer_is_no_stop_sequence_beside_another_reason(finish: str, expected: str, field: str) -> None:
    """A call is to be run, and a limit was met, whatever stop sequence a server names beside."""
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish, field: "END"}]}
    made = delta(tool_calls=[call(0, id="a", name="look", arguments="{}")])
    message = streamed(made, data(end), request={"stop_sequences": ["END"]})
    assert (message["stop_reason"], message["stop_sequence"]) == (expected, None)


@pytest.mark.parametrize("live", [True, False], ids=["live", "buffered"])
def test_stop_sequences_stand_in_visible_text_alone(live: bool) -> None:
    """What a model thinks or hands to a tool may hold a stop sequence."""
    quirks = ChatQuirks(tool_args="live" if live else "buffer")
    function = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":"STOP"}'}}
    chunks = (delta(reasoning_content="STOP"), delta(tool_calls=[function]), delta("tool_calls"))
    message = streamed(*chunks, request={"stop_sequences": ["STOP"]}, quirks=quirks)
    assert kinds(message) == ["thinking", "tool_use"]
    assert (message["stop_reason"], message["stop_sequence"]) == ("tool_use", None)
    assert message["content"][1]["input"] == {"x": "STOP"}


SHORT = {"max_tokens": 2, "thinking": {"type": "disabled"}}
REASONS = ChatQuirks(reasons=True)


def test_text_is_no_longer_than_the_client_wants() -> None:
    """Where the upstream had room for its reasoning, what is too long for the client is cut off here."""
    made = translator(SHORT, REASONS)
    message = rebuild(
        parse_events(made.receive_data(delta(content="0123456789abcd")) + made.receive_data(delta(content="efgh")))
    )
    assert made.ended
    assert (words(message), message["stop_reason"]) == ("0123456789abcdef", "max_tokens")
    assert message["usage"]["output_tokens"] > 0
    message = collected(whole(content="0123456789abcdefgh"), request=SHORT, quirks=REASONS)
    assert (words(message), message["stop_reason"]) == ("0123456789abcdef", "max_tokens")


@pytest.mark.parametrize(
    ("completion", "reasoning", "reason"), [(300, 298, "end_turn"), (300, 297, "max_tokens"), (300, 0, "end_turn")]
)
def test_text_over_the_clients_limit_is_told_by_the_count(completion: int, reasoning: int, reason: str) -> None:
    """A text that is longer than the client wants by the upstream's count ends by `max_tokens`, reasoning aside."""
    counted = usage(10, completion, completion_tokens_details={"reasoning_tokens": reasoning})
    message = streamed(delta(content="Yes."), delta("stop"), counted, request=SHORT, quirks=REASONS)
    assert (words(message), message["stop_reason"]) == ("Yes.", reason)
    assert message["usage"]["output_tokens"] == completion


def test_stop_sequence_within_the_limit_counts() -> None:
    """A classifier's short answer after long reasoning ends at its stop sequence."""
    request = SHORT | {"max_tokens": 64, "stop_sequences": ["</block>"]}
    chunks = [delta(reasoning_content="Hm. " * 500), delta(content="<block>no</block> because")]
    message = streamed(*chunks, request=request, quirks=REASONS)
    assert (words(message), message["stop_reason"], message["stop_sequence"]) == (
        "<block>no",
        "stop_sequence",
        "</block>",
    )
