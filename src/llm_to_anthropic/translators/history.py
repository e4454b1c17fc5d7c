"""Brings a conversation into the order that every translated upstream can render.

A turn is one message with its blocks decoded. The turn after an assistant turn with calls holds one result for each
of them, in their order, whatever the client sent: missing results are made up, orphaned ones become text, late ones
are moved. Every repair is reported; strict mode refuses instead, in Anthropic's words.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.as_text import is_carried_as_text, searched_tools
from llm_to_anthropic.translators.checks import NEW_VERSION
from llm_to_anthropic.translators.compaction import Restore, cut_at_compaction
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.pairing import Pairing, Placed, Role, Turn
from llm_to_anthropic.translators.raw import lists_any
from llm_to_anthropic.translators.request import block_type, decode_blocks, decode_messages, describe, dotted
from llm_to_anthropic.translators.system_prompt import without_attribution
from llm_to_anthropic.translators.thinking import known_effort
from llm_to_anthropic.wire.anthropic import (
    Block,
    CompactionBlock,
    DocumentBlock,
    ImageBlock,
    InputMessage,
    MessagesRequest,
    OtherBlock,
    RedactedThinkingBlock,
    SearchResultBlock,
    ServerToolUseBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolAdditionBlock,
    ToolRemovalBlock,
    ToolResultBlock,
    ToolUseBlock,
)

GO_ON = "Continue exactly where your last message stops; output only the continuation."
"""What the user says after the model's own words, where a conversation may not end with them."""
_NO_CONTENT = "all messages must have non-empty content except for the optional final assistant message"

_PLAIN_USER = frozenset({TextBlock, ToolResultBlock})
_PLAIN_ASSISTANT = frozenset({TextBlock, ToolUseBlock})
_USER = (TextBlock, ImageBlock, DocumentBlock, SearchResultBlock, ToolResultBlock)
_ASSISTANT = (
    TextBlock,
    ToolUseBlock,
    ThinkingBlock,
    RedactedThinkingBlock,
    ServerToolUseBlock,
    DocumentBlock,
    CompactionBlock,
)


class ToolChange(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that a system message adds or removes."""

    adds: bool
    name: str
    definition: Tool | None = None
    path: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation, ready to be rendered."""

    turns: list[Turn] = []
    tool_changes: list[ToolChange] = []
    used_tools: frozenset[str]
    """Tools that were called or announced: deferred ones among them must be declared."""
    call_ids: frozenset[str] = frozenset()
    """Ids of all calls, each of which has its own."""
    effort: str | None = None
    """The last effort that a system message sets."""
    compacted: Raw | None = None
    """What the upstream itself made of all that came before the turns."""


class _ChangedTool(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    tool_name: str | None = None
    definition: Tool | None = None


def read_history(
    request: MessagesRequest,
    losses: LossReport,
    *,
    api_version: str,
    restore: Restore = lambda _: None,
) -> History:
    """The request's messages as turns. Raises ClientError for what no upstream could take.

    `restore` is how the upstream reads what it summed up for itself alone; most make no such thing.
    """
    reader = TurnReader(losses, api_version=api_version)
    messages = decode_messages(request)
    turns = [reader.read(index, message) for index, message in enumerate(messages)]
    compacted: Raw | None = None
    if reader.compacted:
        compacted, turns = cut_at_compaction(turns, losses, restore)
    last = messages[-1]
    prefill = turns[-1] if turns and last.role == "assistant" else None
    pairing = Pairing(losses)
    for turn in turns:
        drop_empty(turn, losses, silently=turn is prefill)
        pairing.add(turn)
    pairing.close()
    if not pairing.turns and compacted is None:
        raise ClientError("messages.0: user messages must have non-empty content")
    return History(
        turns=pairing.turns,
        tool_changes=reader.changes,
        used_tools=frozenset(pairing.used_tools | reader.searched),
        call_ids=pairing.call_ids,
        effort=reader.effort,
        compacted=compacted,
    )


class TurnReader:
    """Decodes messages and checks what stands where."""

    def __init__(self, losses: LossReport, *, api_version: str) -> None:
        self.changes: list[ToolChange] = []
        self.searched: set[str] = set()
        self.effort: str | None = None
        self.compacted = False
        self._losses = losses
        self._new_version = api_version == NEW_VERSION

    def read(self, index: int, message: InputMessage) -> Turn:
        path = f"messages[{index}]"
        content = message.content
        blocks = decode_blocks(content, f"{path}.content")
        if isinstance(content, str):
            placed = [Placed(block, f"{path}.content") for block in blocks]
        else:
            placed = [Placed(block, f"{path}.content[{n}]") for n, block in enumerate(blocks)]
        kinds = set(map(type, blocks))
        match message.role:
            case "user":
                if self._new_version or not kinds <= _PLAIN_USER:
                    for each in placed:
                        self._check_user(each)
                return Turn(role="user", path=path, blocks=placed)
            case "assistant":
                if not kinds <= _PLAIN_ASSISTANT:
                    placed = [each for each in placed if self._keeps_of_assistant(each)]
                return Turn(role="assistant", path=path, blocks=placed)
            case _:
                return self._read_system(path, message, placed)

    def _check_user(self, placed: Placed) -> None:
        block = placed.block
        if isinstance(block, TextBlock):
            if self._new_version and lists_any(block.citations):
                raise ClientError(f"{dotted(placed.path)}.citations: not permitted in user messages")
        elif isinstance(block, SearchResultBlock):
            if self._new_version:
                self._check_search_result(block, placed.path)
        elif not isinstance(block, _USER):
            raise ClientError(
                f"{dotted(placed.path)}: {block_type(block)} blocks in user messages are not supported "
                f"for model '{self._losses.model}'"
            )

    def _check_search_result(self, block: SearchResultBlock, path: str) -> None:
        for index, inner in enumerate(decode_blocks(block.content, f"{path}.content")):
            if isinstance(inner, TextBlock) and lists_any(inner.citations):
                raise ClientError(f"{dotted(path)}.content.{index}.citations: not permitted in user messages")

    def _keeps_of_assistant(self, placed: Placed) -> bool:
        block = placed.block
        if isinstance(block, OtherBlock):
            if block.type == "tool_search_tool_result":
                self.searched.update(searched_tools(block))
            if is_carried_as_text(block.type):
                return True
        elif isinstance(block, DocumentBlock) and self._new_version:
            raise ClientError(f"{dotted(placed.path)}: document blocks are not permitted in assistant messages")
        elif isinstance(block, _ASSISTANT):
            self.compacted = self.compacted or isinstance(block, CompactionBlock)
            return True
        self._losses.lose(placed.path, f"{block_type(block)} blocks of the assistant are not known here; left out")
        return False

    def _read_system(self, path: str, message: InputMessage, placed: list[Placed]) -> Turn:
        self.effort = known_effort(message.output_config, f"{path}.output_config", self._losses) or self.effort
        kept: list[Placed] = []
        for each in placed:
            match each.block:
                case TextBlock(text=text, cache_control=mark):
                    said = without_attribution(text, goes_on=isinstance(message.content, str))
                    # An empty text that the client sent is reported where turns are; an attribution is no loss.
                    if said or not text:
                        kept.append(each if said is text else Placed(TextBlock(said, mark), each.path))
                case ToolAdditionBlock(tool=tool):
                    self._note_change(tool, each.path, adds=True)
                case ToolRemovalBlock(tool=tool):
                    self._note_change(tool, each.path, adds=False)
                case block:
                    self._losses.lose(
                        each.path, f"{block_type(block)} blocks in system messages are not known; left out"
                    )
        return Turn(role="system", path=path, blocks=kept)

    def _note_change(self, raw: Raw, path: str, *, adds: bool) -> None:
        try:
            tool = msgspec.json.decode(raw, type=_ChangedTool)
        except msgspec.ValidationError as error:
            raise ClientError(describe(error, f"{path}.tool")) from error
        definition = tool.definition
        name = (definition and definition.name) or tool.name or tool.tool_name
        if not name or (tool.type or "").startswith("mcp_"):
            self._losses.lose(path, "only tools of this request can be added or removed; left out")
            return
        self.changes.append(ToolChange(adds=adds, name=name, definition=definition, path=f"{path}.tool"))


def drop_empty(turn: Turn, losses: LossReport, *, silently: bool) -> None:
    """Takes out text blocks without text, which upstreams refuse as Anthropic does."""
    role, blocks = turn.role, turn.blocks
    if not blocks and not silently and role != "system":
        losses.repair(turn.path, "a message without content; left out", f"{dotted(turn.path)}: {_NO_CONTENT}")
    turn.blocks = [placed for placed in blocks if not _is_empty(placed.block, role)]
    if silently or len(turn.blocks) == len(blocks):
        return
    for placed in blocks:
        if type(placed.block) is TextBlock and _is_empty(placed.block, role):
            wording = f"{dotted(placed.path)}: text content blocks must be non-empty"
            losses.repair(placed.path, "an empty text block; left out", wording)


def _is_empty(block: Block, role: Role) -> bool:
    if type(block) is TextBlock:
        # White space between an assistant's texts is part of them: Anthropic splits text around citations.
        return not (block.text if role == "assistant" else block.text.strip())
    return type(block) is CompactionBlock
