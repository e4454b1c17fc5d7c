"""Translators for tests that feed them anything: one provider of each protocol, and no server."""

from __future__ import annotations

from typing import get_args

import msgspec

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.providers.provider import Credential, Protocol, Provider, Secret, Target
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.registry import TRANSLATORS
from llm_to_anthropic.translators.translator import ClientRequest, Learned, Translator
from tests.messages import grammar_problems, parse_events
from verification.behaviours import PROTOCOLS

SPOKEN: tuple[Protocol, ...] = tuple(name for name in get_args(Protocol) if name in TRANSLATORS and name in PROTOCOLS)
"""Protocols that are translated, and that the scripted upstream speaks."""
QUESTION: dict[str, object] = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}],
}
_KEY = Credential(key=Secret("test-key"), variable="KEY")


class Fed(msgspec.Struct, frozen=True):
    """What an answer has become."""

    out: bytes
    ended: bool
    failure: tuple[int, str] | None
    """Status and message."""


def target(protocol: Protocol) -> Target:
    """A model of this protocol, with the quirks of its standard."""
    provider = Provider(name="one", protocol=protocol, base_url="http://one.test/v1", credential=_KEY)
    settings = Settings(providers={"one": provider}, aliases={})
    return Router(settings).resolve("one/m").targets[0]


NOW = 1_700_000_000.0
"""Two answers that are compared are read at the same instant: some tell until when something lasts."""
TARGETS = {protocol: target(protocol) for protocol in SPOKEN}


def translator(protocol: Protocol, body: bytes, *, stream: bool) -> Translator:
    """One that has encoded its request. Raises ApiError for a request that it refuses."""
    request = ClientRequest(body=body, model="m", stream=stream, request_id="req_1", message_id="msg_1")
    made = TRANSLATORS[protocol](request, TARGETS[protocol], Learned(), lambda: NOW)
    made.encode()
    return made


def feed(protocol: Protocol, slices: list[bytes], *, stream: bool) -> Fed:
    """A whole answer, slice by slice. Raises AssertionError where what comes out breaks a rule."""
    made = translator(protocol, msgspec.json.encode(QUESTION | {"stream": stream}), stream=stream)
    out = b"".join([made.receive_data(piece) for piece in slices]) + made.receive_eof()
    _judge(made, out, stream=stream)
    failure = made.failure
    return Fed(out, made.ended, (failure.status, failure.message) if isinstance(failure, ApiError) else None)


def _judge(made: Translator, out: bytes, *, stream: bool) -> None:
    problems = grammar_problems(parse_events(out), complete=made.ended and stream)
    assert not problems, problems
    if made.failure is not None:
        assert not made.ended, "both ended and failed"
        assert made.failure.message, "failed without a word"
        assert made.failure.status >= 400, "failed with a status that is none"
    elif not made.ended:
        assert made.follow_up() is not None, "neither ended nor failed, and nothing to ask"
    elif not stream:
        message = msgspec.json.decode(made.message(), type=dict[str, object])
        assert message["stop_reason"], "a message without a stop reason"
