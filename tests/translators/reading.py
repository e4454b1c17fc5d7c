"""Feeds an answer to a translator, whatever its protocol, and reads what the client gets of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from llm_to_anthropic.errors import STATUS_TYPES
from llm_to_anthropic.translators.translator import Translator
from tests.messages import Event, grammar_problems, parse_events, rebuild, slicings


def feed(made: Translator, slices: Iterable[bytes], *more: Iterable[bytes]) -> bytes:
    """Everything that the client gets; `more`: the answers to the requests that follow, the last one repeated."""
    rounds = [list(slices), *map(list, more)]
    out = []
    for number in range(50):
        current = rounds[min(number, len(rounds) - 1)]
        out += [made.receive_data(piece) for piece in current]
        out.append(made.receive_eof())
        if made.ended or made.failure is not None:
            return b"".join(out)
        assert made.follow_up() is not None
    raise AssertionError("it never ends")


def streamed_message(made: Translator, slices: Iterable[bytes]) -> Event:
    """The message of an answer to a client that streams; its events must be legal."""
    events = parse_events(feed(made, slices))
    assert made.failure is None, made.failure.message
    assert made.ended
    assert grammar_problems(events) == []
    return rebuild(events)


def whole_message(made: Translator, slices: Iterable[bytes]) -> Event:
    """The message of an answer to a client that does not stream."""
    assert feed(made, slices) == b""
    assert made.failure is None, made.failure.message
    message: Event = json.loads(made.message())
    return message


def failed_answer(made: Translator, other: Translator, slices: Iterable[bytes]) -> tuple[int, str, str]:
    """(status, type, message) of an answer that fails: to a client that streams, and alike to one that does not."""
    slices = list(slices)
    events = parse_events(feed(made, slices))
    assert feed(other, slices) == b""
    assert made.failure is not None
    assert other.failure is not None
    assert not made.ended
    assert grammar_problems(events, complete=False) == []
    assert "message_stop" not in [event["type"] for event in events]
    assert made.failure.message == other.failure.message
    return made.failure.status, made.failure.type, made.failure.message


def check_slicings(make: Callable[[], Translator], data: bytes, seed: str) -> None:
    """Fed whole, byte by byte and at random splits, an answer gives the same bytes and the same end."""
    results = {}
    for name, slices in slicings(data, seed).items():
        made = make()
        results[name] = (feed(made, slices), outcome(made))
    assert results["bytes"] == results["whole"]
    assert results["random"] == results["whole"]


def check_beginnings(make: Callable[[], Translator], data: bytes) -> None:
    """Wherever a stream breaks off, there is a failure or the message was complete: never a made-up ending."""
    ends = [place + 2 for place in range(len(data)) if data[place : place + 2] == b"\n\n"]
    for end in [0, *ends[:: max(1, len(ends) // 40)]]:
        made = make()
        events = parse_events(feed(made, [data[:end]]))
        assert made.ended == (made.failure is None)
        assert grammar_problems(events, complete=made.ended) == []
        if made.ended:
            assert rebuild(events)["stop_reason"] == made.stop_reason


def check_refusal(made: Translator, status: int, headers: dict[str, str], body: bytes) -> None:
    """An HTTP error has a status and type of Anthropic's and a sentence without markup."""
    error = made.decode_error(status, headers, body)
    assert error.type == STATUS_TYPES.get(error.status, "api_error")
    assert "<html" not in error.message.lower()
    assert "****" not in error.message
    assert json.loads(error.envelope("req_1"))["error"]["message"] == error.message


def outcome(made: Translator) -> tuple[str | None, str]:
    """How an answer ended: its stop reason, and what went wrong."""
    return made.stop_reason, made.failure.message if made.failure else ""
