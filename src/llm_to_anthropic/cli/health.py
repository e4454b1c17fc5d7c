"""`health`: asks a running proxy whether it is well.

It runs every few seconds in a container, so it loads no more than it needs: neither server nor schema.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

import click

from llm_to_anthropic.config.sources import Report, here, host_of, read
from llm_to_anthropic.errors import ConfigError
from llm_to_anthropic.http.address import base_url

TIMEOUT_S = 3.0
DEFAULT_HOST, DEFAULT_PORT = "0.0.0.0", 8082  # noqa: S104  what the server listens on, as in settings.py


def run_health(url: str | None, *, ready: bool, flags: Mapping[str, object]) -> int:
    """The exit code: 0 where the proxy at `url` answers 200, else 1. Raises ConfigError for what is no URL.

    `ready`: whether it can serve, and not only lives. Without `url` it is looked for where flags, environment
    and files here say that it listens.
    """
    place = _place(url or _configured_url(flags))
    path = f"{place.path.rstrip('/')}/health{'/ready' if ready else ''}"
    asked = f"{place.scheme}://{place.netloc}{path}"
    try:
        status, body = _get(place, path)
    except (OSError, HTTPException, UnicodeError) as error:
        _say(f"no answer from {asked} ({error or type(error).__name__}): is the proxy running there?", well=False)
        return 1
    ours = body.lstrip().startswith(b"{")
    said = body.decode("utf-8", "replace").strip() if ours else "not as this proxy does, so something else is there"
    well = ours and status == 200
    _say(f"{asked} answers {status}: {said}", well=well)
    return int(not well)


def _say(text: str, *, well: bool) -> None:
    """The exit code is the answer: words that find no room, as on a full disk, change nothing of it."""
    try:
        click.echo(text, err=not well)
    except OSError:
        # Python would write what waits once more at its end, and make 120 of the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1 if well else 2)


def _configured_url(flags: Mapping[str, object]) -> str:
    # Not a reason to fail: a proxy that runs goes on by what it has read before.
    report = Report()
    fields = read(flags, os.environ, here(), report).fields
    for problem in report.problems:
        click.echo(f"configuration: {problem} The proxy is looked for without it.", err=True)
    host, port = fields.get("server_host"), fields.get("server_port")
    return base_url(host_of(str(host.value)) if host else DEFAULT_HOST, _port(port.value if port else DEFAULT_PORT))


def _port(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ConfigError([f"SERVER_PORT is {str(value)[:20]!r}: it must be a port number."]) from None


def _place(url: str) -> SplitResult:
    problem = f"--url {url}: a URL such as http://127.0.0.1:8082 is expected."
    try:
        place = urlsplit(url)
        sound = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError as error:
        raise ConfigError([problem]) from error
    if not sound:
        raise ConfigError([problem])
    return place


def _get(place: SplitResult, path: str) -> tuple[int, bytes]:
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
