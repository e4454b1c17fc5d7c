"""Reasoning of earlier answers goes back to the account that made it, and to nobody else."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from llm_to_anthropic.translators.carrier import encode_carrier
from llm_to_anthropic.translators.openai_responses.carrier import empty_carrier
from tests.translators.chat_requests import assistant, call, result, text, user
from tests.translators.responses_requests import (
    LOCAL,
    PLAIN,
    Json,
    carried,
    encoded,
    items,
    reasoning_item,
    target,
    upstream,
)

QUESTION = user(text("?"))
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}


def kinds(*turns: Json, **rest: Json) -> list[str]:
    return [item["type"] for item in items(*turns, **rest)]


def test_reasoning_stands_right_before_its_call() -> None:
    """A thinking block with an empty text and a carrier brings its item back, before the call it led to."""
    item = reasoning_item()
    turns = (QUESTION, assistant(carried(item), call("t1")), user(result("t1")))
    made = items(*turns)
    assert made[1] == item
    assert [each["type"] for each in made] == ["message", "reasoning", "function_call", "function_call_output"]
    assert encoded({"messages": list(turns)}).replayed


def test_reasoning_comes_back_byte_for_byte() -> None:
    """Nothing of an item is written anew: not its spaces, nor members that are not known here."""
    raw = Raw(b'{"type": "reasoning", "id": "rs_1", "new": 1.0, "summary": [], "encrypted_content": "g\\u0041"}')
    carrier = msgspec.structs.replace(empty_carrier(target()), items=[raw])
    thinking = {"type": "thinking", "thinking": "changed", "signature": encode_carrier(carrier)}
    done = encoded({"messages": [QUESTION, assistant(thinking, text("a")), QUESTION]})
    assert bytes(raw) in done.body


def test_reasoning_of_several_steps_stands_where_it_was() -> None:
    """Each item keeps its place among texts and calls."""
    turns = (
        QUESTION,
        assistant(carried(reasoning_item("rs_1")), text("Looking."), carried(reasoning_item("rs_2")), call("t1")),
        user(result("t1")),
        assistant(carried(reasoning_item("rs_3")), text("Done.")),
        QUESTION,
    )
    assert [item.get("id", item["type"]) for item in items(*turns)] == [
        "message",
        "rs_1",
        "message",
        "rs_2",
        "function_call",
        "function_call_output",
        "rs_3",
        "message",
        "message",
    ]


def test_reasoning_that_led_to_nothing_is_left_out() -> None:
    """The upstream refuses an item without the one that it must be followed by."""
    turns = (QUESTION, assistant(text("a"), carried(reasoning_item())), QUESTION)
    assert kinds(*turns) == ["message", "message", "message"]
    assert not encoded({"messages": list(turns)}).replayed


@pytest.mark.parametrize(
    "other",
    [
        carried(reasoning_item(), to=target(base_url=LOCAL)),
        {"type": "thinking", "thinking": "t", "signature": "EqoBCkgIARABGAIiQL"},
        {"type": "thinking", "thinking": "t", "signature": ""},
        {"type": "thinking", "thinking": "t", "signature": "px1.o.AAAA"},
        {"type": "thinking", "thinking": "t", "signature": "px1.o.!!"},
        {"type": "thinking", "thinking": "t", "signature": "px1.g.eJw"},
        {"type": "redacted_thinking", "data": "OPAQUE"},
    ],
    ids=["other account", "Anthropic", "empty", "broken", "illegal", "other vendor", "redacted"],
)
def test_thinking_of_others_is_left_out_and_no_error(other: Json) -> None:
    """Signatures of another account or vendor, and broken ones, are passed over without a word."""
    done = encoded({"messages": [QUESTION, assistant(other, text("a")), QUESTION]})
    assert b"reasoning" not in done.body.partition(b'"include"')[0]
    assert done.encoding.losses == ()
    assert not done.replayed


def test_another_model_of_the_account_reads_it() -> None:
    """A switch between models of one account keeps the reasoning."""
    thinking = carried(reasoning_item(), to=target("gpt-5.6-sol"))
    assert kinds(QUESTION, assistant(thinking, text("a")), QUESTION, model="gpt-5")[1] == "reasoning"


def test_a_model_that_does_not_reason_gets_none() -> None:
    """It would refuse the item."""
    assert "reasoning" not in kinds(QUESTION, assistant(carried(reasoning_item()), text("a")), QUESTION, model=PLAIN)


def test_reasoning_without_encrypted_content_is_not_replayed() -> None:
    """An id alone cannot be looked up at an upstream that keeps nothing."""
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert "reasoning" not in kinds(QUESTION, assistant(carried(bare), text("a")), QUESTION)


def test_a_refused_history_is_sent_once_more_without_its_reasoning() -> None:
    """Texts, calls and phases stay; only the reasoning goes."""
    turns = [
        QUESTION,
        assistant(carried(reasoning_item(), phases=["commentary"]), text("a"), call("t1")),
        user(result("t1")),
    ]
    again = encoded({"messages": turns}, unsigned=True)
    made = upstream({"messages": turns}, unsigned=True)["input"]
    assert [item["type"] for item in made] == ["message", "message", "function_call", "function_call_output"]
    assert made[1]["phase"] == "commentary"
    assert not again.replayed


@pytest.mark.parametrize(
    ("phases", "blocks", "expected"),
    [
        (["commentary"], [text("a"), call("t1")], ["commentary"]),
        (["commentary"], [text("a"), text("b"), call("t1")], ["commentary", None]),
        (["commentary"], [text("a") | {"citations": [1]}, text("b"), call("t1")], ["commentary"]),
        (["commentary"], [text("a"), SEARCH, text("b"), call("t1")], ["commentary", None]),
        (["commentary", "final_answer"], [text("a"), text("b"), call("t1")], ["commentary", "final_answer"]),
        (["commentary", "final_answer"], [text("a"), call("t1"), text("b")], ["commentary", "final_answer"]),
        ([None, "final_answer"], [text("a"), text("b"), call("t1")], [None, "final_answer"]),
        (["commentary", "final_answer"], [text("a"), text("b"), text("c"), call("t1")], [None]),
        (["commentary", "final_answer"], [text("a") | {"citations": [1]}, text("b"), call("t1")], [None]),
        (["commentary"], [text("a"), call("t1"), text("b")], ["commentary", None]),
        ([], [text("a"), call("t1")], [None]),
    ],
)
def test_phases_of_messages_come_back_where_they_are_sure(
    phases: list[str | None], blocks: list[Json], expected: list[str | None]
) -> None:
    """A phase goes to the message that it was said of; where texts and phases do not match, none is better."""
    turns = (QUESTION, assistant(carried(reasoning_item(), phases=phases), *blocks), user(result("t1")))
    said = [item.get("phase") for item in items(*turns) if item.get("role") == "assistant"]
    assert said == expected
