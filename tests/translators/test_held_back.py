"""What a stream makes us keep has a bound: what waits for its turn, and what is only known at its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_to_anthropic.errors import UpstreamProtocolError
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.answering import AnsweringTranslator
from llm_to_anthropic.writer import MAX_HELD
from tests.translators import chat_answers, gemini_answers, responses_answers

Json = Any
MiB = 1 << 20
PIECE = "x" * MiB
TOOL = {"tools": [{"name": "look", "input_schema": {"type": "object"}}]}


def chat(quirks: ChatQuirks | None = None) -> AnsweringTranslator:
    return chat_answers.translator(TOOL, quirks or ChatQuirks(tool_args="live"))


def chat_call(index: int, arguments: str, **members: Json) -> bytes:
    return chat_answers.delta(tool_calls=[chat_answers.call(index, arguments=arguments, **members)])


def responses() -> AnsweringTranslator:
    return responses_answers.translator()


def gemini(request: Json | None = None) -> AnsweringTranslator:
    return gemini_answers.translator({"tools": gemini_answers.TOOLS} | (request or {}))


def gemini_parts(*parts: Json) -> bytes:
    return b"data: " + json.dumps({"candidates": [{"content": {"parts": parts}}]}).encode() + b"\n\n"


def gemini_piece(text: str) -> Json:
    piece = {"jsonPath": "$.at", "stringValue": text, "willContinue": True}
    return {"functionCall": {"partialArgs": [piece], "willContinue": True}}


OPEN = chat_call(0, '{"at":"', id="call_0", name="look")
DETAIL = {"type": "reasoning.encrypted", "data": PIECE}
BEGUN = responses_answers.created() + responses_answers.added(0, responses_answers.call(given=""))
NEXT = responses_answers.added(1, responses_answers.call(given="", id="call_2"))


@pytest.mark.parametrize(
    ("make", "begin", "piece"),
    [
        pytest.param(
            chat,
            OPEN + chat_call(1, '{"at":"', id="call_1", name="look"),
            chat_call(1, PIECE),
            id="chat, a second call",
        ),
        pytest.param(
            lambda: chat(ChatQuirks(tool_args="buffer")),
            OPEN,
            chat_call(0, PIECE),
            id="chat, a call that is told at its end",
        ),
        pytest.param(chat, OPEN, chat_answers.delta(content=PIECE), id="chat, text behind a call"),
        pytest.param(chat, OPEN, chat_answers.delta(reasoning_content=PIECE), id="chat, thinking behind a call"),
        pytest.param(
            lambda: chat(ChatQuirks(reasoning_details=True)),
            b"",
            chat_answers.delta(reasoning_details=[DETAIL]),
            id="chat, details",
        ),
        pytest.param(responses, BEGUN, responses_answers.arguments(0, PIECE), id="responses, arguments"),
        pytest.param(responses, BEGUN + NEXT, responses_answers.arguments(1, PIECE), id="responses, a second call"),
        pytest.param(
            responses,
            BEGUN + responses_answers.added(1, responses_answers.message(None)),
            responses_answers.text(1, PIECE),
            id="responses, text behind a call",
        ),
        pytest.param(
            gemini,
            gemini_parts({"functionCall": {"name": "look", "willContinue": True}}),
            gemini_parts(gemini_piece(PIECE)),
            id="gemini, a call in pieces",
        ),
        pytest.param(
            gemini, b"", gemini_parts({"functionCall": {"name": "look", "args": {"at": PIECE}}}), id="gemini, calls"
        ),
        pytest.param(
            lambda: gemini(gemini_answers.SEARCH), b"", gemini_parts({"text": PIECE}), id="gemini, text with a search"
        ),
    ],
)
def test_what_is_held_back_has_a_bound(make: Callable[[], AnsweringTranslator], begin: bytes, piece: bytes) -> None:
    """A stream that has us keep more than a whole answer may hold ends in an error, before memory does."""
    translator = make()
    translator.receive_data(begin)
    assert translator.failure is None
    fed = 0
    while translator.failure is None and fed < 2 * MAX_HELD:
        translator.receive_data(piece)
        fed += MiB
    assert isinstance(translator.failure, UpstreamProtocolError)
    assert "64 MiB" in translator.failure.message
    assert fed <= MAX_HELD + MiB


def test_blank_lines_before_an_answer_are_not_kept() -> None:
    """Servers keep a connection alive by blank lines before their JSON: they cost nothing, however many come."""
    translator = chat_answers.translator(stream=False)
    for _ in range(20_000):
        translator.receive_data(b"\n" * 4096)
    translator.receive_data(chat_answers.whole(content="Hello"))
    translator.receive_eof()
    assert translator.ended
    assert json.loads(translator.message())["content"][0]["text"] == "Hello"
