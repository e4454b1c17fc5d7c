"""Which upstreams are reached through an HTTP proxy: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote, urlsplit

import msgspec

from llm_to_anthropic.errors import UpstreamUnreachable
from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.upstream.request import Origin, join_host_port


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP proxy, and the variable that names it."""

    host: str
    port: int
    authorization: Secret | None
    """The value of Proxy-Authorization."""
    variable: str

    @property
    def name(self) -> str:
        return join_host_port(self.host, self.port)

    def header_lines(self) -> list[bytes]:
        """The header lines that the proxy wants to see."""
        if self.authorization is None:
            return []
        return [b"proxy-authorization: " + self.authorization.reveal().encode("ascii")]


class _Exception(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of NO_PROXY."""

    network: IPv4Network | IPv6Network | None = None
    host: str = ""
    """A name that stands for itself and all names below it."""
    port: int | None = None

    def covers(self, host: str, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is None:
            return host == self.host or host.endswith("." + self.host)
        address = _address(host)
        return address is not None and address in self.network


class ProxyRules:
    """The proxy settings of one environment. Loopback is never proxied."""

    __slots__ = ("_all", "_environ", "_exceptions")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        _, text = self._setting("NO_PROXY")
        entries = text.replace(",", " ").split()
        self._all = "*" in entries
        self._exceptions = [_parse_exception(entry) for entry in entries if entry != "*"]

    def find(self, origin: Origin) -> Proxy | None:
        """The proxy for an origin, None for a direct connection.

        Raises UpstreamUnreachable where the proxy that applies is none that can be used.
        """
        host = origin.host.lower().rstrip(".")
        if self._all or is_loopback(host) or any(rule.covers(host, origin.port) for rule in self._exceptions):
            return None
        for variable in (f"{origin.scheme.upper()}_PROXY", "ALL_PROXY"):
            name, url = self._setting(variable)
            if url:
                return _parse_proxy(name, url)
        return None

    def _setting(self, variable: str) -> tuple[str, str]:
        # As with curl the lower case wins, and set to nothing it switches off.
        for name in (variable.lower(), variable):
            if name in self._environ:
                return name, self._environ[name].strip()
        return variable, ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address literal means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _parse_exception(entry: str) -> _Exception:
    try:
        return _Exception(network=ip_network(entry.strip("[]"), strict=False))
    except ValueError:
        pass
    host, colon, port = entry.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = entry, ""
    host = host.strip("[]").lower()
    number = int(port) if port else None
    address = _address(host)
    if address is not None:
        return _Exception(network=ip_network(address), port=number)
    return _Exception(host=host.removeprefix("*").strip("."), port=number)


def _parse_proxy(variable: str, url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else "http://" + url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UpstreamUnreachable(
            f"{variable} is not a valid URL: write it as http://host:port.", lasting=True
        ) from None
    if parts.scheme != "http" or not host:
        raise UpstreamUnreachable(
            f"{variable} names no http:// proxy, the only kind that can be used: write it as http://host:port.",
            lasting=True,
        )
    return Proxy(host=host, port=port or 80, authorization=_basic(parts.username, parts.password), variable=variable)


def _basic(user: str | None, password: str | None) -> Secret | None:
    if user is None:
        return None
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return Secret("Basic " + base64.b64encode(pair.encode()).decode("ascii"))
