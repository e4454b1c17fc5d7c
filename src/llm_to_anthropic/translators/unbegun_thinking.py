"""Claude in the middle of a turn that another model began, where it insists on a thought of its own before the calls.

With manual thinking (`enabled`) Anthropic refuses calls and results at the end of a conversation unless a thinking
block that it signed stands before them: what a fallback called without one could never be gone on with. It says itself
what helps: not to think until the turn is over.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.exchange import Loss
from llm_to_anthropic.wire import UNREADABLE

LOSS = Loss("thinking", "this turn was begun by another model, without a thought that Claude could go on with; off")
_WORDS = "must start with a thinking block"
_DISABLED = Raw(b'{"type":"disabled"}')
_CLEARING = "clear_thinking_20251015"


class _Typed(msgspec.Struct):
    type: str = ""


def misses_thinking(error: ApiError) -> bool:
    """Whether Anthropic refuses a request for this."""
    return error.status == 400 and _WORDS in error.message


def without_thinking(body: bytes) -> bytes | None:
    """The same request without manual thinking; None where it asks for none. Members that stay keep their bytes."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Raw])
        if _type_of(members["thinking"]) != "enabled":
            return None
        if "context_management" in members:
            members["context_management"] = _without_clearing(members["context_management"])
    except (KeyError, *UNREADABLE):
        return None
    return msgspec.json.encode(members | {"thinking": _DISABLED})


def _without_clearing(management: Raw) -> Raw:
    """Without the edit that is refused where nothing is thought."""
    members = msgspec.json.decode(management, type=dict[str, Raw] | None)
    if not members or "edits" not in members:
        return management
    edits = msgspec.json.decode(members["edits"], type=list[Raw])
    members["edits"] = Raw(msgspec.json.encode([edit for edit in edits if _type_of(edit) != _CLEARING]))
    return Raw(msgspec.json.encode(members))


def _type_of(raw: Raw) -> str:
    return msgspec.json.decode(raw, type=_Typed).type
