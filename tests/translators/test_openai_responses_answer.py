"""Answers of OpenAI Responses become the messages that they mean, streamed and whole alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_to_anthropic.providers.quirks import ResponsesQuirks
from tests.messages import Event, parse_events, sdk_message
from tests.translators.reading import feed
from tests.translators.responses_answers import (
    ON,
    added,
    arguments,
    both,
    call,
    collected,
    completed,
    created,
    event,
    failure,
    incomplete,
    item_events,
    kinds,
    message,
    reasoning,
    refusal,
    response,
    stream_of,
    streamed,
    text,
    translator,
    usage,
    whole,
)


def words(said: Event) -> list[str]:
    return [block["text"] for block in said["content"] if block["type"] == "text"]


def inputs(said: Event) -> list[Any]:
    return [block["input"] for block in said["content"] if block["type"] == "tool_use"]


def test_text_arrives_as_it_comes() -> None:
    """Each delta of text is passed on in the read that brings it."""
    made = translator()
    assert made.receive_data(created() + added(0, message(None))) == b""
    first = parse_events(made.receive_data(text(0, "Hel")))
    assert [event["type"] for event in first] == ["message_start", "ping", "content_block_start", "content_block_delta"]
    second = parse_events(made.receive_data(text(0, "lo")))
    assert [event["delta"] for event in second] == [{"type": "text_delta", "text": "lo"}]


def test_nothing_is_committed_before_it_means_something() -> None:
    """That an answer or an item begins leaves the way open for an HTTP error."""
    made = translator()
    prelude = [
        created(),
        event("response.queued", response=response(status="queued")),
        event("keepalive", sequence_number=3),
        added(0, message(None)),
        event("response.content_part.added", output_index=0, part={"type": "output_text", "text": ""}),
        text(0, ""),
        b": comment\n\n",
    ]
    assert [made.receive_data(piece) for piece in prelude] == [b""] * len(prelude)


def test_message_carries_the_clients_names() -> None:
    """Id and model are those of the request, whatever the upstream calls them."""
    said = both(message("x"), model="gpt-5.6-sol-2026-09-01")
    assert (said["id"], said["model"], said["role"]) == ("msg_1", "claude-x", "assistant")


def test_reasoning_text_and_calls_in_their_order() -> None:
    """Items become blocks in the order in which the model made them."""
    said = both(reasoning("Hm."), message("I look."), call(), call("listen", "{}", id="call_2"), request=ON)
    assert kinds(said) == ["thinking", "text", "tool_use", "tool_use"]
    assert [block["name"] for block in said["content"][2:]] == ["look", "listen"]
    assert [block["id"] for block in said["content"][2:]] == ["call_1", "call_2"]
    assert inputs(said) == [{"at": 1}, {}]
    assert said["stop_reason"] == "tool_use"


def test_two_messages_are_two_texts() -> None:
    """What the model says before and after its tools does not run together."""
    assert words(both(message("Let me see."), message("Done."))) == ["Let me see.", "Done."]


def test_parts_of_a_message_are_texts_of_their_own() -> None:
    """A message may hold several parts."""
    parts: list[Any] = [{"type": "output_text", "text": said, "annotations": []} for said in ("One.", "Two.")]
    assert words(both(message(None, content=parts))) == ["One.", "Two."]


def test_empty_answer_is_a_message() -> None:
    """A model may have nothing to say."""
    said = both()
    assert (said["content"], said["stop_reason"]) == ([], "end_turn")
    assert both(message(None))["content"] == []


@pytest.mark.parametrize("kind", ["compaction", "file_search_call", "mcp_list_tools", "image_generation_call", "new"])
def test_other_items_are_passed_over(kind: str) -> None:
    """An item that no client asked for leaves no trace, wherever it stands."""
    other = {"type": kind, "id": "x_1", "status": "completed", "tools": [], "content": {"odd": 1}}
    assert words(both(other, message("x"), other)) == ["x"]


def test_messages_of_the_user_are_no_answer() -> None:
    """A compacted conversation comes back with what the user said."""
    said = message("What?", role="user", id="msg_u")
    assert words(both(said, message("Hello."))) == ["Hello."]


@pytest.mark.parametrize(
    ("reason", "stop_reason"),
    [
        ("max_output_tokens", "max_tokens"),
        ("content_filter", "refusal"),
        ("max_messages", "end_turn"),
        ("steered", "end_turn"),
        ("something_new", "max_tokens"),
    ],
)
def test_incomplete_answers(reason: str, stop_reason: str) -> None:
    """Each reason of an incomplete answer has its stop reason."""
    assert streamed(text(0, "x"), incomplete(reason))["stop_reason"] == stop_reason
    body = whole(message("x"), status="incomplete", incomplete_details={"reason": reason})
    assert collected(body)["stop_reason"] == stop_reason


@pytest.mark.parametrize("status", [None, "completed"])
def test_reason_of_an_incomplete_answer_counts_without_its_status(status: str | None) -> None:
    """What was cut is told as cut though a gateway calls it complete, or says nothing of its state."""
    end = completed(call(), status=status, incomplete_details={"reason": "max_output_tokens"})
    assert streamed(item_events(0, call()), end)["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "new", ""])
def test_other_reasons_of_a_complete_answer_cut_nothing(reason: str) -> None:
    """Only an answer that is called incomplete is cut by a reason that nobody knows."""
    details = {"incomplete_details": {"reason": reason}}
    assert both(message("x"), **details)["stop_reason"] == "end_turn"
    assert both(message("x"), status="incomplete", **details)["stop_reason"] == "max_tokens"


def test_answer_without_a_status_is_complete() -> None:
    """Some servers send no more than their output."""
    assert collected(json.dumps({"output": [message("x")]}).encode())["stop_reason"] == "end_turn"


def test_call_cut_by_the_token_limit() -> None:
    """A stream keeps the beginning of the arguments; a whole message has no half call."""
    cut = call(given='{"at":48151', status="incomplete")
    stream = [
        added(0, call(given="")),
        arguments(0, '{"at"'),
        arguments(0, ":48151"),
        incomplete("max_output_tokens", cut),
    ]
    said = streamed(*stream)
    assert (kinds(said), inputs(said), said["stop_reason"]) == (["tool_use"], [None], "max_tokens")
    for answer in (stream, [whole(cut, status="incomplete", incomplete_details={"reason": "max_output_tokens"})]):
        said = collected(*answer)
        assert (said["content"], said["stop_reason"]) == ([], "max_tokens")


@pytest.mark.parametrize("status", ["completed", None])
def test_cut_call_that_does_not_say_so(status: str | None) -> None:
    """Of a call that its server calls complete, the end of the answer tells that it was cut."""
    cut = call(given='{"at":48151', status=status)
    end = incomplete("max_output_tokens", cut)
    assert (
        collected(added(0, call(given="")), event("response.output_item.done", output_index=0, item=cut), end)[
            "content"
        ]
        == []
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("null", {}, id="null"),
        pytest.param('"{\\"at\\":1}"', {"at": 1}, id="object in a string"),
        pytest.param("[1]", {"value": [1]}, id="list"),
        pytest.param('{"at":1,}', {"at": 1}, id="comma before the end"),
        pytest.param("not json", {"_raw_arguments": "not json"}, id="no JSON"),
        pytest.param('{"at":"\\ud83d\\ude42"}', {"at": "🙂"}, id="surrogate pair"),
    ],
)
def test_arguments_are_an_object(given: str, expected: object) -> None:
    """Whatever the model writes, a client gets a JSON object as the input of its tool."""
    body = whole(call(given=given))
    assert inputs(collected(body)) == [expected]
    assert inputs(streamed(body)) == [expected]
    assert inputs(streamed(*stream_of(call(given=given)), quirks=ResponsesQuirks(tool_args="buffer"))) == [expected]


def test_arguments_as_an_object() -> None:
    """Some servers send the object where its text belongs."""
    assert inputs(collected(whole(call() | {"arguments": {"at": 1}}))) == [{"at": 1}]


def test_arguments_pass_on_live() -> None:
    """Fragments of sound arguments reach the client in the read that brings them."""
    made = translator()
    made.receive_data(added(0, call(given="")) + arguments(0, '{"at'))
    (passed,) = parse_events(made.receive_data(arguments(0, '":1')))
    assert passed["delta"] == {"type": "input_json_delta", "partial_json": '":1'}


def test_unsound_live_arguments_are_closed() -> None:
    """What was sent cannot be taken back: the rest of it is what makes it an object."""
    stream = [added(0, call(given="")), arguments(0, '{"at": "x" '), arguments(0, "nope"), completed()]
    assert inputs(streamed(*stream)) == [{"at": "x"}]


def test_strict_tools_get_no_nulls_of_optional_members() -> None:
    """A closed schema makes the model send null for what it would leave out."""
    tool = {
        "name": "look",
        "strict": True,
        "input_schema": {
            "type": "object",
            "properties": {"at": {"type": "integer"}, "why": {"type": "string"}},
            "required": ["at"],
            "additionalProperties": False,
        },
    }
    said = both(call(given='{"at":1,"why":null}'), request={"tools": [tool]})
    assert inputs(said) == [{"at": 1}]


def test_call_without_an_id_gets_one() -> None:
    """An id that misses or is unsound is made up, and no two are alike."""
    said = collected(whole(call(id=None), call(id="a.b"), call(id="call_1"), call(id="call_1")))
    ids = [block["id"] for block in said["content"]]
    assert len(set(ids)) == 4
    assert all(id.startswith(("toolu_", "call_", "fc_")) for id in ids)


def test_single_call_is_kept_to() -> None:
    """A client that takes one call at a time gets the first, even where the server makes two."""
    choice = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    said = both(call(), call("listen", id="call_2"), request=choice)
    assert [block["name"] for block in said["content"]] == ["look"]


def test_refusal_is_text_and_a_stop_reason() -> None:
    """The model's own words of refusal are shown and explain the stop reason."""
    said = both(refusal("I cannot."))
    assert (words(said), said["stop_reason"]) == (["I cannot."], "refusal")
    assert said["stop_details"] == {"type": "refusal", "category": None, "explanation": "I cannot."}


def test_refusal_with_half_a_character_is_told() -> None:
    """Half a surrogate pair in a refusal costs that character, not the answer."""
    said = both(refusal("No \ud83d"))
    assert (words(said), said["stop_details"]["explanation"]) == (["No \ufffd"], "No \ufffd")


def test_stop_sequence_ends_the_message() -> None:
    """Stop sequences are matched here, across deltas, and what follows is not read."""
    stop = {"stop_sequences": ["END", "never"]}
    stream = [text(0, "Hello E"), text(0, "ND and more"), text(0, "!"), completed(message("Hello END and more!"))]
    for said in (streamed(*stream, request=stop), collected(whole(message("Hello END and more!")), request=stop)):
        assert words(said) == ["Hello "]
        assert (said["stop_reason"], said["stop_sequence"]) == ("stop_sequence", "END")


def test_text_is_no_longer_than_the_client_wants() -> None:
    """Where the upstream had room for its reasoning, what is too long for the client is cut off here."""
    short = {"thinking": {"type": "disabled"}, "max_tokens": 2}
    quirks = ResponsesQuirks(efforts=("low",))
    stream = [text(0, "0123456789abcd"), text(0, "efgh"), completed(message("0123456789abcdefgh"))]
    answer = whole(message("0123456789abcdefgh"))
    for said in (streamed(*stream, request=short, quirks=quirks), collected(answer, request=short, quirks=quirks)):
        assert (words(said), said["stop_reason"], said["stop_sequence"]) == (["0123456789abcdef"], "max_tokens", None)


def test_half_a_stop_sequence_is_text() -> None:
    """What only began like a stop sequence is shown in the end."""
    said = both(message("Hello EN"), message("D."), request={"stop_sequences": ["END"]})
    assert (words(said), said["stop_reason"]) == (["Hello EN", "D."], "end_turn")


def test_stop_sequence_in_other_places_does_not_count() -> None:
    """Neither thoughts nor arguments are visible text."""
    said = both(reasoning("END"), call(given='{"at":"END"}'), request=ON | {"stop_sequences": ["END"]})
    assert (kinds(said), said["stop_reason"]) == (["thinking", "tool_use"], "tool_use")


def test_answer_does_not_repeat_a_prefill() -> None:
    """A model begins a new message where the client wants it to go on: the repetition is left out."""
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Once upon"}]
    assert words(both(message("Once upon a time"), request={"messages": messages})) == [" a time"]


def test_usage_counts_cached_tokens_apart() -> None:
    """Cached and written tokens are no input tokens; reasoning is a part of the output."""
    counts = usage(1000, 50, cached_tokens=900, cache_write_tokens=40, reasoning_tokens=30)
    said = both(message("x"), usage=counts)["usage"]
    assert said["input_tokens"] == 60
    assert said["cache_read_input_tokens"] == 900
    assert said["cache_creation_input_tokens"] == 40
    assert said["output_tokens"] == 50
    assert said["output_tokens_details"] == {"thinking_tokens": 30}


@pytest.mark.parametrize("counts", [None, {}, {"output_tokens": None}, "many"])
def test_usage_is_estimated_where_it_misses(counts: Any) -> None:
    """A client never sees a message that cost nothing."""
    output = message("Hello there")
    for read in (streamed(*stream_of(output, usage=counts)), collected(whole(output, usage=counts))):
        assert read["usage"]["input_tokens"] > 0
        assert read["usage"]["output_tokens"] > 0


def test_zeros_that_openai_counts_are_told() -> None:
    """Recorded: what OpenAI blocks costs nothing, and it says so."""
    output = message("Hello there")
    for read in (streamed(*stream_of(output, usage=usage(0, 0))), collected(whole(output, usage=usage(0, 0)))):
        assert (read["usage"]["input_tokens"], read["usage"]["output_tokens"]) == (0, 0)


def test_usage_without_the_prompt_is_estimated_for_the_prompt_alone() -> None:
    """A server that counts its answer only is believed as far as it goes."""
    output, counts = message("Hello there"), {"output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 30}}
    for read in (streamed(*stream_of(output, usage=counts)), collected(whole(output, usage=counts))):
        assert read["usage"]["input_tokens"] > 0
        assert read["usage"]["output_tokens"] == 50
        assert read["usage"]["output_tokens_details"] == {"thinking_tokens": 30}


def test_service_tier() -> None:
    """The tier that served a request is told in Anthropic's words."""
    assert collected(whole(message("x"), service_tier="priority"))["usage"]["service_tier"] == "priority"
    assert collected(whole(message("x"), service_tier="default"))["usage"]["service_tier"] == "standard"


def test_official_sdk_reads_the_message() -> None:
    """The official SDK rebuilds from the stream what it reads from the whole message."""
    output = (reasoning("Hm."), message("I look."), call())
    stream, other = translator(ON), translator(ON, stream=False)
    events = feed(stream, stream_of(*output))
    feed(other, [whole(*output)])
    read, expected = sdk_message(events, stream=True), sdk_message(other.message(), stream=False)
    assert read["content"] == expected["content"]
    assert (read["stop_reason"], read["usage"]["output_tokens"]) == ("tool_use", 5)
    assert read["usage"]["input_tokens"] == expected["usage"]["input_tokens"]


def test_unfinished_answers_are_failures() -> None:
    """An answer that goes on elsewhere is none."""
    for status in ("cancelled", "queued", "in_progress"):
        assert failure(whole(status=status))[:2] == (502, "api_error")
