"""Several keys of one provider, wherever they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from llm_to_anthropic.config.sources import FILE_NAME
from llm_to_anthropic.errors import ConfigError
from llm_to_anthropic.settings import Settings
from tests.configuring import Place

ENVIRON = {"A": "key-a", "B": "key-b", "BOTH": "key-a,key-b"}


def load(folder: Path, toml: str, environ: Mapping[str, str]) -> Settings:
    return Place(folder).toml(toml).load(environ)


def keys(settings: Settings, provider: str = "openai") -> list[str]:
    return [key.reveal() for key in settings.providers[provider].credential.keys]


@pytest.mark.parametrize(
    ("toml", "environ"),
    [
        pytest.param("", {"OPENAI_API_KEY": "key-a,key-b"}, id="variable"),
        pytest.param("", {"OPENAI_API_KEY": " key-a , key-b, ,key-a"}, id="variable with blanks"),
        pytest.param('openai_api_key = ["env:A", "env:B"]', ENVIRON, id="setting in the file"),
        pytest.param('[providers.openai]\napi_key = ["env:A", "env:B"]', ENVIRON, id="provider"),
        pytest.param('[providers.openai]\napi_key = "env:BOTH"', ENVIRON, id="provider, one variable"),
        pytest.param('[providers.openai]\napi_key = ["env:BOTH", "env:A"]', ENVIRON, id="both, and one again"),
        pytest.param('[providers.openai]\napi_key = "file:keys"', {}, id="file"),
    ],
)
def test_several_keys_are_read(tmp_path: Path, toml: str, environ: Mapping[str, str]) -> None:
    """A list or commas give a provider several keys, in their order and each once."""
    (tmp_path / "keys").write_text("key-a,key-b\n")
    (tmp_path / "keys").chmod(0o600)
    assert keys(load(tmp_path, toml, environ)) == ["key-a", "key-b"]


def test_errors_name_every_variable(tmp_path: Path) -> None:
    """Whoever has to set a key anew learns where all of them are kept."""
    settings = load(tmp_path, '[providers.groq]\napi_key = ["env:A", "env:B"]', ENVIRON)
    assert settings.providers["groq"].credential.variable == "A, B"


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[providers.groq]\napi_key = ["env:A", "client"]', 'must not have "client" in a list'),
        ('[providers.groq]\napi_key = ["env:A", "my-secret"]', "providers.groq.api_key[1] must be"),
        ('[providers.groq]\napi_key = ["env:A", "env:MISSING"]', "but MISSING is not set"),
        ('[providers.groq]\napi_key = ["env:A", 5]', "must be text or a list of texts"),
        ("openai_api_key = [5]", "must be text or a list of texts"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, toml: str, told: str) -> None:
    """What is wrong is told with its place, and no text that might be a key is repeated."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, toml, ENVIRON)
    assert told in str(refused.value)
    assert "my-secret" not in str(refused.value)


def test_client_keys_may_be_several_in_one_variable(tmp_path: Path) -> None:
    """A variable that a client key refers to may hold several, as PROXY_API_KEYS itself may."""
    settings = load(tmp_path, 'proxy_api_keys = ["env:BOTH"]', {**ENVIRON, "OPENAI_API_KEY": "key"})
    assert [key.secret.reveal() for key in settings.client_keys] == ["key-a", "key-b"]


@pytest.mark.parametrize(
    ("toml", "variable", "provider"),
    [("", "OPENAI_API_KEY", "openai"), ("", "GEMINI_API_KEY", "gemini"), ("[providers.groq]", "GROQ_API_KEY", "groq")],
)
def test_a_variable_may_name_a_file(tmp_path: Path, toml: str, variable: str, provider: str) -> None:
    """`..._FILE` names the file that holds the keys, for every provider; it is watched, and named in errors."""
    file = tmp_path / "secret"
    file.write_text("key-a,key-b\n")
    file.chmod(0o600)
    settings = load(tmp_path, toml, {f"{variable}_FILE": str(file)})
    assert keys(settings, provider) == ["key-a", "key-b"]
    assert settings.providers[provider].credential.variable == f"{variable}_FILE"
    assert settings.key_files == (str(file),)


def test_a_key_wins_over_its_file(tmp_path: Path) -> None:
    """Where both are set the variable with the key itself counts, and the file need not exist."""
    settings = load(tmp_path, "", {"OPENAI_API_KEY": "key-a", "OPENAI_API_KEY_FILE": str(tmp_path / "none")})
    assert keys(settings) == ["key-a"]
    assert settings.key_files == ()


@pytest.mark.parametrize("source", ["environment", ".env"])
def test_a_variable_that_names_a_file_wins_over_the_settings(tmp_path: Path, source: str) -> None:
    """The environment and .env stand above the TOML file, also where they name a file with the keys."""
    file = tmp_path / "secret"
    file.write_text("key-of-secret\n")
    file.chmod(0o600)
    place = Place(tmp_path).toml('openai_api_key = "env:A"\nproxy_api_keys = ["env:A"]')
    variables = {"OPENAI_API_KEY_FILE": str(file), "PROXY_API_KEYS_FILE": str(file)}
    if source == ".env":
        place.dotenv("\n".join(f"{name}={value}" for name, value in variables.items()))
        variables = {}
    settings = place.load({"A": "key-a", **variables})
    assert keys(settings) == ["key-of-secret"]
    assert named(settings) == [("", "key-of-secret")]


def test_a_file_that_misses_is_told_with_its_variable(place: Place) -> None:
    """A path that leads nowhere is a mistake in the variable that names it."""
    assert place.problems({"OPENAI_API_KEY_FILE": str(place.cwd / "none")}) == [
        "environment: OPENAI_API_KEY_FILE names a file that cannot be read: No such file or directory."
    ]


@pytest.mark.parametrize(("mode", "warnings"), [(0o644, 1), (0o600, 0)])
def test_a_file_that_everyone_can_read_warns(tmp_path: Path, mode: int, warnings: int) -> None:
    """Whoever keeps a key in a file that others can read is told so at start."""
    file = tmp_path / "secret"
    file.write_text("key-a\n")
    file.chmod(mode)
    assert len(load(tmp_path, "", {"OPENAI_API_KEY_FILE": str(file)}).warnings) == warnings


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfkey-a\r\n", b"key-a\r\n", b"\n key-a \n"])
def test_a_key_file_of_another_editor_is_read(tmp_path: Path, text: bytes) -> None:
    """Byte order mark, line ends and blanks around a key are the editor's, and no part of the key."""
    (tmp_path / "key").write_bytes(text)
    assert keys(load(tmp_path, "", {"OPENAI_API_KEY_FILE": "key"})) == ["key-a"]


def named(settings: Settings) -> list[tuple[str, str]]:
    return [(key.name, key.secret.reveal()) for key in settings.client_keys]


@pytest.mark.parametrize(
    ("toml", "environ"),
    [
        pytest.param("", {"PROXY_API_KEYS_FILE": "team"}, id="variable"),
        pytest.param('proxy_api_keys = ["file:team"]', {}, id="file"),
        pytest.param('proxy_api_keys = "env:TEAM"', {"TEAM": "alice=key-a, key-b"}, id="setting in the file"),
    ],
)
def test_client_keys_keep_their_names_wherever_they_are_kept(
    tmp_path: Path, toml: str, environ: Mapping[str, str]
) -> None:
    """What PROXY_API_KEYS may say, a file or a variable that it refers to may say as well, names included."""
    (tmp_path / "team").write_text("alice=key-a, key-b\n")
    (tmp_path / "team").chmod(0o600)
    settings = load(tmp_path, toml, {**environ, "OPENAI_API_KEY": "key"})
    assert named(settings) == [("alice", "key-a"), ("", "key-b")]


def test_client_keys_win_over_their_file(tmp_path: Path) -> None:
    """PROXY_API_KEYS itself wins over the file that PROXY_API_KEYS_FILE names, as every variable does."""
    environ = {"OPENAI_API_KEY": "key", "PROXY_API_KEYS": "key-a", "PROXY_API_KEYS_FILE": str(tmp_path / "none")}
    assert named(load(tmp_path, "", environ)) == [("", "key-a")]


def test_client_keys_are_no_forwarded_key(place: Place) -> None:
    """`"client"` says nothing about which keys clients must send: it is refused, and not taken for none."""
    assert place.toml('proxy_api_keys = ["client"]').problems() == [
        f'{FILE_NAME}: proxy_api_keys must be "env:NAME" or "file:PATH": a key itself does not belong in this file.'
    ]
