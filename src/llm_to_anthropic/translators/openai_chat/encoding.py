"""What the way back needs to know of a Chat Completions request."""

from __future__ import annotations

from collections.abc import Mapping

from llm_to_anthropic.translators.encoding import Encoding


class ChatEncoding(Encoding, frozen=True, kw_only=True):
    """A Chat Completions request."""

    strict_schemas: Mapping[str, object]
    """Client's tool name -> its own schema, decoded, where a closed one was sent: nulls must come out of answers."""
    written_as_text: Mapping[str, object]
    """Client's tool name -> its own schema, decoded, where some values come back as text."""
    reasoning_off: bool
    """The client said that it wants no thinking."""
    thinking_asked: bool
    """The client asked for thinking."""
    reasoning_effort: str | None
    """What was asked of the upstream, where it has levels."""
