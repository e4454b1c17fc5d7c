"""Which IP addresses may be dialled: what a name resolves to is known only then."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_METADATA = frozenset(
    (
        ip_address("100.100.100.200"),  # Alibaba Cloud
        ip_address("fd00:ec2::254"),  # AWS
        ip_address("fd20:ce::254"),  # Google Cloud
    )
)
"""Servers that hand a machine's own credentials to whoever asks from it, beside 169.254.169.254."""
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # relays of 6to4
    )
)
"""Networks that Python takes for public, or took until lately, and that lead somewhere else."""
_GLOBAL = ip_network("2000::/3")
"""All IPv6 addresses of the internet. Python takes any other for public that is not on its list: site-local addresses
(fec0::/10) and those of translators that lead to any IPv4 address among them."""
_NAT64 = ip_network("64:ff9b::/96")
"""Addresses that end in the IPv4 address they lead to: what a network without IPv4 resolves names to (RFC 6052)."""

Address = IPv4Address | IPv6Address


def is_forbidden(address: str) -> bool:
    """Whether no upstream can be there: link-local addresses, and where clouds keep a machine's credentials."""
    found = _parsed(address)
    return found.is_link_local or found in _METADATA


def is_public(address: str) -> bool:
    """Whether an address is one of the internet: nothing of this machine, its networks or its cloud."""
    found = _parsed(address)
    if any(found in network for network in _NOT_PUBLIC) or (found.version == 6 and found not in _GLOBAL):
        return False
    return found.is_global and not found.is_multicast


def _parsed(address: str) -> Address:
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return found
    if found in _NAT64:
        return IPv4Address(found.packed[-4:])
    return found.ipv4_mapped or found
