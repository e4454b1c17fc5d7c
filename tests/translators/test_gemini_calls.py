"""Gemini's function calls reach the client whole, once, and with sound ids."""

from __future__ import annotations

import pytest

from tests.translators.gemini_answers import (
    ADAPTIVE,
    SEARCH,
    Json,
    call,
    carried,
    chunk,
    data,
    kinds,
    streamed,
    text,
    thought,
)


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


@pytest.mark.parametrize("search", [{}, SEARCH], ids=["at once", "held for a search"])
@pytest.mark.parametrize(
    ("beside", "before"),
    [(text(""), []), (text("a"), ["text"]), (thought(""), []), (thought("hm"), ["thinking"])],
    ids=["empty", "text", "empty thought", "thought"],
)
def test_call_in_a_part_that_also_has_a_text_is_delivered(beside: Json, before: list[str], search: Json) -> None:
    """Gateways put a text, mostly an empty one, into the part of a call: both reach the client, the text first."""
    message = streamed(chunk(beside | call("look", {"at": "x"}), finish="STOP"), request=ADAPTIVE | search)
    assert kinds(message) == [*before, "tool_use"]
    assert message["content"][-1]["input"] == {"at": "x"}
    assert message["stop_reason"] == "tool_use"


def test_signature_of_a_part_with_text_and_call_is_the_calls() -> None:
    """It goes back with the call, which Gemini refuses without it."""
    signed = call(signature="c2ln")
    beside, alone = (streamed(chunk(part, finish="STOP"), request=ADAPTIVE) for part in (text("") | signed, signed))
    assert carried(beside["content"][0]) == carried(alone["content"][0])


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


def test_numbers_among_arguments_stay_numbers() -> None:
    """A member of a call's arguments may be named as an enum is."""
    called = streamed(
        data(
            {"candidates": [{"content": {"parts": [call(args={"outcome": 1, "finishReason": 2})]}, "finishReason": 1}]}
        )
    )
    assert called["content"][-1]["input"] == {"outcome": 1, "finishReason": 2}
