"""The reasoning of Chat-compatible servers: its spellings, and what is opaque of it and must come back unchanged."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.openai_chat import Delta
from llm_to_anthropic.writer import MAX_HELD, MessageWriter, held_too_much

_TEXT_FIELDS = {"reasoning.text": "text", "reasoning.summary": "summary"}


class CallItem(msgspec.Struct, tag="call", tag_field="k"):
    """An item of a carrier: what came with a call of the message."""

    n: int
    """The call's number among those of the message."""
    x: Raw


class ReasoningText:
    """Reads the readable reasoning of deltas. Servers that send it in several fields send the same in all of them."""

    def __init__(self) -> None:
        self.field = ""
        """The field that came first, in this delta or an earlier one: the others repeat it."""

    def read(self, delta: Delta) -> str:
        field = self.field or self._first_field(delta)
        match field:
            case "reasoning_content":
                return delta.reasoning_content or ""
            case "reasoning":
                return delta.reasoning or ""
            case "reasoning_text":
                return delta.reasoning_text or ""
            case _:
                return _details_text(delta.reasoning_details or [])

    def _first_field(self, delta: Delta) -> str:
        if delta.reasoning_content:
            self.field = "reasoning_content"
        elif delta.reasoning:
            self.field = "reasoning"
        elif delta.reasoning_text:
            self.field = "reasoning_text"
        elif _details_text(delta.reasoning_details or []):
            self.field = "reasoning_details"
        return self.field


class ReasoningDetails:
    """Gathers `reasoning_details` for the carrier; fragments of one detail are put together again."""

    def __init__(self, carrier: Carrier) -> None:
        """`carrier`: the one without items, bound to the upstream."""
        self._carrier = carrier
        self.held: list[dict[str, object]] = []
        self._size = 0
        """Bytes that came so far."""

    def add(self, details: list[Raw]) -> None:
        for raw in details:
            self._size += len(bytes(raw))
            if self._size > MAX_HELD:
                raise held_too_much()
            detail = _read(raw)
            if detail and not self._continues(detail):
                self.held.append(detail)

    def take(self) -> str:
        """The signature that carries them."""
        items = [raw_json(detail) for detail in self.held]
        self.held = []
        return encode_carrier(msgspec.structs.replace(self._carrier, items=items))

    def _continues(self, detail: dict[str, object]) -> bool:
        last = self.held[-1] if self.held else {}
        field = _TEXT_FIELDS.get(str(detail.get("type")), "")
        same = all(last.get(key) == detail.get(key) for key in ("type", "index"))
        if not field or not same or last.get("signature"):
            return False
        text = f"{last.get(field) or ''}{detail.get(field) or ''}"
        last |= {key: value for key, value in detail.items() if value is not None}
        last[field] = text
        return True


class CallExtras:
    """Carries what comes with a call and has to come back with it: in a thinking block before the call.

    A client that did not ask for thinking gets such a block only where thinking may stand anyway: at the beginning of
    the message.
    """

    def __init__(self, writer: MessageWriter, carrier: Carrier, *, alone: bool) -> None:
        """`carrier`: the one without items. `alone`: the client takes blocks without any thoughts in them."""
        self._writer = writer
        self._carrier = carrier
        self._alone = alone

    def keep(self, extra: Raw) -> None:
        """What came with the call that is about to be written."""
        writer = self._writer
        if not bytes(extra).startswith(b"{"):
            return
        if self._alone or writer.thinks or not writer.begun:
            item = raw_json(CallItem(n=writer.calls, x=extra))
            writer.signature(encode_carrier(msgspec.structs.replace(self._carrier, items=[item])))


def _details_text(details: list[Raw]) -> str:
    found = ""
    for raw in details:
        detail = _read(raw)
        text = detail.get("text") or detail.get("summary")
        found += text if isinstance(text, str) else ""
    return found


def _read(raw: Raw) -> dict[str, object]:
    try:
        value: object = msgspec.json.decode(raw)
    except UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}
