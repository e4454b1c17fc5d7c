"""Tool calls reach the client whole and in order, however a server numbers and cuts them."""

from __future__ import annotations

import json
import re
import time

import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from tests.messages import Event, parse_events, rebuild, sdk_message
from tests.translators.chat_answers import (
    DONE,
    FINISH,
    call,
    collected,
    delta,
    inputs,
    kinds,
    streamed,
    translator,
    usage,
    whole,
)
from tests.translators.chat_requests import HI, assistant, result, tool, upstream, user
from tests.translators.chat_requests import call as made_call
from tests.translators.reading import feed

LIVE = ChatQuirks(tool_args="live")
TOOL = {"tools": [{"name": "look", "input_schema": {"type": "object"}}]}


def test_call_is_put_together() -> None:
    """Id and name come once, the arguments in pieces."""
    message = streamed(
        delta(tool_calls=[call(0, id="call_1", name="look", arguments="")]),
        delta(tool_calls=[call(0, arguments='{"at"')]),
        delta(tool_calls=[call(0, arguments=': "x"}')]),
        delta("tool_calls"),
        usage(),
    )
    assert message["content"] == [{"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "x"}}]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
def test_calls_in_many_pieces_take_turns(quirks: ChatQuirks) -> None:
    """However many pieces the arguments of calls at once come in, each call gets its own, character by character."""
    wanted = [{"path": "C:\\x", "lines": [1, 2]}, {"text": 'Grüße, "x"\n'}]
    texts = [json.dumps(one, ensure_ascii=False).ljust(40) for one in wanted]
    begin = [call(at, id=f"call_{at}", name="look", arguments="") for at in range(2)]
    pieces = [call(at, arguments=text[place]) for place in range(40) for at, text in enumerate(texts)]
    chunks = [delta(tool_calls=[one]) for one in (*begin, *pieces)]
    assert inputs(streamed(*chunks, delta("tool_calls"), usage(), quirks=quirks)) == wanted


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [
                [call(0, id="a", name="one", arguments='{"x":'), call(1, id="b", name="two", arguments='{"y":')],
                [call(1, arguments="2}")],
                [call(0, arguments="1}")],
            ],
            id="interleaved",
        ),
        pytest.param(
            [[call(0, id="a", name="one", arguments='{"x":1}')], [call(0, id="b", name="two", arguments='{"y":2}')]],
            id="all with index 0",
        ),
        pytest.param(
            [
                [call(None, id="a", name="one", arguments='{"x"')],
                [call(None, arguments=":1}")],
                [call(None, id="b", name="two", arguments='{"y":2}')],
            ],
            id="without an index",
        ),
        pytest.param(
            [
                [call(None, name="one", arguments='{"x":'), call(None, name="two", arguments='{"y":')],
                [call(None, arguments="1}"), call(None, arguments="2}")],
            ],
            id="by position",
        ),
        pytest.param(
            [
                [call(0, id="a", name="one", arguments='{"x"')],
                [call(0, id="a", name="one", arguments=":1}")],
                [call(1, id="b", name="two", arguments='{"y":2}')],
            ],
            id="id and name repeated",
        ),
        pytest.param(
            [[call(0, name="one", arguments='{"x":1}')], [call(0, name="two", arguments='{"y":2}')]],
            id="index 0 and no ids",
        ),
        pytest.param(
            [[call(0, id="a", name="one", arguments={"x": 1})], [call(1, id="b", name="two", arguments={"y": 2})]],
            id="arguments as objects",
        ),
        pytest.param(
            [[call("0", id=1, name="one", arguments='{"x":1}')], [call("1", id=2, name="two", arguments='{"y":2}')]],  # type: ignore[arg-type]
            id="numbers as strings and strings as numbers",
        ),
        pytest.param(
            [call(0, id="a", name="one", arguments='{"x":1}'), call(1, id="b", name="two", arguments='{"y":2}')],
            id="a call in place of a list",
        ),
    ],
)
def test_two_calls_are_two_calls(chunks: list[list[Event]], quirks: ChatQuirks) -> None:
    """However servers number and cut their calls, each keeps its own name and arguments."""
    message = streamed(*(delta(tool_calls=calls) for calls in chunks), delta("tool_calls"), quirks=quirks)
    assert [(block["name"], block["input"]) for block in message["content"]] == [("one", {"x": 1}), ("two", {"y": 2})]
    assert len({block["id"] for block in message["content"]}) == 2


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize("id", [None, "", "call_0"], ids=["no ids", "empty ids", "one id"])
@pytest.mark.parametrize("given", ["", "{}"], ids=["no arguments", "empty object"])
def test_another_name_is_another_call(id: str | None, given: str, quirks: ChatQuirks) -> None:
    """Calls without arguments that all have number 0 and no ids of their own are told apart by their names."""
    chunks = [delta(tool_calls=[call(0, id=id, name=name, arguments=given)]) for name in ("one", "two")]
    message = streamed(*chunks, delta("tool_calls"), quirks=quirks)
    assert [(block["name"], block["input"]) for block in message["content"]] == [("one", {}), ("two", {})]
    assert len({block["id"] for block in message["content"]}) == 2


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param(
            [call(None, id="a", name="one", arguments='{"x":1}'), call(None, id="a", name="one")], id="one id"
        ),
        pytest.param([call(0, name="one", arguments='{"x":1}'), call(0, name="one")], id="one index"),
        pytest.param([call(None, name="one", arguments='{"x":1}'), call(None, arguments="{}")], id="one name"),
    ],
)
def test_calls_of_one_list_are_as_many_calls(calls: list[Event]) -> None:
    """Calls told together stay apart though they share an id or a number, or one of them lacks its name."""
    stream, body = delta("tool_calls", tool_calls=calls) + DONE, whole("tool_calls", tool_calls=calls)
    for message in (streamed(stream), streamed(stream, quirks=LIVE), collected(body)):
        assert inputs(message) == [{"x": 1}, {}]
        assert len({block["id"] for block in message["content"]}) == 2


@pytest.mark.parametrize("id", [None, "", "not allowed!", "x" * 65], ids=["missing", "empty", "odd", "long"])
def test_unusable_id_is_replaced(id: str | None) -> None:
    """Ids that Anthropic's API would refuse are made anew, the same for the same message."""
    chunks = [delta(tool_calls=[call(0, id=id, name="look", arguments="{}")]), FINISH]
    first, second = streamed(*chunks), streamed(*chunks)
    assert first["content"][0]["id"].startswith("toolu_")
    assert first == second


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([call(0, id="", name="look", arguments=""), call(0, id="a", arguments='{"x":1}')], id="empty"),
        pytest.param([call(0, name="look"), {"index": 0, "id": "a"}, call(0, arguments='{"x":1}')], id="of its own"),
    ],
)
def test_id_may_come_after_the_name(chunks: list[Event], quirks: ChatQuirks) -> None:
    """The client sees the upstream's id also where the name came first."""
    message = streamed(*(delta(tool_calls=[chunk]) for chunk in chunks), delta("tool_calls"), quirks=quirks)
    assert message["content"] == [{"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}}]


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
def test_calls_without_id_and_arguments_keep_their_place(quirks: ChatQuirks) -> None:
    """A call of which only the name came stands where it was made: before the text and the calls after it."""
    message = streamed(
        delta(tool_calls=[call(0, name="look")]),
        delta(content="b"),
        delta(tool_calls=[call(1, name="look")]),
        delta(tool_calls=[call(2, id="c", name="look", arguments='{"x":1}')]),
        delta("tool_calls"),
        quirks=quirks,
    )
    assert kinds(message) == ["tool_use", "text", "tool_use", "tool_use"]
    assert inputs(message) == [{}, {}, {"x": 1}]


def test_call_without_name_fails_visibly() -> None:
    """A nameless call with arguments reaches the client, which answers that there is no such tool."""
    message = streamed(delta(tool_calls=[call(0, id="a", name="", arguments='{"x":1}')]), delta("tool_calls"))
    assert message["content"] == [{"type": "tool_use", "id": "a", "name": "unnamed_tool", "input": {"x": 1}}]


def test_empty_nameless_call_is_dropped() -> None:
    """A call in which nothing stands does no harm to the real one."""
    message = streamed(
        delta(tool_calls=[call(0, id="a", name="", arguments=""), call(1, id="b", name="look", arguments="{}")]),
        delta("tool_calls"),
    )
    assert [block["id"] for block in message["content"]] == ["b"]


def test_only_the_first_call_where_one_was_asked_for() -> None:
    """`disable_parallel_tool_use` holds also where the upstream does not care."""
    request = TOOL | {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    calls = [call(0, id="a", name="look", arguments='{"x":1}'), call(1, id="b", name="look", arguments='{"x":2}')]
    assert inputs(streamed(delta(tool_calls=calls), FINISH, request=request)) == [{"x": 1}]


def test_legacy_function_call_is_a_call() -> None:
    """`function_call` of older servers becomes a tool_use block."""
    message = streamed(
        delta(function_call={"name": "look", "arguments": ""}),
        delta(function_call={"arguments": '{"x":1}'}),
        delta("function_call"),
    )
    assert (inputs(message), message["stop_reason"]) == ([{"x": 1}], "tool_use")


def test_empty_function_call_is_none() -> None:
    """Servers that send an empty `function_call` with everything call nothing."""
    assert kinds(collected(whole(content="x", function_call={"name": "", "arguments": ""}))) == ["text"]


def test_custom_call_has_its_text_as_input() -> None:
    """Free text for a custom tool is wrapped into an object."""
    calls = [{"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls {"}}]
    assert inputs(collected(whole("tool_calls", tool_calls=calls))) == [{"input": "ls {"}]


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
def test_text_around_calls_keeps_its_place(quirks: ChatQuirks) -> None:
    """Text before, between and after calls stays where it was said."""
    message = streamed(
        delta(content="a"),
        delta(tool_calls=[call(0, id="x", name="look", arguments='{"n":1}')]),
        delta(content="b"),
        delta(tool_calls=[call(1, id="y", name="look", arguments='{"n":2}')]),
        delta("stop", content="c"),
        quirks=quirks,
    )
    assert kinds(message) == ["text", "tool_use", "text", "tool_use", "text"]
    assert [block.get("text") for block in message["content"]] == ["a", None, "b", None, "c"]
    assert message["stop_reason"] == "tool_use"


def test_text_amid_arguments_waits() -> None:
    """Text between two pieces of the same arguments comes after the call."""
    message = streamed(
        delta(tool_calls=[call(0, id="x", name="look", arguments='{"n":')]),
        delta(content="b"),
        delta(tool_calls=[call(0, arguments="1}")]),
        FINISH,
    )
    assert (kinds(message), inputs(message)) == (["tool_use", "text"], [{"n": 1}])


def test_live_arguments_are_passed_on_at_once() -> None:
    """Where the upstream is trusted, a client sees the arguments grow."""
    made = translator(quirks=LIVE)
    made.receive_data(delta(tool_calls=[call(0, id="x", name="look", arguments='{"n"')]))
    events = parse_events(made.receive_data(delta(tool_calls=[call(0, arguments=":1")])))
    assert events[0]["delta"] == {"type": "input_json_delta", "partial_json": ":1"}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(['{"a":1', ",}"], {"a": 1}, id="wrong later"),
        pytest.param(['{"a":1', " nope", "}"], {"a": 1}, id="wrong for good"),
        pytest.param(["null"], {}, id="wrong from the start"),
        pytest.param(['{"a":"x'], {"a": "x"}, id="not finished"),
        pytest.param(['{"a":1}', "}"], {"a": 1}, id="a brace too many"),
        pytest.param([""], {}, id="nothing"),
    ],
)
def test_broken_live_arguments_are_closed(pieces: list[str], expected: object) -> None:
    """What was streamed before arguments turned out to be no JSON is made an object."""
    first = call(0, id="x", name="look", arguments=pieces[0])
    rest = [delta(tool_calls=[call(0, arguments=piece)]) for piece in pieces[1:]]
    assert inputs(streamed(delta(tool_calls=[first]), *rest, delta("tool_calls"), quirks=LIVE)) == [expected]


@pytest.mark.parametrize("finish", ["tool_calls", "length"])
@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"half \ud83d", "half \ufffd"),
        (r"\ud83dx", "\ufffdx"),
        (r"\ude00", "\ufffd"),
        (r"\uD83D\n", "\ufffd\n"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ud83d\ude00\\ud83d", "\U0001f600\\ud83d"),
    ],
)
def test_escape_of_half_a_character_never_reaches_a_client(
    written: str, read: str, quirks: ChatQuirks, finish: str
) -> None:
    """The official SDK raises on it: however arguments are cut, it stands for U+FFFD in them, and whole pairs stay."""
    arguments = f'{{"a":"{written}"' + ("}" if finish == "tool_calls" else ',"b":"')
    first = delta(tool_calls=[call(0, id="x", name="look", arguments="")])
    for size in (1, 3, len(arguments)):
        pieces = [arguments[place : place + size] for place in range(0, len(arguments), size)]
        chunks = [first, *(delta(tool_calls=[call(0, arguments=piece)]) for piece in pieces), delta(finish), DONE]
        message = sdk_message(feed(translator(quirks=quirks), chunks), stream=True)
        assert inputs(message) == [{"a": read}]


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize(
    ("finish", "stop_reason"),
    [("length", "max_tokens"), ("model_context_window_exceeded", "model_context_window_exceeded")],
)
def test_arguments_cut_by_a_limit(finish: str, stop_reason: str, quirks: ChatQuirks) -> None:
    """A stream keeps the beginning of a call as it came, a whole message leaves it out."""
    chunks = [
        delta(content="So"),
        delta(tool_calls=[call(0, id="x", name="look", arguments='{"a": "b')]),
        delta(finish),
    ]
    message = streamed(*chunks, quirks=quirks)
    assert (kinds(message), inputs(message), message["stop_reason"]) == (["text", "tool_use"], [None], stop_reason)
    assert kinds(collected(*chunks, quirks=quirks)) == ["text"]


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize(
    ("ending", "stop_reason"),
    [(delta("content_filter"), "refusal"), (delta(content="so END"), "stop_sequence")],
    ids=["filter", "stop sequence"],
)
def test_call_that_broke_off_is_not_made_a_whole_one(ending: bytes, stop_reason: str, quirks: ChatQuirks) -> None:
    """Whatever ends an answer amid the arguments of a call: half of them are no input that a tool should get."""
    chunks = [delta(tool_calls=[call(0, id="x", name="look", arguments='{"a": "b')]), ending]
    request = {"stop_sequences": ["END"]}
    message = streamed(*chunks, quirks=quirks, request=request)
    assert (inputs(message), message["stop_reason"]) == ([None], stop_reason)
    assert inputs(collected(*chunks, quirks=quirks, request=request)) == []


def test_refusal_in_words_breaks_no_call_off() -> None:
    """Where the model itself has ended its answer, arguments that are no JSON are a tool's to see."""
    broken = delta(tool_calls=[call(0, id="x", name="look", arguments='{"a": "b')])
    for read in (streamed, collected):
        message = read(delta(refusal="no"), broken, delta("stop"))
        assert (inputs(message), message["stop_reason"]) == ([{"_raw_arguments": '{"a": "b'}], "refusal")


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
def test_character_between_two_chunks_does_not_cut_a_complete_call(quirks: ChatQuirks) -> None:
    """A call that is complete when the limit is met reaches the client, though a chunk ended amid an emoji."""
    chunks = [
        delta(tool_calls=[call(0, id="x", name="look", arguments='{"a":"\ud83d')]),
        delta(tool_calls=[call(0, arguments='\ude00"}')]),
        delta("length"),
    ]
    assert inputs(streamed(*chunks, quirks=quirks)) == [{"a": "\U0001f600"}]
    assert inputs(collected(*chunks, quirks=quirks)) == [{"a": "\U0001f600"}]


def test_nulls_of_strict_tools_are_taken_out() -> None:
    """A member that is optional for the client is absent, not null, though the upstream must send it."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    request = {"tools": [{"name": "look", "input_schema": schema, "strict": True}]}
    chunk = delta(tool_calls=[call(0, id="x", name="look", arguments='{"a": "x", "b": null}')])
    quirks = ChatQuirks(strict=True, tool_args="live")
    assert inputs(streamed(chunk, FINISH, request=request, quirks=quirks)) == [{"a": "x"}]


def test_shortened_tool_name_is_restored() -> None:
    """A name that was too long for the upstream comes back as the client knows it."""
    name = "a_tool_whose_name_is_much_longer_than_sixty_four_characters_which_is_the_limit"
    made = translator({"tools": [{"name": name, "input_schema": {"type": "object"}}]})
    sent = json.loads(made.encode().body)["tools"][0]["function"]["name"]
    begin = delta(tool_calls=[call(0, name=sent)])
    stream = feed(made, [begin, delta(tool_calls=[call(0, id="x", name=sent, arguments="{}")]), FINISH])
    assert len(sent) <= 64
    assert [block["name"] for block in rebuild(parse_events(stream))["content"]] == [name]


def test_placeholder_before_the_arguments_is_dropped() -> None:
    """An empty object that a server sends before the real arguments does not spoil them."""
    message = streamed(
        delta(tool_calls=[call(0, id="a", name="look", arguments="{}")]),
        delta(tool_calls=[call(0, arguments='{"x":1}')]),
        FINISH,
    )
    assert inputs(message) == [{"x": 1}]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(['{"x":', '{"x":[1,', '{"x":[1,2]}'], id="all so far, each time"),
        pytest.param(['{"x":[1,2]}', '{"x":[1,2]}', '{"x":[1,2]}'], id="whole, each time"),
        pytest.param(['{"x":', "[1,2]}", '{"x": [1, 2]}'], id="whole after the pieces"),
        pytest.param(['{"x":', '{"x":[1,', "", '{"x":[1,2]}', ""], id="all so far, with nothing in between"),
    ],
)
@pytest.mark.parametrize("end", [FINISH, delta("length")], ids=["its end", "a limit"])
def test_arguments_that_are_sent_again_count_once(pieces: list[str], end: bytes) -> None:
    """Where a server repeats what it sent of a call's arguments, the client gets them once."""
    begin = delta(tool_calls=[call(0, id="a", name="look", arguments="")])
    assert inputs(streamed(begin, *(delta(tool_calls=[call(0, arguments=piece)]) for piece in pieces), end)) == [
        {"x": [1, 2]}
    ]


def test_pieces_that_begin_alike_are_put_together() -> None:
    """A piece that happens to begin as the one before it is no repetition where all of them are an object."""
    begin = delta(tool_calls=[call(0, id="a", name="look", arguments='{"x":')])
    assert inputs(streamed(begin, delta(tool_calls=[call(0, arguments='{"x":1}}')]), FINISH)) == [{"x": {"x": 1}}]


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "by their ids"])
@pytest.mark.parametrize("arguments", ["{}", '{"at": "x"}'])
def test_many_calls_cost_what_each_costs(quirks: ChatQuirks, numbered: bool, arguments: str) -> None:
    """Thousands of calls in one answer hold up nobody else: each is looked at for itself, not for all others again."""
    count = 10_000
    calls = [call(at if numbered else None, id=f"call_{at}", name="look", arguments=arguments) for at in range(count)]
    chunks = [delta(tool_calls=[one]) for one in calls]
    one = translator(TOOL, quirks)
    began = time.thread_time()
    for chunk in (*chunks, delta("tool_calls"), usage(), DONE):
        one.receive_data(chunk)
    took_s = time.thread_time() - began
    assert one.ended
    assert one.failure is None
    assert took_s < 2.0


def test_pieces_of_many_calls_at_once_cost_what_each_costs() -> None:
    """Where thousands of calls are open at once a piece finds its own without asking all others."""
    count = 10_000
    begun = [delta(tool_calls=[call(at, id=f"call_{at}", name="look", arguments='{"at":')]) for at in range(count)]
    ended = [delta(tool_calls=[call(at, arguments="1}")]) for at in reversed(range(count))]
    one = translator(TOOL, LIVE)
    began = time.thread_time()
    for chunk in (*begun, *ended, delta("tool_calls"), usage(), DONE):
        one.receive_data(chunk)
    took_s = time.thread_time() - began
    assert one.ended
    assert took_s < 2.0


@pytest.mark.parametrize("name", ["21st_magic", "_private", "-dash"])
def test_names_begin_with_a_letter_where_the_server_wants_that(name: str) -> None:
    """Moonshot refuses all tools for one whose name begins with a digit: it gets another, and the client its own."""
    quirks = ChatQuirks(letter_names=True)
    history = [*HI, assistant(made_call("toolu_1", name)), user(result("toolu_1"))]
    request = {"messages": history, "tools": [tool(name), tool()], "tool_choice": {"type": "tool", "name": name}}
    sent = upstream(request, quirks)
    declared = sent["tools"][0]["function"]["name"]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", declared)
    assert sent["tool_choice"]["function"]["name"] == declared
    assert sent["messages"][1]["tool_calls"][0]["function"]["name"] == declared
    assert sent["tools"][1]["function"]["name"] == "look"
    message = streamed(
        delta("tool_calls", tool_calls=[call(0, id="x", name=declared, arguments="{}")]), request=request, quirks=quirks
    )
    assert message["content"][0]["name"] == name
