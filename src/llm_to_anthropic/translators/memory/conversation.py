"""A conversation as far as it is rendered: each turn of an agent repeats all of it and adds a little.

The beginning is remembered as bytes, so that in the next turn one comparison tells that it came again; only what
follows is read. Immutable: a conversation that goes on is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.memory.memory import Called, Memory, Remembered

KEPT_BACK = 3
"""Clients move cache marks along the last messages, so these may look different next time."""
SHORT_BYTES = 4096
"""To recognise a shorter conversation takes as long as to read it."""
NAME_BYTES = 256
"""How many of its first bytes stand for a conversation within its session."""

_COMMA = ord(",")

MAX_BYTES = 6 * 1024 * 1024
"""The most of one that is remembered, as it came and as it was rendered: more tokens than models take."""

Seam = Callable[[str, str], bytes]
"""What stands between what was rendered for messages of two roles; an empty one: the beginning, or the end."""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a request up to some point, rendered; none depends on its place."""

    raw: bytes = b"["
    """As the client sent them, from the bracket on, without the comma after the last."""
    count: int = 0
    rendered: tuple[bytes, ...] = ()
    """Upstream messages as JSON, with the seams between them."""
    asked: tuple[str, ...] = ()
    """Ids of the last message's calls, which the next one has to answer."""
    called: tuple[Called, ...] = ()
    """What the results of these calls have to repeat."""
    ids: frozenset[str] = frozenset()
    """Ids of all calls."""
    last_role: str = ""
    shown_role: str = ""
    """The role of the last message that rendered to anything."""
    used_tools: frozenset[str] = frozenset()
    media_bytes: int = 0
    replayed: bool = False

    @property
    def complete(self) -> bool:
        """Whether a request may end here."""
        return bool(self.rendered) and not self.asked and "assistant" not in (self.last_role, self.shown_role)

    def followed_by(self, messages: Sequence[Remembered], seam: Seam) -> Conversation | None:
        """The conversation with more messages; None where one has to be mended or moved first.

        Each call is answered by the next message, all results in the order of the calls, and no id comes twice.
        """
        asked, rendered, shown_role = self.asked, list(self.rendered), self.shown_role
        media_bytes, replayed = self.media_bytes, self.replayed
        # Gathered, and joined once: to copy all of them for each message would take the square of their number.
        new_ids: list[str] = []
        used_tools: set[str] = set()
        for message in messages:
            if not message.plain or asked:
                if not message.fit or message.results != asked or (asked and message.role != "user"):
                    return None
                asked = message.calls
                new_ids += asked
                used_tools |= message.used_tools
                media_bytes += message.media_bytes
                replayed = replayed or message.replayed
            if message.rendered:
                role = message.role
                rendered.append(seam(shown_role, role))
                rendered.append(message.rendered)
                shown_role = role
        ids = self.ids.union(new_ids) if new_ids else self.ids
        if len(ids) != len(self.ids) + len(new_ids):
            return None
        return Conversation(
            raw=self.raw,
            count=self.count + len(messages),
            rendered=tuple(rendered),
            asked=asked,
            called=messages[-1].called if messages else self.called,
            ids=ids,
            last_role=messages[-1].role if messages else self.last_role,
            shown_role=shown_role,
            used_tools=self.used_tools.union(used_tools) if used_tools else self.used_tools,
            media_bytes=media_bytes,
            replayed=replayed,
        )

    def ending_before(self, part: bytes, last: Sequence[Raw]) -> tuple[Conversation, int]:
        """Itself with its bytes in a request that goes on with the `last` messages, and its size."""
        kept = beginning(part, last)
        rendered = (b"".join(self.rendered),) if self.rendered else ()
        return msgspec.structs.replace(self, raw=kept, rendered=rendered), len(kept) + sum(map(len, rendered))


NOTHING_YET = Conversation()


def beginning(part: bytes, last: Sequence[Raw]) -> bytes:
    """A list of messages without the `last` of them, from the bracket on and without the comma behind it."""
    end = len(part)
    for raw in reversed(last):
        end = part.rfind(bytes(raw), 0, end)
    return part[:end].rstrip().removesuffix(b",").rstrip()


def rest_of(begun: bytes, data: bytes, start: int, end: int) -> bytes | None:
    """The messages that follow a beginning in the list that stands there, as a list; None: it begins otherwise."""
    place = start + len(begun)
    if place >= end or not data.startswith(begun, start) or data[place] != _COMMA:
        return None
    return b"[" + data[place + 1 : end]


def conversation_memory() -> Memory[Conversation]:
    """A memory of conversations, which are longer than other things that are remembered."""
    return Memory(max_entry_bytes=MAX_BYTES)


def comma(before: str, after: str) -> bytes:
    """The seam of upstreams that take messages one by one, whatever their roles."""
    return b"," if before and after else b""
