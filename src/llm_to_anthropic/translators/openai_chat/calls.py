"""The tool calls of a Chat Completions answer, put together from chunks as many servers cut them.

Says which chunk belongs to which call, under which id and name a client sees it, and when its arguments are passed on.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.argument_json import is_object
from llm_to_anthropic.translators.call_arguments import CallArguments
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from llm_to_anthropic.translators.openai_chat.reasoning import CallExtras
from llm_to_anthropic.translators.schemas.google_subset import restore_text
from llm_to_anthropic.translators.tool_ids import UNNAMED, ToolIds
from llm_to_anthropic.translators.tools import client_name
from llm_to_anthropic.wire.anthropic import NO_RAW
from llm_to_anthropic.wire.openai_chat import FunctionCall, ToolCall
from llm_to_anthropic.writer import MAX_HELD, MessageWriter, held_too_much, sound


class _Slot:
    """One call."""

    __slots__ = ("arguments", "closed", "custom", "dropped", "extra", "flows", "id", "key", "name", "opened")

    def __init__(self, key: int) -> None:
        self.key = key
        self.id = ""
        self.name = ""
        self.extra = NO_RAW
        self.arguments = CallArguments()
        self.custom = False
        self.dropped = False
        self.opened = False
        self.closed = False
        self.flows = False
        """Something of it has come since the calls were last settled."""


class ToolCalls:
    """Takes the calls of deltas and writes tool_use blocks."""

    def __init__(
        self, writer: MessageWriter, extras: CallExtras, encoding: ChatEncoding, ids: ToolIds, *, live: bool
    ) -> None:
        """`live`: argument fragments pass as they come."""
        self._writer = writer
        self._extras = extras
        self._names = encoding.tool_names
        self._strict_schemas = encoding.strict_schemas
        self._written_as_text = encoding.written_as_text
        self._live = live
        self._single = encoding.single_call
        self._slots: list[_Slot] = []
        self._by_index: dict[int, _Slot] = {}
        self._by_id: dict[str, _Slot] = {}
        self._flowing: list[_Slot] = []
        """What `settle` has to look at: an answer may have thousands of calls."""
        self._unclosed = 0
        self._legacy: _Slot | None = None
        self._ids = ids
        self.open = False
        """A call may still get arguments."""
        self.size = 0
        """Characters of arguments so far."""

    def receive(self, calls: list[ToolCall]) -> None:
        """The `tool_calls` of one delta, or of a whole message."""
        several = len(calls) > 1
        named: set[_Slot] = set()
        for position, call in enumerate(calls):
            extra = call.extra_content
            custom = call.custom if call.type == "custom" or call.function is None else None
            if custom is not None:
                call = ToolCall(  # noqa: PLW2901
                    index=call.index, id=call.id, function=FunctionCall(name=custom.name, arguments=custom.input)
                )
            slot = self._slot(call, position if several else None, named)
            slot.custom = slot.custom or custom is not None
            function = call.function or FunctionCall()
            self._add(slot, call.id or "", function.name or "", function.arguments or "", extra)

    def go_on(self, index: int, arguments: str) -> bool:
        """More arguments of the call under this number; False where there is more to it."""
        slot = self._by_index.get(index)
        if slot is None or not (slot.flows and slot.opened):
            return False
        self.size += len(arguments)
        if self.size > MAX_HELD:
            raise held_too_much()
        if passed := slot.arguments.feed(arguments):
            self._writer.tool_arguments(slot.key, passed)
        return True

    def receive_legacy(self, call: FunctionCall) -> None:
        """`function_call`, from before there were several calls."""
        if not call.name and not call.arguments:
            return
        if self._legacy is None:
            self._legacy = self._new_slot()
        self._add(self._legacy, "", call.name or "", call.arguments or "")

    def settle(self) -> None:
        """Something else follows: closes the calls whose arguments are complete."""
        flowing, self._flowing = self._flowing, []
        for slot in flowing:
            slot.flows = False
            if slot.name and not slot.opened:
                self._open(slot)
            if slot.opened and _complete(slot):
                self._close(slot, cut=False)
        self.open = self._unclosed > 0

    def finish(self, *, cut: bool) -> None:
        """Closes all calls. `cut`: the model did not end the answer itself, perhaps amid arguments."""
        for slot in self._slots:
            if not slot.closed and not slot.dropped:
                self._close(slot, cut=cut)
        self.open = False

    def _slot(self, call: ToolCall, position: int | None, named: set[_Slot]) -> _Slot:
        """`named`: the slots of the list's calls so far that have a name. No call is named twice in one list."""
        function = call.function or FunctionCall()
        name = function.name or ""
        slot = self._by_index.get(call.index) if call.index is not None else self._unnumbered(call, position)
        again = bool(name) and slot in named
        id, arguments = call.id or "", function.arguments or ""
        known_as = client_name(name, self._names)
        if (
            slot is None
            or again
            or (_is_another(slot, id, known_as, arguments) and not self._continues(slot, id, name))
        ):
            slot = self._new_slot()
        if name:
            named.add(slot)
        if call.index is not None:
            self._by_index[call.index] = slot
        return slot

    def _unnumbered(self, call: ToolCall, position: int | None) -> _Slot | None:
        if call.id:
            return self._by_id.get(call.id)
        if call.function is not None and call.function.name:
            return None
        if position is not None:
            return self._slots[position] if position < len(self._slots) else None
        return self._slots[-1] if self._slots else None

    def _new_slot(self) -> _Slot:
        self.settle()
        slot = _Slot(len(self._slots))
        slot.dropped = self._single and any(not earlier.dropped for earlier in self._slots)
        self._slots.append(slot)
        self._unclosed += not slot.dropped
        return slot

    def _add(self, slot: _Slot, id: str, name: str, arguments: str, extra: Raw = NO_RAW) -> None:
        if slot.closed or slot.dropped:
            return
        if not slot.flows:
            slot.flows = True
            self._flowing.append(slot)
        if id and not slot.id:
            slot.id = id
            self._by_id.setdefault(id, slot)
        if name and (not slot.name or self._continues(slot, id, name)):
            whole = slot.name + name
            slot.name = client_name(whole, self._names)
        slot.extra = slot.extra or extra
        if arguments:
            self.size += len(arguments)
            if self.size > MAX_HELD:
                raise held_too_much()
            if passed := slot.arguments.feed(arguments):
                self._writer.tool_arguments(slot.key, passed)
        if not slot.opened and slot.name:
            # An id may come after the name, though not after arguments.
            if (slot.id or arguments) and not self._may_go_on(slot):
                self._open(slot)
            else:
                self.open = True

    def _continues(self, slot: _Slot, id: str, name: str) -> bool:
        """Whether a name is more of that of a call: Gemini behind a gateway has been seen to cut names like texts."""
        if slot.opened or not slot.name or (id and slot.id and id != slot.id):
            return False
        if slot.name in self._names and name in self._names:
            return False
        whole = slot.name + name
        return whole in self._names or self._begins_another(whole)

    def _may_go_on(self, slot: _Slot) -> bool:
        """Whether the name of a call may be the beginning of one. With arguments a declared name is whole."""
        whole = slot.name in self._names
        return not (whole and slot.arguments.text()) and self._begins_another(slot.name)

    def _begins_another(self, text: str) -> bool:
        return any(name.startswith(text) and name != text for name in self._names)

    def _open(self, slot: _Slot) -> None:
        slot.opened = True
        self.open = True
        if slot.extra:
            self._extras.keep(slot.extra)
        self._writer.open_tool(slot.key, self._ids.take(slot.id, slot.key), slot.name)
        amended = slot.custom or slot.name in self._strict_schemas or slot.name in self._written_as_text
        if self._live and not amended:
            self._writer.tool_arguments(slot.key, slot.arguments.pass_on())

    def _close(self, slot: _Slot, *, cut: bool) -> None:
        slot.closed = True
        self._unclosed -= 1
        if not slot.opened and slot.name:
            self._open(slot)
        if not slot.opened:
            if not slot.arguments.text().strip():
                return
            self._writer.open_tool(slot.key, self._ids.take(slot.id, slot.key), UNNAMED)
        cut = cut and not slot.custom and slot.arguments.is_cut()
        self._writer.tool_arguments(slot.key, slot.arguments.cut_rest() if cut else self._rest(slot))
        self._writer.close_tool(slot.key, cut=cut)

    def _rest(self, slot: _Slot) -> str:
        if slot.custom:
            return msgspec.json.encode({"input": sound(slot.arguments.text())}).decode()
        rest = slot.arguments.rest(self._strict_schemas.get(slot.name))
        return restore_text(schema, rest) if (schema := self._written_as_text.get(slot.name)) is not None else rest


def _is_another(slot: _Slot, id: str, name: str, arguments: str) -> bool:
    """Whether a call under the number of an earlier one is a new one: some servers give all the same."""
    if not name:
        return False
    if slot.name and name != slot.name:
        return True
    if id and slot.id:
        return id != slot.id
    return bool(slot.name) and arguments.lstrip().startswith("{") and _complete(slot)


def _complete(slot: _Slot) -> bool:
    # An empty object may be a placeholder that some servers send before the real arguments.
    text = slot.arguments.text().strip()
    return text.endswith("}") and text.strip("{} \t\r\n") != "" and is_object(text)
