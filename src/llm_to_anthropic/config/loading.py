"""The settings, out of all that was said; every mistake in one report, and what is sound but odd in warnings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from llm_to_anthropic.config.keys import KeyReader
from llm_to_anthropic.config.providers import ProviderBuilder
from llm_to_anthropic.config.schema import Schema, validate
from llm_to_anthropic.config.sources import Report, Sources, host_of, read
from llm_to_anthropic.config.tables import filled
from llm_to_anthropic.errors import ApiError, ConfigError
from llm_to_anthropic.providers.presets import PRESETS
from llm_to_anthropic.routing import DEFAULT_MODELS, LINE_MODELS, Router, usable
from llm_to_anthropic.settings import Limits, Retries, Settings, Timeouts

_KEY_BEGINNINGS: Mapping[str, str] = {
    "sk-ant-": "anthropic",
    "sk-proj-": "openai",
    "sk-or-": "openrouter",
    "AIza": "gemini",
    "gsk_": "groq",
    "xai-": "xai",
}
"""How keys begin of which no other vendor's do, and whose they are."""


def load(flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path) -> Settings:
    """The settings: flags over environment over `.env` over the TOML file over defaults.

    `flags` holds host, port, workers, verbose and config (a path), each only if given. Empty
    environment values count as unset. The file is the one of --config, else of
    LLM_TO_ANTHROPIC_CONFIG, else llm-to-anthropic.toml here, else the user's own.

    Raises: ConfigError with every problem that was found, each with its place; never with a secret.
    """
    report = Report()
    sources = read(flags, environ, cwd, report)
    schema = validate(sources, report)
    settings = _settings(schema, sources, report)
    _check_preferred(settings, sources, report)
    if report.problems:
        raise ConfigError(report.problems, tuple(report.files))
    _warn_of_keys(settings, report)
    _warn_of_others_keys(settings, report)
    _warn_of_access(settings, report)
    return msgspec.structs.replace(
        settings,
        files=tuple(report.files),
        key_files=tuple(report.key_files),
        warnings=tuple(report.warnings),
    )


def _settings(schema: Schema, sources: Sources, report: Report) -> Settings:
    builder = ProviderBuilder(schema, sources, report)
    providers = builder.providers()
    timeouts = filled(sources.place("timeouts"), schema.timeouts, Timeouts, report)
    limits = filled(sources.place("limits"), schema.limits, Limits, report)
    retries = filled(sources.place("retries"), schema.retries, Retries, report)
    big, small = DEFAULT_MODELS[schema.preferred_provider]
    return Settings(
        host=host_of(schema.server_host) or "0.0.0.0",  # noqa: S104  as users expect; access is checked
        port=schema.server_port,
        workers=schema.workers,
        verbose=schema.verbose,
        preferred_provider=schema.preferred_provider,
        big_model=schema.big_model.strip() or big,
        small_model=schema.small_model.strip() or small,
        providers=providers,
        aliases=builder.aliases(providers),
        client_keys=KeyReader(sources, report).client_keys(schema.proxy_api_keys),
        allow_unauthenticated=schema.allow_unauthenticated,
        allowed_hosts=schema.allowed_hosts,
        allowed_origins=schema.allowed_origins,
        strict=schema.strict,
        fetch_urls=schema.fetch_urls,
        timeouts=timeouts,
        limits=limits,
        retries=retries,
    )


def _check_preferred(settings: Settings, sources: Sources, report: Report) -> None:
    if settings.preferred_provider != "anthropic" or usable(settings.providers["anthropic"]):
        return
    variable = settings.providers["anthropic"].credential.variable
    report.problem(sources.place("preferred_provider"), f"is anthropic, but {variable} is not set.")


def _warn_of_keys(settings: Settings, report: Report) -> None:
    providers = settings.providers
    if not any(map(usable, providers.values())):
        variables = dict.fromkeys(provider.credential.variable for provider in providers.values())
        report.warn(
            f"no provider has a key: set {', '.join(variables)} (any one of them), or OPENAI_BASE_URL for a "
            "local server that needs none; until then every request is refused."
        )
    else:
        _warn_of_lines(Router(settings), report)


def _warn_of_others_keys(settings: Settings, report: Report) -> None:
    """Keys that begin like another vendor's, where the vendor itself is asked: it refuses them."""
    for name, provider in settings.providers.items():
        own = PRESETS[name].base_url if name in PRESETS else ""
        if not own or not provider.base_url.startswith(own):
            continue
        begun = {vendor for key in provider.credential.keys for vendor in _vendors(key.reveal())} - {name}
        for vendor in sorted(begun):
            report.warn(f"{provider.credential.variable} begins like a key of {vendor}'s, which {name} will refuse.")


def _vendors(key: str) -> list[str]:
    return [vendor for beginning, vendor in _KEY_BEGINNINGS.items() if key.startswith(beginning)]


def _warn_of_lines(router: Router, report: Report) -> None:
    """Which of Claude's lines would be refused, and why."""
    refused: dict[str, list[str]] = {}
    for line, model in LINE_MODELS.items():
        try:
            router.resolve(model)
        except ApiError as error:
            refused.setdefault(error.message, []).append(line)
    for reason, lines in refused.items():
        report.warn(f"requests for {', '.join(lines)} are refused: {reason}.")


def _warn_of_access(settings: Settings, report: Report) -> None:
    forwarding = [provider.name for provider in settings.providers.values() if provider.credential.client]
    if settings.allow_unauthenticated and not settings.client_keys:
        report.warn(
            "ALLOW_UNAUTHENTICATED is on and PROXY_API_KEYS is empty: whoever reaches this server can spend your keys."
        )
    if forwarding and settings.client_keys:
        report.warn(
            f"PROXY_API_KEYS is set and provider {', '.join(forwarding)} forwards the client's own key: clients must "
            "send the proxy's key in one header (x-api-key or authorization) and the provider's in the other."
        )
