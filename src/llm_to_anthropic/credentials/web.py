"""How logins reach their servers: with a time limit, trusting whom upstreams' TLS trusts, near ones by no web proxy.

Imported in a login's own thread alone: the import takes time, and every call blocks.
"""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from llm_to_anthropic.credentials.login import LoginFailure
from llm_to_anthropic.errors import UpstreamUnreachable
from llm_to_anthropic.trust import Trust

TIMEOUT_S = 10.0

_METADATA_HOSTS = frozenset({"localhost", "metadata.google.internal", "metadata"})


def is_near(url: str) -> bool:
    """Whether a URL is this machine's or its metadata server's."""
    host = urlsplit(url).hostname or ""
    if host in _METADATA_HOSTS:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local


def session(*, near: bool) -> requests.Session:
    """A session that heeds the environment's web proxy, unless the server is near.

    Raises LoginFailure where the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read.
    """
    made = requests.Session()
    made.trust_env = not near
    try:
        made.mount("https://", _Trusting(Trust(os.environ).context()))
    except UpstreamUnreachable as error:
        raise LoginFailure("the login trusts no server", error.message) from None
    return made


class _Trusting(HTTPAdapter):
    """Trusts what a TLS context trusts, and what REQUESTS_CA_BUNDLE names: by itself it would take certifi's list."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leaves the connection with the authorities of its context, which verifies."""
