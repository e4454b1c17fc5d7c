"""The ids under which a client sees tool calls: the upstream's own where they are sound, made-up ones elsewhere."""

from __future__ import annotations

import re
from collections.abc import Set

from llm_to_anthropic.translators.digest import digest

UNNAMED = "unnamed_tool"
"""A call that never got a name: the client answers that there is no such tool, which the model can mend."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ToolIds:
    """The ids of one message; no two are alike, and none is that of an earlier call.

    Some upstreams number the calls of each answer anew (`call_0`). A client would take one call for another, and
    Anthropic's API refuse the conversation if it goes on there.
    """

    def __init__(self, seed: str, earlier: Set[str]) -> None:
        """`seed`: ids that must be made up derive from it. `earlier`: those of the conversation so far."""
        self._seed = seed
        self._earlier = earlier
        self._stem = ""
        """What made-up ids begin with: hashed once."""
        self._taken: set[str] = set()

    def take(self, id: str, key: int | str, prefix: str = "toolu_") -> str:
        """The client's id of the call that the upstream calls `id`, perhaps nothing; `key` tells calls apart."""
        if not id or id in self._taken or id in self._earlier or not _ID.fullmatch(id):
            id = prefix + (self._numbered(key) if isinstance(key, int) else digest(f"{self._seed}:{key}")[:24])
        self._taken.add(id)
        return id

    def _numbered(self, key: int) -> str:
        self._stem = self._stem or digest(self._seed)[:16]
        return f"{self._stem}{key:08x}"
