"""Text that is read by its frame is the text that decoding would have found."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.text_frames import MAX_VAIN, TextFrames


def event(text: str, *, stamp: int = 1, **fields: object) -> bytes:
    return json.dumps({"id": "x", "stamp": stamp, "delta": {"content": text}, **fields}, ensure_ascii=False).encode()


def read(data: bytes) -> str | None:
    """As a translator would: text alone, and nothing beside it."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    if set(found) != {"id", "stamp", "delta"} or set(found["delta"]) != {"content"}:
        return None
    text = found["delta"]["content"]
    return text if isinstance(text, str) else None


def learned() -> TextFrames:
    frames = TextFrames(read)
    frames.learn(event("Hello"))
    return frames


@given(st.text())
def test_text_is_found_as_decoding_finds_it(text: str) -> None:
    """What a frame gives for an event is the event's text, or nothing: then it has to be decoded."""
    found = learned().text(event(text))
    assert found is None or found.decode() == text


@pytest.mark.parametrize("text", [" world", "Grüße", "日本", "\u2028", "a/b 😀"])
def test_usual_text_needs_no_decoding(text: str) -> None:
    """Text without quotes, backslashes and control characters is read by its frame."""
    found = learned().text(event(text))
    assert found is not None
    assert found.decode() == text


@pytest.mark.parametrize(
    "data",
    [
        event(' "quoted"'),
        event("line\n"),
        event("back\\slash"),
        event("tab\t").replace(b"\\t", b"\t"),
        event("x").replace(b'"x"}', b'"x","content":"y"}', 1).replace(b"stamp", b"stomp"),
        event("more", stamp=2),
        event("more", finish="stop"),
        event("caf\u00e9").replace("é".encode(), b"\xe9"),
        event(""),
    ],
    ids=["quotes", "escapes", "backslash", "control", "two texts", "other frame", "more fields", "no UTF-8", "empty"],
)
def test_whatever_else_an_event_holds_is_left_to_decoding(data: bytes) -> None:
    """An event that differs from the learned one in more than plain text is not read by the frame."""
    assert learned().text(data) is None


def test_text_that_also_stands_elsewhere_is_no_frame() -> None:
    """Where an id happens to be the same string as the text, the id is not taken for the text's place."""
    frames = TextFrames(read)
    frames.learn(event("x"))
    assert frames.text(event("x")) is None
    assert frames.text(event("y").replace(b'"id": "x"', b'"id": "z"')) is None


def test_text_beside_other_fields_teaches_nothing() -> None:
    """Only an event of nothing but text is a frame: the others' fields would be lost."""
    frames = TextFrames(read)
    frames.learn(event("Hello", finish="stop"))
    assert frames.text(event("Hello", finish="stop")) is None


def test_stream_without_frames_is_given_up() -> None:
    """Where no two events have the same frame, looking for one ends soon."""
    frames = TextFrames(read)
    for stamp in range(MAX_VAIN + 1):
        frames.learn(event("Hello", stamp=stamp))
        assert frames.text(event("Hello", stamp=-1 - stamp)) is None
    assert frames.text(event("x", stamp=MAX_VAIN)) is None
    assert frames.text(event("x", stamp=MAX_VAIN - 1)) == b"x"
