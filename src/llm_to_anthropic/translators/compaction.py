"""Where a conversation was summed up: only the summary, and what follows it, is sent.

Most summaries are texts. One that an upstream made for itself alone comes back to it as it was; to any other it says
nothing, and whatever the client still sends of what it sums up is sent in its place.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.carrier import is_carrier
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.pairing import Placed, Turn
from llm_to_anthropic.wire.anthropic import CompactionBlock, TextBlock

Restore = Callable[[str], Raw | None]
"""What an upstream made, out of the `encrypted_content` of a block; None: it is not this upstream's."""


class _Summary(msgspec.Struct, frozen=True):
    turn: int
    position: int
    said: str | Raw
    """A text, or what the upstream made."""


def cut_at_compaction(turns: list[Turn], losses: LossReport, restore: Restore) -> tuple[Raw | None, list[Turn]]:
    """Everything before the last summary is what it sums up: what the upstream made of it, and the turns to send."""
    item: Raw | None = None
    summary = _last_summary(turns, restore)
    if summary is not None:
        turn = turns[summary.turn]
        rest = Turn(role=turn.role, path=turn.path, blocks=turn.blocks[summary.position + 1 :])
        turns = ([rest] if rest.blocks else []) + turns[summary.turn + 1 :]
        if isinstance(summary.said, str):
            told = Placed(TextBlock(f"<summary>\n{summary.said}\n</summary>"), turn.blocks[summary.position].path)
            turns.insert(0, Turn(role="user", path=turn.path, blocks=[told]))
        else:
            item = summary.said
    _report_unread(turns, losses, begun=item is not None)
    return item, turns


def _last_summary(turns: list[Turn], restore: Restore) -> _Summary | None:
    for index, turn in reversed(list(enumerate(turns))):
        for position, placed in reversed(list(enumerate(turn.blocks))):
            said = _said(placed.block, restore) if isinstance(placed.block, CompactionBlock) else None
            if said is not None:
                return _Summary(index, position, said)
    return None


def _said(block: CompactionBlock, restore: Restore) -> str | Raw | None:
    made = restore(block.encrypted_content) if block.encrypted_content else None
    if made is not None:
        return made
    return block.content if block.content and block.content.strip() else None


def _report_unread(turns: list[Turn], losses: LossReport, *, begun: bool) -> None:
    """Reports the summaries that only another upstream can read.

    `begun`: something stands before the turns. A client may have forgotten what a summary at the beginning stands for.
    """
    for placed in (placed for turn in turns for placed in turn.blocks):
        unread = isinstance(block := placed.block, CompactionBlock) and is_carrier(block.encrypted_content or "")
        if unread and begun:
            losses.mention(placed.path, "a summary that another upstream made for itself; what it sums up is sent")
        elif unread:
            losses.lose(placed.path, "a summary that another upstream made for itself; left out")
        begun = True
