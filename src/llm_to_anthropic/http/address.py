"""Where a server is found; kept apart from what opens its sockets, so that asking for it loads no server."""

from __future__ import annotations


def base_url(host: str, port: int) -> str:
    """The URL under which programs on this machine reach a server that listens on `host`."""
    local = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host)  # noqa: S104
    return f"http://{local or (f'[{host}]' if ':' in host else host)}:{port}"
