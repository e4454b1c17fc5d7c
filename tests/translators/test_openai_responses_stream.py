"""Streams of OpenAI Responses, as many servers cut and number them, become the message that they mean."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import Event, grammar_problems, parse_events, rebuild
from tests.translators.reading import feed
from tests.translators.responses_answers import (
    DONE,
    OFF,
    ON,
    added,
    arguments,
    call,
    citation,
    completed,
    created,
    done,
    event,
    item_events,
    message,
    reasoning,
    stream_of,
    streamed,
    text,
    thought,
    translator,
)

A, B = call("look", '{"at":"a"}', id="call_a"), call("listen", '{"at":"b"}', id="call_b")


def blocks(said: Event) -> list[tuple[str, Any]]:
    names = {"text": "text", "thinking": "thinking", "tool_use": "input"}
    return [(block["type"], block[names[block["type"]]]) for block in said["content"]]


def test_interleaved_calls_are_parted() -> None:
    """Two calls whose arguments come in turns are two whole blocks, the first of them first."""
    said = streamed(
        added(1, A | {"arguments": ""}),
        added(2, B | {"arguments": ""}),
        arguments(2, '{"at"'),
        arguments(1, '{"at"'),
        arguments(2, ':"b"}'),
        done(2, B),
        arguments(1, ':"a"}'),
        done(1, A),
        completed(A, B),
    )
    assert blocks(said) == [("tool_use", {"at": "a"}), ("tool_use", {"at": "b"})]
    assert [block["id"] for block in said["content"]] == ["call_a", "call_b"]


def test_text_that_begins_while_a_call_is_open_waits() -> None:
    """An item that overlaps with another comes after it, as it stands in the whole answer."""
    said = streamed(
        added(0, A | {"arguments": ""}),
        added(1, message(None)),
        text(1, "done"),
        done(1, message("done")),
        arguments(0, '{"at":"a"}'),
        done(0, A),
        completed(A, message("done")),
    )
    assert blocks(said) == [("tool_use", {"at": "a"}), ("text", "done")]


def test_text_that_goes_on_after_a_call_began_is_one_text() -> None:
    """A call that begins amid a text does not cut it."""
    said = streamed(
        added(0, message(None)),
        text(0, "Let me "),
        added(1, A | {"arguments": ""}),
        text(0, "see."),
        arguments(1, '{"at":"a"}'),
        done(0, message("Let me see.")),
        done(1, A),
        completed(),
    )
    assert blocks(said) == [("text", "Let me see."), ("tool_use", {"at": "a"})]


RECOVERED = {
    "text of its done event": [added(0, message(None)), event("response.output_text.done", output_index=0, text="Hi")],
    "text of its part": [
        added(0, message(None)),
        event("response.content_part.done", output_index=0, part={"type": "output_text", "text": "Hi"}),
    ],
    "text of the item": [added(0, message(None)), done(0, message("Hi"))],
    "text of an item that was never announced": [done(0, message("Hi"))],
    "text of the answer": [completed(message("Hi"))],
    "text of the answer, whose item was empty": [
        added(0, message(None)),
        done(0, message(None)),
        completed(message("Hi")),
    ],
    "end of a text": [added(0, message(None)), text(0, "H"), done(0, message("Hi"))],
    "text without an announcement": [text(0, "H"), text(0, "i")],
}


@pytest.mark.parametrize("events", RECOVERED.values(), ids=RECOVERED)
def test_missing_text_is_recovered(events: list[bytes]) -> None:
    """Whatever a server leaves out of its events, the text is there, and once."""
    assert blocks(streamed(*events, completed(message("Hi")))) == [("text", "Hi")]
    if not events[-1].startswith(b"event: response.completed"):
        assert blocks(streamed(*events, completed())) == [("text", "Hi")]


OPEN = added(0, A | {"arguments": ""})
CALLS = {
    "arguments of their done event": [
        OPEN,
        event("response.function_call_arguments.done", output_index=0, arguments=A["arguments"]),
    ],
    "arguments of the item": [OPEN, done(0, A)],
    "arguments of the announcement": [added(0, A)],
    "arguments of the answer": [OPEN],
    "name of the done event": [
        added(0, call(None, "", id="call_a")),
        event("response.function_call_arguments.done", output_index=0, name="look", arguments=A["arguments"]),
    ],
    "name of the item": [added(0, call(None, "", id="call_a")), arguments(0, A["arguments"]), done(0, A)],
    "end of the arguments": [OPEN, arguments(0, '{"at"'), done(0, A)],
    "arguments after a placeholder": [added(0, A | {"arguments": "{}"}), arguments(0, A["arguments"]), done(0, A)],
    "the whole call": [],
}


@pytest.mark.parametrize("events", CALLS.values(), ids=CALLS)
def test_missing_parts_of_a_call_are_recovered(events: list[bytes]) -> None:
    """Whatever a server leaves out of its events, the call is there, and once."""
    said = streamed(*events, completed(A))
    assert blocks(said) == [("tool_use", {"at": "a"})]
    assert (said["content"][0]["name"], said["content"][0]["id"]) == ("look", "call_a")


def test_call_that_never_gets_a_name_is_no_call() -> None:
    """A client would wait for the result of a tool that nobody called."""
    said = streamed(added(0, call(None, "", id="call_a")), completed())
    assert (said["content"], said["stop_reason"]) == ([], "end_turn")


def test_call_without_a_name_but_with_arguments_fails_visibly() -> None:
    """The client answers that there is no such tool, which the model can mend."""
    said = streamed(added(0, call(None, "", id="call_a")), arguments(0, '{"at":"a"}'), completed())
    assert (said["content"][0]["name"], said["stop_reason"]) == ("unnamed_tool", "tool_use")


THOUGHTS = {
    "deltas": [thought(0, "Hm."), thought(0, "Well.", 1)],
    "done events": [
        event("response.reasoning_summary_text.done", output_index=0, summary_index=part, text=said)
        for part, said in enumerate(("Hm.", "Well."))
    ],
    "the item": [],
    "a part of the deltas": [thought(0, "Hm."), thought(0, "We", 1)],
}


@pytest.mark.parametrize("events", THOUGHTS.values(), ids=THOUGHTS)
def test_missing_thoughts_are_recovered(events: list[bytes]) -> None:
    """Two parts of a summary are one block with a blank line between them, however they come."""
    item = reasoning("Hm.", "Well.")
    said = streamed(added(0, reasoning()), *events, done(0, item), completed(item), request=ON)
    assert blocks(said) == [("thinking", "Hm.\n\nWell.")]


@pytest.mark.parametrize("name", ["response.reasoning", "response.reasoning_summary"])
@pytest.mark.parametrize("told", ["delta", "done"])
def test_short_names_of_events_of_reasoning(name: str, told: str) -> None:
    """Reasoning is shown also where its events are called as Bedrock and Open Responses call them."""
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    pieces = {"delta": [event(f"{name}.delta", output_index=0, delta=piece) for piece in ("H", "m")]}
    pieces["done"] = [event(f"{name}.done", output_index=0, text="Hm")]
    said = streamed(added(0, item), *pieces[told], done(0, item), completed(), request=ON)
    assert blocks(said) == [("thinking", "Hm")]


def test_end_without_the_answer() -> None:
    """Some servers end a stream with an empty output: what was streamed stands."""
    said = streamed(*stream_of(message("Hi"), A)[:-1], completed())
    assert blocks(said) == [("text", "Hi"), ("tool_use", {"at": "a"})]
    assert said["usage"]["output_tokens"] == 5


def test_rotated_ids_do_not_matter() -> None:
    """Some servers give an item another id in each event: its number is what counts."""
    said = streamed(
        added(0, message(None, id="one")),
        event("response.output_text.delta", output_index=0, item_id="two", delta="H"),
        event("response.output_text.delta", output_index=0, item_id="three", delta="i"),
        done(0, message("Hi", id="four")),
        added(1, A | {"arguments": "", "id": "five"}),
        event("response.function_call_arguments.delta", output_index=1, item_id="six", delta=A["arguments"]),
        done(1, A | {"id": "seven"}),
        completed(message("Hi", id="eight"), A | {"id": "nine"}),
    )
    assert blocks(said) == [("text", "Hi"), ("tool_use", {"at": "a"})]


@pytest.mark.parametrize("index", [None, 0], ids=["no number", "all alike"])
def test_items_without_numbers(index: int | None) -> None:
    """Where the number misses the id tells items apart, and an announcement begins a new one."""
    said = streamed(
        added(index, message(None)),
        event("response.output_text.delta", output_index=index, item_id="msg_a", delta="Hi"),
        done(index, message("Hi")),
        added(index, A | {"arguments": ""}),
        event("response.function_call_arguments.delta", output_index=index, item_id=A["id"], delta=A["arguments"]),
        done(index, A),
        done(index, B),
        completed(message("Hi"), A, B),
    )
    assert blocks(said) == [("text", "Hi"), ("tool_use", {"at": "a"}), ("tool_use", {"at": "b"})]


@pytest.mark.parametrize("id", ["msg_a", None])
def test_items_that_nothing_tells_apart_but_their_type(id: str | None) -> None:
    """Pieces that name no item belong to the latest of their type, and what closes it adds nothing twice."""
    said = streamed(
        event("response.reasoning_summary_text.delta", delta="Hm"),
        event("response.reasoning_summary_text.done", text="Hm"),
        done(None, reasoning("Hm")),
        event("response.output_text.delta", delta="H"),
        event("response.output_text.delta", delta="i"),
        event("response.output_text.done", text="Hi"),
        done(None, message("Hi", id=id)),
        added(None, A | {"arguments": ""}),
        event("response.function_call_arguments.delta", delta=A["arguments"]),
        event("response.function_call_arguments.done", arguments=A["arguments"]),
        done(None, A),
        completed(),
        request=ON,
    )
    assert blocks(said) == [("thinking", "Hm"), ("text", "Hi"), ("tool_use", {"at": "a"})]


def test_text_that_goes_on_after_its_end_was_told() -> None:
    """A gateway may complete a text with its first word: the words behind it reach the client as well."""
    early = [added(0, message(None)), text(0, "H"), done(0, message("H"))]
    said = streamed(*early, text(0, "el"), text(0, "lo"), completed(message("Hello")))
    assert "".join(block["text"] for block in said["content"]) == "Hello"


def test_text_after_reasoning_that_nobody_closed() -> None:
    """A text without a number is no piece of the reasoning before it, though that has not ended."""
    thoughts = event("response.reasoning_summary_text.delta", delta="Hm")
    said = streamed(thoughts, event("response.output_text.delta", delta="Hi"), completed(), request=ON)
    assert blocks(said) == [("thinking", "Hm"), ("text", "Hi")]


def test_number_of_a_call_that_reasoning_uses_again() -> None:
    """Reasoning that nobody announced, under the number of a call that is over, is an item of its own."""
    said = streamed(item_events(0, A), thought(0, "Hm"), completed(), request=ON)
    assert blocks(said) == [("tool_use", {"at": "a"}), ("thinking", "Hm")]


def test_numbers_that_are_not_those_of_the_answer() -> None:
    """Some servers count from one, or leave numbers out: nothing is written twice."""
    said = streamed(item_events(1, message("Hi")), item_events(5, A), completed(message("Hi"), A))
    assert blocks(said) == [("text", "Hi"), ("tool_use", {"at": "a"})]


def test_repeated_events_are_written_once() -> None:
    """An item that is announced and completed twice is one."""
    item = reasoning("Hm.")
    once = [added(0, reasoning()), done(0, item), added(1, message(None)), done(1, message("Hi"))]
    said = streamed(*[piece for piece in once for _ in range(2)], completed(item, message("Hi")), request=ON)
    assert blocks(said) == [("thinking", "Hm."), ("text", "Hi")]


def test_names_of_events_are_not_needed() -> None:
    """The type in the data counts, whatever the event is called."""
    stream = b"".join(stream_of(message("Hi"), A))
    bare = b"".join(line + b"\n" for line in stream.split(b"\n") if not line.startswith(b"event:"))
    misnamed = stream.replace(b"event: response.", b"event: something.")
    for odd in (bare, misnamed):
        assert blocks(streamed(odd)) == [("text", "Hi"), ("tool_use", {"at": "a"})]


def test_unknown_events_are_passed_over() -> None:
    """Events that are newer than this version, and those that keep the connection alive, are no trouble."""
    others = [
        event("keepalive", sequence_number=1),
        event("response.queued", response={"status": "queued"}),
        event("codex.rate_limits", rate_limits={}),
        event("response.web_search_call.searching", output_index=7, item_id="ws_1"),
        event("response.shell_call_output_content.delta", output_index=7, delta={"stdout": "x"}),
        event("response.brand_new.delta", output_index=7, delta="x"),
        b': OPENROUTER PROCESSING\n\ndata: {"sequence_number":3}\n\n',
    ]
    pieces = stream_of(message("Hi"))
    said = streamed(*[both for piece in pieces for both in (*others, piece)], DONE)
    assert blocks(said) == [("text", "Hi")]


def test_emoji_in_two_halves() -> None:
    """A character whose surrogates come in two events is whole again."""
    halves = [
        b'data: {"type":"response.output_text.delta","output_index":0,"delta":"\\ud83d"}\n\n',
        b'data: {"type":"response.output_text.delta","output_index":0,"delta":"\\ude42"}\n\n',
    ]
    assert blocks(streamed(*halves, completed())) == [("text", "🙂")]


def test_odd_types_are_read() -> None:
    """Numbers as strings, and white space where JSON has none, cost no text."""
    odd = b'data: {"type":"response.output_text.delta","output_index":"0","delta":"one\ttwo"}\n\n'
    assert blocks(streamed(odd, completed())) == [("text", "one\ttwo")]


def test_events_without_a_blank_line_between() -> None:
    """Two events in one are read as two."""
    stream = text(0, "Hi").strip() + b"\n" + completed()
    assert blocks(streamed(stream)) == [("text", "Hi")]


OUTPUT = [reasoning("Hm."), message("I look."), A, B, reasoning(id="rs_2"), message("Done.", phase="final_answer")]


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_any_order_of_events_is_legal(chance: random.Random) -> None:
    """However events are mixed up or left out, the client gets a legal message or a failure."""
    frames = [frame + b"\n\n" for frame in b"".join(stream_of(*OUTPUT)[:-1]).split(b"\n\n") if frame]
    chance.shuffle(frames)
    kept = frames[: chance.randint(0, len(frames))]
    made = translator(ON)
    events = parse_events(feed(made, [*kept, completed(*chance.sample(OUTPUT, chance.randint(0, len(OUTPUT))))]))
    assert made.ended
    assert grammar_problems(events) == []
    rebuild(events)


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_items_that_overlap_make_the_same_message(chance: random.Random) -> None:
    """As long as each item's own events keep their order, the message is the same."""
    streams = [
        [frame + b"\n\n" for frame in item_events(index, item).split(b"\n\n") if frame]
        for index, item in enumerate(OUTPUT)
    ]
    first = [frames.pop(0) for frames in streams]
    mixed = []
    while any(streams):
        mixed.append(chance.choice([frames for frames in streams if frames]).pop(0))
    said, expected = streamed(*first, *mixed, completed(*OUTPUT), request=ON), streamed(*stream_of(*OUTPUT), request=ON)
    assert blocks(said) == blocks(expected)


ODD: list[Any] = [None, 0, -1, 1.5, "", "x", [], {}, [None], ["a"], {"a": 1}, True, "0", 10**30, "\ud83d"]
SEARCHED = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "x", "sources": [{"url": "https://a.test"}]},
}
CITED = message("It is. ([a](https://a.test))", annotations=[citation("https://a.test", start=7, end=28)])
RAN = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "c", "outputs": [{"logs": "1"}]}


def mangled(value: Any, chance: random.Random) -> Any:
    """The value with some of its parts left out or replaced by something odd."""
    if chance.random() < 0.03:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: mangled(inner, chance) for key, inner in value.items() if chance.random() > 0.02}
    return [mangled(inner, chance) for inner in value] if isinstance(value, list) else value


@settings(max_examples=80)
@given(st.randoms(use_true_random=False), st.sampled_from([ON, OFF, {}]))
def test_odd_values_break_nothing(chance: random.Random, request: Any) -> None:
    """Whatever stands where something else belongs, the client gets a legal message or a failure in words."""
    stream = b"".join(stream_of(*OUTPUT, SEARCHED, CITED, RAN))
    told = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]
    made = translator(request)
    data = b"".join(b"data: " + json.dumps(mangled(one, chance)).encode() + b"\n\n" for one in told)
    events = parse_events(feed(made, [data]))
    assert grammar_problems(events, complete=made.ended) == []
    assert made.ended == (made.failure is None)


def test_every_abrupt_end_is_a_failure() -> None:
    """After whichever event a stream breaks off: never a message_stop, never a made-up ending."""
    frames = [frame + b"\n\n" for frame in b"".join(stream_of(*OUTPUT)).split(b"\n\n") if frame]
    for count in range(len(frames)):
        for end in (b"", DONE):
            made = translator(ON)
            events = parse_events(feed(made, [*frames[:count], end]))
            assert made.failure is not None, count
            assert made.failure.message == "upstream (openai) stream ended before completion"
            assert grammar_problems(events, complete=False) == []
            assert "message_stop" not in [event["type"] for event in events]


def test_slices_do_not_matter() -> None:
    """Byte by byte a stream makes the same bytes."""
    stream = b"".join(stream_of(*OUTPUT))
    single = feed(translator(ON), [stream[place : place + 1] for place in range(len(stream))])
    assert single == feed(translator(ON), [stream])
    assert json.loads(single.split(b"data: ")[1].split(b"\n")[0])["type"] == "message_start"


def test_events_after_the_end_are_not_read() -> None:
    """A message that is complete stays as it is."""
    made = translator()
    before = feed(made, [*stream_of(message("Hi"))])
    assert made.settled
    assert made.receive_data(text(0, "more") + completed(A)) == made.receive_eof() == b""
    assert blocks(rebuild(parse_events(before))) == [("text", "Hi")]


def test_created_alone_is_no_answer() -> None:
    """A stream that only began has failed."""
    made = translator()
    assert feed(made, [created()]) == b""
    assert made.failure is not None
    assert not made.settled
