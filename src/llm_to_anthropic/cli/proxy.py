"""`proxy`: reads the configuration, says where the server is and how to use it, and serves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import click
from click.globals import resolve_color_default

from llm_to_anthropic import __version__
from llm_to_anthropic.config import loading
from llm_to_anthropic.config.sources import here
from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.http import server
from llm_to_anthropic.observers.access_log import configure_logging
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.routing import LINE_MODELS, Router
from llm_to_anthropic.settings import Settings

_CLAUDE_WINDOW = 1_000_000
"""How many tokens Claude Code expects any of Claude's models to take: where one takes fewer, it sums up too late."""


def run_proxy(flags: Mapping[str, object]) -> int:
    """Serves until told to stop; the exit code. Raises ConfigError, and CannotListen where the port cannot be had."""
    load = partial(loading.load, flags, os.environ, here())
    settings = load()
    for warning in settings.warnings:
        _tell(f"{click.style('warning:', fg='yellow')} {warning}")

    configure_logging(settings, coloured=resolve_color_default() is not False)

    def announce(url: str) -> None:
        _tell(startup_text(settings, url))

    return server.serve(settings, ready=announce, load=load)


def _tell(text: str) -> None:
    # Where nobody can read it, on a full disk or a closed terminal, requests are served all the same.
    with suppress(OSError):
        click.echo(text, err=True)


def startup_text(settings: Settings, base_url: str) -> str:
    """What a user needs at start: where it listens, which model is which, what to paste. No key is in it."""
    title = click.style(f"llm-to-anthropic {__version__}", bold=True)
    lines = [f"{title} serves {click.style(base_url, fg='cyan', bold=True)}", "", *_mapping(settings), ""]
    return "\n".join([*lines, "For Claude Code, in its shell:", "", *paste_lines(base_url, settings), ""])


def paste_lines(base_url: str, settings: Settings) -> list[str]:
    """The lines that point Claude Code at the proxy. A configured client key is named, not shown."""
    token = "'<one of PROXY_API_KEYS>'" if settings.client_keys else "any-value"
    lines = [f"  export ANTHROPIC_BASE_URL={base_url}", f"  export ANTHROPIC_AUTH_TOKEN={token}"]
    if (window := _window(settings)) < _CLAUDE_WINDOW:
        lines.append(f"  export CLAUDE_CODE_AUTO_COMPACT_WINDOW={window}")
    return lines


def _window(settings: Settings) -> int:
    """What fits into every model that conversations are had with, as far as it is known; haiku serves short tasks."""
    names = {model for line, model in LINE_MODELS.items() if line != "haiku"}
    entries = (entry for entry in Router(settings).models() if entry.id in names)
    return min((entry.max_input_tokens or _CLAUDE_WINDOW for entry in entries), default=_CLAUDE_WINDOW)


def _mapping(settings: Settings) -> list[str]:
    router = Router(settings)
    rows: dict[str, list[str]] = {}
    for line in ("haiku", "sonnet", "opus", "fable"):
        rows.setdefault(_described(router, LINE_MODELS[line]), []).append(line)
    return [f"  {', '.join(lines):<20} -> {target}" for target, lines in rows.items()]


def _described(router: Router, name: str) -> str:
    try:
        targets = router.resolve(name).targets
    except ApiError as error:
        # The warnings above say what to do; here it is only marked.
        return click.style(f"nowhere yet ({error.message.partition(':')[0]})", fg="yellow")
    return ", then ".join(_named(target, name) for target in targets)


def _named(target: Target, name: str) -> str:
    if target.model == name:
        return f"{target.provider.name}, under the names that clients send"
    return f"{target.provider.name}/{target.model}"
