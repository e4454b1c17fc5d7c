"""Counting a large body: its long texts are taken apart, and nothing else is."""

from __future__ import annotations

import pytest

from llm_to_anthropic.counting.sampling import decode_apart
from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.request import decode_fields

LONG = b"All is said. " * 800_000
LONG_TURN = b'{ "role": "user", "content": "' + LONG + b'"}'
SHORT_TURN = b'{"role":"user","content":"And?"}'


def _asked(*messages: bytes, tools: bytes = b"[]") -> bytes:
    return b'{"model":"claude","tools":' + tools + b',"messages":[' + b",".join(messages) + b"]}"


def test_large_plain_text_is_read_piece_by_piece() -> None:
    """What is decoded in one go holds up all other threads for as long as that takes: no piece is large."""
    request, pieces = decode_apart(_asked(LONG_TURN, SHORT_TURN, LONG_TURN))
    assert "".join(pieces) == 2 * LONG.decode()
    assert max(map(len, pieces)) <= 1024 * 1024
    assert [bytes(message) for message in request.messages][1] == SHORT_TURN
    assert [len(bytes(message)) < 100 for message in request.messages] == [True] * 3


@pytest.mark.parametrize(
    "body",
    [
        _asked(LONG_TURN.replace(b"user", b"assistant")),
        _asked(LONG_TURN[:-1] + b',"x":1}'),
        _asked(LONG_TURN[:-2] + b'\\n"}'),
        _asked(LONG_TURN[:-2] + "\u00e9".encode() + b'"}'),
        _asked(b'{"role":"assistant","content":[{"type":"tool_use","input":' + LONG_TURN + b"}]}", SHORT_TURN),
        _asked(SHORT_TURN, tools=b'[{"name":"t","input_schema":' + LONG_TURN + b"}]"),
        _asked(LONG_TURN, b'{"role":"user","content":"a text that is counted apart"}'),
        _asked(SHORT_TURN, b" " * len(LONG) + SHORT_TURN),
    ],
    ids=["another role", "more", "escape", "other letters", "in a call", "in a tool", "a mark", "no text"],
)
def test_large_text_of_another_kind_stays_where_it_is(body: bytes) -> None:
    """Taken apart is only what counts the same by itself."""
    request, pieces = decode_apart(body)
    assert request == decode_fields(body, counting=True)
    assert pieces == []


@pytest.mark.parametrize("end", [b'\n"}', b'"', b"", b'"}}', b'\xff"}'])
def test_large_text_that_is_no_json_is_refused(end: bytes) -> None:
    """A large body is judged as a small one is, and in the same words."""
    body = _asked(LONG_TURN[:-2] + end)
    with pytest.raises(ClientError) as apart:
        decode_apart(body)
    with pytest.raises(ClientError) as whole:
        decode_fields(body, counting=True)
    assert str(apart.value) == str(whole.value)
