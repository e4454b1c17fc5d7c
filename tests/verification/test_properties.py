"""Ten thousand invented inputs for each commit: streams in slices, valid requests, and answers that went wrong."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Line, ToolCall
from verification.behaviours import PROTOCOLS
from verification.fuzz import targets
from verification.fuzz.translating import SPOKEN

Json = Any

many = settings(suppress_health_check=list(HealthCheck), max_examples=4000)
some = settings(many, max_examples=2000)
few = settings(many, max_examples=4000 // len(SPOKEN))

TEXT = st.text(max_size=12)
SCALAR = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | TEXT
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
OBJECT = st.dictionaries(TEXT, VALUE, max_size=3)
ID = st.sampled_from(["toolu_1", "toolu_2", "call|odd id", ""])
NAME = st.sampled_from(["look", "find", "a.b-c", "x" * 128])


def block(type_: str, **members: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """A block of this type; a value of its own for each member."""
    return st.fixed_dictionaries({"type": st.just(type_), **members})


TEXT_BLOCK = block("text", text=TEXT)
SOURCE = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("base64"), "media_type": st.sampled_from(["image/png", "application/pdf"]), "data": TEXT}
    ),
    st.fixed_dictionaries({"type": st.just("url"), "url": st.sampled_from(["https://a.test/b.png", "", "x"])}),
    st.fixed_dictionaries({"type": st.just("text"), "media_type": st.just("text/plain"), "data": TEXT}),
)
MEDIA = block("image", source=SOURCE) | block("document", source=SOURCE, title=st.none() | TEXT)
RESULT = block(
    "tool_result", tool_use_id=ID, content=TEXT | st.lists(TEXT_BLOCK | MEDIA, max_size=2), is_error=st.booleans()
)
UNKNOWN = block("something_new", value=VALUE)
ASKED = TEXT | st.lists(TEXT_BLOCK | MEDIA | RESULT | UNKNOWN, max_size=3)
SAID = TEXT | st.lists(
    st.one_of(
        TEXT_BLOCK,
        block("thinking", thinking=TEXT, signature=TEXT),
        block("redacted_thinking", data=TEXT),
        block("tool_use", id=ID, name=NAME, input=OBJECT),
        block("server_tool_use", id=ID, name=st.just("web_search"), input=OBJECT),
        UNKNOWN,
    ),
    max_size=3,
)
MESSAGE = st.fixed_dictionaries({"role": st.just("user"), "content": ASKED}) | st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": SAID}
)
TOOL = st.fixed_dictionaries(
    {"name": NAME, "description": TEXT, "input_schema": OBJECT.map(lambda schema: schema | {"type": "object"})}
) | st.fixed_dictionaries({"type": st.just("web_search_20250305"), "name": st.just("web_search")})
CHOICE = st.sampled_from([{"type": "auto"}, {"type": "any"}, {"type": "none"}, {"type": "tool", "name": "look"}])
THINKING = st.sampled_from(
    [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive", "display": "omitted"}]
)
REQUEST = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "max_tokens": st.integers(0, 10**6),
        "messages": st.lists(MESSAGE, min_size=1, max_size=4),
    },
    optional={
        "system": TEXT | st.lists(TEXT_BLOCK, max_size=2),
        "tools": st.lists(TOOL, max_size=3),
        "tool_choice": CHOICE,
        "thinking": THINKING,
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 100),
        "stop_sequences": st.lists(TEXT, max_size=5),
        "metadata": st.fixed_dictionaries({"user_id": TEXT}),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "something_new": VALUE,
    },
)
LINES = st.builds(
    Line,
    text=st.sampled_from(["", "one two", "\U0001f600 é"]),
    reasoning=st.sampled_from(["", "so it is"]),
    calls=st.sampled_from([(), (ToolCall("look", '{"at":1}'),), (ToolCall("look"), ToolCall("find", "{}", "c2"))]),
)


@st.composite
def damaged_answers(draw: st.DrawFn, protocol: str) -> bytes:
    """A streamed or whole answer with values exchanged and events lost, doubled or out of order, cut somewhere."""
    spoken, line = PROTOCOLS[protocol], draw(LINES)
    events = [spoken.whole(line, "m")] if draw(st.booleans()) else list(map(_value, spoken.events(line, "m")))
    for _ in range(draw(st.integers(0, 3))):
        events = draw(st.sampled_from([_drop, _double, _swap, _exchange]))(draw, events)
    end = draw(st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]))
    whole = len(events) == 1 and isinstance(events[0], dict)
    data = b"".join(map(_encode, events)) if whole else b"".join(b"data: " + _encode(event) + end for event in events)
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


def _value(event: bytes) -> Json:
    data = event.partition(b"data: ")[2].strip()
    return data if data == b"[DONE]" else msgspec.json.decode(data)


def _encode(value: Json) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


def _drop(draw: st.DrawFn, events: list[Json]) -> list[Json]:
    at = draw(st.integers(0, len(events)))
    return events[:at] + events[at + 1 :]


def _double(draw: st.DrawFn, events: list[Json]) -> list[Json]:
    at = draw(st.integers(0, len(events)))
    return events[:at] + events[at - 1 : at] + events[at:]


def _swap(draw: st.DrawFn, events: list[Json]) -> list[Json]:
    return draw(st.permutations(events))


def _exchange(draw: st.DrawFn, events: list[Json]) -> list[Json]:
    """Somewhere in one event stands something else."""
    if not events:
        return events
    at = draw(st.integers(0, len(events) - 1))
    changed = copy.deepcopy(events[at])
    place, key = changed, None
    for _ in range(draw(st.integers(0, 6))):
        inner = place if key is None else place[key]
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
        if not keys:
            break
        place, key = inner, draw(st.sampled_from(keys))
    if key is None:
        changed = draw(VALUE)
    else:
        place[key] = draw(VALUE)
    return [*events[:at], changed, *events[at + 1 :]]


@many
@given(st.lists(st.sampled_from([b"data: x", b"data", b":", b"\n", b"\r", b"\r\n", b"event: e", b"\xff", b"{}"])))
def test_streams_frame_alike_in_all_slices(pieces: list[bytes]) -> None:
    """However a stream is cut, the same events come out of it."""
    targets.sse(b"".join(pieces))


@some
@given(REQUEST)
def test_valid_requests_are_encoded_or_refused_in_words(request_body: Json) -> None:
    """No valid request is an internal error, in any protocol."""
    targets.request(msgspec.json.encode(request_body))


@pytest.mark.parametrize("protocol", SPOKEN)
@few
@given(st.data())
def test_any_answer_keeps_the_grammar(protocol: Protocol, data: st.DataObject) -> None:
    """Whatever an upstream answers, the client gets legal events, a message or an error, however it was cut."""
    targets.answer(protocol, data.draw(damaged_answers(protocol)))


@pytest.mark.parametrize(
    "data", [b"", b"data", b": waiting\n\n", b"data: [DONE]\n\n", b"data:\n\n", b"event: ping\n\n", b"[]"]
)
@pytest.mark.parametrize("protocol", SPOKEN)
def test_answer_without_an_event_is_no_silence(protocol: Protocol, data: bytes) -> None:
    """An answer in which nothing stands is an error, or asked for again, streamed or whole."""
    targets.answer(protocol, data)


@pytest.mark.parametrize("name", list(targets.TARGETS))
def test_fuzz_targets_take_their_seeds(name: str) -> None:
    """What `make fuzz` begins with breaks no promise."""
    target = targets.TARGETS[name]
    for seed in target.seeds:
        target.run(seed)
