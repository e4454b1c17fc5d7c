"""Where OpenAI's protocols are spoken, and which of its two APIs: base URLs, Azure's deployments, Entra's identities.

Source: learn.microsoft.com on Azure OpenAI's REST API, and on the variables of its identity libraries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llm_to_anthropic.config.google import Placed
from llm_to_anthropic.config.keys import KeyReader
from llm_to_anthropic.config.schema import Schema
from llm_to_anthropic.config.sources import Report, Sources
from llm_to_anthropic.config.urls import base_url_of, checked_url
from llm_to_anthropic.providers.presets import find_preset
from llm_to_anthropic.providers.provider import Backend, Credential, EntraAccount, ProviderProtocol, Secret

ENTRA = "entra"
"""The `api_key` of an account that signs in at Microsoft Entra."""

_APIS: Mapping[str, ProviderProtocol] = {"chat": "openai_chat", "responses": "openai_responses"}
"""Values of OPENAI_API that stand above the choice by model."""
_API_VERSION = re.compile(r"\?(api-version=[0-9A-Za-z.-]+)$")
_DEPLOYMENT = re.compile(r"/deployments/[^/]+$")
_TENANT = re.compile(r"[0-9A-Za-z.-]+")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider is and what is spoken there; `base_url` is empty after a problem."""

    base_url: str
    protocol: ProviderProtocol
    query: str = ""
    backend: Backend = "dev"
    deployment: str = ""
    """The only model there, where the address names it."""


class OpenAIReader:
    """Reads what concerns OpenAI's protocols and Azure; what is wrong with it goes into the report."""

    def __init__(self, schema: Schema, sources: Sources, report: Report) -> None:
        self._schema = schema
        self._sources = sources
        self._report = report
        self._keys = KeyReader(sources, report)

    def address(
        self, where: Placed, protocol: ProviderProtocol | None, preset_name: str, *, named_openai: bool
    ) -> Address:
        """A server's address. `protocol`: what its table says; None: as its vendor and OPENAI_API say."""
        text = where.value.strip()
        version = _API_VERSION.search(text)
        query = version[1] if version else ""
        base_url = base_url_of(where.place, text.removesuffix(f"?{query}"), "openai", self._report)
        preset = find_preset(preset_name, base_url)
        backend: Backend = preset.backend if preset else "dev"
        has_both = preset is not None and preset.protocol == "openai"
        if backend != "azure" or not base_url:
            spoken = protocol or self._spoken(has_both=has_both, named_openai=named_openai)
            return Address(base_url=base_url, query=query, protocol=spoken, backend=backend)
        return self._on_azure(where.place, base_url, query, protocol)

    def signs_in(self) -> bool:
        """Whether the environment names an identity of Microsoft Entra."""
        return bool(self._schema.azure_client_id.strip())

    def login(self) -> Credential:
        """The identity that signs in at Microsoft Entra: by a secret, a federated token, or as the machine itself."""
        schema = self._schema
        secret = self._keys.setting("azure_client_secret", "AZURE_CLIENT_SECRET").key
        token_file = schema.azure_federated_token_file.strip()
        tenant, client_id = schema.azure_tenant_id.strip(), schema.azure_client_id.strip()
        if secret or token_file:
            self._check_application(secret, tenant, client_id)
        account = EntraAccount(
            tenant=tenant,
            client_id=client_id,
            secret=secret,
            token_file=token_file,
            endpoint_key=self._keys.setting("identity_header", "IDENTITY_HEADER").key,
            **self._servers(),
        )
        return Credential(login=account, variable="AZURE_CLIENT_ID")

    def _spoken(self, *, has_both: bool, named_openai: bool) -> ProviderProtocol:
        """Which API OPENAI_API names, else both of OpenAI's where the server has them, else Chat Completions."""
        if self._schema.openai_api in _APIS and (has_both or named_openai):
            return _APIS[self._schema.openai_api]
        return "openai" if has_both else "openai_chat"

    def _on_azure(self, place: str, base_url: str, query: str, protocol: ProviderProtocol | None) -> Address:
        """An address of Azure's: below /openai/v1 the body names the model, below /openai the URL its deployment."""
        root = _DEPLOYMENT.sub("", base_url)
        deployment = base_url.removeprefix(root)
        resource = root.removesuffix("/v1").removesuffix("/openai")
        if root == resource:  # an API of its own, such as Foundry's /models
            return Address(base_url=base_url, query=query, protocol=protocol or "openai_chat", backend="azure")
        if not deployment and (root.endswith("/openai/v1") or not query):
            spoken = protocol or self._spoken(has_both=True, named_openai=False)
            return Address(base_url=f"{resource}/openai/v1", query=query, protocol=spoken, backend="azure")
        self._check_deployment(place, query, protocol)
        if (protocol or _APIS.get(self._schema.openai_api)) == "openai_responses":
            return Address(base_url=f"{resource}/openai", query=query, protocol="openai_responses", backend="azure")
        base_url = f"{resource}/openai{deployment or '/deployments/{model}'}"
        name = deployment.rpartition("/")[2]
        return Address(base_url=base_url, query=query, protocol="openai_chat", backend="azure", deployment=name)

    def _check_deployment(self, place: str, query: str, protocol: ProviderProtocol | None) -> None:
        if not query:
            self._report.problem(place, "names a deployment, so it needs a version too: ?api-version=2024-10-21.")
        if protocol == "openai":
            self._report.problem(place, "must end in /openai/v1 for a provider that speaks both of OpenAI's APIs.")

    def _check_application(self, secret: Secret | None, tenant: str, client_id: str) -> None:
        proof = "AZURE_CLIENT_SECRET" if secret else "AZURE_FEDERATED_TOKEN_FILE"
        for field, value in (("azure_tenant_id", tenant), ("azure_client_id", client_id)):
            if not value:
                self._report.problem(self._sources.place(field), f"is missing: {proof} proves an application of it.")
        if tenant and not _TENANT.fullmatch(tenant):
            self._report.problem(self._sources.place("azure_tenant_id"), "must be the id or the domain of a tenant.")

    def _servers(self) -> dict[str, str]:
        """Entra's hosts, where they are not the usual ones."""
        given = {
            "authority": ("azure_authority_host", self._schema.azure_authority_host.strip()),
            "metadata": ("azure_pod_identity_authority_host", self._schema.azure_pod_identity_authority_host.strip()),
            "endpoint": ("identity_endpoint", self._schema.identity_endpoint.strip()),
        }
        return {
            field: checked_url(self._sources.place(setting), text if "://" in text else f"https://{text}", self._report)
            for field, (setting, text) in given.items()
            if text
        }
