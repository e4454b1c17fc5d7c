"""How logins reach their servers: with a time limit, trusting whom upstreams' TLS trusts, near ones by no web proxy.

Imported in a login's own thread alone: the import takes time, and every call blocks.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

import requests

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
    """A session that heeds the environment's web proxy, unless the server is near."""
    made = requests.Session()
    made.trust_env = not near
    made.verify = _authorities() or True
    return made


def _authorities() -> str:
    """The certificates that SSL_CERT_FILE or SSL_CERT_DIR names, of which requests knows nothing; empty for its own."""
    named = (os.environ.get(variable, "") for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return next((path for path in named if os.path.exists(path)), "")
