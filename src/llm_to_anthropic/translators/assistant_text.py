"""An assistant's texts of the history, put together again."""

from __future__ import annotations

from llm_to_anthropic.translators.as_text import other_text, server_call_text
from llm_to_anthropic.wire.anthropic import Block, OtherBlock, ServerToolUseBlock, TextBlock


class AssistantText:
    """Joins texts: Anthropic splits one around its citations, mid-sentence; other blocks part paragraphs."""

    def __init__(self) -> None:
        self._text = ""
        self._apart = False

    def add(self, block: Block, text: str) -> None:
        """Appends the text of a block, which may be empty."""
        if not isinstance(block, TextBlock):
            self._apart = True
        if not text:
            return
        self._text += f"\n\n{text}" if self._apart and self._text else text
        self._apart = not isinstance(block, TextBlock)

    def take(self) -> str:
        """What was added since the last time."""
        text, self._text, self._apart = self._text, "", False
        return text


def text_for(block: Block) -> str:
    """The text that stands for a block of the assistant; empty where there is none."""
    match block:
        case TextBlock(text=text):
            return text
        case ServerToolUseBlock() as call:
            return server_call_text(call)
        case OtherBlock() as other:
            return other_text(other)
        case _:
            return ""
