"""Reading a client's request."""

from __future__ import annotations

import pytest
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.request import decode_blocks, decode_fields, decode_messages, decode_request
from llm_to_anthropic.wire.anthropic import OtherBlock, TextBlock, ToolUseBlock

HEAD = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":'


def with_content(content: bytes, rest: bytes = b"") -> bytes:
    return HEAD + content + b"}]" + rest + b"}"


REFUSED: list[tuple[str, bytes, str]] = [
    ("empty", b"", "The request body is empty: a JSON object is expected."),
    ("cut off", b'{"model":', "The request body is not valid JSON: it ends too early, after 9 bytes."),
    ("malformed", b'{"model":tru}', "The request body is not valid JSON: invalid character (byte 13)."),
    ("a list", b"[]", "The request body: Input should be a valid object"),
    ("no messages", b'{"model":"m","max_tokens":1}', "messages: Field required"),
    (
        "empty messages",
        b'{"model":"m","max_tokens":1,"messages":[]}',
        "messages: at least one message is required",
    ),
    ("no max_tokens", b'{"model":"m","messages":[{"role":"user","content":"x"}]}', "max_tokens: Field required"),
    ("model is a number", b'{"model":1,"messages":[]}', "model: Input should be a valid string"),
    ("content is a number", with_content(b"1"), "messages.0.content: Input should be a valid string or list"),
    ("content is null", with_content(b"null"), "messages.0.content: Field required"),
    (
        "unknown role",
        b'{"model":"m","max_tokens":1,"messages":[{"role":"tool","content":"x"}]}',
        "messages.0.role: Input should be 'user', 'assistant' or 'system', got 'tool'",
    ),
    (
        "negative max_tokens",
        with_content(b'"x"').replace(b":5", b":-1"),
        "max_tokens: Input should be greater than or equal to 0",
    ),
    ("max_tokens is no integer", with_content(b'"x"').replace(b":5", b":1.5"), "max_tokens: Input should be a valid"),
    ("temperature over one", with_content(b'"x"', b',"temperature":1.5'), "temperature: Input should be less than"),
    ("number out of range", with_content(b'"x"', b',"temperature":1e999'), "temperature: Number out of range"),
    ("NaN", with_content(b'"x"', b',"temperature":NaN'), "The request body is not valid JSON"),
    ("NaN in a raw part", with_content(b'[{"type":"text","text":NaN}]'), "The request body is not valid JSON"),
    ("UTF-8 in a raw part", with_content(b'[{"x":"\xff"}]'), "The request body is not valid UTF-8 (byte 72)."),
    ("UTF-8 in an unknown field", with_content(b'"x"', b',"new":"\xff"'), "The request body is not valid UTF-8"),
    ("lone high surrogate", with_content(rb'[{"x":"a\ud800b"}]'), "half of a surrogate pair (\\ud800, byte 73)"),
    ("lone low surrogate", with_content(rb'[{"x":"\uDC00"}]'), "half of a surrogate pair"),
    ("low after an escaped backslash", with_content(rb'[{"x":"\\\udc00"}]'), "half of a surrogate pair"),
    ("a million deep", with_content(b"[" * 1_000_000 + b"]" * 1_000_000), "The request body is nested too deeply."),
    ("deep nesting in an unknown field", with_content(b'"x"', b',"n":' + b"[" * 1_000_000), "nested too deeply"),
    (
        "tool without its type of name",
        with_content(b'"x"', b',"tools":[{"name":["a"]}]'),
        "tools.0.name: Input should be a valid string",
    ),
]


@pytest.mark.parametrize(("body", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_malformed_request_is_refused_in_peoples_words(body: bytes, message: str) -> None:
    """What is wrong with a request is told with its place, as a 400."""
    with pytest.raises(ClientError) as caught:
        decode_request(body)
    assert message in caught.value.message
    assert caught.value.status == 400


def test_null_reads_as_absent() -> None:
    """Optional fields given as null do not fail a request."""
    request = decode_request(with_content(b'"x"', b',"system":null,"tools":null,"thinking":null,"mcp_servers":null'))
    assert (request.system, request.tools, request.thinking) == (None, None, None)


def test_unknown_fields_do_not_fail() -> None:
    """A field that nobody knows yet is read over."""
    assert decode_request(with_content(b'"x"', b',"from_the_future":{"a":[1]}')).model == "m"


def test_counting_needs_no_max_tokens() -> None:
    """count_tokens sends no max_tokens, and a stray one is fine."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    assert decode_request(body, counting=True).max_tokens is None


def test_a_system_message_may_have_no_content() -> None:
    """A message of role system may carry only output_config."""
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"system","output_config":{"effort":"low"}}]}'
    assert decode_messages(decode_request(body))[0].content is None


def test_huge_integers_of_raw_parts_stay_exact() -> None:
    """An integer of 10^30 in a tool's schema keeps every digit."""
    schema = b'{"type":"object","maximum":1000000000000000000000000000000}'
    request = decode_request(with_content(b'"x"', b',"tools":[{"name":"a","input_schema":' + schema + b"}]"))
    assert request.tools is not None
    assert bytes(request.tools[0].input_schema) == schema


@pytest.mark.parametrize(
    "text",
    [rb"\ud83d\ude00", rb"\\ud800", rb"\u00e9 \ud83d\ude00", rb"\\\\ud800 \ud83d\ude00"],
    ids=["pair", "escaped backslash", "both", "backslashes and a pair"],
)
def test_whole_surrogate_pairs_pass(text: bytes) -> None:
    """Escaped emoji and text that only looks like a surrogate are no error."""
    assert decode_request(with_content(b'["' + text + b'"]')).messages


def test_a_string_is_one_text_block() -> None:
    """Content given as a string means the same as one text block."""
    assert decode_blocks("hi", "messages[0].content") == [TextBlock("hi")]


def test_blocks_decode_to_their_structs() -> None:
    """Known blocks become their Structs, with unknown members and nulls read over."""
    raw = Raw(b'{"type":"tool_use","id":"a","name":"n","input":{},"caller":null,"new":1}')
    [block] = decode_blocks([raw], "messages[0].content")
    assert isinstance(block, ToolUseBlock)
    assert (block.id, block.name, bytes(block.input)) == ("a", "n", b"{}")


def test_an_unknown_block_keeps_its_bytes() -> None:
    """A block of an unknown type is kept as it came."""
    [block] = decode_blocks([Raw(b'{"type":"hologram", "x":1}')], "messages[0].content")
    assert isinstance(block, OtherBlock)
    assert (block.type, bytes(block.raw)) == ("hologram", b'{"type":"hologram", "x":1}')


BAD_BLOCKS = [
    ("no type", b'{"text":"a"}', "messages.0.content.0.type: Field required"),
    ("no id", b'{"type":"tool_use","name":"a"}', "messages.0.content.0.id: Field required"),
    ("no object", b"1", "messages.0.content.0: Input should be a valid object"),
    ("wrong text", b'{"type":"text","text":1}', "messages.0.content.0.text: Input should be a valid string"),
    (
        "unknown source",
        b'{"type":"image","source":{"type":"fax"}}',
        "messages.0.content.0.source.type: Unknown value 'fax'",
    ),
    (
        "source without data",
        b'{"type":"image","source":{"type":"base64","media_type":"image/png"}}',
        "messages.0.content.0.source.data: Field required",
    ),
]


@pytest.mark.parametrize(("raw", "message"), [row[1:] for row in BAD_BLOCKS], ids=[row[0] for row in BAD_BLOCKS])
def test_a_malformed_block_is_refused_with_its_path(raw: bytes, message: str) -> None:
    """A known block with a wrong or missing field is named by its path."""
    with pytest.raises(ClientError) as caught:
        decode_blocks([Raw(raw)], "messages[0].content")
    assert caught.value.message == message


def test_more_messages_than_anthropic_takes_are_refused() -> None:
    """100 000 messages are the most, as at Anthropic; what comes beyond would only cost time."""
    message = b'{"role":"user","content":"a"}'
    body = b'{"model":"m","max_tokens":1,"messages":[%b]}'
    assert len(decode_fields(body % b",".join([message] * 100_000)).messages) == 100_000
    with pytest.raises(ClientError, match="at most 100000 messages"):
        decode_fields(body % b",".join([message] * 100_001))
