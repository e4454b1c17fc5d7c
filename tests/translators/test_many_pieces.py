"""Answers of very many small parts: what they cost grows with their number, and not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from llm_to_anthropic.translators.translator import Translator
from tests.translators import chat_answers, responses_answers
from tests.translators.responses_answers import added, annotation, citation, done, message, text

WITHIN_S = 2.0
"""Several times what it takes, and a part of what the square would."""
MANY = 10_000
LONG = "word " * 500_000
CITED = [citation(start=0, end=1)] * MANY
REFUSED = chat_answers.delta(refusal="I cannot help with that. ") * 8 * MANY


@pytest.mark.parametrize(
    ("translator", "answer"),
    [
        (responses_answers.translator, added(0, message(None)) + text(0, LONG) + annotation(0, CITED[0]) * MANY),
        (
            responses_answers.translator,
            added(0, message(None)) + text(0, LONG) + done(0, message(LONG, annotations=CITED)),
        ),
        (responses_answers.translator, done(0, message(LONG, annotations=CITED))),
        (chat_answers.translator, REFUSED),
    ],
    ids=["citations as they come", "citations at the end", "citations of a whole text", "a refusal"],
)
def test_many_pieces_cost_their_number(translator: Callable[[], Translator], answer: bytes) -> None:
    """While a long answer with ten thousand citations, or a refusal in as many pieces, is read, others are served."""
    made, began = translator(), time.process_time()
    assert made.receive_data(answer)
    assert time.process_time() - began < WITHIN_S
