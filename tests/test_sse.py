"""Server-sent events are framed the same way however they are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import UpstreamProtocolError
from llm_to_anthropic.sse import MAX_EVENT_BYTES, SseDecoder

STREAM = (
    "\ufeff: a comment\n\n"
    'data: {"a":1}\n\n'
    'data:{"no":"space"}\n\n'
    'event: chunk\nid: 7\ndata: {"named":true}\n\n'
    'event: name\ndata: {"plain":1}\n\n'
    "event: name\ndata: \n\n"
    "data: one\ndata: two\n\n"
    "\n\n"
    'data: {"u":"\u2028 \u0085 é 🙂"}\n\n'
    "retry: 10\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    b'{"a":1}',
    b'{"no":"space"}',
    b'{"named":true}',
    b'{"plain":1}',
    b"one\ntwo",
    '{"u":"\u2028 \u0085 é 🙂"}'.encode(),
    b"[DONE]",
]
LINE_ENDS = [pytest.param(b"\n", id="LF"), pytest.param(b"\r\n", id="CRLF"), pytest.param(b"\r", id="CR")]


def decode(*slices: bytes) -> list[bytes]:
    decoder = SseDecoder()
    found = [event for data in slices for event in decoder.feed(data)]
    return found + decoder.close()


@pytest.mark.parametrize("end", LINE_ENDS)
def test_events_are_found(end: bytes) -> None:
    """Comments, names and blank lines are skipped, and several data lines are one."""
    assert decode(STREAM.replace(b"\n", end)) == EVENTS


@pytest.mark.parametrize("end", LINE_ENDS)
def test_every_cut_gives_the_same_events(end: bytes) -> None:
    """A stream that is cut in two anywhere is the same stream."""
    stream = STREAM.replace(b"\n", end)
    for place in range(len(stream) + 1):
        assert decode(stream[:place], stream[place:]) == EVENTS, place


@pytest.mark.parametrize("end", LINE_ENDS)
def test_byte_by_byte_gives_the_same_events(end: bytes) -> None:
    """A stream that comes in single bytes is the same stream."""
    stream = STREAM.replace(b"\n", end)
    assert decode(*(stream[place : place + 1] for place in range(len(stream)))) == EVENTS


@given(
    st.lists(
        st.sampled_from([b"data: x", b"data", b": c", b"\n", b"\r", b"\r\n", b"a", b"\xff", b"\xef\xbb\xbf", b""]),
        max_size=30,
    ),
    st.data(),
)
def test_arbitrary_bytes_do_not_depend_on_slices(pieces: list[bytes], data: st.DataObject) -> None:
    """Even nonsense frames the same way however it is cut."""
    stream = b"".join(pieces)
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    slices = [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]
    assert decode(*slices) == decode(stream)


def test_event_comes_with_its_blank_line() -> None:
    """An event is passed on in the read that completes it, not later."""
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\ndata: b\n\nda") == [b"a", b"b"]


def test_last_event_may_lack_its_blank_line() -> None:
    """What stands at the end without a blank line is an event too."""
    assert decode(b"data: a\n\ndata: b") == [b"a", b"b"]


@pytest.mark.parametrize("stream", [b"data: \n\n", b"data:\n\n", b"data\n\n", b"\n\n", b""])
def test_event_without_data_is_none(stream: bytes) -> None:
    """Empty data is skipped."""
    assert decode(stream) == []


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize("last", [b"", b"\n", b"\n\n"], ids=["open", "line", "blank line"])
@pytest.mark.parametrize("error", [b'{\n  "error": {\n    "code": 503\n  }\n}', b'[{\n  "error": {"code": 503}\n}\n]'])
def test_bare_error_is_an_event(end: bytes, last: bytes, error: bytes) -> None:
    """An error that stands in a stream as plain JSON, in an array or not, is not passed over as a comment is."""
    stream = (b"data: a\n\n" + error + last).replace(b"\n", end)
    for place in range(len(stream) + 1):
        told, found = decode(stream[:place], stream[place:])
        assert (told, json.loads(found)) == (b"a", json.loads(error))


def test_event_without_end_is_refused() -> None:
    """An event that only grows is an error before it fills the memory."""
    decoder = SseDecoder()
    piece = b"x" * (1024 * 1024)
    for _ in range(MAX_EVENT_BYTES // len(piece)):
        decoder.feed(piece)
    with pytest.raises(UpstreamProtocolError, match="8 MiB"):
        decoder.feed(b"x")


def test_many_small_slices_of_a_large_event_are_quick() -> None:
    """A large event in tiny reads costs time in proportion to its size."""
    decoder = SseDecoder()
    event = b"data: " + b"y" * 400_000
    for place in range(len(event)):
        assert decoder.feed(event[place : place + 1]) == []
    assert decoder.feed(b"\n\n") == [event[6:]]
