"""What an assistant said in one turn, put together as items: texts, calls, and the reasoning before each of them."""

from __future__ import annotations

from itertools import zip_longest

from msgspec import Raw

from llm_to_anthropic.translators.assistant_text import AssistantText
from llm_to_anthropic.translators.raw import given
from llm_to_anthropic.wire.anthropic import Block, TextBlock
from llm_to_anthropic.wire.openai_responses import CallItem, InputItem, MessageItem


class Said:
    """Takes the blocks of a turn in their order.

    Reasoning stands directly before the item that it led to; where nothing follows the upstream would refuse it, so
    then it is left out.
    """

    def __init__(self) -> None:
        self._items: list[InputItem] = []
        self._reasoning: list[Raw] = []
        self._phases: list[str] = []
        """The phases of the messages to come, empty where one has none; no list at all where they are not known."""
        self._texts: list[str] = []
        self._joined = AssistantText()
        self._plain = True
        """Each text of the message in the making may have been a message of its own."""

    def reasoning(self, items: list[Raw], phases: list[str]) -> None:
        """The items of a thinking block, and the phases of the messages after it."""
        self._end_text()
        self._reasoning += items
        self._phases = [*phases]

    def text(self, block: Block, text: str) -> None:
        """The text that stands for a block; it may be empty."""
        if isinstance(block, TextBlock):
            self._texts.append(text)
            self._plain = self._plain and not given(block.citations)
        elif text:
            if self._phases:
                self._end_text()  # what the upstream ran stands between two messages
            self._plain = False
        self._joined.add(block, text)

    def item(self, item: CallItem) -> None:
        """A call."""
        self._end_text()
        self._add(item)

    def close(self) -> list[InputItem]:
        """The items of the turn."""
        self._end_text()
        return self._items

    def _end_text(self) -> None:
        for text, phase in self._messages():
            if text.strip():
                self._add(MessageItem(role="assistant", content=text, phase=phase or None))
        self._texts, self._plain = [], True

    def _messages(self) -> list[tuple[str, str]]:
        """The texts since the last other item, and their phases: a wrong phase is worse than none."""
        texts, phases, whole = self._texts, self._phases, self._joined.take()
        if len(texts) > 1 and self._plain and len(phases) in (1, len(texts)):
            # A carrier goes out when the first message begins: of those after it there was nothing to say yet.
            self._phases = []
            return list(zip_longest(texts, phases, fillvalue=""))
        if not whole:
            return []
        if len(texts) > 1 and len(phases) > 1:
            self._phases = []
            return [(whole, "")]
        return [(whole, self._phases.pop(0) if self._phases else "")]

    def _add(self, item: CallItem | MessageItem) -> None:
        self._items += [*self._reasoning, item]
        self._reasoning = []
