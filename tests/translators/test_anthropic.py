"""The few edits that bytes towards Anthropic may suffer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.anthropic import UsageReader, drop_carriers, replace_model, replace_served_model
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier

SIGNATURE = encode_carrier(Carrier(vendor="c", provider="openai", model="m", route="r", items=[]))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"model":"a","x":1.50}', b'{"model":"b","x":1.50}', id="first"),
        pytest.param(b'{ "x" : {"model":"q"}, "model" : "a" }', b'{ "x" : {"model":"q"}, "model" : "b" }', id="nested"),
        pytest.param(b'{"m":"\\"model\\":\\"a\\"","model":"a"}', b'{"m":"\\"model\\":\\"a\\"","model":"b"}', id="text"),
        pytest.param(b'{"model":"x","model":"a"}', b'{"model":"x","model":"b"}', id="last of two"),
        pytest.param(b'{"model":"b","metadata":{"model":"a"}}', b'{"model":"b","metadata":{"model":"a"}}', id="same"),
    ],
)
def test_only_the_top_level_model_changes(body: bytes, expected: bytes) -> None:
    """A renamed model changes its own bytes and no others."""
    assert replace_model(body, "b") == expected


@given(st.dictionaries(st.text(), st.text() | st.dictionaries(st.just("model"), st.text())), st.text(min_size=1))
def test_any_body_keeps_its_other_members(members: dict[str, object], model: str) -> None:
    """Whatever else a body holds, only its model is another afterwards."""
    before = {**members, "model": "old"}
    after = json.loads(replace_model(json.dumps(before).encode(), model))
    assert after == {**before, "model": model}


def test_the_served_model_is_put_back_once() -> None:
    """A message_start event gets the client's model name, whatever its text mentions."""
    event = b'data: {"message":{"model":"claude-x","content":[{"text":"\\"model\\":\\"y\\""}]}}\n\n'
    assert replace_served_model(event, "mine") == event.replace(b"claude-x", b"mine")


def _request(*messages: dict[str, object]) -> bytes:
    return json.dumps({"max_tokens": 1, "messages": messages, "model": "m"}).encode()


def _messages(body: bytes) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = json.loads(body)["messages"]
    return messages


def test_bodies_without_own_thinking_are_untouched() -> None:
    """A request with nothing of this proxy in it keeps every byte."""
    body = _request({"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "EqoB"}]})
    assert drop_carriers(body) is body


def test_own_thinking_is_removed_and_foreign_thinking_stays() -> None:
    """Thinking that Anthropic could not verify does not reach it; its own does, byte for byte."""
    own = {"type": "thinking", "thinking": "x", "signature": SIGNATURE}
    foreign = {"type": "thinking", "thinking": "\u00e9 1.0", "signature": "EqoB"}
    body = drop_carriers(_request({"role": "assistant", "content": [own, foreign, {"type": "text", "text": "t"}]}))
    assert json.dumps(foreign).encode() in body
    assert SIGNATURE.encode() not in body


def test_own_summaries_are_removed_and_foreign_ones_stay() -> None:
    """A conversation that another upstream summed up for itself alone reaches Anthropic without the summary."""
    own = {"type": "compaction", "content": None, "encrypted_content": SIGNATURE}
    foreign = {"type": "compaction", "content": "sum", "encrypted_content": "EqoB"}
    said = {"type": "text", "text": "t"}
    body = drop_carriers(_request({"role": "assistant", "content": [own, foreign, said]}))
    assert _messages(body)[0]["content"] == [foreign, said]


def test_searches_of_other_upstreams_become_text() -> None:
    """Anthropic refuses results that it did not encrypt: after a change to it the model reads what was found."""
    found = {"type": "web_search_result", "title": "News", "url": "https://a.test/", "encrypted_content": SIGNATURE}
    place = {"type": "web_search_result_location", "url": "https://a.test/", "title": "News", "cited_text": "It rains"}
    blocks = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]},
        {"type": "server_tool_use", "id": "srvtoolu_2", "name": "web_search", "input": {"query": "sun"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_2", "content": []},
        {"type": "text", "text": "It rains.", "citations": [place | {"encrypted_index": SIGNATURE}]},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"at": 1.50}},
    ]
    body = drop_carriers(_request({"role": "assistant", "content": blocks}))
    assert _messages(body)[0]["content"] == [
        {"type": "text", "text": '[web_search "rain"]'},
        {"type": "text", "text": "[web_search result]\nNews - https://a.test/"},
        {"type": "text", "text": '[web_search "sun"]'},
        {"type": "text", "text": "[web_search result]"},
        {"type": "text", "text": "It rains.", "citations": None},
        blocks[-1],
    ]


def test_searches_of_anthropic_stay() -> None:
    """What Anthropic found and cited itself goes back byte for byte, beside what is taken out."""
    found = {"type": "web_search_result", "title": "\u00e9", "url": "https://a.test/", "encrypted_content": "EqoB"}
    place = {"type": "web_search_result_location", "url": "https://a.test/", "title": None, "encrypted_index": "EqoB"}
    own = {"type": "thinking", "thinking": "x", "signature": SIGNATURE}
    blocks = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]},
        {"type": "text", "text": f'It rains "{SIGNATURE}"', "citations": [place]},
    ]
    body = drop_carriers(_request({"role": "assistant", "content": [own, *blocks]}))
    assert SIGNATURE.encode() in body
    for block in blocks:
        assert json.dumps(block).encode() in body


def test_citations_are_told_apart() -> None:
    """Of two citations in one text the one that Anthropic made stays."""
    place = {"type": "web_search_result_location", "url": "https://a.test/", "title": None}
    theirs, own = place | {"encrypted_index": "EqoB"}, place | {"encrypted_index": SIGNATURE}
    text = {"type": "text", "text": "It rains.", "citations": [own, theirs, "odd"]}
    body = drop_carriers(_request({"role": "assistant", "content": [text]}))
    assert _messages(body)[0]["content"] == [text | {"citations": [theirs, "odd"]}]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "web_search_tool_result", "tool_use_id": "a", "content": {"error_code": '"px1.'}},
        {"type": "text", "text": "t", "citations": '"px1.'},
        {"type": "server_tool_use", "name": ["px1."]},
        "px1.",
    ],
)
def test_odd_blocks_are_left_to_anthropic(block: object) -> None:
    """What cannot be read is none of ours: Anthropic says what is wrong with it."""
    body = _request({"role": "assistant", "content": [block]})
    assert drop_carriers(body) is body


def test_a_message_left_empty_goes_and_its_neighbours_join() -> None:
    """An assistant message of our thinking alone leaves one user message behind."""
    body = drop_carriers(
        _request(
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": SIGNATURE}]},
            {"role": "user", "content": [{"type": "text", "text": "two"}]},
        )
    )
    texts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert _messages(body) == [{"role": "user", "content": texts}]


def test_a_signature_quoted_in_text_is_left_alone() -> None:
    """A user who talks about a carrier keeps the text."""
    body = _request({"role": "user", "content": [{"type": "text", "text": '"px1.c.x"'}]})
    assert drop_carriers(body) is body


def test_usage_of_a_stream_is_added_up_from_start_and_delta() -> None:
    """The exchange record knows the final usage and stop reason of a stream that passed through."""
    reader = UsageReader()
    reader.read(b'{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1}}}')
    reader.read(b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}')
    assert reader.usage == Usage(input_tokens=7, output_tokens=5)
    assert reader.stop_reason == "end_turn"


@pytest.mark.parametrize(
    "data", [b"<html>", b'{"type":"\xff"}', b'{"usage":' + b"[" * 100_000], ids=["html", "ff", "deep"]
)
def test_usage_reading_survives_anything(data: bytes) -> None:
    """An answer that is no JSON, no text or has no bottom leaves the record empty and raises nothing."""
    reader = UsageReader()
    reader.read(data)
    assert reader.usage is None
