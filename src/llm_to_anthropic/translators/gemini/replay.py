"""What an assistant message of the history brings back from Gemini: signatures, ids, parts of Google's own tools.

They ride in carriers, in the signatures of the message's thinking blocks, and name the parts that they belong to by
kind (`fc`: function call, `tx`: text, `raw`: parts as they came) and number among those of that kind in the message.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.carrier import decode_carrier
from llm_to_anthropic.translators.pairing import Placed
from llm_to_anthropic.wire.anthropic import ThinkingBlock


class _Item(msgspec.Struct):
    k: str = ""
    n: int = 0
    id: str | None = None
    sig: str | None = None
    parts: list[Raw] = msgspec.field(default_factory=list)


class _RawPart(msgspec.Struct, rename="camel"):
    tool_call: Raw = Raw()
    tool_response: Raw = Raw()
    executable_code: Raw = Raw()
    code_execution_result: Raw = Raw()


class Replay:
    """Hands out what belongs to the parts of one message, which are asked for in their order."""

    def __init__(self) -> None:
        self._signatures: dict[tuple[str, int], str] = {}
        self._ids: dict[int, str] = {}
        self._raw: dict[str, list[Raw]] = {}
        """Parts by what is in them: not all that a server tool did has one, so numbers do not pair them with blocks."""
        self._texts = 0
        self._calls = 0

    def add(self, item: _Item) -> None:
        """Notes one item of a carrier."""
        if item.k == "raw":
            for part in item.parts:
                self._add_raw(part)
            return
        if item.sig:
            self._signatures[item.k, item.n] = item.sig
        if item.k == "fc" and item.id:
            self._ids[item.n] = item.id

    def next_text(self) -> str | None:
        """The signature of the next text, if it has one."""
        self._texts += 1
        return self._signatures.get(("tx", self._texts - 1))

    def next_call(self) -> tuple[str | None, str | None]:
        """The upstream's id and the signature of the next function call."""
        self._calls += 1
        number = self._calls - 1
        return self._ids.get(number), self._signatures.get(("fc", number))

    def next_raw_call(self, tool: str) -> Raw | None:
        """The part in which the next call of a server tool came."""
        return self._next_raw("executable_code" if tool == "code_execution" else "tool_call")

    def next_raw_result(self, block_type: str) -> Raw | None:
        """The part in which the next result of a server tool came."""
        of_code = block_type == "code_execution_tool_result"
        return self._next_raw("code_execution_result" if of_code else "tool_response")

    def _next_raw(self, content: str) -> Raw | None:
        parts = self._raw.get(content)
        return parts.pop(0) if parts else None

    def _add_raw(self, part: Raw) -> None:
        try:
            read = msgspec.json.decode(part, type=_RawPart)
        except msgspec.DecodeError:
            return
        content = next((name for name in _RawPart.__struct_fields__ if getattr(read, name)), "")
        self._raw.setdefault(content, []).append(part)


def read_replay(blocks: Iterable[Placed], target: Target) -> Replay:
    """What the carriers of a message hold for this target. Those of others are of no use to it and are passed over."""
    replay, own = Replay(), ("g", target.model, target.gemini.backend)
    for placed in blocks:
        signature = placed.block.signature if isinstance(placed.block, ThinkingBlock) else None
        carrier = decode_carrier(signature) if signature else None
        if carrier is None or (carrier.vendor, carrier.model, carrier.route) != own:
            continue
        for raw in carrier.items:
            try:
                replay.add(msgspec.json.decode(raw, type=_Item))
            except msgspec.DecodeError:
                continue
    return replay
