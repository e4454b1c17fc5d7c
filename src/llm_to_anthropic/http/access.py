"""Who may call: host names, web origins, client keys.

- Host: a web page can point its own name at this machine (DNS rebinding) and then is same-origin with
  us. So only names that nobody else can own are answered: loopback names, IP literals, our own name
  and `allowed_hosts`. With client keys configured any name will do, since such a page has no key.
- Origin: a web page may call only where it is configured, or is our own.
- Client keys: where none is configured only this very machine is served.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from starlette.types import Scope

from llm_to_anthropic.errors import NOT_RETRIED, ClientError
from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.settings import HASHED, ClientKey, Settings

FORWARDING = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"via")
)
"""Headers that show a request came through another server: whoever sent it is not on loopback."""

EXPOSED = (
    b"request-id, retry-after, x-should-retry, x-proxy-losses, "
    b"x-upstream-provider, x-upstream-model, x-upstream-attempts"
)
METHODS = b"GET, HEAD, POST, DELETE, OPTIONS"
USUAL_HEADERS = (
    b"authorization, content-type, x-api-key, anthropic-version, anthropic-beta, "
    b"anthropic-dangerous-direct-browser-access, x-proxy-strict"
)
PREFLIGHT_AGE_S = b"600"
MAX_KNOWN_HOSTS = 256
PREFIX = 8
"""Bytes of a digest by which keys are looked up."""

NO_HEADERS: Headers = []

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")

_LOOPBACK_ONLY = (
    "Without client keys this proxy serves only programs on its own machine: set PROXY_API_KEYS and send one of "
    "the keys as x-api-key or Authorization: Bearer, or set ALLOW_UNAUTHENTICATED=true to serve everyone"
)
_KEY_MISSING = (
    "No client key was sent: put one of the keys in PROXY_API_KEYS into "
    "ANTHROPIC_AUTH_TOKEN (Authorization: Bearer) or ANTHROPIC_API_KEY (x-api-key) of the client"
)
_KEY_WRONG = (
    "The client key is not one of this proxy's (PROXY_API_KEYS): correct ANTHROPIC_AUTH_TOKEN or ANTHROPIC_API_KEY "
    "of the client"
)


class Access:
    """The checks of every request, compiled from the settings. Cheap: a few microseconds for all."""

    def __init__(self, settings: Settings) -> None:
        self._keys = _by_prefix(settings.client_keys)
        self._open = settings.allow_unauthenticated
        self._names = frozenset(_names(settings.host, settings.allowed_hosts))
        self._suffixes = tuple(_suffixes(settings.allowed_hosts))
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.allowed_origins)
        self._known_hosts: set[bytes] = set()

    def check_host(self, scope: Scope, found: Mapping[bytes, bytes]) -> None:
        """Raises ClientError: 400 for a missing, repeated or malformed Host, 403 for a foreign one."""
        host = found.get(b"host")
        if host in self._known_hosts and len(found) == len(scope["headers"]):
            return
        if host is None:
            if scope["http_version"] == "1.0":
                return
            raise _bad_host("the Host header is missing")
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            raise _bad_host("there is more than one Host header")
        self._check_name(host)
        if len(self._known_hosts) >= MAX_KNOWN_HOSTS:
            self._known_hosts.clear()
        self._known_hosts.add(host)

    def _check_name(self, host: bytes) -> None:
        match = _HOST.fullmatch(host.decode("latin-1"))
        if match is None:
            raise _bad_host("the Host header is malformed")
        name = match[1].lower().rstrip(".")
        if self._keys or name in self._names or name.endswith(self._suffixes) or _is_address(name):
            return
        raise ClientError(
            f"this proxy does not answer to the host name {name!r}: add it to ALLOWED_HOSTS "
            "if clients are meant to use it",
            status=403,
            headers=NOT_RETRIED,
        )

    def check_origin(self, found: Mapping[bytes, bytes]) -> Headers:
        """The CORS headers of the answer. Raises ClientError (403) for a web page that may not call."""
        origin = found.get(b"origin")
        if origin is None:
            # Pages on other ports of this machine are of the same site, and are no less foreign.
            if found.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
                raise _foreign_origin("another site")
            return NO_HEADERS
        text = origin.decode("latin-1").lower()
        scheme, _, authority = text.partition("://")
        if authority and authority == found.get(b"host", b"").decode("latin-1").lower():
            return NO_HEADERS
        if text in self._origins or ("*" in self._origins and scheme in ("http", "https")):
            return [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", EXPOSED),
                (b"vary", b"origin"),
            ]
        raise _foreign_origin(repr(text[:100]))

    def authenticate(self, scope: Scope, found: Mapping[bytes, bytes]) -> tuple[tuple[bytes, ...], str]:
        """The names of the headers that carried a valid client key, and that key's own. Raises ClientError (401).

        Either of `x-api-key` and `Authorization: Bearer` is enough. The time taken does not tell which key came close.
        """
        if not self._keys:
            if self._open or is_near(scope, found):
                return (), ""
            raise _unauthenticated(_LOOPBACK_ONLY)
        presented = _presented(found)
        known = {header: name for header, key in presented if (name := self._name_of(key)) is not None}
        if known:
            return tuple(known), max(known.values())  # a key with a name says more than one without
        raise _unauthenticated(_KEY_WRONG if presented else _KEY_MISSING)

    def _name_of(self, key: bytes) -> str | None:
        """The name of a client key, which may be empty; None for what is no client key."""
        presented = hashlib.sha256(key).digest()
        found = None
        for digest, name in self._keys.get(presented[:PREFIX], ()):
            if hmac.compare_digest(digest, presented):
                found = name
        return found


def preflight_headers(found: Mapping[bytes, bytes]) -> Headers:
    """What a browser wants to hear before a page of an allowed origin may call."""
    return [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", found.get(b"access-control-request-headers") or USUAL_HEADERS),
        (b"access-control-max-age", PREFLIGHT_AGE_S),
    ]


def _presented(found: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    keys: list[tuple[bytes, bytes]] = []
    if api_key := found.get(b"x-api-key"):
        keys.append((b"x-api-key", api_key))
    authorization = found.get(b"authorization", b"")
    if authorization[:7].lower() == b"bearer " and (token := authorization[7:].strip()):
        keys.append((b"authorization", token))
    return keys


def _by_prefix(keys: Iterable[ClientKey]) -> dict[bytes, list[tuple[bytes, str]]]:
    """Digests and names of client keys by the digests' first bytes: a thousand keys cost no more than one.

    Digests have one length, and nobody can choose one: neither comparing nor looking them up tells of the keys.
    """
    table: dict[bytes, list[tuple[bytes, str]]] = {}
    for key in keys:
        digest = _digest(key.secret.reveal())
        table.setdefault(digest[:PREFIX], []).append((digest, key.name))
    return table


def _digest(key: str) -> bytes:
    if key.startswith(HASHED):
        return bytes.fromhex(key.removeprefix(HASHED))
    return hashlib.sha256(key.encode()).digest()


def _names(host: str, allowed: Iterable[str]) -> Iterable[str]:
    yield "localhost"
    yield host.lower().rstrip(".")
    for name in allowed:
        yield name.lower().removeprefix("*").strip(".")


def _suffixes(allowed: Iterable[str]) -> Iterable[str]:
    yield ".localhost"
    for name in allowed:
        if name.startswith((".", "*.")):
            yield name.lower().removeprefix("*").rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_near(scope: Scope, found: Mapping[bytes, bytes]) -> bool:
    """Whether a request comes straight from a program on this machine."""
    client = scope["client"]
    return client is not None and is_loopback(client[0]) and FORWARDING.isdisjoint(found)


@lru_cache(maxsize=256)
def is_loopback(address: str) -> bool:
    """Whether a client's IP address is one of this machine alone."""
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")


def _bad_host(message: str) -> ClientError:
    return ClientError(message, headers={"connection": "close"})


def _foreign_origin(origin: str) -> ClientError:
    return ClientError(
        f"web pages of {origin} may not call this proxy: add the origin to ALLOWED_ORIGINS if they are meant to",
        status=403,
        headers=NOT_RETRIED,
    )


def _unauthenticated(message: str) -> ClientError:
    return ClientError(message, status=401, headers=NOT_RETRIED)
