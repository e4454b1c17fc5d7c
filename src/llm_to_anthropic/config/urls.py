"""Base URLs of upstreams as people write them -> as translators want them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from llm_to_anthropic.config.sources import Report
from llm_to_anthropic.providers.provider import ProviderProtocol

_OPENAI = ("/chat/completions", "/responses")
_ENDPOINTS: Mapping[ProviderProtocol, tuple[str, ...]] = {
    "openai": _OPENAI,
    "openai_chat": _OPENAI,
    "openai_responses": _OPENAI,
    "anthropic": ("/messages", "/v1"),
}
"""Ends of a URL that the protocol's own paths begin with; they are cut off, in this order."""


def base_url_of(place: str, text: str, protocol: ProviderProtocol, report: Report) -> str:
    """A base URL as translators want it, without a trailing slash; empty after a problem.

    OpenAI's protocols end in a version (`/v1` where no path is given); Anthropic's is cut off, since its
    paths begin with it. Google's URLs are read in google.py.
    """
    url = checked_url(place, text, report)
    if not url:
        return ""
    for end in _ENDPOINTS.get(protocol, ()):
        url = url.removesuffix(end).rstrip("/")
    if protocol.startswith("openai") and not urlsplit(url).path:
        url += "/v1"
    return url


def checked_url(place: str, text: str, report: Report) -> str:
    """A URL without a trailing slash; empty after a problem. The text is never repeated: it may hold a password."""
    parts = url_parts(text.strip())
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        report.problem(place, "must be a URL like https://host/v1 or http://localhost:8000.")
        return ""
    if "@" in parts.netloc:
        report.problem(place, "must not hold a user name or password; keys go into api_key or the environment.")
        return ""
    if parts.query or parts.fragment:
        report.problem(place, "must not hold a query (?...) or a fragment (#...).")
        return ""
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def url_parts(text: str) -> SplitResult | None:
    """The URL in its parts; None for what is none."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 or re.search(r"\s", text) else parts
