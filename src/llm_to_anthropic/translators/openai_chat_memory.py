"""Renders a conversation for Chat Completions message by message, out of the memory where it can.

The general way (history.py, then openai_chat_content.py) is the reference: whatever does not read the same
wherever it stands is left to it.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.history import History, TurnReader, drop_empty
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.message_memory import UNFIT, Remembered, fit_together
from llm_to_anthropic.translators.openai_chat_content import ChatContent
from llm_to_anthropic.translators.pairing import Pairing, Placed, Turn
from llm_to_anthropic.translators.request import decode_message
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from llm_to_anthropic.wire.anthropic import ToolReferenceBlock, ToolResultBlock, ToolUseBlock


class KnownMessages(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a request, rendered; none depends on its place."""

    rendered: list[Raw]
    history: History
    """Without turns: what else there is to know of it."""
    media_bytes: int


def render_from_memory(
    messages: list[Raw], learned: Learned, client: ClientRequest, target: Target
) -> KnownMessages | None:
    """All messages rendered, or None where the general way has to see the request."""
    quirks = target.quirks
    if quirks.merge_same_role or quirks.merge_system:
        return None
    memory = learned.memory
    scope = f"{client.api_version}/{target.provider.name}/{target.model}/{learned.quirks or ''}"
    known: list[Remembered] = []
    for index, raw in enumerate(messages):
        data = bytes(raw)
        found = memory.get(scope, data)
        if found is None:
            found = _render_alone(raw, index, client, target)
            memory.put(scope, data, found)
        if not found.fit:
            return None
        known.append(found)
    if not fit_together(known):
        return None
    used = frozenset[str]().union(*[message.used_tools for message in known if message.used_tools])
    return KnownMessages(
        rendered=[part for message in known for part in message.rendered],
        history=History(turns=[], tool_changes=[], used_tools=used, effort=None),
        media_bytes=sum([message.media_bytes for message in known]),
    )


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
    rendered = [Raw(msgspec.json.encode(message)) for message in content.messages(turn, first=False)]
    if losses.losses or content.documents:
        return UNFIT
    return Remembered(
        role=turn.role,
        rendered=tuple(rendered),
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
