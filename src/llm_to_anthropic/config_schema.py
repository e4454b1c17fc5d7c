"""The shape of a configuration, checked by pydantic, and its complaints in plain words.

Imported only by `config.load`: building these models takes time that other commands need not spend.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from llm_to_anthropic.config_sources import Report, Sources, did_you_mean, quoted
from llm_to_anthropic.providers.provider import ProviderProtocol
from llm_to_anthropic.settings import PreferredProvider

STRICT_SHAPE = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

_SPELLINGS = {"gemini": "google", "claude": "anthropic"}


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _provider_word(value: object) -> object:
    word = _lower(value)
    return _SPELLINGS.get(word, word) if isinstance(word, str) else word


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list), Field(description="a list of texts")]
Flag = Annotated[bool, Field(description="true or false")]
Text = Annotated[str, Field(description="text")]


class ProviderTable(BaseModel):
    """`[providers.NAME]`."""

    model_config = STRICT_SHAPE

    preset: Text = ""
    protocol: Annotated[ProviderProtocol | None, BeforeValidator(_lower)] = None
    base_url: Text = ""
    api_key: Text = ""
    project: Text = ""
    location: Text = ""
    models: Annotated[tuple[str, ...], Field(description="a list of model names")] = ()
    quirks: Annotated[dict[str, object], Field(description="a table of quirks")] = {}
    timeouts: Annotated[dict[str, object], Field(description="a table of seconds")] = {}


class Schema(BaseModel):
    """All that can be configured. The names are those of the environment, in lower case."""

    model_config = STRICT_SHAPE

    openai_api_key: Text = ""
    gemini_api_key: Text = ""
    anthropic_api_key: Text = ""
    openai_base_url: Text = ""
    gemini_base_url: Text = ""
    anthropic_base_url: Text = ""
    openai_api: Annotated[Literal["auto", "chat", "responses"], BeforeValidator(_lower)] = "auto"
    preferred_provider: Annotated[PreferredProvider, BeforeValidator(_provider_word)] = "openai"
    big_model: Text = ""
    small_model: Text = ""
    server_host: Text = ""
    server_port: Annotated[int, Field(ge=0, le=65535, description="a port number from 0 to 65535")] = 8082
    workers: Annotated[int, Field(ge=1, le=512, description="a whole number from 1 to 512")] = 1
    verbose: Flag = False
    strict: Flag = False
    proxy_api_keys: CommaList = ()
    allow_unauthenticated: Flag = False
    allowed_hosts: CommaList = ()
    allowed_origins: CommaList = ()
    use_vertex_auth: Flag = False
    vertex_project: Text = ""
    vertex_location: Text = ""
    vertex_base_url: Text = ""
    google_genai_api_version: Text = ""
    google_application_credentials: Text = ""
    providers: Annotated[dict[str, ProviderTable], Field(description="a table of providers")] = {}
    models: Annotated[
        dict[
            str,
            Annotated[
                tuple[str, ...],
                BeforeValidator(_one_or_more),
                Field(min_length=1, description='"provider/model" or a list of such'),
            ],
        ],
        Field(description="a table of model names"),
    ] = {}
    timeouts: Annotated[dict[str, object], Field(description="a table of seconds")] = {}
    limits: Annotated[dict[str, object], Field(description="a table of numbers")] = {}


def validate(sources: Sources, report: Report) -> Schema:
    """The configuration in its shape, without the parts that have another: those become problems.

    What is left is checked further, so that one report holds all mistakes.
    """
    values = _copied({field: given.value for field, given in sources.fields.items()})
    while True:
        try:
            return Schema.model_validate(values)
        except ValidationError as error:
            for flaw in error.errors(include_url=False):
                report.problem(*_sentence(flaw, sources))
                _cut(values, flaw)


def _copied(table: Mapping[str, object]) -> dict[str, object]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in table.items()}


def _cut(values: dict[str, object], flaw: ErrorDetails) -> None:
    """Takes out what a flaw spoils: a key, an alias, a whole provider whose protocol is unknown."""
    path = [str(step) for step in flaw["loc"]]
    depth = {"providers": 3 if flaw["type"] == "extra_forbidden" else 2, "models": 2}.get(path[0], 1)
    *above, last = path[:depth]
    table: object = values
    for step in above:
        table = table.get(step) if isinstance(table, dict) else None
    if isinstance(table, dict):
        table.pop(last, None)


def _sentence(flaw: ErrorDetails, sources: Sources) -> tuple[str, str]:
    path = [str(step) for step in flaw["loc"]]
    place = ".".join([sources.place(path[0]), *map(quoted, path[1:])])
    if flaw["type"] == "extra_forbidden":
        known = ProviderTable.model_fields if len(path) > 1 else Schema.model_fields
        return place, f"is not a known key.{did_you_mean(path[-1], known)} {_all_of(known, len(path))}"
    if flaw["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(flaw.get("ctx", {}).get("expected", "")))
        return place, f"must be {_either(allowed)}.{_near(flaw['input'], allowed)}"
    return place, f"must be {_description(path)}."


def _all_of(known: Mapping[str, object], depth: int) -> str:
    # The whole list helps in a small table; of the top level the documentation has it.
    return f"Known: {', '.join(known)}." if depth > 1 else "docs/configuration.md lists all keys."


def _near(value: object, allowed: list[str]) -> str:
    # A suggestion, but never the value: it may be a key in the wrong place.
    return did_you_mean(value, allowed) if isinstance(value, str) else ""


def _either(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _description(path: list[str]) -> str:
    """What a key takes, in words."""
    match path:
        case ["providers", _, key, *_] if key in ProviderTable.model_fields:
            return ProviderTable.model_fields[key].description or "text"
        case ["providers", _]:
            return "a table like [providers.NAME]"
        case ["models", _, *_]:
            return '"provider/model" or a list of such'
        case [key, *_] if key in Schema.model_fields:
            return Schema.model_fields[key].description or "text"
        case _:
            return "of another type"
