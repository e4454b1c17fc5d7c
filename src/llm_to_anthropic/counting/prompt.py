"""Lays out a request as what a model is given to read: texts to tokenise, and costs known without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

import msgspec
from msgspec import Raw

from llm_to_anthropic.counting import media
from llm_to_anthropic.counting.templates import Template
from llm_to_anthropic.counting.tools import json_text, typescript
from llm_to_anthropic.translators.request import decode_blocks
from llm_to_anthropic.wire.anthropic import (
    Base64Source,
    Block,
    CompactionBlock,
    ContentSource,
    DocumentBlock,
    DocumentSource,
    FileSource,
    ImageBlock,
    InputMessage,
    MessagesRequest,
    OtherBlock,
    RedactedThinkingBlock,
    SearchResultBlock,
    ServerToolUseBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    Tool,
    ToolAdditionBlock,
    ToolReferenceBlock,
    ToolRemovalBlock,
    ToolResultBlock,
    ToolUseBlock,
    UrlSource,
)

MAX_DEPTH = 4
"""Blocks within blocks beyond this depth are counted as their JSON."""

# A thousand letters without a blank are an upload, not a text.
_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{1024,}+={0,2}")
_SLICE = 256 * 1024


class Prompt(msgspec.Struct):
    """Grows while a request is read; `fixed` are tokens beside the texts'."""

    template: Template
    texts: list[str] = msgspec.field(default_factory=list)
    fixed: int = 0

    def add_messages(self, messages: list[InputMessage]) -> None:
        for index, message in enumerate(messages):
            blocks = decode_blocks(message.content, f"messages[{index}].content")
            if not blocks and message.role == "system":
                continue  # it sets the effort alone, or its turn is over
            # Results become messages of their own; a turn that holds nothing else costs nothing beside them.
            if not blocks or not all(isinstance(block, ToolResultBlock) for block in blocks):
                self.fixed += self.template.message
            self.add_blocks(blocks)

    def add_system(self, system: str | list[Raw]) -> None:
        self.fixed += self.template.message
        self.add_blocks(decode_blocks(system, "system"))

    def add_tools(self, tools: list[Tool]) -> None:
        self.fixed += self.template.tools + self.template.tool * len(tools)
        write = typescript if self.template.tool_text == "typescript" else json_text
        self.texts += [write(tool) for tool in tools]

    def add_settings(self, request: MessagesRequest) -> None:
        """What the rest of a request adds: forced tool, output schema, thinking."""
        choice = request.tool_choice
        if choice and choice.type == "tool" and choice.name:
            self.fixed += self.template.forced_tool
            self.texts.append(choice.name)
        if request.thinking and request.thinking.type in ("enabled", "adaptive"):
            self.fixed += self.template.thinking
        output = (request.output_config and request.output_config.format) or request.output_format
        if output:
            self._add_raw(output.schema)

    def add_blocks(self, blocks: Iterable[Block], depth: int = 0) -> None:
        for block in blocks:
            self._add_block(block, depth)

    def _add_block(self, block: Block, depth: int) -> None:
        match block:
            case TextBlock(text=text):
                self.texts.append(text)
            case ToolUseBlock() | ServerToolUseBlock():
                self.fixed += self.template.call
                self.texts.append(block.name)
                self._add_raw(block.input)
            case ToolResultBlock(content=content):
                self.fixed += self.template.message
                self._add_nested(content, depth)
            case ImageBlock(source=source):
                self.fixed += media.image_tokens(source.data if isinstance(source, Base64Source) else "")
            case DocumentBlock(source=source):
                self.texts += [text for text in (block.title, block.context) if text]
                self._add_document(source, depth)
            case SearchResultBlock(content=content):
                self.texts += [block.title, block.source]
                self._add_nested(content, depth)
            case ThinkingBlock(thinking=text):
                self.texts += [text] if self.template.recalls else []
            case RedactedThinkingBlock():
                pass  # nobody but its maker can read it
            case CompactionBlock(content=summary):
                self.texts.append(summary or "")
            case ToolReferenceBlock(tool_name=name):
                self.texts.append(name)
            case ToolAdditionBlock(tool=raw) | ToolRemovalBlock(tool=raw) | OtherBlock(raw=raw):
                self._add_raw(raw)
            case _:
                assert_never(block)

    def _add_document(self, source: DocumentSource, depth: int) -> None:
        match source:
            case Base64Source(data=data):
                self.fixed += media.pdf_tokens(data)
            case UrlSource() | FileSource():
                self.fixed += media.PDF_PAGE
            case TextSource(data=text):
                self.texts.append(text)
            case ContentSource(content=content):
                self._add_nested(content, depth)
            case _:
                assert_never(source)

    def _add_nested(self, content: str | list[Raw] | None, depth: int) -> None:
        if isinstance(content, list) and depth >= MAX_DEPTH:
            for raw in content:
                self._add_raw(raw)
            return
        self.add_blocks(decode_blocks(content, "content"), depth + 1)

    def _add_raw(self, raw: Raw) -> None:
        data = bytes(raw)
        # In slices, so that other threads get their turns.
        pieces = [_BASE64.sub(b"", data[start : start + _SLICE]) for start in range(0, len(data), _SLICE)]
        text = b"".join(pieces)
        if len(text) < len(data):
            self.fixed += media.UNKNOWN_IMAGE
        self.texts.append(text.decode("utf-8", "replace"))
