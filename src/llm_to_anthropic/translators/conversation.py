"""A conversation as far as it is rendered: each turn of an agent repeats all of it and adds a little.

The beginning is remembered as bytes, so that in the next turn one comparison tells that it came again; only what
follows is read. Immutable: a conversation that goes on is another one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.memory import Remembered

KEPT_BACK = 3
"""Clients move cache marks along the last messages, so these may look different next time."""
_NAME_BYTES = 256


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a request up to some point, rendered; none depends on its place."""

    raw: bytes = b"["
    """As the client sent them, from the bracket on, without the comma after the last."""
    count: int = 0
    rendered: tuple[bytes, ...] = ()
    """Upstream messages as JSON."""
    asked: tuple[str, ...] = ()
    """Ids of the last message's calls, which the next one has to answer."""
    ids: frozenset[str] = frozenset()
    """Ids of all calls."""
    last_role: str = ""
    used_tools: frozenset[str] = frozenset()
    media_bytes: int = 0
    replayed: bool = False

    @property
    def complete(self) -> bool:
        """Whether a request may end here."""
        return bool(self.rendered) and not self.asked and self.last_role != "assistant"

    def rest_of(self, part: bytes) -> bytes | None:
        """The messages of a request that follow these, as a JSON list; None: it does not begin like this."""
        size = len(self.raw)
        if not self.count:
            return part
        if not part.startswith(self.raw) or part[size : size + 1] != b",":
            return None
        return b"[" + part[size + 1 :]

    def followed_by(self, message: Remembered) -> Conversation | None:
        """With one more message; None where that has to be mended or moved first.

        Each call is answered by the next message, all results in the order of the calls, and no id comes twice.
        """
        asked = self.asked
        if not message.fit or message.results != asked or (asked and message.role != "user"):
            return None
        ids = self.ids
        if message.calls:
            ids = ids.union(message.calls)
            if len(ids) != len(self.ids) + len(message.calls):
                return None
        return Conversation(
            raw=self.raw,
            count=self.count + 1,
            rendered=(*self.rendered, message.rendered) if message.rendered else self.rendered,
            asked=message.calls,
            ids=ids,
            last_role=message.role,
            used_tools=self.used_tools | message.used_tools if message.used_tools else self.used_tools,
            media_bytes=self.media_bytes + message.media_bytes,
            replayed=self.replayed or message.replayed,
        )

    def ending_before(self, part: bytes, last: Sequence[Raw]) -> tuple[Conversation, int]:
        """Itself with its bytes in a request that goes on with the `last` messages, and its size."""
        end = len(part)
        for raw in reversed(last):
            end = part.rfind(bytes(raw), 0, end)
        kept = part[:end].rstrip().removesuffix(b",").rstrip()
        rendered = (b",".join(self.rendered),) if self.rendered else ()
        return msgspec.structs.replace(self, raw=kept, rendered=rendered), len(kept) + sum(map(len, rendered))


NOTHING_YET = Conversation()


def beginning_of(part: bytes) -> bytes:
    """By what a conversation is found again, within its session."""
    return part[:_NAME_BYTES]
