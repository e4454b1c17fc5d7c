"""What the client gets of an answer of OpenAI Responses, in the order in which it is told here.

Between the items of the answer and the message writer: text until a stop sequence, reasoning with its carrier, calls.
Encrypted reasoning has to come back right before the item that it led to; a thinking block carries it. It stays open
until that item begins, since the phase of a message is told by the message alone.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.carrier import encode_carrier
from llm_to_anthropic.translators.encoding import AnswerOptions
from llm_to_anthropic.translators.estimate import text_bytes
from llm_to_anthropic.translators.openai_responses.carrier import phases_item
from llm_to_anthropic.translators.openai_responses.encoding import ResponsesEncoding
from llm_to_anthropic.translators.openai_responses.server_tools import ServerTools
from llm_to_anthropic.translators.tool_ids import ToolIds
from llm_to_anthropic.translators.visible_text import VisibleText
from llm_to_anthropic.wire.anthropic import OutCompaction, SearchCitation, WholeBlock
from llm_to_anthropic.writer import MessageWriter


class ResponsesOptions(AnswerOptions[ResponsesEncoding], frozen=True, kw_only=True):
    """How an answer of OpenAI Responses is read."""

    live_arguments: bool = False
    now: float = 0.0
    """Unix time."""


class Output:
    """The client's side of one answer."""

    def __init__(self, writer: MessageWriter, options: ResponsesOptions) -> None:
        encoding = options.encoding
        self.writer = writer
        self.options = options
        self.ids = ToolIds(options.seed, options.call_ids)
        self.server: ServerTools | None = None
        """Made once such a tool has run."""
        self.size = 0
        """Bytes of everything that the model wrote so far."""
        self.refusal: list[str] = []
        self.stopped: str | None = None
        """The reason why the message ended before the upstream did."""
        self.stop_sequence: str | None = None
        """The one that ended it."""
        self._visible = VisibleText(encoding) if encoding.filters_text else None
        """None: text is written as it comes."""
        self._hidden = encoding.thinking in ("off", "omitted")
        self._thinking = False
        """A thinking block is open."""
        self._reasoned = False
        """A reasoning item is complete, and its block, if it has one, not yet signed."""
        self._kept: Raw | None = None
        """What has to come back of that item."""
        self._unsent: list[Raw] = []
        """Reasoning without text that no thinking block has carried: a client that did not ask for thinking gets such
        blocks before calls alone."""

    @property
    def seal(self) -> str:
        """Stands where Anthropic has encrypted content."""
        return encode_carrier(self.options.carrier)

    def server_tools(self) -> ServerTools:
        """What tells of the tools that the upstream runs itself."""
        if self.server is None:
            encoding = self.options.encoding
            self.server = ServerTools(
                self.ids,
                seal=self.seal,
                blocked=encoding.blocked_domains,
                mcp_names={tool.label or tool.name: tool.name for tool in encoding.hosted if tool.kind == "mcp"},
                now=self.options.now,
            )
        return self.server

    @property
    def passes(self) -> bool:
        """Text is written as it comes."""
        return self._visible is None

    def begin_item(self, phase: str | None = None) -> None:
        """Another item follows; `phase` is that of a message."""
        if not self._reasoned:
            return
        kept, self._kept = self._kept, None
        self._reasoned = False
        thinking, self._thinking = self._thinking, False
        wanted = self.options.encoding.thinking
        if kept is None or wanted == "off":
            if thinking:
                self.writer.signature(self.seal)
        elif thinking or wanted != "default":
            # Reasoning without a text that waits for a call goes along: it came before.
            items, self._unsent = [*self._unsent, kept], []
            self._sign([*items, phases_item([phase])] if phase else items)
        else:
            self._unsent.append(kept)

    def thinking(self, text: str) -> None:
        self.size += len(text) if text.isascii() else text_bytes(text)
        if not self._hidden:
            # White space alone is no block, which nothing need close then.
            self._thinking = self._thinking or not text.isspace()
            self.writer.thinking(text)

    def end_reasoning(self, kept: Raw | None) -> None:
        """A reasoning item is complete. `kept`: what has to come back of it, None where it could not be read then."""
        self._reasoned, self._kept = True, kept

    def text(self, text: str) -> None:
        if self._visible is not None:
            self._write(self._visible, self._visible.feed(text))
        else:
            self.size += len(text) if text.isascii() else text_bytes(text)
            self.writer.text(text)

    def refuse(self, text: str) -> None:
        """A text by which the model refuses; no stop sequence counts in it."""
        self.flush_text()
        if text and self.stopped is None:
            self.refusal.append(text)
            self.size += text_bytes(text)
            self.writer.text(text)

    def cite(self, citation: SearchCitation) -> None:
        """What the text so far rests on."""
        if not self.options.encoding.cites:
            return
        self.flush_text()
        if self.stopped is None:
            self.writer.citation(citation)

    def end_text(self) -> None:
        """A part of a message is complete."""
        self.flush_text()
        self.writer.end_text()

    def flush_text(self) -> None:
        """Lets go of the text that was held back: what follows is none."""
        if self._visible is not None and self.stopped is None:
            self._write(self._visible, self._visible.flush())

    def open_call(self, key: int, id: str, name: str) -> bool:
        """False: the client wants no call beside the one that it has."""
        if self.options.encoding.single_call and self.writer.calls:
            return False
        for kept in self._unsent:
            self._sign([kept])
        self._unsent.clear()
        self.writer.open_tool(key, self.ids.take(id, key), name)
        return True

    def blocks(self, blocks: list[WholeBlock]) -> None:
        """What a server tool did."""
        for block in blocks:
            self.writer.whole_block(block)

    def compaction(self, item: Raw) -> None:
        """What the upstream made of all before it, reasoning that was not sent yet included."""
        self._unsent.clear()
        sealed = self._carrier(item)
        # One that cannot travel must not pass for a summary: the client may forget what came before.
        if sealed != self.seal:
            self.writer.whole_block(OutCompaction(encrypted_content=sealed))

    def _sign(self, items: list[Raw]) -> None:
        self.writer.signature(self._carrier(*items))

    def _carrier(self, *items: Raw) -> str:
        return encode_carrier(msgspec.structs.replace(self.options.carrier, items=[*items]))

    def _write(self, visible: VisibleText, text: str) -> None:
        if self.stopped is None:
            self.size += text_bytes(text)
            self.writer.text(text)
            if visible.end is not None:
                self.stopped, self.stop_sequence = visible.end
