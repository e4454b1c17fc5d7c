"""What the way back needs to know of a request to OpenAI Responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from llm_to_anthropic.translators.encoding import Encoding

Kind = Literal["web_search", "web_fetch", "code_execution", "mcp"]
Wanted = Literal["default", "on", "omitted", "off"]
"""What a client says of thinking: nothing, show it, let it happen unseen, have none."""


class HostedTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of the client's request that the upstream runs itself."""

    kind: Kind
    type: str
    """The client's dated type: `web_search_20250305`."""
    name: str
    """The client's name of the tool; of `mcp` the name of the server."""
    label: str = ""
    """Of `mcp`: the upstream's name of the server, `server_label`."""


class ResponsesEncoding(Encoding, frozen=True, kw_only=True):
    """A request for `POST /responses`."""

    strict_schemas: Mapping[str, object]
    """Client's tool name -> its own schema, decoded, where a closed one was sent: nulls must come out of answers."""
    thinking: Wanted
    hosted: tuple[HostedTool, ...] = ()
    """In the client's order."""
    cites: bool = True
    """The text may be parted where it rests on web pages; structured output may not."""
    blocked_domains: tuple[str, ...] = ()
    """Search results of these domains are left out of the answer: the upstream was not told, or may not heed it."""
    reasoning_effort: str | None
    """What was asked of the upstream; None: nothing."""
    compacts: bool = False
    """The upstream may sum up the conversation, and the client wants what it makes of it."""
