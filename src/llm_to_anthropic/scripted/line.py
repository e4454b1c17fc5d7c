"""What a scripted model says, in no protocol's form."""

from __future__ import annotations

import re

import msgspec


class ToolCall(msgspec.Struct, frozen=True):
    """`arguments` is JSON text, as a model writes it."""

    name: str
    arguments: str = "{}"
    id: str = "call_scripted_1"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the model: reasoning, text, then tool calls."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    input_tokens: int = 10
    cut_off: bool = False
    """The model ran into its token limit."""

    @property
    def reasoning_tokens(self) -> int:
        return len(pieces(self.reasoning))

    @property
    def output_tokens(self) -> int:
        """Reasoning included, as both protocols count it."""
        written = len(pieces(self.text)) + sum(len(fragments(call.arguments)) + 1 for call in self.calls)
        return self.reasoning_tokens + written


def pieces(text: str) -> list[str]:
    """The text in the pieces in which a model writes it: words with the blanks that follow."""
    return re.findall(r"\S+\s*|\s+", text)


def fragments(arguments: str) -> list[str]:
    """The JSON text of a call in the fragments in which it is streamed: six characters each."""
    return [arguments[start : start + 6] for start in range(0, len(arguments), 6)]
