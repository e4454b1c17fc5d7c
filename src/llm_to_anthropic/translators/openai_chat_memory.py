"""Renders a conversation for Chat Completions message by message, out of the memory where it can.

The general way (history.py, then openai_chat_content.py) is the reference: whatever does not read the same
wherever it stands is left to it.
"""

from __future__ import annotations

from collections.abc import Hashable

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.history import TurnReader, drop_empty
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.memory import UNFIT, Memory, Remembered, fit_together
from llm_to_anthropic.translators.openai_chat_content import ChatContent
from llm_to_anthropic.translators.pairing import Pairing, Placed, Turn
from llm_to_anthropic.translators.request import decode_message
from llm_to_anthropic.translators.translator import ClientRequest
from llm_to_anthropic.wire.anthropic import ToolReferenceBlock, ToolResultBlock, ToolUseBlock

_NOTHING: frozenset[str] = frozenset()


class KnownMessages(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a request, rendered; none depends on its place."""

    rendered: bytes
    used_tools: frozenset[str]
    media_bytes: int


def render_known(
    messages: list[Raw], memory: Memory[Remembered], scope: Hashable, client: ClientRequest, target: Target
) -> KnownMessages | None:
    """All messages rendered, or None where the general way has to see the request."""
    if not messages or target.quirks.merge_same_role or target.quirks.merge_system:
        return None
    known: list[Remembered] = []
    rendered: list[bytes] = []
    used_tools = _NOTHING
    media_bytes = 0
    for index, raw in enumerate(messages):
        data = bytes(raw)
        found = memory.get(scope, data)
        if found is None:
            found = _render_alone(raw, index, client, target)
            memory.put(scope, data, found, len(found.rendered))
        if not found.fit:
            return None
        known.append(found)
        if found.rendered:
            rendered.append(found.rendered)
        if found.used_tools:
            used_tools |= found.used_tools
        media_bytes += found.media_bytes
    if not rendered or not fit_together(known):
        return None
    return KnownMessages(rendered=b",".join(rendered), used_tools=used_tools, media_bytes=media_bytes)


def _render_alone(raw: Raw, index: int, client: ClientRequest, target: Target) -> Remembered:
    losses = LossReport(strict=False)
    content = ChatContent(target, losses, model=client.model)
    try:
        reader = TurnReader(losses, model=client.model, api_version=client.api_version)
        turn = reader.read(index, decode_message(raw, index))
        drop_empty(turn, losses, silently=False)
        if reader.compacted or reader.changes or reader.effort:
            return UNFIT
        return _render_turn(turn, content, losses, reader.searched)
    except ClientError:
        return UNFIT  # the general way says what is wrong, and where


def _render_turn(turn: Turn, content: ChatContent, losses: LossReport, searched: set[str]) -> Remembered:
    results = [block for placed in turn.blocks if isinstance(block := placed.block, ToolResultBlock)]
    calls = [block for placed in turn.blocks if isinstance(block := placed.block, ToolUseBlock)]
    used = searched | {call.name for call in calls}
    if results:
        turn = _answered(turn, results, losses)
        inner = [placed.block for result in turn.results for placed in result.content]
        used |= {block.tool_name for block in inner if isinstance(block, ToolReferenceBlock)}
    rendered = [msgspec.json.encode(message) for message in content.messages(turn, first=False)]
    if losses.losses or content.documents:
        return UNFIT
    return Remembered(
        role=turn.role,
        rendered=b",".join(rendered),
        calls=tuple(call.id for call in calls),
        results=tuple(result.tool_use_id for result in results),
        used_tools=frozenset(used),
        media_bytes=content.media_bytes,
    )


def _answered(turn: Turn, results: list[ToolResultBlock], losses: LossReport) -> Turn:
    """The turn with its results paired, as if just these calls had been made in this order."""
    made = [Placed(ToolUseBlock(id=result.tool_use_id, name=""), turn.path) for result in results]
    pairing = Pairing(losses, model="")
    pairing.add(Turn(role="assistant", path=turn.path, blocks=made))
    pairing.add(turn)
    pairing.close()
    return pairing.turns[-1]
