"""What an open stream keeps of its translator: its attributes, and no dictionary of their names beside them."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping

import pytest

from llm_to_anthropic.providers.provider import Protocol, Target
from llm_to_anthropic.translators.registry import TRANSLATORS
from llm_to_anthropic.translators.translator import Learned, Translator
from tests.translators import chat_answers, chat_requests, gemini_answers, responses_answers
from tests.translators.reading import feed

REFUSED = b'{"error":{"code":400,"message":"Unknown field: max_tokens","param":"max_tokens"}}'

ANSWERS: Mapping[Protocol, tuple[Target, bytes, list[bytes]]] = {
    "openai_chat": (
        chat_requests.target(),
        chat_answers.whole(content="Hello"),
        [
            chat_answers.delta(reasoning="Hm"),
            chat_answers.delta(content="Hel"),
            chat_answers.delta(content="lo"),
            chat_answers.delta(tool_calls=[chat_answers.call(0, id="a", name="look", arguments="{}")]),
            chat_answers.FINISH,
            chat_answers.usage(),
            chat_answers.DONE,
        ],
    ),
    "openai_responses": (
        responses_answers.target(),
        responses_answers.whole(responses_answers.message("Hello")),
        responses_answers.stream_of(
            responses_answers.reasoning("Hm"), responses_answers.message("Hello"), responses_answers.call()
        ),
    ),
    "gemini": (
        gemini_answers.target(),
        json.dumps(gemini_answers.answer(gemini_answers.text("Hello"), finish="STOP")).encode(),
        [
            gemini_answers.chunk(gemini_answers.thought("Hm")),
            gemini_answers.chunk(gemini_answers.text("Hel")),
            gemini_answers.chunk(gemini_answers.text("lo"), gemini_answers.call(), finish="STOP"),
        ],
    ),
}
"""By protocol: a target, a whole answer and a streamed one."""


@pytest.mark.parametrize("protocol", ANSWERS)
def test_no_open_stream_has_a_dictionary_whatever_came_before_it(protocol: Protocol) -> None:
    """Beyond the names of a class's first instances each gets a dictionary: 1.4 KB more for every open stream."""
    target, whole, streamed = ANSWERS[protocol]

    def make(*, stream: bool = True) -> Translator:
        made = TRANSLATORS[protocol](chat_answers.chat_request(stream=stream), target, Learned())
        made.encode()
        return made

    refused = make()
    refused.heal(refused.decode_error(400, {}, REFUSED), REFUSED)
    together = [make(stream=number % 2 == 0) for number in range(30)]
    for number, made in enumerate(together):
        feed(made, streamed if number % 3 == 0 else [whole])
        assert made.ended
    opened = make()
    opened.receive_data(streamed[0])
    assert [each for each in gc.get_referents(opened) if isinstance(each, dict) and "losses" in each] == []
