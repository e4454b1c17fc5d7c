"""A provider's other API for requests that only that one can take."""

from __future__ import annotations

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.checks import names_mcp_servers
from llm_to_anthropic.translators.openai_responses.tools import run_upstream
from llm_to_anthropic.translators.request import decode_request

_HINTS = (b'"web_', b'"code_execution_', b'"mcp_')
"""Without any of these a body has no tools for the server, and need not be decoded."""


def fitting_target(target: Target, body: bytes) -> Target:
    """The target, or the same model by its provider's other API where the request has tools that only that one runs."""
    other = target.for_server_tools
    if other is None or not any(hint in body for hint in _HINTS):
        return target
    try:
        request = decode_request(body, counting=True)
    except ClientError:
        return target  # whose translator says it best
    prefixes, quirks = run_upstream(other.responses), other.responses
    runs_tool = any((tool.type or "").startswith(prefixes) for tool in request.tools or ())
    runs_mcp = "mcp" in quirks.hosted and names_mcp_servers(request)
    return other if runs_tool or runs_mcp else target
