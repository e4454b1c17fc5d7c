"""Which site an address belongs to: what a client allows or blocks for a web search."""

from __future__ import annotations


def host_of(address: str) -> str:
    """The host of a web address, or of a domain that somebody wrote like one, without `www.`."""
    return address.lower().split("://")[-1].split("/")[0].removeprefix("www.")


def is_within(host: str, domain: str) -> bool:
    """Whether a host is of the domain, or below it."""
    return host == domain or host.endswith(f".{domain}")
