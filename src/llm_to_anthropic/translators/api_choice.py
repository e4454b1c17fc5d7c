"""A provider's other API for requests that only that one can take."""

from __future__ import annotations

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.checks import given
from llm_to_anthropic.translators.request import decode_request

_SERVER_TOOLS = ("web_search_", "web_fetch_", "code_execution_", "mcp_toolset")
"""Beginnings of the types of tools that no client runs."""
_HINTS = tuple(f'"{name}'.encode() for name in (*_SERVER_TOOLS, "mcp_servers"))


def fitting_target(target: Target, body: bytes) -> Target:
    """The target, or the same model by its provider's other API where the request has tools run on the server."""
    other = target.for_server_tools
    if other is None or not any(hint in body for hint in _HINTS):
        return target
    try:
        request = decode_request(body, counting=True)
    except ClientError:
        return target  # whose translator says it best
    wanted = any((tool.type or "").startswith(_SERVER_TOOLS) for tool in request.tools or ())
    return other if wanted or given(request.mcp_servers) else target
