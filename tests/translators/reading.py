"""Feeds an answer to a translator, whatever its protocol, and reads what the client gets of it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from llm_to_anthropic.translators.translator import Translator
from tests.messages import Event, grammar_problems, parse_events, rebuild


def feed(made: Translator, slices: Iterable[bytes]) -> bytes:
    """Everything that the client gets of an answer, to its end."""
    return b"".join([made.receive_data(piece) for piece in slices]) + made.receive_eof()


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


def outcome(made: Translator) -> tuple[str | None, str]:
    """How an answer ended: its stop reason, and what went wrong."""
    return made.stop_reason, made.failure.message if made.failure else ""
