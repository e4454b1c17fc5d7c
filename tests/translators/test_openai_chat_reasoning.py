"""Reasoning, in whatever field or tag a server gives it, becomes thinking."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.carrier import decode_carrier
from tests.translators.chat_answers import FINISH, call, delta, kinds, streamed


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_becomes_thinking(field: str) -> None:
    """Each spelling of reasoning makes one signed block before the text."""
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
