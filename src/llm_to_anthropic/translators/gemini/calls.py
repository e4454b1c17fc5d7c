"""The function calls of a Gemini answer -> tool_use blocks, with the signatures that have to come back before them."""

from __future__ import annotations

from collections.abc import Iterable

from llm_to_anthropic.translators.argument_json import object_text
from llm_to_anthropic.translators.gemini.encoding import GeminiEncoding
from llm_to_anthropic.translators.gemini.partial_call import PartialCall
from llm_to_anthropic.translators.gemini.signatures import Signatures
from llm_to_anthropic.translators.schemas.google_subset import restore_text
from llm_to_anthropic.translators.tool_ids import UNNAMED, ToolIds
from llm_to_anthropic.translators.tools import client_name
from llm_to_anthropic.wire.gemini import FunctionCall
from llm_to_anthropic.writer import MAX_HELD, MessageWriter, held_too_much


class FunctionCalls:
    """Gathers calls that follow each other: one carrier before the first of them signs them all."""

    def __init__(self, writer: MessageWriter, signatures: Signatures, ids: ToolIds, encoding: GeminiEncoding) -> None:
        self._writer = writer
        self._signatures = signatures
        self._ids = ids
        self._names = encoding.tool_names
        self._single = encoding.single_call
        self._written_as_text = encoding.written_as_text
        self.waiting: list[tuple[FunctionCall, str]] = []
        """Calls that are not written, with their signatures."""
        self._seen: set[tuple[str, str | None, bytes]] = set()
        """Ids, names and arguments of calls with an id."""
        self._partial: PartialCall | None = None
        self.size = 0
        """Bytes of arguments so far."""
        self._held = 0
        """Bytes that waited so far, other parts' as well: nothing that came is written before its turn."""

    def receive(self, call: FunctionCall, signature: str) -> None:
        if call.will_continue or call.partial_args or (self._partial and not call.name):
            self._piece(call, signature)
            return
        # Some servers repeat a call in a later chunk; others give one id to all calls of a function.
        seen = (call.id or "", call.name, bytes(call.args))
        if seen in self._seen:
            return
        if self._single and (self.waiting or self._writer.calls):
            return
        if call.id:
            self._seen.add(seen)
        self._held += len(seen[2])  # as `hold`, without a call for each call
        if self._held > MAX_HELD:
            raise held_too_much()
        self.waiting.append((call, signature))

    def hold(self, size: int) -> None:
        """Counts bytes that have to wait. Raises UpstreamProtocolError where they are too many."""
        self._held += size
        if self._held > MAX_HELD:
            raise held_too_much()

    def sign(self, calls: Iterable[tuple[FunctionCall, str]], spare_signature: str = "") -> None:
        """Hands over what has to come back of the next calls; what was handed over before is passed over.

        `spare_signature`: of the thoughts before, for a first call that has none.
        """
        for number, (call, signature) in enumerate(calls, self._writer.calls):
            self._signatures.call(number, call.id, signature or (spare_signature if number == 0 else ""))

    def write(self) -> None:
        """The calls that wait, behind the carrier of their signatures."""
        calls, self.waiting = self.waiting, []
        for call, _ in calls:
            self._write(call)

    def _write(self, call: FunctionCall) -> None:
        writer, key = self._writer, self._writer.calls
        name = client_name(call.name or UNNAMED, self._names)
        arguments = _arguments(bytes(call.args))
        if (schema := self._written_as_text.get(name)) is not None:
            arguments = restore_text(schema, arguments)
        self.size += len(arguments)
        writer.whole_tool(key, self._ids.take(call.id or "", key), name, arguments)

    def _piece(self, call: FunctionCall, signature: str) -> None:
        if self._partial is None or call.name:
            self._partial = PartialCall(call, signature)
        partial, pieces = self._partial, call.partial_args or []
        self.hold(sum(len(piece.string_value or "") for piece in pieces))
        partial.add(pieces)
        if not call.will_continue:
            self._partial = None
            self.receive(partial.call(), partial.signature)


def _arguments(args: bytes) -> str:
    """The JSON object of a call; without escapes by number it holds no half of a surrogate pair to be mended."""
    text = args.decode("utf-8", "replace")
    return text if text.startswith("{") and "\\u" not in text else object_text(text)
