"""Whole Chat answers that are nothing but text: told as they came, and read as if they had been decoded."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.writer import WholeWriter, text_message
from tests.translators.chat_answers import translator

_USAGE = '{"prompt_tokens":10,"completion_tokens":5}'


def _told(text: str, *, usage: str = _USAGE, beside: str = "") -> bytes:
    """The message made of an answer with this JSON as its content."""
    driven = translator(stream=False)
    message = f'{{"role":"assistant","content":{text}{beside}}}'
    body = f'{{"choices":[{{"index":0,"message":{message},"finish_reason":"stop"}}],"usage":{usage}}}'
    driven.receive_data(body.encode("utf-8", "surrogatepass"))
    driven.receive_eof()
    assert driven.failure is None
    return driven.message()


def test_text_that_is_passed_on_makes_the_message_that_the_writer_makes() -> None:
    """A message of one text is the same to the byte, whether it was written block by block or told as it came."""
    usage = Usage(input_tokens=1, output_tokens=2, cache_read_input_tokens=3, cache_creation_input_tokens=4)
    writer = WholeWriter(message_id="msg_1", model='a"b', signature="")
    writer.text("caf\u00e9\n")
    writer.finish("max_tokens", usage)
    assert text_message("msg_1", 'a"b', '"caf\u00e9\\n"'.encode(), "max_tokens", usage) == writer.message()


@pytest.mark.parametrize("text", ["null", '""', '[{"type":"text","text":"parts"}]'])
def test_content_that_is_no_text_is_looked_into(text: str) -> None:
    """Without a text there is no block, and parts become one."""
    expected = ["parts"] if "parts" in text else []
    assert [block["text"] for block in json.loads(_told(text))["content"]] == expected


def test_answer_without_usage_is_estimated_by_its_decoded_text() -> None:
    """Escapes do not count: the estimate is that of the characters."""
    told = json.loads(_told(r'"\u0061\u0061\u0061\u0061\u0061\u0061\u0061"', usage="null"))
    assert told["usage"]["output_tokens"] == 2


def test_whole_answer_with_more_than_text_keeps_all_of_it() -> None:
    """Reasoning beside the text becomes a thinking block before it."""
    blocks = json.loads(_told('"shown"', beside=',"reasoning_content":"thought"'))["content"]
    assert [block["type"] for block in blocks] == ["thinking", "text"]


def test_finish_reason_of_a_failure_is_one() -> None:
    """An answer that its upstream gave up is an error, though it holds text."""
    driven = translator(stream=False)
    driven.receive_data(
        b'{"choices":[{"message":{"content":"half"},"finish_reason":"error"}],"usage":' + _USAGE.encode() + b"}"
    )
    driven.receive_eof()
    assert driven.failure is not None
    assert driven.failure.status == 502
