"""The items of an answer of OpenAI Responses, each from its first event to its end.

An item is told in deltas, part by part, and as a whole at its end. Servers leave out any of these: what the deltas
did not bring is taken from what comes later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.argument_json import raw_text
from llm_to_anthropic.translators.call_arguments import CallArguments
from llm_to_anthropic.translators.openai_responses.citations import citation, cited_pieces
from llm_to_anthropic.translators.openai_responses.compaction import compaction_item
from llm_to_anthropic.translators.openai_responses.loose import decode_loosely
from llm_to_anthropic.translators.openai_responses.output import Output
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.tool_ids import UNNAMED
from llm_to_anthropic.translators.tools import client_name
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.anthropic import NO_RAW, WholeBlock
from llm_to_anthropic.wire.openai_responses_answer import (
    Annotation,
    CodeInterpreterItem,
    Delta,
    FunctionCallItem,
    ItemHead,
    KeptReasoning,
    McpCallItem,
    MessageItem,
    Part,
    PartEvent,
    ReasoningItem,
    WebSearchItem,
)
from llm_to_anthropic.writer import MAX_HELD, held_too_much

Step = Callable[[], None]
REASONING_DELTAS: Mapping[str, str] = {
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_summary.delta": "summary",
    "response.reasoning_text.delta": "content",
    "response.reasoning.delta": "content",
}
"""Pieces of reasoning -> of what; the shorter names are those of Open Responses and of OpenAI's first types."""


class Item(ABC):
    """One item. What is told of it before its turn waits here."""

    __slots__ = ("closed", "id", "key", "output", "over", "phase", "type", "waiting")

    def __init__(self, key: int, head: ItemHead, output: Output) -> None:
        self.key = key
        self.type = head.type
        self.id = head.id or ""
        self.phase = head.phase
        self.output = output
        self.waiting: list[Step] = []
        self.over = False
        """Nothing more is said of it."""
        self.closed = False
        """All of it is written."""

    def start(self) -> None:  # noqa: B027  most begin with their first piece
        """Its turn has come."""

    @abstractmethod
    def delta(self, delta: Delta) -> None:
        """A piece of it, and of which kind."""

    def passed_on(self, texts: list[str]) -> None:  # noqa: B027  only texts are
        """Pieces of it that the client has got already."""

    def part(self, part: PartEvent) -> None:  # noqa: B027  most have none
        """A part of it is complete."""

    def annotation(self, annotation: Annotation) -> None:  # noqa: B027  only texts have any
        """The text of it so far rests on something."""

    @property
    def empty(self) -> bool:
        """It is complete, but may have been told without what it holds."""
        return False

    @abstractmethod
    def complete(self, raw: Raw) -> None:
        """The whole item, at its end."""

    @abstractmethod
    def close(self, *, cut: bool) -> None:
        """Writes what is left of it. `cut`: the model did not end the answer itself, perhaps amid this item."""


class Message(Item):
    """Text, part by part, or a refusal."""

    __slots__ = ("_begin", "_cited", "_part", "_pieces")

    def __init__(self, key: int, head: ItemHead, output: Output) -> None:
        super().__init__(key, head, output)
        self._part = 0
        self._pieces: list[str] = []
        self._begin = 0
        """Where the open block begins in the part's text."""
        self._cited = False

    def delta(self, delta: Delta) -> None:
        part, text = delta.content_index, delta.delta or ""
        if part and part > self._part:
            self._next_part(part)
        if delta.type == "response.output_text.delta":
            self._pieces.append(text)
            self.output.text(text)
        elif delta.type == "response.refusal.delta":
            self._refuse(text)

    def passed_on(self, texts: list[str]) -> None:
        self._pieces += texts

    def part(self, part: PartEvent) -> None:
        if (part.content_index or 0) > self._part:
            self._next_part(part.content_index or 0)
        if (part.content_index or 0) == self._part:
            self._recover(part.part or Part(text=part.text, refusal=part.refusal))

    def annotation(self, annotation: Annotation) -> None:
        text = "".join(self._pieces)
        self._pieces = [text]  # so that the next one finds it joined: there may be many
        self._cited = True
        if found := citation(annotation, text, self._begin, self.output.seal):
            self.output.cite(found)
            self._begin = len(text)

    def complete(self, raw: Raw) -> None:
        content = decode_loosely(raw, MessageItem).content or []
        if isinstance(content, str):
            content = [Part(text=content)]
        for index, part in enumerate(content):
            if index > self._part:
                self._next_part(index)
            if index == self._part:
                self._recover(part)
        self.over = True
        self.close(cut=False)

    def close(self, *, cut: bool) -> None:  # noqa: ARG002  a text that was cut is a text
        self.output.end_text()
        self.closed = True

    @property
    def empty(self) -> bool:
        return not any(self._pieces)

    def _next_part(self, part: int) -> None:
        self.output.end_text()
        self._part, self._pieces, self._begin, self._cited = part, [], 0, False

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        self.output.text(text)

    def _refuse(self, text: str) -> None:
        self._pieces.append(text)
        self.output.refuse(text)

    def _recover(self, part: Part) -> None:
        """What a complete part adds to what came before."""
        if part.refusal:
            self._refuse(_rest(part.refusal, self._pieces))
            return
        text, annotations = part.text or "", part.annotations or []
        if not self._pieces:
            self._pieces.append(text)
            self._cited = bool(annotations)
            for piece, citations in cited_pieces(text, annotations, self.output.seal):
                self.output.text(piece)
                for found in citations:
                    self.output.cite(found)
            return
        self._write(_rest(text, self._pieces))
        if not self._cited:
            for annotation in annotations:
                self.annotation(annotation)


class Reasoning(Item):
    """Reasoning: a summary of it or, from servers of open models, its text."""

    __slots__ = ("_kind", "_part", "_pieces")

    def __init__(self, key: int, head: ItemHead, output: Output) -> None:
        super().__init__(key, head, output)
        self._kind = ""
        """`summary` or `content`: whichever comes first, the other says the same."""
        self._part = 0
        self._pieces: list[str] = []

    def delta(self, delta: Delta) -> None:
        if kind := REASONING_DELTAS.get(delta.type):
            part = delta.summary_index if kind == "summary" else delta.content_index
            self._add(kind, part or 0, delta.delta or "")

    def part(self, part: PartEvent) -> None:
        kind, index = ("content", part.content_index) if part.summary_index is None else ("summary", part.summary_index)
        if part.text and (not self._pieces or (index or 0) > self._part):
            self._add(kind, index or 0, part.text)

    def complete(self, raw: Raw) -> None:
        item = decode_loosely(raw, ReasoningItem)
        told = {
            "summary": [part.text for part in item.summary or () if part.text],
            "content": [part.text for part in item.content or () if part.text],
        }
        kind = self._kind or ("summary" if told["summary"] else "content")
        self._write(_rest("\n\n".join(told[kind]), self._pieces))
        self.over = self.closed = True
        self.output.end_reasoning(_kept(raw) if item.encrypted_content else None)

    def close(self, *, cut: bool) -> None:  # noqa: ARG002  reasoning that was cut is reasoning
        self.closed = True
        self.output.end_reasoning(None)

    def _add(self, kind: str, part: int, text: str) -> None:
        if self._kind and kind != self._kind:
            return
        self._kind = kind
        if part > self._part:
            self._part = part
            text = f"\n\n{text}" if self._pieces else text
        self._write(text)

    def _write(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self.output.thinking(text)


class FunctionCall(Item):
    """A call of one of the client's tools."""

    __slots__ = ("_arguments", "_call_id", "_name", "_opened", "_unwanted")

    def __init__(self, key: int, head: ItemHead, output: Output) -> None:
        super().__init__(key, head, output)
        self._arguments = CallArguments()
        self._call_id = head.call_id or ""
        self._name = head.name or ""
        self._opened = False
        self._unwanted = False

    def start(self) -> None:
        self._open()

    def delta(self, delta: Delta) -> None:
        if delta.type == "response.function_call_arguments.delta":
            self._feed(delta.delta or "")

    def part(self, part: PartEvent) -> None:
        self._name = self._name or part.name or ""
        self._open()
        self._feed(_rest(raw_text(part.arguments), [self._arguments.text()]))

    def complete(self, raw: Raw) -> None:
        item = decode_loosely(raw, FunctionCallItem)
        self._call_id = self._call_id or item.call_id or ""
        self._name = self._name or item.name or ""
        self._open()
        self._feed(_rest(raw_text(item.arguments), [self._arguments.text()]))
        self.over = True
        cut = item.status == "incomplete"
        if cut or not self._arguments.is_cut():
            # Else only the end of the answer tells whether the token limit cut them, or they are wrong.
            self.close(cut=cut)

    def close(self, *, cut: bool) -> None:
        self.closed = True
        arguments = self._arguments
        if not self._opened and not self._unwanted:
            if not arguments.text().strip():
                return
            self._name = UNNAMED
            self._open()
        if self._unwanted:
            return
        cut = cut and arguments.is_cut()
        writer = self.output.writer
        writer.tool_arguments(self.key, arguments.cut_rest() if cut else arguments.rest(self._schema()))
        writer.close_tool(self.key, cut=cut)

    def _open(self) -> None:
        if self._opened or self._unwanted or not self._name:
            return
        encoding = self.output.options.encoding
        self._name = client_name(self._name, encoding.tool_names)
        if not self.output.open_call(self.key, self._call_id or self.id, self._name):
            self._unwanted = True
            return
        self._opened = True
        if self.output.options.live_arguments and self._name not in encoding.strict_schemas:
            self.output.writer.tool_arguments(self.key, self._arguments.pass_on())

    def _feed(self, fragment: str) -> None:
        output = self.output
        output.size += len(fragment)
        if output.size > MAX_HELD:
            raise held_too_much()
        if passed := self._arguments.feed(fragment):
            output.writer.tool_arguments(self.key, passed)

    def _schema(self) -> object:
        return self.output.options.encoding.strict_schemas.get(self._name)


class ServerTool(Item):
    """A call of a tool that the upstream runs itself: only the whole of it says what came of it."""

    __slots__ = ()

    def delta(self, delta: Delta) -> None:
        pass

    def complete(self, raw: Raw) -> None:
        self.over = self.closed = True
        self.output.blocks(self._blocks(raw))

    def close(self, *, cut: bool) -> None:  # noqa: ARG002  nothing of it is written before its end
        self.closed = True

    def _blocks(self, raw: Raw) -> list[WholeBlock]:
        server = self.output.server_tools()
        match self.type:
            case "web_search_call":
                return server.search(decode_loosely(raw, WebSearchItem))
            case "code_interpreter_call":
                return server.code(decode_loosely(raw, CodeInterpreterItem))
            case _:
                return server.mcp(decode_loosely(raw, McpCallItem))


class Compaction(Item):
    """What the upstream made of all before it, for itself alone."""

    __slots__ = ()

    def delta(self, delta: Delta) -> None:
        pass

    def complete(self, raw: Raw) -> None:
        self.over = self.closed = True
        if (item := compaction_item(raw)) is not None:
            self.output.compaction(item)

    def close(self, *, cut: bool) -> None:  # noqa: ARG002  nothing of it is written before its end
        self.closed = True


ITEMS: Mapping[str, type[Item]] = {
    "message": Message,
    "reasoning": Reasoning,
    "function_call": FunctionCall,
    "web_search_call": ServerTool,
    "code_interpreter_call": ServerTool,
    "mcp_call": ServerTool,
    "compaction": Compaction,
}
"""What a client gets something of; all others are the upstream's own business, or were never asked for."""


def _rest(text: str, pieces: list[str]) -> str:
    """What a whole text adds to its pieces; empty where it is another text."""
    told = "".join(pieces)
    return text[len(told) :] if text.startswith(told) else ""


def _kept(raw: Raw) -> Raw | None:
    """What goes back of a reasoning item, byte for byte."""
    try:
        kept = msgspec.json.decode(raw, type=KeptReasoning)
    except UNREADABLE:
        return None
    if bytes(kept.content) == b"null":
        kept.content = NO_RAW
    return raw_json(kept)
