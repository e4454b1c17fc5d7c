"""White space alone is no block: Anthropic's API refuses such a one when the conversation comes back to it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from llm_to_anthropic.writer.sound import BLANK_BEGINNINGS
from tests.messages import Event
from tests.translators import chat_answers, gemini_answers, responses_answers
from tests.translators.reading import streamed_message, whole_message

BLANKS = ["\n", " \n\t", "\r\n", "\u00a0", "\u2003\u3000"]
CHAT_CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def chat(*deltas: Any, finish: str = "stop") -> list[bytes]:
    ending: Any = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in (*chunks, ending)]


def told(message: Event) -> list[tuple[str, str]]:
    return [(block["type"], block.get("text") or block.get("thinking") or "") for block in message["content"]]


def of_chat(*deltas: Any) -> list[tuple[str, str]]:
    """The same from a stream and for a client that waits for the whole."""
    slices = chat(*deltas)
    found = told(streamed_message(chat_answers.translator(), slices))
    assert told(whole_message(chat_answers.translator(stream=False), slices)) == found
    return found


@pytest.mark.parametrize("blank", BLANKS)
def test_white_space_before_a_call_is_no_block(blank: str) -> None:
    """Models that think in tags, and GLM, write line breaks before a call and nothing else."""
    assert of_chat({"content": blank}, {"tool_calls": [CHAT_CALL]}) == [("tool_use", "")]


def test_white_space_at_the_beginning_of_a_text_is_kept() -> None:
    """It waits for the text that it belongs to, and nothing of it is lost."""
    assert of_chat({"content": "\n"}, {"content": " "}, {"content": "Hi"}, {"content": "\n"}) == [("text", "\n Hi\n")]


def test_white_space_between_thoughts_does_not_part_them() -> None:
    """Gemini writes line breaks between its thoughts: the block of thinking goes on, the text begins where it does."""
    thought, text = gemini_answers.thought, gemini_answers.text
    parts = [thought("a"), text("\n"), thought("b"), text("\n"), text("Hi")]
    message = gemini_answers.streamed(
        *map(gemini_answers.chunk, parts[:-1]), gemini_answers.chunk(parts[-1], finish="STOP")
    )
    assert told(message) == [("thinking", "ab"), ("text", "\n\nHi")]


@pytest.mark.parametrize("blank", BLANKS)
def test_thought_of_white_space_is_no_block(blank: str) -> None:
    """Qwen's models that are told not to think leave line breaks of it: neither a block, nor a gap in the text."""
    thought = {"reasoning_content": blank}
    assert of_chat(thought, {"content": "O"}, thought, {"content": "K"}, thought) == [("text", "OK")]
    assert of_chat({"tool_calls": [CHAT_CALL]}, thought) == [("tool_use", "")]


@pytest.mark.parametrize("blank", BLANKS)
def test_summary_of_white_space_is_no_block(blank: str) -> None:
    """Reasoning of OpenAI's that says nothing, and holds nothing that has to come back, leaves no signature alone."""
    reasoned = responses_answers.reasoning(blank, encrypted=None)
    for asked in (None, responses_answers.ON):
        assert told(responses_answers.both(reasoned, responses_answers.message("Hi"), request=asked)) == [
            ("text", "Hi")
        ]


def test_white_space_at_the_beginning_of_a_thought_is_kept() -> None:
    """It waits for the thought that it belongs to, also where that goes on behind a text."""
    thoughts = {"reasoning_content": "\n"}, {"reasoning_content": "Hm"}
    told = of_chat(*thoughts, {"content": "A"}, *thoughts)
    assert told == [("thinking", "\nHm"), ("text", "A"), ("thinking", "\nHm")]


@pytest.mark.parametrize("blank", BLANKS)
def test_whole_answer_of_white_space_is_empty(blank: str) -> None:
    """However an answer comes, there is no block in it then: streamed, whole, and whole to a client that waits."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    choice = {"index": 0, "message": {"content": blank}, "finish_reason": "stop"}
    plain = [json.dumps({"choices": [choice], "usage": usage}, ensure_ascii=False).encode()]
    assert told(whole_message(chat_answers.translator(stream=False), plain)) == []
    assert of_chat({"content": blank}) == []
    assert told(responses_answers.both(responses_answers.message(blank))) == []


def test_every_white_space_is_known_by_how_it_begins() -> None:
    """Only texts that begin so are decoded to see whether there is more in them."""
    blanks = [chr(number) for number in range(sys.maxunicode + 1) if chr(number).isspace()]
    beginnings = {json.dumps(blank, ensure_ascii=escaped).encode()[1] for blank in blanks for escaped in (True, False)}
    assert beginnings < set(BLANK_BEGINNINGS)
