"""What both message writers make of one script."""

from __future__ import annotations

import json
from collections.abc import Callable

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.writer import MessageWriter, StreamWriter, WholeWriter
from tests.messages import grammar_problems, parse_events, rebuild

USAGE = Usage(
    input_tokens=5, output_tokens=7, cache_read_input_tokens=3, cache_creation_input_tokens=2, thinking_tokens=1
)
Script = Callable[[MessageWriter], None]


def streamed(script: Script) -> list[dict[str, object]]:
    writer = StreamWriter(message_id="msg_1", model="claude-x", signature="px1.c.none")
    script(writer)
    return parse_events(writer.take())


def whole(script: Script) -> dict[str, object]:
    writer = WholeWriter(message_id="msg_1", model="claude-x", signature="px1.c.none")
    script(writer)
    message: dict[str, object] = json.loads(writer.message())
    return message


def content(script: Script) -> list[dict[str, object]]:
    """The blocks, the same from both writers."""
    events = streamed(script)
    assert grammar_problems(events) == []
    blocks = rebuild(events)["content"]
    assert isinstance(blocks, list)
    assert whole(script)["content"] == blocks
    return blocks
