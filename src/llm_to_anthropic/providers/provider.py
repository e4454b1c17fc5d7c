"""A configured upstream account, and one place to send a request: provider plus upstream model."""

from __future__ import annotations

from typing import ClassVar, Literal
from urllib.parse import quote

import msgspec

from llm_to_anthropic.providers.quirks import ChatQuirks, GeminiQuirks, ResponsesQuirks
from llm_to_anthropic.providers.timeouts import CallTimeouts

Protocol = Literal["openai_chat", "openai_responses", "gemini", "anthropic"]
ProviderProtocol = Literal["openai", "openai_chat", "openai_responses", "gemini", "anthropic"]
"""What an account speaks; "openai": both of OpenAI's APIs, and each model is reached by the one that serves it best."""
Backend = Literal["dev", "vertex", "azure"]
MIN_SECRET = 6
"""Shorter keys are placeholders, at servers that want none; taking them out would riddle every text."""


class Secret:
    """A value that prints as `***`; `reveal()` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class GoogleAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Google's Application Default Credentials."""

    vendor: ClassVar[str] = "Google"
    remedy: ClassVar[str] = (
        "sign in again with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS "
        "to a valid file"
    )

    file: str = ""
    """The credential file; empty: found where Google's tools look for one."""


class EntraAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An identity at Microsoft Entra: an application with a secret or a federated token, else the machine's own."""

    vendor: ClassVar[str] = "Microsoft Entra"
    remedy: ClassVar[str] = (
        "give its identity the role Cognitive Services OpenAI User on the resource, and look at AZURE_TENANT_ID "
        "and AZURE_CLIENT_ID"
    )

    tenant: str = ""
    client_id: str = ""
    """The application's id; a user-assigned managed identity's where there is neither secret nor token file."""
    secret: Secret | None = None
    token_file: str = ""
    """Holds the token of a platform that Entra trusts (workload identity federation); read at each fetch."""
    authority: str = "https://login.microsoftonline.com"
    metadata: str = "http://169.254.169.254"
    """The metadata server of a machine with a managed identity."""
    endpoint: str = ""
    """In place of the metadata server: where App Service and Container Apps give the identity's tokens."""
    endpoint_key: Secret | None = None
    """What the endpoint asks for."""


Account = GoogleAccount | EntraAccount


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Where the key comes from: a value, the client's own key passed on, or a login. None: no key is sent."""

    key: Secret | None = None
    more_keys: tuple[Secret, ...] = ()
    """Further keys of the same provider, used in turn with the first."""
    client: bool = False
    login: Account | None = None
    """Whose tokens are fetched, and renewed while the server runs."""
    variable: str = ""
    """The setting to name when the key is missing or refused, e.g. OPENAI_API_KEY."""

    @property
    def keys(self) -> tuple[Secret, ...]:
        """All keys, the first of them first."""
        return (self.key, *self.more_keys) if self.key else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is to be taken out of texts: all keys that are worth the name, in clear."""
        return tuple(text for key in self.keys if len(text := key.reveal()) >= MIN_SECRET)


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One configured upstream account."""

    name: str
    protocol: ProviderProtocol
    base_url: str
    """Without a trailing slash; paths of the protocol are appended. `{model}` stands for the model's name."""
    credential: Credential
    models: tuple[str, ...] = ()
    """Model ids to list in /v1/models."""
    quirks: tuple[tuple[str, object], ...] = ()
    """Overrides of quirk fields from the configuration: (field, value)."""
    timeouts: tuple[tuple[str, object], ...] = ()
    """Overrides of fields of CallTimeouts: (field, value)."""
    preset: str = ""
    backend: Backend = "dev"
    """Which cloud serves it: Google's Vertex AI or Azure, with logins and addresses of their own; else "dev"."""
    query: str = ""
    """What follows `?` in every URL, such as Azure's `api-version=...`."""


class ModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Token limits of a model; None: not known."""

    context_window: int | None = None
    max_output: int | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request goes: a provider and its name of the model, with what is known of both."""

    provider: Provider
    model: str
    protocol: Protocol
    """The one that is spoken; the provider's own, or one of its two."""
    limits: ModelLimits
    chat: ChatQuirks = ChatQuirks()
    """With the next two: by each protocol, whichever is spoken."""
    gemini: GeminiQuirks = GeminiQuirks()
    responses: ResponsesQuirks = ResponsesQuirks()
    for_server_tools: Target | None = None
    """The same model by the provider's other API, where only that one runs tools on the server."""
    timeouts: CallTimeouts = CallTimeouts()

    @property
    def reasons(self) -> bool:
        """Whether the model may think before it says a word."""
        match self.protocol:
            case "anthropic":
                return True
            case "gemini":
                return self.gemini.thinking != "none"
            case "openai_responses":
                return bool(self.responses.efforts) or self.responses.reasons
            case _:
                quirks = self.chat
                shown = quirks.think_tags or quirks.reasoning_history != "none"
                return bool(quirks.efforts) or quirks.reasons or shown


def target_url(target: Target, path: str) -> str:
    """The URL of a path of the protocol at a target."""
    provider = target.provider
    url = provider.base_url + path
    if provider.query:
        url = f"{url}?{provider.query}".replace("{model}", quote(target.model, safe=""))
    return url


def same_target(one: Target, other: Target) -> bool:
    """Whether both are the same model of the same provider."""
    return one is other or (one.model == other.model and one.provider.name == other.provider.name)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a requested model name resolves to: the first target is primary, the others are fallbacks."""

    requested: str
    """The name as the client sent it; answers carry it."""
    targets: tuple[Target, ...]
    strict: bool = False
