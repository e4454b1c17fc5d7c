"""Text and thinking that pass in whole reads: what the client gets does not depend on how they came."""

from __future__ import annotations

import json
from itertools import groupby, pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.carrier import decode_carrier
from tests.translators.chat_answers import DONE, Json, delta, streamed, translator

FINISH = delta("stop") + DONE
FIELDS = {"content": "text", "reasoning_content": "thinking"}

# White space alone becomes no block: test_blank_texts.py.
visible = st.text(min_size=1, max_size=6).filter(str.strip)
words = st.lists(st.tuples(st.sampled_from([*FIELDS]), visible), min_size=1, max_size=30)


def blocks(message: Json) -> list[tuple[str, str]]:
    return [(block["type"], block[block["type"]]) for block in message["content"]]


@given(words, st.lists(st.integers(0, 9999), max_size=6))
def test_words_arrive_whole_however_they_are_cut(said: list[tuple[str, str]], cuts: list[int]) -> None:
    """Runs of thinking and of text become the blocks that they are, event by event and in any slices."""
    events = [delta(**{field: text}) for field, text in said] + [FINISH]
    whole = b"".join(events)
    places = sorted({0, *(cut % len(whole) for cut in cuts), len(whole)})
    expected = [
        (FIELDS[field], "".join(text for _, text in run)) for field, run in groupby(said, key=lambda one: one[0])
    ]
    assume(all(text.strip() for _, text in expected))  # a block of white space alone is left out
    for slices in (events, [whole[one:other] for one, other in pairwise(places)]):
        assert blocks(streamed(*slices)) == expected


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text", "content"])
def test_words_flow_from_the_third_event_on(field: str) -> None:
    """Thinking is read by its frame as text is, in each of its spellings: none of it is decoded any more."""
    made = translator()
    for word in ("a", "b", "c"):
        made.receive_data(delta(**{field: word}))
    assert made.flow is not None
    assert b'_delta","' in made.flow.pass_on(delta(**{field: "d"}))


@pytest.mark.parametrize("field", [*FIELDS])
def test_burst_flows_amid_its_first_read(field: str) -> None:
    """Of a burst that comes in one read only the first few events are decoded, and the last where they are no words."""
    words = b"".join(delta(**{field: f"word {number} "}) for number in range(300))
    made = translator()
    out = made.receive_data(words)
    assert out.count(b"word ") == 300
    assert made.flow is not None
    assert made.flow.size > 0.9 * sum(len(f"word {number} ") for number in range(300))
    assert made.receive_data(words + FINISH).count(b"word ") == 300
    assert made.ended


@pytest.mark.parametrize("other", [{"reasoning_content": "b"}, {"content": "b"}, {"reasoning": "b", "content": "c"}])
def test_other_words_end_a_flow(other: Json) -> None:
    """A read that holds another kind of words than the ones before is looked at, not passed on."""
    made = translator()
    for word in ("a", "b", "c"):
        made.receive_data(delta(reasoning=word))
    assert made.flow is not None
    assert made.flow.pass_on(delta(**other)) == b""


def test_thinking_that_is_repeated_in_another_field_does_not_flow_twice() -> None:
    """Events that repeat the thinking under another name do not count, though their like came before."""
    events = [delta(**{field: word}) for word in "abcdef" for field in ("reasoning", "reasoning_content")]
    assert blocks(streamed(*events, delta(content="Yes"), FINISH)) == [("thinking", "abcdef"), ("text", "Yes")]


def test_hidden_thinking_does_not_flow() -> None:
    """Who wants no thinking gets none, however much of it comes."""
    events = [delta(reasoning=word) for word in "abcdef"]
    message = streamed(*events, delta(content="Yes"), FINISH, request={"thinking": {"type": "disabled"}})
    assert blocks(message) == [("text", "Yes")]


def test_details_beside_thinking_are_kept() -> None:
    """Thinking that comes with opaque details is decoded, event by event: all of them travel with the client."""
    text = {"type": "reasoning.text", "index": 0}
    events = [delta(reasoning=word, reasoning_details=[text | {"text": word}]) for word in "abcdef"]
    message = streamed(*events, delta(content="Yes"), FINISH, quirks=ChatQuirks(reasoning_details=True))
    assert blocks(message) == [("thinking", "abcdef"), ("text", "Yes")]
    carrier = decode_carrier(message["content"][0]["signature"])
    assert carrier is not None
    assert [json.loads(bytes(item)) for item in carrier.items] == [text | {"text": "abcdef"}]


def test_flowing_thinking_is_counted() -> None:
    """Where the upstream counts no tokens they are estimated from all that was said, what flowed included."""
    few = streamed(delta(reasoning="a" * 40), delta(content="Yes"), FINISH)
    many = streamed(*[delta(reasoning="a" * 40) for _ in range(20)], delta(content="Yes"), FINISH)
    assert many["usage"]["output_tokens"] > 10 * few["usage"]["output_tokens"]
