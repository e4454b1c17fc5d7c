"""Renders one message as if there were no others, to be remembered wherever it reads the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.documents import Documents
from llm_to_anthropic.translators.history import TurnReader, drop_empty
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.memory.memory import UNFIT, Called, Remembered
from llm_to_anthropic.translators.pairing import Result, Turn, referred_tools, result_content, result_of
from llm_to_anthropic.translators.request import decode_message, is_for_one_turn
from llm_to_anthropic.translators.translator import ClientRequest
from llm_to_anthropic.wire.anthropic import ToolResultBlock, ToolUseBlock

_encode = msgspec.json.encode
_id_of, _call_id_of, _kind_of = attrgetter("id"), attrgetter("call.id"), attrgetter("block.__class__")
_UNKNOWN: Called = ("", None)


class TurnRenderer(Protocol):
    """Renders turns of one request, as it does for a request that is not remembered."""

    @property
    def documents(self) -> Documents:
        """Counts them, so that a message with one depends on its place, and the bytes of all media."""
        ...

    @property
    def replayed(self) -> bool:
        """Whether something was rendered that only the upstream that made it can read."""
        ...

    @property
    def call_ids(self) -> dict[str, str] | None:
        """The upstream's own ids of calls, by the client's; results repeat them, and the names of the tools.

        None where results name their calls by the client's ids alone.
        """
        ...

    def render(self, turn: Turn) -> Sequence[object]:
        """What the upstream is sent for a turn in the middle of a conversation."""
        ...


class Alone:
    """Renders messages one after the other, none of which knows of another."""

    def __init__(self, client: ClientRequest, new_renderer: Callable[[LossReport], TurnRenderer]) -> None:
        self._losses = LossReport(strict=False, model=client.model)
        self._reader = TurnReader(self._losses, api_version=client.api_version)
        self._content = new_renderer(self._losses)
        self.spotless = True
        """What was rendered has left nothing behind that could get into another message."""

    def render(self, raw: Raw, index: int, called: tuple[Called, ...]) -> Remembered:
        """The message at a position; `called` are the calls that it has to answer. Raises ClientError."""
        reader, content = self._reader, self._content
        self.spotless = False
        message = decode_message(raw, index)
        if is_for_one_turn(message):
            return UNFIT
        turn = reader.read(index, message)
        drop_empty(turn, self._losses, silently=False)
        if reader.compacted or reader.changes or reader.effort or not self._pair(turn, called):
            return UNFIT
        results = turn.results
        calls = [] if results else [block for placed in turn.blocks if type(block := placed.block) is ToolUseBlock]
        made = content.render(turn) if turn.blocks or results else ()  # as pairing, which takes no empty turns
        rendered = b",".join(map(_encode, made))
        media_bytes, own, replayed = content.documents.media_bytes, content.call_ids, content.replayed
        if self._losses.losses or content.documents.count:
            return UNFIT
        self.spotless = not (reader.searched or media_bytes or own or replayed)
        if self.spotless and not (calls or results):
            return Remembered(role=turn.role, rendered=rendered, plain=True)
        used = reader.searched.union([call.name for call in calls], *map(_referred, results))
        return Remembered(
            role=turn.role,
            rendered=rendered,
            calls=tuple(map(_id_of, calls)),
            called=() if own is None else tuple((call.name, own.get(call.id)) for call in calls),
            results=tuple(map(_call_id_of, results)),
            used_tools=frozenset(used),
            media_bytes=media_bytes,
            replayed=replayed,
        )

    def _pair(self, turn: Turn, called: tuple[Called, ...]) -> bool:
        """Takes the results out of the turn's blocks, as answers to calls in their order; False: mend them."""
        if turn.role != "user" or ToolResultBlock not in map(_kind_of, turn.blocks):
            return True
        results, others = turn.results, []
        for placed in turn.blocks:
            block = placed.block
            if not isinstance(block, ToolResultBlock):
                others.append(placed)
            elif others:
                return False
            else:
                call = called[len(results)] if len(results) < len(called) else _UNKNOWN
                results.append(self._result(block, placed.path, call))
        turn.blocks = others
        return len(results) == len(set(map(_call_id_of, results)))

    def _result(self, block: ToolResultBlock, path: str, called: Called) -> Result:
        """A result with its call, of which only as much is known as the result has to repeat."""
        name, own_id = called
        if own_id and self._content.call_ids is not None:
            self._content.call_ids[block.tool_use_id] = own_id
        call = ToolUseBlock(id=block.tool_use_id, name=name)
        return result_of(call, block, result_content(block, path, self._losses), path)


def _referred(result: Result) -> list[str]:
    return referred_tools(result.content)
