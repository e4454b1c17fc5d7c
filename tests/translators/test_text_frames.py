"""Text that is read by its frame is the text that decoding would have found."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.text_frames import MAX_VAIN, TextFlow, TextFrames


def event(text: str, *, stamp: int = 1, **fields: object) -> bytes:
    return json.dumps({"id": "e", "stamp": stamp, "delta": {"content": text}, **fields}, ensure_ascii=False).encode()


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
    assert found is None or json.loads(found) == text


@pytest.mark.parametrize(
    "text",
    [" world", "Grüße", "日本", "\u2028", "a/b 😀", ' "quoted"', "line\n", 'n"\n"', "tab\t", "back\\slash", "\x00\x7f"],
)
def test_usual_text_needs_no_decoding(text: str) -> None:
    """Text is read by its frame as it would be written, and its bytes are counted without the escapes."""
    frames = learned()
    assert frames.text(event(text)) == msgspec.json.encode(text)
    assert frames.size == len(text.encode())


@pytest.mark.parametrize("text", ["caf\u00e9", "\u2028", "\U0001f600"])
def test_text_in_escapes_stays_as_it_came(text: str) -> None:
    """Characters may be written as their codes: they are the same to the client, and counted as what they are."""
    escaped = json.dumps(text).encode()
    frames = learned()
    assert frames.text(event("code").replace(b'"code"', escaped)) == escaped
    assert frames.size == len(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        event("half").replace(b"half", b"\\ud83d"),
        event("half").replace(b"half", b"\\ude00"),
        event("half").replace(b"half", b"\\ud83d "),
        event("half").replace(b"half", b"\\x"),
        event("half").replace(b'"half"', b"null"),
        event("x").replace(b'"content": "x"', b'"content": "x\\"'),
        event("tab\t").replace(b"\\t", b"\t"),
        event("x").replace(b'"x"', b'"x"\n'),
        event("x").replace(b'"x"', b'\r"x"'),
        event("x").replace(b'"x"}', b'"x","content":"y"}'),
        event("more", stamp=2),
        event("more", finish="stop"),
        event("caf\u00e9").replace("é".encode(), b"\xe9"),
        event(""),
    ],
    ids=[
        "first half of a pair",
        "second half of a pair",
        "half a pair and more",
        "unknown escape",
        "no text",
        "half an escape",
        "control",
        "line break behind",
        "line break before",
        "two texts",
        "other frame",
        "more fields",
        "no UTF-8",
        "empty",
    ],
)
def test_whatever_else_an_event_holds_is_left_to_decoding(data: bytes) -> None:
    """An event that differs from the learned one in more than plain text is not read by the frame."""
    assert learned().text(data) is None


def test_text_that_also_stands_elsewhere_is_no_frame() -> None:
    """Where an id happens to be the same string as the text, the id is not taken for the text's place."""
    frames = TextFrames(read)
    frames.learn(event("e"))
    assert frames.text(event("e")) is None
    assert frames.text(event("y").replace(b'"id": "e"', b'"id": "z"')) is None


def test_question_mark_that_also_stands_elsewhere_is_no_frame() -> None:
    """Nor is one where a look with another text in its place would find the same."""
    frames = TextFrames(read)
    frames.learn(event("?").replace(b'"e"', b'"?"'))
    assert frames.text(event("?").replace(b'"e"', b'"an id"')) is None


def test_text_beside_other_fields_teaches_nothing() -> None:
    """Only an event of nothing but text is a frame: the others' fields would be lost."""
    frames = TextFrames(read)
    frames.learn(event("Hello", finish="stop"))
    assert frames.text(event("Hello", finish="stop")) is None


def test_frame_is_learned_from_a_text_with_escapes() -> None:
    """The first text of a stream may hold line breaks and quotes."""
    frames = TextFrames(read)
    frames.learn(event('He said:\n"Hello"'))
    assert frames.text(event("x")) == b'"x"'


def test_stream_without_frames_is_given_up() -> None:
    """Where no two events have the same frame, looking for one ends soon."""
    frames = TextFrames(read)
    for stamp in range(MAX_VAIN + 1):
        frames.learn(event("Hello", stamp=stamp))
        assert frames.text(event("Hello", stamp=-1 - stamp)) is None
    assert frames.text(event("x", stamp=MAX_VAIN)) is None
    assert frames.text(event("x", stamp=MAX_VAIN - 1)) == b'"x"'


HEAD, TAIL = b"<", b">"


def framed(data: bytes) -> bytes:
    return b"data: %b\n\n" % data


def flow() -> TextFlow:
    frames = learned()
    assert frames.text(event("x")) == b'"x"'
    found = frames.flow(HEAD, TAIL)
    assert found is not None
    return found


@given(st.lists(st.text(), min_size=1), st.data())
def test_reads_of_text_are_passed_on_whole(texts: list[str], data: st.DataObject) -> None:
    """However a stream of texts is cut, a flow gives each event with the read that completes it, or leaves it."""
    stream = b"".join(framed(event(text)) for text in texts)
    cut = data.draw(st.integers(0, len(stream)))
    flowing, out = flow(), b""
    for piece in (stream[:cut], stream[cut:]):
        found = flowing.pass_on(piece)
        if not found:
            break
        out += found
        assert b"\n\n" not in flowing.rest
    passed = [json.loads(text) for text in re.findall(rb'<("(?:[^"\\]|\\.)*")>', out)]
    assert b"".join(HEAD + msgspec.json.encode(text) + TAIL for text in passed) == out
    assert passed == texts[: len(passed)]
    assert flowing.size == sum(len(text.encode()) for text in passed)
    assert bool(out) or not flowing.rest


def test_many_events_in_one_read_are_passed_on() -> None:
    """A burst of text goes on as one piece, with an event for each of the upstream's."""
    texts = ["The ", "quick\n", '"brown"', " fox", "日本"]
    flowing = flow()
    out = flowing.pass_on(b"".join(framed(event(text)) for text in texts) + b"data: {")
    assert out == b"".join(HEAD + msgspec.json.encode(text) + TAIL for text in texts)
    assert flowing.rest == b"data: {"


@pytest.mark.parametrize(
    "read",
    [
        framed(event("a")) + framed(event("", finish="stop")),
        framed(event("a")) + b"data: [DONE]\n\n",
        framed(event("a")) + b": alive\n\n" + framed(event("b")),
        framed(event("a")) + framed(event("")) + framed(event("b")),
        framed(event("a")) + framed(event("x").replace(b'"x"', b'"\xe9"')) + framed(event("b")),
        framed(event("a")).replace(b"\n", b"\r\n"),
        framed(event("a")) + b"data: [DONE]\r\n\r\n",
        framed(event("a").replace(b'"a"', b'"a"\r')),
        framed(event("a")) + framed(event("b").replace(b'"b"', b'"b"\n')),
        framed(event("a"))[:-1],
        b"",
    ],
    ids=[
        "finish",
        "done",
        "comment",
        "empty",
        "no UTF-8",
        "CRLF",
        "mixed line ends",
        "CR amid",
        "LF amid",
        "incomplete",
        "nothing",
    ],
)
def test_reads_of_more_than_text_are_left_to_decoding(read: bytes) -> None:
    """A read with anything but complete texts and the beginning of another event does not flow."""
    flowing = flow()
    assert flowing.pass_on(read) == b""
    assert (flowing.rest, flowing.size) == (b"", 0)


ODD = [
    event("", finish="stop"),
    event(""),
    event("other", stamp=2),
    event("more", finish="stop"),
    event("x").replace(b'"x"', b"null"),
    b"[DONE]",
]


@given(st.lists(st.sampled_from([*map(event, ["The ", "quick\n", '"brown"', "\u65e5\u672c"] * 5), *ODD])), st.data())
def test_text_before_anything_else_is_passed_on(events: list[bytes], data: st.DataObject) -> None:
    """Of a read those texts are passed on that stand first; what follows is to be decoded, or kept while it is none."""
    stream = b"".join(map(framed, events))
    stream = stream[: data.draw(st.integers(0, len(stream)))]
    texts, at = [], 0
    for one in events:
        if one in ODD or at + len(framed(one)) > len(stream):
            break
        texts.append(json.loads(one)["delta"]["content"])
        at += len(framed(one))
    flowing = flow()
    out, left = flowing.lead(stream)
    assert out == b"".join(HEAD + msgspec.json.encode(text) + TAIL for text in texts)
    assert flowing.rest + left == stream[at:]
    assert bool(left) == (b"\n" in stream[at:] or (not texts and bool(stream)))
    assert flowing.size == sum(len(text.encode()) for text in texts)


def test_halves_of_a_character_in_two_events_are_no_text() -> None:
    """Bytes that make a character only together, across two events, are no UTF-8 in either."""
    first, second = (framed(event("x").replace(b'"x"', b'"%b"' % half)) for half in (b"\xc3", b"\xa9"))
    assert flow().pass_on(first + second) == b""


def test_flows_that_take_nothing_are_given_up() -> None:
    """Where events are framed in another way, no flow is begun for ever."""
    frames = learned()
    assert frames.text(event("x")) == b'"x"'
    assert all(frames.flow(HEAD, TAIL) for _ in range(MAX_VAIN))
    assert frames.flow(HEAD, TAIL) is None
