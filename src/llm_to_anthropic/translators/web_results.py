"""What the web searches of all upstreams have in common: which sites a client wants, and how much is cited."""

from __future__ import annotations

from collections.abc import Iterable

from llm_to_anthropic.wire.anthropic import SearchCitation

MAX_CITED = 150
"""Characters of a text that a citation repeats, as at Anthropic."""

Piece = tuple[str, list[SearchCitation]]
"""A part of a text, and what it rests on."""


def host_of(address: str) -> str:
    """The host of a web address, or of a domain written like one, without `www.`."""
    return address.lower().split("://")[-1].split("/")[0].removeprefix("www.")


def is_within(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of the domains, or below one."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
