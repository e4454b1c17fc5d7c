"""Answers of Chat Completions, as many servers give them, become the messages that they mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_to_anthropic.providers.quirks import ChatQuirks
from tests.messages import Event, grammar_problems, parse_events, rebuild, sdk_message
from tests.translators.chat_answers import (
    DONE,
    FINISH,
    call,
    collected,
    data,
    delta,
    inputs,
    streamed,
    translator,
    usage,
    whole,
    words,
)
from tests.translators.reading import feed

LIVE = ChatQuirks(tool_args="live")


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


def test_members_that_nobody_asked_for_are_read_over() -> None:
    """Annotations, audio and what else servers add make no blocks."""
    message = streamed(delta(content="Yes", annotations=[{"type": "url_citation"}], audio={"id": "a"}), FINISH)
    assert message["content"] == [{"type": "text", "text": "Yes"}]
