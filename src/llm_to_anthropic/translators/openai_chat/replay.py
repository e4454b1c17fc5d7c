"""What an assistant's turn of the history brings back from a Chat-compatible server, in its thinking blocks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.carrier import PREFIX, decode_carrier
from llm_to_anthropic.translators.openai_chat.reasoning import CallItem
from llm_to_anthropic.translators.pairing import Placed
from llm_to_anthropic.wire.anthropic import ThinkingBlock, ToolUseBlock

_CALL_ITEM = msgspec.json.Decoder(CallItem)
_OF_CHAT = f"{PREFIX}c."


class Replay:
    """What there is of one turn."""

    __slots__ = ("details", "extras", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        """Readable reasoning, of any such server."""
        self.details: list[Raw] = []
        """Opaque reasoning, of this one alone."""
        self.extras: dict[str, Raw] = {}
        """What goes with a call, by the call's id; of this server alone."""


def read_replay(blocks: Sequence[Placed], maker: tuple[str, str]) -> Replay:
    """`maker`: the provider and model that are asked now.

    A gateway leads to many vendors: what one of its models has sealed, no other reads.
    """
    replay = Replay()
    if not any(isinstance(placed.block, ThinkingBlock) for placed in blocks):
        return replay
    message, number = "", 0
    extras: dict[int, Raw] = {}
    for placed in blocks:
        block = placed.block
        if (at := placed.path.partition(".")[0]) != message:
            # Messages in a row may have become one turn; calls are numbered within their message.
            message, number, extras = at, 0, {}
        if isinstance(block, ToolUseBlock):
            if number in extras:
                replay.extras[block.id] = extras[number]
            number += 1
        elif isinstance(block, ThinkingBlock) and (block.signature or "").startswith(_OF_CHAT):
            _read_thinking(block, replay, extras, maker)
    return replay


def _read_thinking(block: ThinkingBlock, replay: Replay, extras: dict[int, Raw], maker: tuple[str, str]) -> None:
    carrier = decode_carrier(block.signature or "")
    if carrier is None:
        return
    replay.texts.append(block.thinking)
    if (carrier.provider, carrier.model) != maker:
        return
    for item in carrier.items:
        try:
            call = _CALL_ITEM.decode(item)
        except msgspec.DecodeError:
            replay.details.append(item)
        else:
            if bytes(call.x).startswith(b"{"):
                extras[call.n] = call.x
