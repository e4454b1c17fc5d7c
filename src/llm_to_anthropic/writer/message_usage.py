"""The token counts of a message, in Anthropic's form."""

from __future__ import annotations

from msgspec import UNSET

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.wire.anthropic import CacheCreation, MessageUsage, OutputTokensDetails, ServerToolUsage


def message_usage(usage: Usage) -> MessageUsage:
    """The usage of a whole message."""
    return MessageUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_creation_input_tokens=usage.cache_creation_input_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        cache_creation=CacheCreation(ephemeral_5m_input_tokens=usage.cache_creation_input_tokens),
        output_tokens_details=OutputTokensDetails(thinking_tokens=usage.thinking_tokens),
        server_tool_use=server_tools(usage) or UNSET,
        service_tier=usage.service_tier,
    )


def server_tools(usage: Usage) -> ServerToolUsage | None:
    """How often server tools ran; None: none did."""
    searches, fetches = usage.web_search_requests, usage.web_fetch_requests
    if not searches and not fetches:
        return None
    return ServerToolUsage(web_search_requests=searches, web_fetch_requests=fetches)
