"""Conversations that OpenAI sums up by itself once they are long: how it is asked to, and what it makes of them.

Its summary is encrypted. A client gets it as a compaction block without a text, whose `encrypted_content` is a carrier;
it stands for everything before it when it comes back, and is bound to its upstream as reasoning is.
Source: OpenAI's types (`response_compaction_item`, `ContextManagement`) and recorded requests.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.checks import COMPACTS
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.openai_responses.carrier import own_items
from llm_to_anthropic.translators.raw import given, raw_json
from llm_to_anthropic.translators.request import check_text
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.openai_responses import Compaction, CompactionItem

_DEFAULT_TRIGGER = 150_000


class _Trigger(msgspec.Struct):
    type: str = "input_tokens"
    value: int = _DEFAULT_TRIGGER


class _Edit(msgspec.Struct):
    type: str = ""
    trigger: _Trigger | None = None
    instructions: str | None = None
    pause_after_compaction: bool | None = None


class _ContextManagement(msgspec.Struct):
    edits: list[_Edit] | None = None


def wanted_compaction(context_management: Raw, losses: LossReport) -> Compaction | None:
    """When to sum up, as the upstream is told; None: not asked for, or in a way that cannot be read."""
    if not given(context_management):
        return None
    try:
        edits = msgspec.json.decode(context_management, type=_ContextManagement).edits or []
    except msgspec.ValidationError:
        return None
    for index, edit in enumerate(edits):
        trigger = edit.trigger or _Trigger()
        if edit.type == COMPACTS and trigger.type == "input_tokens":
            _report(edit, f"context_management.edits[{index}]", losses)
            return Compaction(trigger.value)
    return None


def _report(edit: _Edit, path: str, losses: LossReport) -> None:
    if edit.instructions:
        losses.lose(f"{path}.instructions", "the upstream sums up in its own way; left out")
    if edit.pause_after_compaction:
        losses.lose(f"{path}.pause_after_compaction", "the upstream goes on once it has summed up; left out")


def compaction_item(raw: Raw) -> Raw | None:
    """What goes back of an item; None where it is no summary that could be read later."""
    try:
        item = msgspec.json.decode(raw, type=CompactionItem)
        check_text(bytes(raw))
    except (ClientError, *UNREADABLE):
        return None
    return raw_json(item) if item.encrypted_content else None


def read_compaction(sealed: str, target: Target) -> Raw | None:
    """The summary in a block's `encrypted_content`; None where it is another upstream's, or broken."""
    return next((item for raw in own_items(sealed, target) or () if (item := compaction_item(raw)) is not None), None)
