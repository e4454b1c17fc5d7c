"""Answers of Chat Completions, as many servers give them, become the messages that they mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.carrier import decode_carrier
from tests.messages import Event, grammar_problems, parse_events, rebuild, sdk_message
from tests.translators.chat_answers import (
    DONE,
    call,
    collected,
    data,
    delta,
    failure,
    streamed,
    translator,
    usage,
    whole,
)
from tests.translators.reading import feed

LIVE = ChatQuirks(tool_args="live")
FINISH = delta("stop")


def words(message: Event) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def kinds(message: Event) -> list[str]:
    return [block["type"] for block in message["content"]]


def inputs(message: Event) -> list[Any]:
    return [block["input"] for block in message["content"] if block["type"] == "tool_use"]


def test_text_arrives_as_it_comes() -> None:
    """Each delta of text is passed on in the read that brings it."""
    made = translator()
    assert made.receive_data(delta(role="assistant", content="")) == b""
    first = parse_events(made.receive_data(delta(content="Hel")))
    assert [event["type"] for event in first] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
    ]
    second = parse_events(made.receive_data(delta(content="lo")))
    assert [event["delta"] for event in second] == [{"type": "text_delta", "text": "lo"}]


def test_nothing_is_committed_before_it_means_something() -> None:
    """Chunks with a role, filter results or usage alone leave the way open for an HTTP error."""
    made = translator()
    prelude = [data({"choices": []}), delta(role="assistant"), delta(content=""), usage(), b": comment\n\n"]
    assert [made.receive_data(piece) for piece in prelude] == [b""] * 5


def test_begin_commits_early() -> None:
    """A client that must be answered before anything came gets its message_start once."""
    made = translator()
    assert [event["type"] for event in parse_events(made.begin())] == ["message_start", "ping"]
    rest = parse_events(feed(made, [delta(content="x"), FINISH]))
    assert "message_start" not in [event["type"] for event in rest]


def test_message_carries_the_clients_names() -> None:
    """Id and model are those of the request, streamed and whole."""
    for message in (streamed(delta(content="x"), FINISH), collected(delta(content="x"), FINISH)):
        assert (message["id"], message["model"], message["role"]) == ("msg_1", "claude-x", "assistant")


@pytest.mark.parametrize("end", [b"", DONE], ids=["end of stream", "[DONE]"])
def test_stream_ends_after_its_finish_reason(end: bytes) -> None:
    """A finish reason and the end of the stream are enough, with [DONE] or without."""
    assert streamed(delta(content="x"), FINISH, end)["stop_reason"] == "end_turn"


def test_done_without_finish_reason_is_an_end() -> None:
    """Some servers never say why they stopped."""
    assert streamed(delta(content="x"), DONE)["stop_reason"] == "end_turn"


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
        ("network_error", "api_error"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "api_error"),
        ("insufficient_system_resource", "overloaded_error"),
    ],
)
def test_finish_reasons_that_are_failures(finish: str, kind: str) -> None:
    """An upstream that gives up in its finish reason has failed."""
    assert failure(delta(content="x"), delta(finish))[1] == kind


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_becomes_thinking(field: str) -> None:
    """Both spellings of reasoning make one signed block before the text."""
    message = streamed(delta(**{field: "Hm"}), delta(**{field: "."}), delta(content="Yes"), FINISH)
    assert kinds(message) == ["thinking", "text"]
    assert message["content"][0]["thinking"] == "Hm."
    assert message == streamed(delta(**{field: "Hm."}, content="Yes"), FINISH)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param({"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, id="Mistral"),
        pytest.param({"type": "thinking", "thinking": "Hm"}, id="plain"),
        pytest.param({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]}, id="Databricks"),
    ],
)
def test_reasoning_in_parts_becomes_thinking(part: object) -> None:
    """Reasoning that comes as a part of the content is thinking, and none of it is text."""
    message = streamed(delta(content=[part]), delta(content=[{"type": "text", "text": "Yes"}]), FINISH)
    assert [block.get("thinking", block.get("text")) for block in message["content"]] == ["Hm", "Yes"]
    assert kinds(message) == ["thinking", "text"]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([delta(reasoning="Hm", reasoning_content="Hm")], id="in one chunk"),
        pytest.param([delta(reasoning="Hm"), delta(reasoning_content="Hm")], id="in two chunks"),
        pytest.param(
            [delta(reasoning="Hm"), delta(reasoning_details=[{"type": "reasoning.text", "text": "Hm"}])],
            id="in details",
        ),
        pytest.param(
            [delta(reasoning_details=[{"type": "reasoning.text", "text": "Hm"}]), delta(reasoning="Hm")],
            id="in details first",
        ),
    ],
)
def test_repeated_reasoning_counts_once(chunks: list[bytes]) -> None:
    """Servers that send the same reasoning in several fields are not taken at their word twice."""
    message = streamed(*chunks, delta(content="Yes"), FINISH)
    assert [block.get("thinking") for block in message["content"]] == ["Hm", None]


def test_reasoning_after_text_is_a_new_block() -> None:
    """Text, reasoning and text again keep their order."""
    message = streamed(delta(content="a"), delta(reasoning="b"), delta(content="c"), FINISH)
    assert kinds(message) == ["text", "thinking", "text"]


def test_reasoning_is_hidden_from_who_wants_none() -> None:
    """Thinking that the client turned off is not shown."""
    request = {"thinking": {"type": "disabled"}}
    assert kinds(streamed(delta(reasoning="Hm"), delta(content="Yes"), FINISH, request=request)) == ["text"]


def test_reasoning_that_must_come_back_is_shown() -> None:
    """Where the upstream demands its reasoning in the history, the client has to carry it."""
    request, quirks = {"thinking": {"type": "disabled"}}, ChatQuirks(reasoning_history="reasoning_content")
    message = streamed(delta(reasoning_content="Hm"), delta(content="Yes"), FINISH, request=request, quirks=quirks)
    assert kinds(message) == ["thinking", "text"]


def test_signature_names_the_upstream() -> None:
    """A thinking block's signature is a carrier bound to the upstream that made it."""
    message = streamed(delta(reasoning="Hm"), FINISH)
    carrier = decode_carrier(message["content"][0]["signature"])
    assert carrier is not None
    assert (carrier.vendor, carrier.provider, carrier.model, carrier.items) == ("c", "acme", "acme-1", [])


def test_reasoning_details_travel_in_the_carrier() -> None:
    """Fragments of a detail are put together, and opaque ones kept as they are."""
    text = {"type": "reasoning.text", "index": 0}
    message = streamed(
        delta(reasoning="He", reasoning_details=[text | {"text": "He"}]),
        delta(reasoning="llo", reasoning_details=[text | {"text": "llo"}]),
        delta(reasoning_details=[text | {"text": "", "signature": "s"}]),
        delta(reasoning_details=[{"type": "reasoning.encrypted", "index": 1, "data": "q83v"}]),
        delta(content="Yes"),
        FINISH,
        quirks=ChatQuirks(reasoning_details=True),
    )
    carrier = decode_carrier(message["content"][0]["signature"])
    assert message["content"][0]["thinking"] == "Hello"
    assert carrier is not None
    assert [json.loads(bytes(item)) for item in carrier.items] == [
        text | {"text": "Hello", "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "q83v"},
    ]


def test_opaque_reasoning_alone_has_a_block() -> None:
    """Details without readable text are carried before the call that they belong to."""
    message = streamed(
        delta(
            reasoning_details=[{"type": "reasoning.encrypted", "data": "q83v"}],
            tool_calls=[call(0, id="a", name="look", arguments="{}")],
        ),
        FINISH,
        quirks=ChatQuirks(reasoning_details=True),
    )
    assert kinds(message) == ["thinking", "tool_use"]


def test_details_are_read_where_nothing_else_tells() -> None:
    """Reasoning that stands in the details alone is shown."""
    details = [{"type": "reasoning.summary", "summary": "Hm"}, {"type": "reasoning.text", "text": "."}]
    assert streamed(delta(reasoning_details=details), FINISH)["content"][0]["thinking"] == "Hm."


def test_think_tags_become_thinking() -> None:
    """Reasoning between tags at the start of the text is thinking where the model is known for it."""
    pieces = [delta(content=piece) for piece in ("<thi", "nk>Hm", ".</th", "ink>\n\n", "Yes")]
    message = streamed(*pieces, FINISH, quirks=ChatQuirks(think_tags=True))
    assert [(block.get("thinking"), block.get("text")) for block in message["content"]] == [
        ("Hm.", None),
        (None, "Yes"),
    ]
    assert (
        message["content"]
        == streamed(delta(content="<think>Hm.</think>\n\nYes"), FINISH, quirks=ChatQuirks(think_tags=True))["content"]
    )


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


def test_reported_stop_sequence_is_believed() -> None:
    """vLLM says which stop sequence it met; a number there is a token's."""
    request = {"stop_sequences": ["END"]}
    chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}]}
    assert streamed(delta(content="x"), data(chunk), request=request)["stop_sequence"] == "END"
    chunk["choices"][0]["stop_reason"] = 128009
    assert streamed(delta(content="x"), data(chunk), request=request)["stop_reason"] == "end_turn"


def test_prefill_is_not_repeated() -> None:
    """An answer that begins with the client's own words goes on after them."""
    request = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Well,"}]}
    assert words(streamed(delta(content="Well"), delta(content=", yes"), FINISH, request=request)) == " yes"


@pytest.mark.parametrize("end", ["", "END rest"])
def test_prefill_is_not_repeated_behind_thinking_in_tags(end: str) -> None:
    """The text begins where the thinking ends: there a repeated prefill is left out, and stop sequences count after."""
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Well,"}]
    request = {"messages": turns, "stop_sequences": ["END", "Well"]}
    answer = f"<think>Well, END</think>\n\nWell, yes{end}"
    for pieces in ([answer], list(answer)):
        chunks = [*(delta(content=piece) for piece in pieces), FINISH]
        for read in (streamed, collected):
            message = read(*chunks, request=request, quirks=ChatQuirks(think_tags=True))
            assert [block.get("thinking") or block["text"] for block in message["content"]] == ["Well, END", " yes"]
            assert message["stop_sequence"] == ("END" if end else None)


def test_first_choice_alone_counts() -> None:
    """Of several choices a message can hold one."""
    other = data({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]})
    assert words(streamed(other, delta(content="yes"), other, FINISH)) == "yes"


@pytest.mark.parametrize("indexes", [(None, None), (0, 0), (0, 1)], ids=["none", "the same", "different"])
def test_calls_in_a_choice_of_their_own_are_called(indexes: tuple[int | None, int | None]) -> None:
    """The text and the calls of one answer are one message though a server tells them as two choices."""
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    parts = ({"content": "Let me see."}, {"content": None, "tool_calls": [call]})
    choices = [
        {"message": part, "finish_reason": "tool_calls"} | ({} if index is None else {"index": index})
        for index, part in zip(indexes, parts, strict=True)
    ]
    for message in (read(json.dumps({"choices": choices}).encode()) for read in (streamed, collected)):
        assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
        assert message["stop_reason"] == "tool_use"


def test_whole_message_at_the_end_is_not_repeated() -> None:
    """Servers that send the whole message after its deltas say nothing new."""
    last = data({"choices": [{"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}]})
    assert words(streamed(delta(content="yes"), last)) == "yes"
    assert words(streamed(last)) == "yes"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"content": "Hello"}, id="text"),
        pytest.param({"content": None}, id="nothing"),
        pytest.param({"content": "Yes", "reasoning_content": "Hm"}, id="reasoning"),
        pytest.param({"content": "Yes", "reasoning_text": "Hm"}, id="Copilot's reasoning"),
        pytest.param({"content": None, "refusal": "No."}, id="refusal"),
        pytest.param({"content": "a", "tool_calls": [call(None, id="x", name="look", arguments='{"n":1}')]}, id="call"),
        pytest.param({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, id="content parts"),
        pytest.param(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
                    {"type": "text", "text": "Yes"},
                ]
            },
            id="reasoning in content parts",
        ),
        pytest.param({"content": {"text": "a"}}, id="content as an object"),
    ],
)
def test_streamed_and_whole_agree(message: Event) -> None:
    """The same answer is the same message, whether either side streams or not."""
    stream = [delta(**message), FINISH, usage()]
    expected = streamed(*stream)
    assert streamed(whole(**message)) == expected
    for other in (collected(*stream), collected(whole(**message))):
        for block in other["content"]:
            assert block.pop("citations", None) is None
        assert (other["content"], other["stop_reason"]) == (expected["content"], expected["stop_reason"])
        assert other["usage"]["input_tokens"] == expected["usage"]["input_tokens"]


def test_halves_of_a_pair_meet() -> None:
    """An emoji whose escapes come in two chunks reaches the client whole."""
    first = b'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n'
    second = b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}\n\n'
    assert words(streamed(first, second, FINISH)) == "a😀"


def test_invalid_utf8_is_replaced() -> None:
    """A wrong byte in a text costs one character, not the answer."""
    assert words(streamed(b'data: {"choices":[{"index":0,"delta":{"content":"a\xffb"}}]}\n\n', FINISH)) == "a\ufffdb"


def test_events_with_one_line_break_between() -> None:
    """Some servers forget the blank line between two events."""
    chunks = delta(content="a").strip() + b"\n" + delta(content="b").strip() + b"\n" + FINISH
    assert words(streamed(chunks)) == "ab"


@pytest.mark.parametrize("end", [b"data: [DONE]\r\r", b"data: [DONE]\n\r\n", b"data: [DONE]\r\n\r\n"])
def test_last_event_with_other_line_ends_than_the_text_before_it_is_read(end: bytes) -> None:
    """Behind a flow of text with plain line ends an end mark counts, however its own line ends are written."""
    texts = [delta(content=text) for text in ("one", "two", "three", "four")]
    message = streamed(*texts[:3], texts[3] + end)
    assert (message["content"][0]["text"], message["stop_reason"]) == ("onetwothreefour", "end_turn")


def test_no_tokens_need_no_upstream() -> None:
    """`max_tokens: 0` is answered here, with an empty message."""
    made = translator({"max_tokens": 0}, stream=False)
    answer = made.local_answer()
    assert answer is not None
    message = json.loads(answer)
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert translator().local_answer() is None


def test_usage_and_stop_reason_are_told() -> None:
    """The gateway learns how a message ended."""
    made = translator()
    feed(made, [delta(content="x"), FINISH, usage(10, 5)])
    assert made.stop_reason == "end_turn"
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.output_tokens) == (10, 5)


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
def test_official_sdk_reads_the_same_message(quirks: ChatQuirks) -> None:
    """The SDK makes the same message of a stream and of a whole answer."""
    chunks = [
        delta(reasoning="Hm"),
        delta(content="Let me see."),
        delta(tool_calls=[call(0, id="a", name="look", arguments='{"at": [1, 2')]),
        delta(tool_calls=[call(1, id="b", name="look", arguments="{}")]),
        delta(tool_calls=[call(0, arguments="]}")]),
        delta("tool_calls"),
        usage(10, 5),
    ]
    stream, other = translator(quirks=quirks), translator(quirks=quirks, stream=False)
    read = sdk_message(feed(stream, chunks), stream=True)
    feed(other, chunks)
    expected = sdk_message(other.message(), stream=False)
    for message in (read, expected):
        for block in message["content"]:
            block.pop("citations", None)
    assert read["content"] == expected["content"]
    assert (read["stop_reason"], read["usage"]["output_tokens"]) == ("tool_use", 5)


PIECES = st.sampled_from(
    [
        delta(content="a"),
        delta(content="EN"),
        delta(content=""),
        delta(reasoning="r"),
        delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "q"}]),
        delta(refusal="no"),
        delta(tool_calls=[call(0, id="a", name="one", arguments='{"x":')]),
        delta(tool_calls=[call(0, arguments="1}")]),
        delta(tool_calls=[call(1, id="b", name="two", arguments="")]),
        delta(tool_calls=[call(1, arguments='{"y": nope')]),
        delta(tool_calls=[call(None, name="three", arguments='{"z":2}')]),
        delta(tool_calls=[call(2, arguments="{}")]),
        delta(function_call={"name": "four"}),
        delta("stop"),
        delta("length"),
        usage(),
        data({"choices": []}),
        data({"error": {"message": "Boom"}}),
        DONE,
    ]
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=12), st.sampled_from(["buffer", "live"]), st.booleans())
def test_random_chunks_keep_the_grammar(pieces: list[bytes], tool_args: Any, details: bool) -> None:
    """Whatever an upstream sends in whatever order, the events are legal and the message ends or fails."""
    made = translator({"stop_sequences": ["END"]}, ChatQuirks(tool_args=tool_args, reasoning_details=details))
    events = parse_events(feed(made, pieces))
    assert made.ended == (made.failure is None)
    assert grammar_problems(events, complete=made.ended) == []
    if made.ended and rebuild(events)["stop_reason"] in ("end_turn", "tool_use"):
        assert all(isinstance(found, dict) for found in inputs(rebuild(events)))


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


def test_members_that_nobody_asked_for_are_read_over() -> None:
    """Annotations, audio and what else servers add make no blocks."""
    message = streamed(delta(content="Yes", annotations=[{"type": "url_citation"}], audio={"id": "a"}), FINISH)
    assert message["content"] == [{"type": "text", "text": "Yes"}]


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
