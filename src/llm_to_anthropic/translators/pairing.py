"""Pairs tool calls with their results, and mends the pairs that a client broke."""

from __future__ import annotations

from typing import Literal

import msgspec

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.request import block_type, decode_blocks, dotted
from llm_to_anthropic.wire.anthropic import (
    Block,
    CacheControl,
    DocumentBlock,
    ImageBlock,
    SearchResultBlock,
    TextBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
)

NO_RESULT = "[no result]"

Role = Literal["user", "assistant", "system"]

_IN_RESULTS = (TextBlock, ImageBlock, DocumentBlock, SearchResultBlock, ToolReferenceBlock)
_MISSING = (
    "{path}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. "
    "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
)
_ORPHAN = (
    "{path}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. "
    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
)
_LATE = "{path}: `tool_result` blocks must come before all other content of their message: {id}."


class Placed(msgspec.Struct, frozen=True):
    """A block and where the client put it (`messages[0].content[2]`)."""

    block: Block
    path: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one call; `content` is decoded and without empty texts."""

    call: ToolUseBlock
    content: list[Placed]
    is_error: bool = False
    path: str
    cache: CacheControl | None = None
    """The cache breakpoint that the client put on it."""


class Turn(msgspec.Struct, kw_only=True):
    """One message. `results` answer all calls of the assistant turn before it, in their order."""

    role: Role
    path: str
    blocks: list[Placed]
    results: list[Result] = msgspec.field(default_factory=list)


class _Call(msgspec.Struct):
    block: ToolUseBlock
    path: str
    result: Result | None = None


class Pairing:
    """Takes turns as the client sent them; `turns` are in order after `close()`.

    Adjacent messages of one role count as one, as Anthropic merges them; system messages stand between a call
    and its result only by mistake and are moved behind.
    """

    def __init__(self, losses: LossReport) -> None:
        self.turns: list[Turn] = []
        self.used_tools: set[str] = set()
        self._losses = losses
        self._ids: dict[str, int] = {}
        """Every id so far, and how many calls had it: in long conversations all may have the same."""
        self._calls: list[_Call] = []
        self._unanswered: dict[str, list[_Call]] = {}
        self._answers: Turn | None = None
        self._held: list[Turn] = []
        self._content_seen = False

    @property
    def call_ids(self) -> frozenset[str]:
        """Ids of all calls so far."""
        return frozenset(self._ids)

    def add(self, turn: Turn) -> None:
        match turn.role:
            case "assistant":
                self._add_assistant(turn)
            case "user":
                self._add_user(turn)
            case "system":
                waits = self._calls and self._answers is None
                (self._held if waits else self.turns).extend([turn] if turn.blocks else [])

    def close(self) -> None:
        """Answers the calls that are still open."""
        if self._calls:
            if self._answers is None:
                self._start_answers(Turn(role="user", path=self.turns[-1].path, blocks=[]))
            if self._answers is not None:
                self._answers.results = [call.result or self._no_result(call) for call in self._calls]
        self._calls, self._unanswered, self._answers, self._content_seen = [], {}, None, False

    def _add_assistant(self, turn: Turn) -> None:
        continues = bool(self._calls) and self._answers is None and not self._held
        if not continues:
            self.close()
        turn.blocks = [self._open(placed) for placed in turn.blocks]
        if continues:
            self.turns[-1].blocks.extend(turn.blocks)
        elif turn.blocks:
            self.turns.append(turn)

    def _open(self, placed: Placed) -> Placed:
        block = placed.block
        if not isinstance(block, ToolUseBlock):
            return placed
        self.used_tools.add(block.name)
        unique = self._unique(block)
        call = _Call(unique, placed.path)
        self._calls.append(call)
        self._unanswered.setdefault(block.id, []).append(call)
        return Placed(unique, placed.path)

    def _unique(self, block: ToolUseBlock) -> ToolUseBlock:
        # Some upstreams count their calls per turn (call_1, call_2); others refuse an id that comes twice.
        name = block.id
        number = self._ids.setdefault(name, 0) + 1
        if number == 1:
            self._ids[name] = 1
            return block
        while (name := f"{block.id}-{number}") in self._ids:
            number += 1
        self._ids[block.id], self._ids[name] = number, 1
        return msgspec.structs.replace(block, id=name)

    def _add_user(self, turn: Turn) -> None:
        others: list[Placed] = []
        for placed in turn.blocks:
            if isinstance(placed.block, ToolResultBlock):
                others.extend(self._answer(placed.block, placed.path))
            else:
                self._content_seen = True
                others.append(placed)
        turn.blocks = others
        if self._calls and self._answers is None:
            self._start_answers(turn)
        elif turn.blocks:
            self.turns.append(turn)

    def _start_answers(self, turn: Turn) -> None:
        self._answers = turn
        self.turns.append(turn)
        self.turns.extend(self._held)
        self._held = []

    def _answer(self, block: ToolResultBlock, path: str) -> list[Placed]:
        """Notes a result with its call; what has no call comes back as ordinary content."""
        content = result_content(block, path, self._losses)
        self.used_tools.update(referred_tools(content))
        waiting = self._unanswered.get(block.tool_use_id)
        if not waiting:
            wording = _ORPHAN.format(path=dotted(path), id=block.tool_use_id)
            self._losses.repair(path, "the result of no known call; sent as text", wording)
            return [Placed(TextBlock(f"[result of tool call {block.tool_use_id}]"), path), *content]
        if self._content_seen:
            wording = _LATE.format(path=dotted(path), id=block.tool_use_id)
            self._losses.repair(path, "a result after other content; moved before it", wording)
        call = waiting.pop(0)
        call.result = result_of(call.block, block, content, path)
        return []

    def _no_result(self, call: _Call) -> Result:
        message = call.path.split(".", 1)[0]
        wording = _MISSING.format(path=dotted(message), id=call.block.id)
        self._losses.repair(call.path, f'no result follows this call; "{NO_RESULT}" was sent', wording)
        text = Placed(TextBlock(NO_RESULT), call.path)
        return Result(call=call.block, content=[text], path=call.path)


def result_of(call: ToolUseBlock, block: ToolResultBlock, content: list[Placed], path: str) -> Result:
    """The answer to a call; `content` comes from `result_content`."""
    return Result(
        call=call,
        content=content,
        is_error=bool(block.is_error),
        path=path,
        cache=block.cache_control,
    )


def result_content(block: ToolResultBlock, path: str, losses: LossReport) -> list[Placed]:
    """What a result holds, without empty texts. Raises ClientError for blocks that stand in none."""
    inner_path = f"{path}.content"
    if isinstance(block.content, str):
        return [Placed(TextBlock(block.content), inner_path)] if block.content else []
    content: list[Placed] = []
    for index, inner in enumerate(decode_blocks(block.content, inner_path)):
        placed = Placed(inner, f"{inner_path}[{index}]")
        if not isinstance(inner, _IN_RESULTS):
            raise ClientError(
                f"{dotted(placed.path)}: {block_type(inner)} blocks in tool results are not supported "
                f"for model '{losses.model}'"
            )
        if not isinstance(inner, TextBlock) or inner.text:
            content.append(placed)
    return content


def referred_tools(content: list[Placed]) -> list[str]:
    """The tools to which the content of a result refers."""
    return [block.tool_name for placed in content if isinstance(block := placed.block, ToolReferenceBlock)]
