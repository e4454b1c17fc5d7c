"""Checked tables -> providers with their base URLs, credentials, quirks and models, and the aliases onto them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from llm_to_anthropic.config.google import GoogleReader, Placed
from llm_to_anthropic.config.keys import KeyReader
from llm_to_anthropic.config.openai import ENTRA, Address, OpenAIReader
from llm_to_anthropic.config.schema import ProviderTable, Schema
from llm_to_anthropic.config.sources import Report, Sources, did_you_mean, quoted
from llm_to_anthropic.config.tables import overrides
from llm_to_anthropic.config.urls import base_url_of, url_parts
from llm_to_anthropic.providers.presets import PRESETS, Preset, find_preset
from llm_to_anthropic.providers.provider import Backend, Credential, Provider, ProviderProtocol
from llm_to_anthropic.providers.quirks import ChatQuirks, GeminiQuirks, ResponsesQuirks
from llm_to_anthropic.providers.timeouts import CallTimeouts

BUILT_IN = ("openai", "gemini", "anthropic")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104  compared with, not bound to
_SYNONYMS = frozenset({"google", "models"})
_QUIRKS: Mapping[ProviderProtocol, tuple[type[ChatQuirks | ResponsesQuirks | GeminiQuirks], ...]] = {
    "openai": (ChatQuirks, ResponsesQuirks),
    "openai_chat": (ChatQuirks,),
    "openai_responses": (ResponsesQuirks,),
    "gemini": (GeminiQuirks,),
    "anthropic": (ChatQuirks,),
}
"""The API that an account's quirks belong to; both where it speaks two."""


class ProviderBuilder:
    """Makes the providers of one configuration; what is wrong with them goes into the report."""

    def __init__(self, schema: Schema, sources: Sources, report: Report) -> None:
        self._schema = schema
        self._sources = sources
        self._report = report
        self._keys = KeyReader(sources, report)
        self._google = GoogleReader(schema, sources, report)
        self._openai = OpenAIReader(schema, sources, report)

    def providers(self) -> dict[str, Provider]:
        """All providers by name: the built-in ones, with or without a key, then the configured ones."""
        providers = {name: self._built_in(name) for name in BUILT_IN}
        for name, table in self._schema.providers.items():
            self._check_place(name, table)
            provider = self._configured(name, table) if name not in BUILT_IN else None
            if provider is not None:
                providers[name] = provider
        self._google.check_unused(used=any(provider.backend == "vertex" for provider in providers.values()))
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
        vertex = self._google.preset(name, table)
        if vertex:
            return self._on_vertex(name, table, vertex)
        preset_name = self._preset_name(name, table)
        address = self._built_in_address(name, table, preset_name)
        credential = self._built_in_key(name, table, address)
        # A compatible server at another address, a local one above all, may well take no key.
        elsewhere = bool(table and table.base_url) or (name == "openai" and address.base_url != PRESETS[name].base_url)
        missing = not (credential.key or credential.client or credential.login)
        if elsewhere and missing and not _vendor_wants_key(address.base_url):
            credential = Credential()
        return self._at(address, name, table, credential, preset_name)

    def _at(
        self, address: Address, name: str, table: ProviderTable | None, credential: Credential, preset_name: str
    ) -> Provider:
        return Provider(
            name=name,
            protocol=address.protocol,
            base_url=address.base_url,
            query=address.query,
            credential=credential,
            models=(table.models if table else ()) or ((address.deployment,) if address.deployment else ()),
            quirks=self._quirks(name, table, address.protocol),
            timeouts=self._timeouts(name, table),
            preset=preset_name,
            backend=address.backend,
        )

    def _on_vertex(self, name: str, table: ProviderTable | None, preset_name: str) -> Provider:
        protocol = PRESETS[preset_name].protocol
        if table and table.protocol not in {None, protocol}:
            self._report.problem(
                f"{self._sources.provider(name)}.protocol", f"must be {protocol} on Vertex AI: take it away."
            )
        account = self._google.account(name, table, protocol)
        address = Address(base_url=account.base_url, protocol=protocol, backend="vertex")
        return self._at(address, name, table, account.credential, preset_name)

    def _built_in_address(self, name: str, table: ProviderTable | None, preset_name: str) -> Address:
        field = f"{name}_base_url"
        given = self._sources.fields.get(field)
        text, place = str(given.value) if given else "", self._sources.place(field)
        # Clients are pointed at us by Anthropic's address alone: another vendor must not get a key meant for elsewhere.
        if name == "anthropic" and given is not None and given.ambient and self._is_ourselves(text):
            self._report.warn(f"{place} points at this proxy itself, as it should for clients; here it is not used.")
            text = ""
        if not text and table and table.base_url:
            text, place = table.base_url, f"{self._sources.provider(name)}.base_url"
        where = Placed(text or PRESETS[name].base_url, place)
        return self._address(where, table, PRESETS[name].protocol, preset_name, named_openai=name == "openai")

    def _address(
        self,
        where: Placed,
        table: ProviderTable | None,
        standard: ProviderProtocol,
        preset_name: str,
        *,
        named_openai: bool = False,
    ) -> Address:
        """Where a provider is, and what it speaks there: what its table says, else the standard."""
        if self._is_ourselves(where.value):
            self._report.warn(f"{where.place} is this proxy's own address: requests come back to it until it is full.")
        own = table.protocol if table else None
        protocol = own or standard
        if protocol.startswith("openai"):
            return self._openai.address(where, own, preset_name, named_openai=named_openai)
        if protocol == "gemini":
            base_url = self._google.dev_url(where.place, where.value)
        else:
            base_url = base_url_of(where.place, where.value, protocol, self._report)
        return Address(base_url=base_url, protocol=protocol, backend=_backend(base_url))

    def _built_in_key(self, name: str, table: ProviderTable | None, address: Address) -> Credential:
        """An `api_key` in the provider's table says where the key is kept; else the usual variable holds it."""
        variable = PRESETS[name].variable
        if table and table.api_key:
            return self._reference(name, table.api_key, variable, address)
        credential = self._keys.setting(f"{name}_api_key", variable)
        return self._openai.login() if self._signs_in(credential, address) else credential

    def _reference(self, name: str, kept: str | Sequence[str], variable: str, address: Address) -> Credential:
        place = f"{self._sources.provider(name)}.api_key"
        if not isinstance(kept, str) or kept.strip() != ENTRA:
            return self._keys.reference(place, kept, variable)
        if address.base_url and address.backend != "azure":
            self._report.problem(place, f'is "{ENTRA}", which is for Azure OpenAI alone.')
        return self._openai.login()

    def _signs_in(self, credential: Credential, address: Address) -> bool:
        """Whether Entra's identity of the environment stands in for a missing key."""
        return not credential.key and address.backend == "azure" and self._openai.signs_in()

    def _configured(self, name: str, table: ProviderTable) -> Provider | None:
        place = self._sources.provider(name)
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
        if preset is not None and preset.backend == "vertex":
            return self._on_vertex(name, table, preset_name)
        text = table.base_url or _default_url(preset, protocol)
        if not text:
            self._report.problem(f"{place}.base_url", "is missing: the URL of the server.")
            return None
        address = self._address(Placed(text, f"{place}.base_url"), table, protocol, preset_name)
        return self._at(address, name, table, self._configured_key(name, table, preset, address), preset_name)

    def _check_place(self, name: str, table: ProviderTable) -> None:
        if self._google.preset(name, table):
            return
        for key, value in (("project", table.project), ("location", table.location)):
            if value:
                allowed = " and ".join(preset for preset, row in PRESETS.items() if row.backend == "vertex")
                self._report.problem(
                    f"{self._sources.provider(name)}.{key}", f"belongs to the presets {allowed} alone."
                )

    def _preset_name(self, name: str, table: ProviderTable | None) -> str:
        """The preset that a table asks for, else the one that the provider is called after."""
        wanted = table.preset if table else ""
        if wanted and wanted not in PRESETS:
            near, known = did_you_mean(wanted, PRESETS), ", ".join(PRESETS)
            self._report.problem(
                f"{self._sources.provider(name)}.preset", f"is not a known preset.{near} Known: {known}."
            )
            return wanted
        return wanted or (name if name in PRESETS else "")

    def _configured_key(self, name: str, table: ProviderTable, preset: Preset | None, address: Address) -> Credential:
        variable = preset.variable if preset else ""
        if table.api_key:
            return self._reference(name, table.api_key, variable, address)
        credential = self._keys.variable(variable) if variable else Credential()
        if self._signs_in(credential, address):
            return self._openai.login()
        if credential.key or not _vendor_wants_key(address.base_url):
            return credential if credential.key else Credential()
        if not variable:
            self._report.warn(f"{self._sources.provider(name)} has no api_key, which this vendor asks for.")
        else:
            self._report.warn(f"{self._sources.provider(name)} has no key: set {variable}.")
        return credential

    def _quirks(
        self, name: str, table: ProviderTable | None, protocol: ProviderProtocol
    ) -> tuple[tuple[str, object], ...]:
        if table is None:
            return ()
        place = f"{self._sources.provider(name)}.quirks"
        kinds = _QUIRKS[protocol]
        sound: dict[str, object] = {}
        for field, value in table.quirks.items():
            kind = next((each for each in kinds if field in each.__struct_fields__), kinds[0])
            sound |= overrides(place, {field: value}, kind, self._report)
        return tuple(sound.items())

    def _timeouts(self, name: str, table: ProviderTable | None) -> tuple[tuple[str, object], ...]:
        given = table.timeouts if table else {}
        return tuple(overrides(f"{self._sources.provider(name)}.timeouts", given, CallTimeouts, self._report).items())

    def _is_ourselves(self, text: str) -> bool:
        parts = url_parts(text.strip())
        return parts is not None and parts.hostname in _LOOPBACK and parts.port == self._schema.server_port


def _vendor_wants_key(base_url: str) -> bool:
    preset = find_preset("", base_url)
    return preset is not None and bool(preset.variable)


def _default_url(preset: Preset | None, protocol: ProviderProtocol) -> str:
    """The vendor's own; OpenAI's APIs share one."""
    own = preset is not None and preset.protocol.partition("_")[0] == protocol.partition("_")[0]
    return preset.base_url if preset is not None and own else ""


def _backend(base_url: str) -> Backend:
    preset = find_preset("", base_url)
    return "vertex" if preset is not None and preset.backend == "vertex" else "dev"
