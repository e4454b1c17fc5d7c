"""Pieces of arguments that are read by their frame are what decoding would have found."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.call_frames import MAX_VAIN, CallFrames, Piece


def event(number: int, text: str, *, stamp: int = 1, **fields: object) -> bytes:
    return json.dumps({"id": "x", "stamp": stamp, "call": {"n": number, "args": text}, **fields}).encode()


def read(data: bytes) -> Piece | None:
    """As a translator would: a piece alone, and nothing beside it."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    if set(found) != {"id", "stamp", "call"} or set(found["call"]) != {"n", "args"}:
        return None
    text = found["call"]["args"]
    return (found["call"]["n"], text) if isinstance(text, str) else None


def learned(*numbers: int) -> CallFrames:
    frames = CallFrames(read)
    for number in numbers:
        frames.learn(event(number, "Hello"))
        assert frames.piece(event(number, "there")) == (number, "there")
    return frames


@given(st.text())
def test_piece_is_found_as_decoding_finds_it(text: str) -> None:
    """What a frame gives for an event is the piece in it, escapes and all, or nothing: then it is to be decoded."""
    assert learned(0).piece(event(0, text)) in (None, (0, text))


@pytest.mark.parametrize("text", ['{"path": "', "a\nb", "\\", "Grüße", ""])
def test_usual_pieces_need_no_decoding(text: str) -> None:
    """JSON in JSON is read by its frame."""
    assert learned(0).piece(event(0, text)) == (0, text)


def test_calls_may_take_turns() -> None:
    """The pieces of calls that come at once each go to their own call."""
    frames = learned(0, 1, 2)
    found = [frames.piece(event(number, f"piece {number}")) for number in (0, 1, 2, 0, 2, 1)]
    assert found == [(number, f"piece {number}") for number in (0, 1, 2, 0, 2, 1)]


@pytest.mark.parametrize(
    "data",
    [
        event(1, "x"),
        event(0, "x", stamp=2),
        event(0, "x", finish="stop"),
        event(0, "x").replace(b'"x"}', b'"x", "args": "y"}'),
        event(0, "x").replace(b'"x"}', b"null}"),
        event(0, "x").replace(b'"x"}', b'"\\ud800"}'),
        event(0, "x").replace(b'"x"}', b'"\t"}'),
    ],
    ids=["another call", "other frame", "more fields", "two texts", "no text", "half a character", "control"],
)
def test_whatever_else_an_event_holds_is_left_to_decoding(data: bytes) -> None:
    """An event that differs from the learned one in more than its piece is not read by the frame."""
    assert learned(0).piece(data) is None


def test_piece_that_also_stands_elsewhere_is_no_frame() -> None:
    """Where an id happens to be the same string as the piece, the id is not taken for the piece's place."""
    frames = CallFrames(read)
    frames.learn(event(0, "x"))
    assert frames.piece(event(0, "x")) is None


def test_question_mark_that_also_stands_elsewhere_is_no_frame() -> None:
    """Nor is one where a look with another piece in its place would find the same."""
    frames = CallFrames(read)
    frames.learn(event(0, "?").replace(b'"x"', b'"?"'))
    assert frames.piece(event(0, "?").replace(b'"x"', b'"an id"')) is None


def test_stream_without_frames_is_given_up() -> None:
    """Where no two events have the same frame, looking for one ends soon."""
    frames = CallFrames(read)
    for stamp in range(MAX_VAIN + 1):
        frames.learn(event(0, "Hello", stamp=stamp))
        assert frames.piece(event(0, "Hello", stamp=-1 - stamp)) is None
    assert frames.piece(event(0, "x", stamp=MAX_VAIN)) is None
    assert frames.piece(event(0, "x", stamp=MAX_VAIN - 1)) == (0, "x")
