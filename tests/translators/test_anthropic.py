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
