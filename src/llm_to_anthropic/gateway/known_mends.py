"""What conversations had to be mended by to go on: their next turns are sent so before they are refused once more.

Of clients that tell their session, as Claude Code does. A compaction gives a conversation another first message, and
takes what was refused out of it.
"""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Raw

from llm_to_anthropic.gateway.call import Call
from llm_to_anthropic.gateway.client_request import session_id
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.foreign_turns import Mend
from llm_to_anthropic.wire import UNREADABLE

MAX_SESSIONS = 1024
"""Sessions are named by clients, and need a bound."""
MAX_CONVERSATIONS = 64
"""The same for the conversations of one: an agent has others work for it."""

_Session = tuple[str, str, str]


class _Begun(msgspec.Struct):
    messages: list[Raw] = []


class KnownMends:
    """The mends of conversations, by target, session and first message."""

    def __init__(self) -> None:
        self._known: dict[_Session, dict[bytes, tuple[Mend, ...]]] = {}

    def of(self, call: Call, target: Target) -> tuple[Mend, ...]:
        """What a conversation is known to need."""
        conversations = self._known.get(_session(call, target)) if self._known else None
        return conversations.get(_beginning(call), ()) if conversations else ()

    def keep(self, call: Call, target: Target, mends: tuple[Mend, ...]) -> None:
        """Remembers what was needed, as far as the next turn will need it; with none it forgets."""
        session = _session(call, target)
        lasting = tuple(mend for mend in mends if mend.lasts)
        if not lasting:
            self._known.get(session, {}).pop(_beginning(call), None)
        elif session[-1]:
            if len(self._known) >= MAX_SESSIONS and session not in self._known:
                self._known.clear()
            conversations = self._known.setdefault(session, {})
            if len(conversations) >= MAX_CONVERSATIONS:
                conversations.clear()
            conversations[_beginning(call)] = lasting


def _session(call: Call, target: Target) -> _Session:
    return target.provider.name, target.model, session_id(call)


def _beginning(call: Call) -> bytes:
    try:
        messages = msgspec.json.decode(call.body, type=_Begun).messages
    except UNREADABLE:  # whatever stands there, it is the upstream's to refuse
        messages = []
    return hashlib.sha256(messages[0] if messages else b"").digest()
