"""Key of a provider -> request headers. Keys leave their Secret here and nowhere else."""

from __future__ import annotations

import re

from llm_to_anthropic.providers.presets import AuthScheme, auth_scheme
from llm_to_anthropic.providers.provider import Provider, Secret

Headers = list[tuple[bytes, bytes]]

OAUTH_PREFIX = "sk-ant-oat"
"""Anthropic's OAuth tokens begin so; they travel as a bearer token, not as x-api-key."""

_WEB_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
"""A signed JSON web token; keys have no dots."""
_CLIENT_HEADERS = (b"x-api-key", b"authorization")


def auth_headers(provider: Provider, client_headers: Headers, key: Secret | None = None) -> Headers:
    """The headers that authenticate a request at a provider, by its first key unless another is given.

    Names in lower case. Without a key none are sent. A client's own key is passed on as it came to an upstream that
    speaks Anthropic's protocol, and rewritten into the upstream's header for any other.
    """
    credential = provider.credential
    if credential.client:
        return _forwarded(provider, client_headers)
    key = key or credential.key
    return [_header(auth_scheme(provider), key.reveal())] if key else []


def _forwarded(provider: Provider, client_headers: Headers) -> Headers:
    given = [(name, value) for name, value in client_headers if name in _CLIENT_HEADERS]
    if provider.protocol == "anthropic":
        return given
    key = _client_key(dict(given))
    return [_header(auth_scheme(provider), key)] if key else []


def _client_key(headers: dict[bytes, bytes]) -> str:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    bearer = token.strip() if scheme.lower() == b"bearer" else b""
    return (bearer or headers.get(b"x-api-key", b"")).decode("latin-1")


def _is_token(scheme: AuthScheme, key: str) -> bool:
    """Whether it is a token, where a key has a header of its own: an OAuth token of Anthropic's, one of Entra's."""
    match scheme:
        case "x-api-key":
            return key.startswith(OAUTH_PREFIX)
        case "api-key":
            return _WEB_TOKEN.fullmatch(key) is not None
        case _:
            return False


def _header(scheme: AuthScheme, key: str) -> tuple[bytes, bytes]:
    if scheme == "bearer" or _is_token(scheme, key):
        return b"authorization", b"Bearer " + key.encode("latin-1")
    return scheme.encode(), key.encode("latin-1")
