"""What the way back needs to know of a generateContent request."""

from __future__ import annotations

from collections.abc import Mapping

from llm_to_anthropic.translators.encoding import Encoding


class GeminiEncoding(Encoding, frozen=True, kw_only=True):
    """A generateContent request."""

    written_as_text: Mapping[str, object]
    """Client's tool name -> its schema, where values may come back as text (legacy `parameters` only):
    `restore_values(schema, arguments)` of google_subset.py turns them back."""
    reasoning_off: bool
    """The client said that it wants no thinking."""
    thinking_asked: bool
    """The client asked for thinking: it takes thinking blocks, also without a text to show."""
    web_search: bool = False
    """Google search was asked for: what the answer rests on is known only at its end."""
    web_fetch: bool = False
    """`urlContext` was asked for."""
    cites: bool = True
    """The text may be parted where it rests on search results; structured output may not."""
    allowed_domains: tuple[str, ...] = ()
    """Search results of other domains are left out of the answer; empty: all may stay."""
    blocked_domains: tuple[str, ...] = ()
    """Search results of these domains are left out of the answer."""
    max_tokens: int | None = None
    """The most tokens of the whole answer, thoughts included; None: the model's own limit."""
