"""A provider's other API for requests that only that one can take."""

from __future__ import annotations

import re

from llm_to_anthropic.errors import ApiError, ClientError
from llm_to_anthropic.providers.provider import Protocol, Target
from llm_to_anthropic.translators.checks import names_mcp_servers
from llm_to_anthropic.translators.openai_responses.tools import run_upstream
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.upstream_errors import own_words

_HINTS = (b'"web_', b'"code_execution_', b'"mcp_')
"""Without any of these a body has no tools for the server, and need not be decoded."""


_NAMES_RESPONSES = re.compile(
    r"not accessible via the /chat/completions endpoint|\bmodel is only supported in v1/responses\b"
    r"|chatCompletion operation does not work with the specified model"
    r"|/chat/completions is not supported\. Please use /v1/responses",
    re.IGNORECASE,
)
"""GitHub Copilot's words for a model that has Responses alone, OpenAI's, Azure's, and a gateway's."""
_NAMES_CHAT = re.compile(
    r"not accessible via the /responses endpoint"
    r"|\bmodel\b(?!:).{0,100}"
    r"(?:does not support|(?:not supported|cannot be used) (?:with|in|by)) (?:the )?Responses API",
    re.IGNORECASE,
)
"""Of a model: a field or a tool may be refused in such words, too. Our own beginning of a 404 has a colon behind it."""
_OTHERS: dict[Protocol, tuple[Protocol, re.Pattern[str]]] = {
    "openai_chat": ("openai_responses", _NAMES_RESPONSES),
    "openai_responses": ("openai_chat", _NAMES_CHAT),
}


def other_api(target: Target, error: ApiError) -> Protocol | None:
    """The API that has the model where the one that was asked does not, in the upstream's own words."""
    api, words = _OTHERS.get(target.protocol, (None, None))
    if words is None or error.status not in (400, 404) or target.provider.query:
        return None  # an address with a version of its own is that of one API
    return api if words.search(own_words(error.message)) else None


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
