"""The message writer keeps the rules of the event order, whatever it is told."""

from __future__ import annotations

import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.wire.anthropic import Container, StopDetails
from llm_to_anthropic.writer import PING, MessageWriter, StreamWriter, error_event
from tests.messages import grammar_problems, parse_events, rebuild
from tests.writing import USAGE, content, streamed, whole


def test_text_is_one_block() -> None:
    """Deltas of text make one block, opened by the first that is not empty."""

    def script(writer: MessageWriter) -> None:
        writer.text("")
        writer.text("Hel")
        writer.text("")
        writer.text("lo")
        writer.finish("end_turn", USAGE)

    assert content(script) == [{"type": "text", "text": "Hello"}]


def test_message_begins_with_start_and_ping() -> None:
    """message_start carries the client's model and an empty message; a ping follows."""
    events = streamed(lambda writer: writer.start())
    assert [event["type"] for event in events] == ["message_start", "ping"]
    message = events[0]["message"]
    assert isinstance(message, dict)
    assert (message["id"], message["model"], message["content"], message["stop_reason"]) == (
        "msg_1",
        "claude-x",
        [],
        None,
    )


def test_usage_is_complete_at_the_end() -> None:
    """message_delta carries every count, which is the first that a client hears of them."""
    events = streamed(lambda writer: writer.finish("end_turn", USAGE))
    assert events[-2]["usage"] == {
        "input_tokens": 5,
        "output_tokens": 7,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens_details": {"thinking_tokens": 1},
    }


def test_thinking_is_signed_once_and_last() -> None:
    """A thinking block without a signature of its own gets the writer's, as its last delta."""

    def script(writer: MessageWriter) -> None:
        writer.thinking("Hm")
        writer.thinking(".")
        writer.text("Yes")
        writer.finish("end_turn", USAGE)

    assert content(script)[0] == {"type": "thinking", "thinking": "Hm.", "signature": "px1.c.none"}


def test_signature_closes_its_block() -> None:
    """A block that is signed is complete: more thinking opens the next."""

    def script(writer: MessageWriter) -> None:
        writer.thinking("one")
        writer.signature("sig-a")
        writer.thinking("two")
        writer.signature("sig-b")
        writer.finish("end_turn", USAGE)

    assert [block["signature"] for block in content(script)] == ["sig-a", "sig-b"]


def test_signature_alone_is_a_block() -> None:
    """Opaque state without readable thinking travels in a block without text."""

    def script(writer: MessageWriter) -> None:
        writer.signature("sig")
        writer.finish("end_turn", USAGE)

    assert content(script) == [{"type": "thinking", "thinking": "", "signature": "sig"}]


def test_interleaved_calls_are_put_in_order() -> None:
    """Fragments of parallel calls in any order make one block after the other."""

    def script(writer: MessageWriter) -> None:
        writer.open_tool(0, "a", "first")
        writer.open_tool(1, "b", "second")
        writer.tool_arguments(1, '{"y":')
        writer.tool_arguments(0, '{"x":')
        writer.tool_arguments(1, "2}")
        writer.tool_arguments(0, "1}")
        writer.close_tool(1)
        writer.close_tool(0)
        writer.finish("tool_use", USAGE)

    assert content(script) == [
        {"type": "tool_use", "id": "a", "name": "first", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "second", "input": {"y": 2}},
    ]


def test_words_wait_for_an_open_call() -> None:
    """Text and thinking behind an open call become blocks after it, in their order."""

    def script(writer: MessageWriter) -> None:
        writer.open_tool(0, "a", "tool")
        writer.text("one ")
        writer.text("two")
        writer.thinking("hm")
        writer.signature("sig")
        writer.tool_arguments(0, "{}")
        writer.close_tool(0)
        writer.text("three")
        writer.finish("end_turn", USAGE)

    assert [block["type"] for block in content(script)] == ["tool_use", "text", "thinking", "text"]
    assert content(script)[1]["text"] == "one two"


@pytest.mark.parametrize("before", ["nothing", "text", "thinking", "call"])
def test_whole_call_is_as_one_in_pieces(before: str) -> None:
    """A call that is complete at once gives the same events as one that is told step by step, whatever is open."""

    def script(writer: MessageWriter, *, at_once: bool) -> None:
        match before:
            case "text":
                writer.text("Hi")
            case "thinking":
                writer.thinking("Hm")
            case "call":
                writer.open_tool(0, "call_0", "look")
        if at_once:
            writer.whole_tool(1, "call_1", "find", '{"at":1}')
        else:
            writer.open_tool(1, "call_1", "find")
            writer.tool_arguments(1, '{"at":1}')
            writer.close_tool(1)
        writer.text("Done")
        writer.finish("end_turn", USAGE)

    assert streamed(partial(script, at_once=True)) == streamed(partial(script, at_once=False))
    assert whole(partial(script, at_once=True)) == whole(partial(script, at_once=False))


def test_call_streams_while_it_is_open() -> None:
    """The arguments of the call whose turn it is are not held back."""
    writer = StreamWriter(message_id="m", model="m", signature="s")
    writer.open_tool(0, "a", "tool")
    writer.take()
    writer.tool_arguments(0, '{"x"')
    assert [event["type"] for event in parse_events(writer.take())] == ["content_block_delta"]


@pytest.mark.parametrize(
    ("said", "calls", "expected"),
    [
        ("end_turn", 0, "end_turn"),
        ("end_turn", 1, "tool_use"),
        ("tool_use", 0, "end_turn"),
        ("tool_use", 1, "tool_use"),
        ("max_tokens", 1, "max_tokens"),
        ("refusal", 0, "refusal"),
    ],
)
def test_stop_reason_fits_the_blocks(said: str, calls: int, expected: str) -> None:
    """`tool_use` if and only if there is a call to answer, unless something else ended the message."""

    def script(writer: MessageWriter) -> None:
        for key in range(calls):
            writer.open_tool(key, f"id{key}", "tool")
        writer.finish(said, USAGE)

    assert rebuild(streamed(script))["stop_reason"] == expected
    assert whole(script)["stop_reason"] == expected


def test_cut_call_is_dropped_from_a_whole_message() -> None:
    """Whoever waits for the whole message gets no half call; a stream has sent its beginning already."""

    def script(writer: MessageWriter) -> None:
        writer.text("So")
        writer.open_tool(0, "a", "tool")
        writer.tool_arguments(0, '{"x": "unfin')
        writer.close_tool(0, cut=True)
        writer.finish("max_tokens", USAGE)

    assert [block["type"] for block in whole(script)["content"]] == ["text"]  # type: ignore[attr-defined]
    assert grammar_problems(streamed(script)) == []


def test_nothing_follows_the_end() -> None:
    """What is said after the end is not written."""
    writer = StreamWriter(message_id="m", model="m", signature="s")
    writer.finish("end_turn", USAGE)
    writer.take()
    writer.start()
    writer.text("late")
    writer.thinking("late")
    writer.signature("late")
    writer.open_tool(0, "a", "tool")
    writer.tool_arguments(0, "{}")
    writer.close_tool(0)
    writer.finish("end_turn", USAGE)
    assert writer.take() == b""


def test_refusal_carries_its_details() -> None:
    """A refusal says why, in streams and whole."""

    def script(writer: MessageWriter) -> None:
        writer.finish("refusal", USAGE, stop_details=StopDetails(explanation="no"))

    details = {"type": "refusal", "category": None, "explanation": "no"}
    assert rebuild(streamed(script))["stop_details"] == details
    assert whole(script)["stop_details"] == details


def test_split_surrogate_pair_is_joined() -> None:
    """An emoji whose halves come in two deltas arrives as the emoji."""

    def script(writer: MessageWriter) -> None:
        writer.text("a\ud83d")
        writer.text("\ude00b")
        writer.finish("end_turn", USAGE)

    assert content(script) == [{"type": "text", "text": "a😀b"}]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ud83d", id="first half"),
        pytest.param("\udc00", id="second half"),
        pytest.param("a\ude00\ud83d", id="wrong order"),
        pytest.param("\ud83d\ud83d\ude00", id="one too many"),
    ],
)
def test_lone_surrogates_are_replaced(text: str) -> None:
    """Half a character becomes U+FFFD in every kind of block and never an exception."""

    def script(writer: MessageWriter) -> None:
        writer.thinking(text)
        writer.text(text)
        writer.open_tool(0, "a" + text, "t" + text)
        writer.tool_arguments(0, '{"x":"' + text + '"}')
        writer.finish("end_turn", USAGE)

    blocks = content(script)
    assert "\ufffd" in str(blocks[0]["thinking"])
    assert "\ufffd" in str(blocks[1]["text"])
    assert "\ufffd" in str(blocks[2]["input"])


def test_error_event_is_an_envelope() -> None:
    """An error in a stream reads like an error answer, with its request id."""
    (event,) = parse_events(error_event(ApiError(529, "Overloaded"), "req_1"))
    assert event == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_1",
    }


def test_ping_is_an_event() -> None:
    """The ping has a name, without which the SDK would drop it."""
    assert parse_events(PING) == [{"type": "ping"}]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.text(max_size=5)),
        st.tuples(st.just("thinking"), st.text(max_size=5)),
        st.tuples(st.just("signature"), st.just("sig")),
        st.tuples(st.just("open"), st.integers(0, 3)),
        st.tuples(st.just("arguments"), st.integers(0, 3)),
        st.tuples(st.just("close"), st.integers(0, 3)),
        st.tuples(st.just("start"), st.just(0)),
    ),
    max_size=25,
)


@given(STEPS)
def test_random_orders_keep_the_grammar(steps: list[tuple[str, str | int]]) -> None:
    """Whatever is said in whatever order, the events are legal and both writers agree."""

    def script(writer: MessageWriter) -> None:
        opened: set[int] = set()
        filled: set[int] = set()
        for verb, value in steps:
            _say(writer, verb, value, opened, filled)
        writer.finish("end_turn", USAGE)

    content(script)


def _say(writer: MessageWriter, verb: str, value: str | int, opened: set[int], filled: set[int]) -> None:
    match verb, value:
        case "text", str():
            writer.text(value)
        case "thinking", str():
            writer.thinking(value)
        case "signature", str():
            writer.signature(value)
        case "open", int() if value not in opened:
            opened.add(value)
            writer.open_tool(value, f"id{value}", "tool")
        case "arguments", int() if value in opened - filled:
            filled.add(value)
            writer.tool_arguments(value, '{"n": 1}')
        case "close", int():
            filled.add(value)
            writer.close_tool(value)
        case "start", _:
            writer.start()
        case _:
            pass


def test_ended_text_is_a_block_of_its_own() -> None:
    """Two messages of an upstream that follow each other are two texts, and an end without text is nothing."""

    def script(writer: MessageWriter) -> None:
        writer.end_text()
        writer.text("Let me see.")
        writer.end_text()
        writer.end_text()
        writer.text("Done.")
        writer.finish("end_turn", USAGE)

    assert [block["text"] for block in content(script)] == ["Let me see.", "Done."]


def test_message_tells_where_code_ran() -> None:
    """The container stands in the last delta of a stream and in a whole message, and in no other message."""
    container = Container("cntr_1", "2026-01-01T00:20:00Z")
    for message in (
        rebuild(streamed(lambda writer: writer.finish("end_turn", USAGE, container=container))),
        whole(lambda writer: writer.finish("end_turn", USAGE, container=container)),
    ):
        assert message["container"] == {"id": "cntr_1", "expires_at": "2026-01-01T00:20:00Z"}
    assert "container" not in whole(lambda writer: writer.finish("end_turn", USAGE))


@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_white_space_without_end_costs_the_same_throughout(kind: str) -> None:
    """Models get stuck in line breaks: each piece that has to wait for a word costs no more than the first."""

    def script(writer: MessageWriter) -> None:
        say = writer.text if kind == "text" else writer.thinking
        for _ in range(500_000):
            say("\r\n")
        say("x")
        writer.finish("end_turn", USAGE)

    began = time.thread_time()
    blocks = whole(script)["content"]
    assert isinstance(blocks, list)
    assert blocks[0][kind] == "\r\n" * 500_000 + "x"
    assert time.thread_time() - began < 2.0
