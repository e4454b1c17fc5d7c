"""Checked tables -> providers with their base URLs, credentials, quirks and models, and the aliases onto them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from llm_to_anthropic.config_keys import KeyReader
from llm_to_anthropic.config_sources import Report, Sources, did_you_mean, quoted
from llm_to_anthropic.config_tables import overrides
from llm_to_anthropic.providers.presets import PRESETS, Preset, find_preset
from llm_to_anthropic.providers.provider import Credential, Protocol, Provider
from llm_to_anthropic.providers.quirks import ChatQuirks

if TYPE_CHECKING:
    from llm_to_anthropic.config_schema import ProviderTable, Schema

BUILT_IN = ("openai", "gemini", "anthropic")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104  compared with, not bound to
_SYNONYMS = frozenset({"google", "models"})
_ENDPOINTS: Mapping[Protocol, tuple[str, ...]] = {
    "openai_chat": ("/chat/completions",),
    "openai_responses": ("/responses",),
    "anthropic": ("/messages", "/v1"),
    "gemini": ("/models", "/v1beta", "/v1"),
}
"""Ends of a URL that the protocol's own paths begin with; they are cut off, in this order."""


class ProviderBuilder:
    """Makes the providers of one configuration; what is wrong with them goes into the report."""

    def __init__(self, schema: Schema, sources: Sources, report: Report) -> None:
        self._schema = schema
        self._sources = sources
        self._report = report
        self._keys = KeyReader(sources, report)

    def providers(self) -> dict[str, Provider]:
        """All providers by name: the built-in ones, with or without a key, then the configured ones."""
        providers = {name: self._built_in(name) for name in BUILT_IN}
        for name, table in self._schema.providers.items():
            provider = self._configured(name, table) if name not in BUILT_IN else None
            if provider is not None:
                providers[name] = provider
        return providers

    def aliases(self, providers: Mapping[str, Provider]) -> dict[str, tuple[str, ...]]:
        """`[models]`, with every target checked to begin with the name of a provider."""
        # A provider that has a problem of its own still counts as known: one mistake, one sentence.
        known = {*providers, *self._named(), *_SYNONYMS}
        for alias, targets in self._schema.models.items():
            place = f"{self._sources.place('models')}.{quoted(alias)}"
            for target in targets:
                self._check_target(place, target, known)
        return dict(self._schema.models)

    def _named(self) -> tuple[str, ...]:
        given = self._sources.fields.get("providers")
        return tuple(given.value) if given is not None and isinstance(given.value, dict) else ()

    def _check_target(self, place: str, target: str, known: set[str]) -> None:
        head, slash, rest = target.partition("/")
        if not slash or not rest or "*" in target:
            self._report.problem(place, 'must be "provider/model" or a list of such, without wildcards.')
        elif head not in known:
            names = ", ".join(sorted(known - _SYNONYMS))
            self._report.problem(place, f"names an unknown provider.{did_you_mean(head, known)} Known: {names}.")

    def _built_in(self, name: str) -> Provider:
        table = self._schema.providers.get(name)
        protocol = (table.protocol if table else None) or PRESETS[name].protocol
        base_url = self._built_in_url(name, table, protocol)
        credential = self._built_in_key(name, table)
        # A compatible server at another address, a local one above all, may well take no key.
        elsewhere = bool(table and table.base_url) or (name == "openai" and base_url != PRESETS[name].base_url)
        if elsewhere and not (credential.key or credential.client) and not _vendor_wants_key(base_url):
            credential = Credential()
        return Provider(
            name=name,
            protocol=protocol,
            base_url=base_url,
            credential=credential,
            models=table.models if table else (),
            quirks=self._quirks(name, table),
            preset=self._preset_name(name, table),
        )

    def _built_in_url(self, name: str, table: ProviderTable | None, protocol: Protocol) -> str:
        field = f"{name}_base_url"
        given = self._sources.fields.get(field)
        text, place = str(given.value) if given else "", self._sources.place(field)
        if given is not None and given.ambient and self._is_ourselves(text):
            self._report.warn(f"{place} points at this proxy itself, as it should for clients; here it is not used.")
            text = ""
        if not text and table and table.base_url:
            text, place = table.base_url, f"{self._place(name)}.base_url"
        default = PRESETS[name].base_url
        return base_url_of(place, text, protocol, self._report) or default if text else default

    def _built_in_key(self, name: str, table: ProviderTable | None) -> Credential:
        """An `api_key` in the provider's table says where the key is kept; else the usual variable holds it."""
        variable = PRESETS[name].variable
        if table and table.api_key:
            return self._keys.reference(f"{self._place(name)}.api_key", table.api_key, variable)
        return self._keys.setting(f"{name}_api_key", variable)

    def _configured(self, name: str, table: ProviderTable) -> Provider | None:
        place = self._place(name)
        if not _NAME.fullmatch(name):
            self._report.problem(place, "must be named in lower-case letters, digits, dashes, dots or underscores.")
            return None
        preset_name = self._preset_name(name, table)
        preset = PRESETS.get(preset_name)
        if preset_name and preset is None:
            return None
        protocol = table.protocol or (preset.protocol if preset else None)
        if protocol is None:
            self._report.problem(place, f"needs a preset ({', '.join(PRESETS)}) or a protocol.")
            return None
        base_url = self._configured_url(name, table, preset, protocol)
        return Provider(
            name=name,
            protocol=protocol,
            base_url=base_url,
            credential=self._configured_key(name, table, preset, base_url),
            models=table.models,
            quirks=self._quirks(name, table),
            preset=preset_name,
        )

    def _preset_name(self, name: str, table: ProviderTable | None) -> str:
        """The preset that a table asks for, else the one that the provider is called after."""
        wanted = table.preset if table else ""
        if wanted and wanted not in PRESETS:
            near, known = did_you_mean(wanted, PRESETS), ", ".join(PRESETS)
            self._report.problem(f"{self._place(name)}.preset", f"is not a known preset.{near} Known: {known}.")
            return wanted
        return wanted or (name if name in PRESETS else "")

    def _configured_url(self, name: str, table: ProviderTable, preset: Preset | None, protocol: Protocol) -> str:
        place = f"{self._place(name)}.base_url"
        if table.base_url:
            return base_url_of(place, table.base_url, protocol, self._report)
        if preset is not None and preset.base_url and preset.protocol == protocol:
            return preset.base_url
        self._report.problem(place, "is missing: the URL of the server.")
        return ""

    def _configured_key(self, name: str, table: ProviderTable, preset: Preset | None, base_url: str) -> Credential:
        variable = preset.variable if preset else ""
        if table.api_key:
            return self._keys.reference(f"{self._place(name)}.api_key", table.api_key, variable)
        credential = self._keys.variable(variable) if variable else Credential()
        if credential.key or not _vendor_wants_key(base_url):
            return credential if credential.key else Credential()
        if not variable:
            self._report.warn(f"{self._place(name)} has no api_key, which this vendor asks for.")
        else:
            self._report.warn(f"{self._place(name)} has no key: set {variable}.")
        return credential

    def _quirks(self, name: str, table: ProviderTable | None) -> tuple[tuple[str, object], ...]:
        if table is None:
            return ()
        return tuple(overrides(f"{self._place(name)}.quirks", table.quirks, ChatQuirks, self._report).items())

    def _place(self, name: str) -> str:
        return f"{self._sources.place('providers')}.{quoted(name)}"

    def _is_ourselves(self, text: str) -> bool:
        parts = _parts(text.strip())
        return parts is not None and parts.hostname in _LOOPBACK and parts.port == self._schema.server_port


def _vendor_wants_key(base_url: str) -> bool:
    preset = find_preset("", base_url)
    return preset is not None and bool(preset.variable)


def base_url_of(place: str, text: str, protocol: Protocol, report: Report) -> str:
    """A base URL as translators want it, without a trailing slash; empty after a problem.

    OpenAI's protocols end in a version (`/v1` where no path is given); of the others the version is
    cut off, since their paths begin with it. The text is never repeated: it may hold a password.
    """
    parts = _parts(text.strip())
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        report.problem(place, "must be a URL like https://host/v1 or http://localhost:8000.")
        return ""
    if "@" in parts.netloc:
        report.problem(place, "must not hold a user name or password; keys go into api_key or the environment.")
        return ""
    if parts.query or parts.fragment:
        report.problem(place, "must not hold a query (?...) or a fragment (#...).")
        return ""
    path = parts.path.rstrip("/")
    for end in _ENDPOINTS[protocol]:
        path = path.removesuffix(end).rstrip("/")
    if not path and protocol.startswith("openai"):
        path = "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


def _parts(text: str) -> SplitResult | None:
    """The URL in its parts; None for what is none."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 or re.search(r"\s", text) else parts
