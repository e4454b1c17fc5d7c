"""The shape of a configuration, and its complaints in plain words.

Each value is judged by itself, so that one report holds all mistakes; msgspec, which does it, is loaded anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from llm_to_anthropic.config.sources import Report, Sources, did_you_mean, quoted
from llm_to_anthropic.providers.provider import ProviderProtocol
from llm_to_anthropic.settings import PreferredProvider

_SPELLINGS = {"gemini": "google", "claude": "anthropic"}
_FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1", "t", "y"), True),
    **dict.fromkeys(("false", "no", "off", "0", "f", "n"), False),
}

_WHOLE = re.compile(r"[+-]?[0-9]+")

CommaList = Annotated[tuple[str, ...], Meta(description="a list of texts")]
_NAME, _IPV6 = r"(?:\*?\.)?[^*:/\s]+", r"\[?(?:[0-9a-fA-F]*:){2,}[0-9a-fA-F.:]*\]?"
Host = Annotated[str, Meta(pattern=f"^(?:{_NAME}|{_IPV6})$")]
HostList = Annotated[
    tuple[Host, ...],
    Meta(description="a list of host names like proxy.example or *.example, without scheme, port or path"),
]
Origin = Annotated[str, Meta(pattern=r"^(?:\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/?#*\s]+/?)$")]
OriginList = Annotated[
    tuple[Origin, ...], Meta(description="a list of origins like https://chat.example or http://localhost:3000")
]
Flag = Annotated[bool, Meta(description="true or false")]
Text = Annotated[str, Meta(description="text")]
TextOrList = Annotated[str | tuple[str, ...], Meta(description="text or a list of texts")]

_LISTS = (CommaList, HostList, OriginList)

Table = Mapping[str, object]


class ProviderTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[providers.NAME]`."""

    preset: Text = ""
    protocol: ProviderProtocol | None = None
    base_url: Text = ""
    api_key: TextOrList = ""
    project: Text = ""
    location: Text = ""
    models: Annotated[tuple[str, ...], Meta(description="a list of model names")] = ()
    quirks: Annotated[dict[str, object], Meta(description="a table of quirks")] = {}
    timeouts: Annotated[dict[str, object], Meta(description="a table of seconds")] = {}


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be configured. The names are those of the environment, in lower case."""

    openai_api_key: TextOrList = ""
    gemini_api_key: TextOrList = ""
    anthropic_api_key: TextOrList = ""
    openai_base_url: Text = ""
    gemini_base_url: Text = ""
    anthropic_base_url: Text = ""
    openai_api: Literal["auto", "chat", "responses"] = "auto"
    preferred_provider: PreferredProvider = "openai"
    big_model: Text = ""
    small_model: Text = ""
    server_host: Text = ""
    server_port: Annotated[int, Meta(ge=0, le=65535, description="a port number from 0 to 65535")] = 8082
    workers: Annotated[int, Meta(ge=1, le=512, description="a whole number from 1 to 512")] = 1
    verbose: Flag = False
    strict: Flag = False
    fetch_urls: Flag = False
    proxy_api_keys: CommaList = ()
    allow_unauthenticated: Flag = False
    allowed_hosts: HostList = ()
    allowed_origins: OriginList = ()
    use_vertex_auth: Flag = False
    vertex_project: Text = ""
    vertex_location: Text = ""
    vertex_base_url: Text = ""
    google_genai_api_version: Text = ""
    google_application_credentials: Text = ""
    azure_tenant_id: Text = ""
    azure_client_id: Text = ""
    azure_client_secret: Text = ""
    azure_federated_token_file: Text = ""
    azure_authority_host: Text = ""
    azure_pod_identity_authority_host: Text = ""
    identity_endpoint: Text = ""
    identity_header: Text = ""
    providers: Annotated[dict[str, ProviderTable], Meta(description="a table of providers")] = {}
    models: Annotated[
        dict[str, Annotated[tuple[str, ...], Meta(min_length=1)]], Meta(description="a table of model names")
    ] = {}
    timeouts: Annotated[dict[str, object], Meta(description="a table of seconds")] = {}
    limits: Annotated[dict[str, object], Meta(description="a table of numbers")] = {}
    retries: Annotated[dict[str, object], Meta(description="a table of numbers")] = {}


class _Unsound(Exception):
    """A value that its key does not take."""


def validate(sources: Sources, report: Report) -> Schema:
    """The configuration in its shape, without the parts that have another: those become problems."""
    return _Reader(sources, report).read()


class _Reader:
    """One reading."""

    def __init__(self, sources: Sources, report: Report) -> None:
        self._sources = sources
        self._report = report

    def read(self) -> Schema:
        values = {field: given.value for field, given in self._sources.fields.items()}
        tables: Mapping[str, Callable[[Table], object]] = {
            "providers": self._providers,
            "models": self._models,
        }
        sound: dict[str, object] = {}
        for key, value in self._known(values, Schema, ()):
            if (table := tables.get(key)) is None:
                self._take(sound, Schema, (), key, value)
            elif isinstance(value, Mapping):
                sound[key] = table(value)
            else:
                self._flaw((key,), f"must be {_description(Schema, key)}.")
        return msgspec.convert(sound, Schema)

    def _providers(self, tables: Table) -> dict[str, ProviderTable]:
        read = {}
        for name, table in tables.items():
            if not isinstance(table, Mapping):
                self._flaw(("providers", name), "must be a table like [providers.NAME].")
                continue
            place = ("providers", name)
            sound: dict[str, object] = {}
            taken = [
                self._take(sound, ProviderTable, place, *pair) for pair in self._known(table, ProviderTable, place)
            ]
            # One wrong value spoils the table: what the others mean may depend on it.
            if all(taken):
                read[name] = msgspec.convert(sound, ProviderTable)
        return read

    def _models(self, aliases: Table) -> dict[str, tuple[str, ...]]:
        read = {}
        for alias, targets in aliases.items():
            listed = [targets] if isinstance(targets, str) else targets
            if isinstance(listed, list) and listed and all(isinstance(target, str) for target in listed):
                read[alias] = tuple(listed)
            else:
                self._flaw(("models", alias), 'must be "provider/model" or a list of such.')
        return read

    def _known(
        self, values: Table, shape: type[msgspec.Struct], place: tuple[str, ...]
    ) -> Iterator[tuple[str, object]]:
        """What a table says of the keys that there are, in their order; then the others become problems."""
        known = shape.__struct_fields__
        yield from ((key, values[key]) for key in known if key in values)
        for key in values:
            if key not in known:
                # The whole list helps in a small table; of the top level the documentation has it.
                all_keys = f"Known: {', '.join(known)}." if place else "docs/configuration.md lists all keys."
                self._flaw((*place, key), f"is not a known key.{did_you_mean(key, known)} {all_keys}")

    def _take(
        self, sound: dict[str, object], shape: type[msgspec.Struct], place: tuple[str, ...], key: str, value: object
    ) -> bool:
        """Adds the value of a key where it is sound; else it becomes a problem."""
        try:
            sound[key] = _converted(shape, key, value)
        except _Unsound as error:
            self._flaw((*place, key), f"must be {error}")
            return False
        return True

    def _flaw(self, path: tuple[str, ...], text: str) -> None:
        self._report.problem(".".join([self._sources.place(path[0]), *map(quoted, path[1:])]), text)


def _converted(shape: type[msgspec.Struct], key: str, value: object) -> object:
    """The value as its key takes it. Raises _Unsound with what that is; never with the value: it may be a key."""
    type_ = _types(shape)[key]
    words = _words(type_)
    spelled = _spelled(value, type_, words) if isinstance(value, str) else value
    try:
        return msgspec.convert(spelled, type_, strict=bool(words))
    except msgspec.ValidationError:
        near = did_you_mean(spelled, words) if words and isinstance(spelled, str) else ""
        raise _Unsound(f"{_either(words) if words else _description(shape, key)}.{near}") from None


def _spelled(text: str, type_: object, words: tuple[str, ...]) -> object:
    """What a text means to its key: the environment has nothing but texts."""
    if words:
        word = text.strip().lower()
        return word if word in words else _SPELLINGS.get(word, word)
    if type_ == Flag:
        return _FLAGS.get(text.strip().lower(), text)
    if type_ in _LISTS:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if int in (type_, *get_args(type_)) and not _WHOLE.fullmatch(text.strip()):
        return None  # which no number is: 8082.0 and 1e3 would be taken for whole ones
    return text if type_ == Text else text.strip()


@lru_cache
def _types(shape: type[msgspec.Struct]) -> Mapping[str, object]:
    return get_type_hints(shape, include_extras=True)


def _words(type_: object) -> tuple[str, ...]:
    """The words that a key chooses between, if it does."""
    return next((get_args(one) for one in (type_, *get_args(type_)) if get_origin(one) is Literal), ())


def _description(shape: type[msgspec.Struct], key: str) -> str:
    """What a key takes, in words."""
    notes = get_args(_types(shape)[key])[1:]
    return next((note.description for note in notes if isinstance(note, Meta) and note.description), "of another type")


def _either(words: tuple[str, ...]) -> str:
    shown = [f'"{word}"' for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
