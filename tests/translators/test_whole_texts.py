"""A whole answer that is nothing but text is passed on as it came, and reads as if it had been decoded."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from llm_to_anthropic.translators.translator import Translator
from tests.translators import chat_answers, gemini_answers, responses_answers
from tests.translators.reading import whole_message

ANSWERS: dict[str, tuple[Callable[..., Translator], bytes]] = {
    "openai_chat": (chat_answers.translator, chat_answers.whole(content="?")),
    "openai_responses": (responses_answers.translator, responses_answers.completed(responses_answers.message("?"))),
    "gemini": (
        gemini_answers.translator,
        json.dumps(gemini_answers.answer(gemini_answers.text("?"), finish="STOP")).encode(),
    ),
}
each_protocol = pytest.mark.parametrize("protocol", ANSWERS)


def shown(protocol: str, said: str) -> str:
    """What a client reads of an answer with this JSON as its text."""
    translator, body = ANSWERS[protocol]
    slices = [body.replace(b'"?"', said.encode("utf-8", "surrogatepass"))]
    (block,) = whole_message(translator(stream=False), slices)["content"]
    text: str = block["text"]
    return text


@each_protocol
@pytest.mark.parametrize(
    "said",
    [
        '"plain"',
        '"caf\u00e9 \U0001f98a"',
        r'"caf\u00e9 \u0000 \u2028"',
        r'"a\/b \"c\" \\ud83e \n\t\b\f\r"',
        r'"fox \ud83e\udd8a and \uD83E\uDD8A"',
        '"del \x7f"',
    ],
)
def test_text_of_a_whole_answer_reads_as_the_upstream_wrote_it(protocol: str, said: str) -> None:
    """However an upstream escapes its text, a client that parses the message gets the same characters."""
    assert shown(protocol, said) == json.loads(said)


@each_protocol
@pytest.mark.parametrize("said", [r'"half \ud83e!"', r'"half \uDD8A!"', '"half \ud83e!"'])
def test_half_a_surrogate_pair_never_reaches_a_client(protocol: str, said: str) -> None:
    """What is no character comes out as the replacement character, escaped or not."""
    text = shown(protocol, said)
    assert text.startswith("half \ufffd")
    assert text.endswith("!")
