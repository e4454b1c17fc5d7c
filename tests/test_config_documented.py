"""The example files and docs/configuration.md hold every setting, and the examples load."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from llm_to_anthropic.config.sources import ENV_NAMES, FILE_NAME, FILE_VARIABLE
from llm_to_anthropic.providers.presets import PRESETS
from llm_to_anthropic.providers.quirks import ChatQuirks, GeminiQuirks, ResponsesQuirks
from llm_to_anthropic.settings import Limits, Retries, Timeouts
from tests.configuring import Place

ROOT = Path(__file__).resolve().parents[1]
QUIRKS: dict[str, type[msgspec.Struct]] = {"local": ChatQuirks, "gateway": ResponsesQuirks, "gemini": GeminiQuirks}
"""By the provider that has them in the example, in the order of the page."""


def documented_keys() -> set[str]:
    tables = (Timeouts, Limits, Retries, ChatQuirks, ResponsesQuirks, GeminiQuirks)
    names = {field.name for table in tables for field in msgspec.structs.fields(table)}
    return names | {"preset", "protocol", "base_url", "api_key", "project", "location", "models", "quirks", "providers"}


def uncommented() -> str:
    text = (ROOT / "config.example.toml").read_text()
    return "\n".join(line.removeprefix("# ") for line in text.splitlines() if not line.startswith("##"))


def test_example_file_changes_nothing_as_it_is(place: Place) -> None:
    """The example with everything commented out is valid and leaves every default."""
    settings = place.toml((ROOT / "config.example.toml").read_text()).load()
    assert settings.files == (str(place.cwd / ".env"), str(place.cwd / FILE_NAME))
    assert msgspec.structs.replace(settings, files=()) == msgspec.structs.replace(
        Place(place.cwd / "none").load(), files=()
    )


def test_example_file_is_valid_when_taken_at_its_word(place: Place) -> None:
    """With every comment sign taken away the example loads, and its numbers are the defaults."""
    vendors = ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_KEY", "AZURE_OPENAI_API_KEY")
    keys = (*vendors, "TEAM_KEY", "AZURE_CLIENT_SECRET", "IDENTITY_HEADER")
    settings = place.toml(uncommented()).load(dict.fromkeys(keys, "test-key"))
    assert (settings.timeouts, settings.limits, settings.retries) == (Timeouts(), Limits(), Retries())
    assert msgspec.convert(dict(settings.providers["local"].quirks), ChatQuirks) == ChatQuirks()
    assert msgspec.convert(dict(settings.providers["gateway"].quirks), ResponsesQuirks) == ResponsesQuirks()
    assert msgspec.convert(dict(settings.providers["gemini"].quirks), GeminiQuirks) == GeminiQuirks()
    assert (settings.port, settings.big_model) == (8082, "gpt-4.1")


def test_example_file_has_every_key() -> None:
    """No setting, timeout, limit or quirk is missing in the example."""
    keys = set(re.findall(r"^(\w+) =", uncommented(), re.MULTILINE))
    assert not {name.lower() for name in ENV_NAMES} - keys
    assert not documented_keys() - {"providers", "quirks"} - keys - {"models"}


@pytest.mark.parametrize("provider", QUIRKS)
def test_example_file_has_every_quirk_of_each_protocol(provider: str) -> None:
    """A quirk that two protocols know stands in the example of both."""
    table = uncommented().partition(f"[providers.{provider}.quirks]\n")[2].partition("\n[")[0]
    assert {field.name for field in msgspec.structs.fields(QUIRKS[provider])} == set(tomllib.loads(table))


@pytest.mark.parametrize("provider", QUIRKS)
def test_tables_of_quirks_tell_each_default(provider: str) -> None:
    """Each protocol's table in docs/configuration.md holds all of its quirks, with their defaults."""
    page = (ROOT / "docs/configuration.md").read_text().partition("\n## Quirks\n")[2]
    table = page.split("\n### ")[1 + list(QUIRKS).index(provider)]
    told: dict[str, object] = {}
    for names, defaults in re.findall(r"^\| (`\w+`.*?) \| (`.*?`) \|", table, re.MULTILINE):
        fields, values = names.split(", "), re.findall(r"`(.*?)`", defaults)
        told |= {
            field.strip("`"): tomllib.loads(f"told = {values[min(place, len(values) - 1)]}")["told"]
            for place, field in enumerate(fields)
        }
    assert msgspec.convert(told, QUIRKS[provider]) == QUIRKS[provider]()
    assert told.keys() == {field.name for field in msgspec.structs.fields(QUIRKS[provider])}


@pytest.mark.parametrize("table", [Timeouts, Limits, Retries])
def test_tables_tell_each_default(table: type[msgspec.Struct]) -> None:
    """Each time limit, limit and retry stands in docs/configuration.md with its default."""
    told = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+)", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE))
    fields = msgspec.structs.fields(table)
    assert {field.name: float(told[field.name]) for field in fields} == {field.name: field.default for field in fields}


def test_example_environment_has_every_variable() -> None:
    """No variable is missing in .env.example."""
    text = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#([A-Z_]+)=", text, re.MULTILINE)) == {*ENV_NAMES, FILE_VARIABLE}


@pytest.mark.parametrize(
    "name",
    [*ENV_NAMES, FILE_VARIABLE, *sorted(documented_keys()), *PRESETS],
)
def test_everything_is_documented(name: str) -> None:
    """Each variable, key, quirk and preset stands in docs/configuration.md."""
    assert re.search(rf"`\[?{re.escape(name)}\b|\b{re.escape(name)}\.", (ROOT / "docs/configuration.md").read_text())
