"""Thought signatures on their way to the client: gathered from the parts of an answer, put into carriers.

A signature belongs to the part with which it came, and has to stand on it again when the conversation comes back.
A carrier therefore names parts: the kind (`fc`: function call, `tx`: text, `raw`: parts of Google's own tools as they
came) and its number among the parts of that kind in the message.
"""

from __future__ import annotations

import msgspec

from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.wire.gemini import Part


class _Signed(msgspec.Struct, omit_defaults=True):
    k: str
    n: int | None = None
    id: str | None = None
    sig: str | None = None
    parts: list[Part] | None = None


class Signatures:
    """What of one message has to come back, until a thinking block takes it along."""

    def __init__(self, carrier: Carrier, *, kept: bool, alone: bool) -> None:
        """`carrier`: the one without items. Not `kept`: the client wants no thinking blocks to put them into.

        `alone`: it takes such blocks without any thoughts in them, wherever they stand.
        """
        self._carrier = carrier
        self._kept = kept
        self._alone = alone
        self._items: list[_Signed] = []
        self._due = False
        self._needed = False
        self._calls = 0
        """How many calls are noted."""

    def due(self, *, begun: bool) -> bool:
        """There is something that is worth a thinking block of its own. `begun`: the message has a block already.

        A client that did not ask for thinking gets one only at the beginning of a message, where thinking stands, and
        only for what a model insists on: calls are refused without their signatures, texts are not.
        """
        return self._due and (self._alone or (self._needed and not begun))

    def text(self, number: int, signature: str) -> None:
        """The signature of the text block `number` of the message."""
        if not self._kept:
            return
        # The last signature of a text stands for all of it.
        self._items = [item for item in self._items if (item.k, item.n) != ("tx", number)]
        self._add(_Signed(k="tx", n=number, sig=signature))

    def call(self, number: int, id: str | None, signature: str) -> None:
        """The function call `number` of the message, once; only the first of parallel ones has a signature."""
        if number < self._calls:
            return
        self._calls = number + 1
        if self._kept and (id or signature):
            self._items.append(_Signed(k="fc", n=number, id=id or None, sig=signature or None))
            self._needed = self._needed or bool(signature)
            self._due = self._due or self._needed

    def raw(self, parts: list[Part]) -> None:
        """Parts of Google's own tools, which go back as they came."""
        if self._kept:
            self._add(_Signed(k="raw", parts=parts))
            self._needed = True

    def take(self) -> str:
        """The carrier of what has gathered; empty where nothing has: the writer's own signature will do."""
        if not self._items:
            return ""
        items, self._items = self._items, []
        self._due = self._needed = False
        sealed = self._seal(items)
        if sealed == encode_carrier(self._carrier):
            # Too much for a carrier: the calls are refused without theirs, Google's own parts become text.
            return self._seal([item for item in items if item.parts is None])
        return sealed

    def _seal(self, items: list[_Signed]) -> str:
        raw = [raw_json(item) for item in items]
        return encode_carrier(msgspec.structs.replace(self._carrier, items=raw))

    def _add(self, item: _Signed) -> None:
        self._items.append(item)
        self._due = True
