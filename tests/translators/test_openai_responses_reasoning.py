"""Reasoning of OpenAI Responses becomes thinking, and what of it is encrypted comes back with the conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llm_to_anthropic.translators.carrier import MAX_SENT_BYTES, decode_carrier
from llm_to_anthropic.translators.openai_responses.carrier import read_replay
from tests.messages import Event
from tests.translators.responses_answers import (
    OFF,
    OMITTED,
    ON,
    Json,
    added,
    both,
    call,
    carried,
    collected,
    completed,
    done,
    event,
    kinds,
    message,
    reasoning,
    streamed,
    target,
    text,
    thought,
    whole,
)

MODES: dict[str, Json] = {"default": {}, "on": ON, "omitted": OMITTED, "off": OFF}


def thinking(said: Event) -> list[Json]:
    return [block for block in said["content"] if block["type"] == "thinking"]


def test_encrypted_reasoning_goes_back_byte_for_byte() -> None:
    """The carrier holds the values of the item as they came in its last event, and not those of its announcement."""
    item = (
        b'{"id":"rs_1","type":"reasoning","status":"completed","summary":[ {"type":"summary_text", "text":"\\u0048m"}],'
    )
    item += b'"encrypted_content":"gAAA\\u002b/=","metadata":{"x":1}}'
    finished = b'data: {"type":"response.output_item.done","output_index":0,"item":%b}\n\n' % item
    said = streamed(added(0, reasoning(encrypted="early")), thought(0, "Hm"), finished, completed(), request=ON)
    carrier = decode_carrier(said["content"][0]["signature"])
    assert carrier is not None
    assert [bytes(kept) for kept in carrier.items] == [
        b'{"type":"reasoning","id":"rs_1","summary":[ {"type":"summary_text", "text":"\\u0048m"}],'
        b'"encrypted_content":"gAAA\\u002b/="}'
    ]
    replay = read_replay(said["content"][0]["signature"], target())
    assert replay is not None
    assert replay.items == [Raw(bytes(carrier.items[0]))]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_empty_summary_with_encrypted_content(mode: Json) -> None:
    """Reasoning without a text stands before its call, unless the client wants no thinking."""
    said = both(reasoning(), call(), request=mode)
    if mode is OFF:
        assert kinds(said) == ["tool_use"]
        return
    assert kinds(said) == ["thinking", "tool_use"]
    assert said["content"][0]["thinking"] == ""
    assert [item["encrypted_content"] for item in carried(said["content"][0])] == ["sealed"]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_summary_is_shown_as_asked(mode: Json) -> None:
    """A text is shown unless the client wants none; the signature travels with the empty block, too."""
    said = both(reasoning("Hm."), message("Hi"), request=mode)
    expected = {"default": ["Hm."], "on": ["Hm."], "omitted": [""], "off": []}
    name = next(name for name, value in MODES.items() if value is mode)
    assert [block["thinking"] for block in thinking(said)] == expected[name]
    assert all(carried(block)[0]["encrypted_content"] == "sealed" for block in thinking(said))


def test_text_comes_first_for_a_client_that_asked_for_no_thinking() -> None:
    """Scripts that read the first block as the answer find it there: a block of no text stands before calls alone."""
    assert kinds(both(reasoning(), message("Hi"))) == ["text"]
    said = both(reasoning(), message("I look."), call())
    assert kinds(said) == ["text", "thinking", "tool_use"]
    assert carried(said["content"][1])[0]["id"] == "rs_1"


def test_each_reasoning_item_has_its_own_block() -> None:
    """Items in a row are not merged: each goes back where it stood."""
    items = (reasoning("One."), reasoning(id="rs_2"), reasoning("Three.", id="rs_3"), call())
    said = both(*items, request=ON)
    assert [block["thinking"] for block in thinking(said)] == ["One.", "", "Three."]
    assert [carried(block)[0]["id"] for block in thinking(said)] == ["rs_1", "rs_2", "rs_3"]
    held = both(reasoning(), reasoning(id="rs_2"), call())
    assert [carried(block)[0]["id"] for block in thinking(held)] == ["rs_1", "rs_2"]


def test_reasoning_keeps_its_order_where_some_of_it_has_no_text() -> None:
    """What a client that did not ask for thinking gets before a call alone does not come behind what it was shown."""
    said = both(reasoning(), reasoning("Two.", id="rs_2"), reasoning(id="rs_3"), call())
    assert [item["id"] for block in thinking(said) for item in carried(block)] == ["rs_1", "rs_2", "rs_3"]


def test_reasoning_that_is_not_encrypted_is_not_kept() -> None:
    """A bare item is unknown to the upstream in the next turn: the text is shown with a carrier of nothing."""
    said = both(reasoning("Hm.", encrypted=None), call(), request=ON)
    assert [block["thinking"] for block in thinking(said)] == ["Hm."]
    assert carried(said["content"][0]) == []
    assert kinds(both(reasoning(encrypted=None), message("Hi"), request=ON)) == ["text"]


def test_text_of_open_models_is_thinking() -> None:
    """Servers of open models send the reasoning itself, and no summary."""
    parts = [{"type": "reasoning_text", "text": said} for said in ("Hm.", "Well.")]
    item = reasoning(encrypted=None, content=parts)
    deltas = [
        event("response.reasoning_text.delta", output_index=0, content_index=part, delta=said)
        for part, said in enumerate(("Hm.", "Well."))
    ]
    for answer in (
        [added(0, reasoning(encrypted=None)), *deltas, done(0, item), completed(item)],
        [whole(item)],
        [done(0, item), completed()],
    ):
        assert [block["thinking"] for block in thinking(streamed(*answer, request=ON))] == ["Hm.\n\nWell."]


def test_summary_and_text_are_not_told_twice() -> None:
    """Where a server sends both, one of them is shown."""
    content = [{"type": "reasoning_text", "text": "Long and winding."}]
    item = reasoning("Short.", content=content)
    stream = [
        added(0, reasoning()),
        thought(0, "Short."),
        event("response.reasoning_text.delta", output_index=0, content_index=0, delta="Long and winding."),
        done(0, item),
        completed(item),
    ]
    for answer in (stream, [whole(item)]):
        said = collected(*answer, request=ON)
        assert [block["thinking"] for block in thinking(said)] == ["Short."]
        assert carried(said["content"][0])[0]["content"] == content


@pytest.mark.parametrize(("content", "kept"), [([], []), (None, "absent")])
def test_content_of_an_item_is_kept_where_there_is_any(content: Any, kept: object) -> None:
    """The empty list that some servers send goes back, null does not."""
    said = both(reasoning("Hm.", content=content), message("Hi"), request=ON)
    assert carried(said["content"][0])[0].get("content", "absent") == kept


def test_phase_of_a_message_travels_with_the_reasoning_before_it() -> None:
    """Text blocks have no place for it, and a model wants to know what of its past was no answer."""
    said = both(reasoning("Hm."), message("I look.", phase="commentary"), call(), request=ON)
    replay = read_replay(said["content"][0]["signature"], target())
    assert replay is not None
    assert (len(replay.items), replay.phases) == (1, ["commentary"])
    without = read_replay(both(reasoning("Hm."), call(), request=ON)["content"][0]["signature"], target())
    assert without is not None
    assert without.phases == []


def test_huge_reasoning_is_left_behind() -> None:
    """A carrier that costs more than it is worth is sent empty; a large one is not."""
    # Encrypted content does not compress; these digits stand for it.
    noise = "".join(str(hash((number, "x")))[1:] for number in range(MAX_SENT_BYTES // 8))
    said = both(reasoning("Hm.", encrypted=noise[:300_000]), call(), request=ON)
    assert carried(said["content"][0])[0]["encrypted_content"] == noise[:300_000]
    said = both(reasoning("Hm.", encrypted=noise * 2), call(), request=ON)
    assert (said["content"][0]["thinking"], carried(said["content"][0])) == ("Hm.", [])


def test_reasoning_that_breaks_off_is_signed() -> None:
    """A thinking block ends with a signature even where its item never does."""
    said = streamed(added(0, reasoning()), thought(0, "Hm"), completed(), request=ON)
    assert (said["content"][0]["thinking"], carried(said["content"][0])) == ("Hm", [])
    said = streamed(thought(0, "Hm"), text(1, "Hi"), completed(), request=ON)
    assert [kinds(said), carried(said["content"][0])] == [["thinking", "text"], []]


def test_carrier_belongs_to_the_upstream_that_made_it() -> None:
    """Another provider, or another address of it, gets nothing back."""
    signature = both(reasoning("Hm."), message("Hi"), request=ON)["content"][0]["signature"]
    carrier = decode_carrier(signature)
    assert carrier is not None
    assert (carrier.vendor, carrier.provider, carrier.model) == ("o", "openai", "gpt-5.6-sol")
    other = msgspec.structs.replace(target().provider, base_url="http://elsewhere.test/v1")
    assert read_replay(signature, target()) is not None
    assert read_replay(signature, msgspec.structs.replace(target(), provider=other)) is None
