"""The system prompt of a request as every upstream takes it: texts, without what Claude Code puts before them."""

from __future__ import annotations

from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.request import block_type, decode_blocks
from llm_to_anthropic.wire.anthropic import TextBlock

ATTRIBUTION = "x-anthropic-billing-header"
"""How Claude Code's first system block begins. It varies per session and is no part of the prompt."""
NO_SEARCH = "Web search is not available here. Say so where it is asked for; never make up search results."
"""Said to a model that is not given the web search that the client offers."""


def system_blocks(system: str | list[Raw] | None) -> list[TextBlock]:
    """The texts of a system prompt. Raises ClientError for blocks of other types."""
    kept: list[TextBlock] = []
    for index, block in enumerate(decode_blocks(system, "system")):
        if not isinstance(block, TextBlock):
            raise ClientError(f"system.{index}: Input should be a text block, got '{block_type(block)}'")
        text = without_attribution(block.text, goes_on=isinstance(system, str))
        if text.strip():
            kept.append(TextBlock(text, block.cache_control))
    return kept


def without_attribution(text: str, *, goes_on: bool) -> str:
    """What a text of the system says to the model. `goes_on`: the prompt may stand below the attribution.

    In a list of blocks the attribution is a block of its own.
    """
    if not text.startswith(ATTRIBUTION):
        return text
    return text.partition("\n")[2].strip() if goes_on else ""
