"""How many connections there are, in all and from each address."""

from __future__ import annotations

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.http.access import is_loopback
from llm_to_anthropic.settings import Limits

TURNED_AWAY = 256
"""How many connections beyond the limit still hear why they are refused; more are cut without a word."""

Address = tuple[str, int] | None


class Crowd:
    """Counts the connections of one process and says which are too many.

    Programs on this machine are limited in all, but not by address: a reverse proxy may be among them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.admitted = 0
        """Connections that are open and were not turned away."""
        self._turned_away = 0
        self._by_host: dict[str, int] = {}

    def adopt(self, limits: Limits) -> None:
        """Takes other limits; nobody is sent away for them."""
        self._limits = limits

    @property
    def overrun(self) -> bool:
        """There is no room even for a refusal."""
        return self._turned_away > TURNED_AWAY

    def enter(self, client: Address) -> ApiError | None:
        """Admits a connection, or tells what to answer where it is one too many. Every one that enters leaves."""
        limits, host = self._limits, self._host(client)
        refusal = None
        if self.admitted >= limits.max_connections:
            refusal = _busy(f"this proxy has {limits.max_connections} connections and takes no more for now")
        elif host and self._by_host.get(host, 0) >= limits.max_connections_per_peer:
            refusal = _busy(
                f"{host} has {limits.max_connections_per_peer} connections to this proxy and gets no more: if it is a "
                "reverse proxy, set max_connections_per_peer = 0 in [limits]"
            )
        if refusal is not None:
            self._turned_away += 1
            return refusal
        self.admitted += 1
        if host:
            self._by_host[host] = self._by_host.get(host, 0) + 1
        return None

    def leave(self, client: Address, *, admitted: bool) -> None:
        """A connection is gone."""
        if not admitted:
            self._turned_away -= 1
            return
        self.admitted -= 1
        # Whoever came while addresses were not limited was not counted.
        host = client[0] if client else ""
        if self._by_host.get(host):
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]

    def _host(self, client: Address) -> str:
        """The address that counts; empty where none does."""
        if client is None or not self._limits.max_connections_per_peer or is_loopback(client[0]):
            return ""
        return client[0]


def _busy(message: str) -> ApiError:
    return ApiError(529, message, headers={"retry-after": "1"}, refusal="connections")
