"""Keys in the configuration: where they may stand, which are refused, and that none is ever shown."""

from __future__ import annotations

import re
import sys

import pytest

from llm_to_anthropic.config.sources import ENV_NAMES, FILE_NAME
from llm_to_anthropic.errors import ConfigError
from tests.configuring import KEY, SECRET, Place, key_of


@pytest.mark.parametrize(
    "text",
    [
        f'openai_api_key = "{SECRET}"',
        f'proxy_api_keys = ["{SECRET}"]',
        f'proxy_api_keys = "{SECRET}"',
        f'openai_api = "{SECRET}"',
        f'server_port = "{SECRET}"',
        f'verbose = "{SECRET}"',
        f'providers = "{SECRET}"',
        f'[providers.deepseek]\napi_key = "{SECRET}"',
        f'[providers.deepseek]\napi_key = "env:{SECRET}"',
        f'[providers.deepseek]\nbase_url = "{SECRET}"',
        f'[providers.x]\npreset = "{SECRET}"',
        f'[providers.x]\nprotocol = "{SECRET}"',
        f'[providers.deepseek.quirks]\nreasoning = "{SECRET}"',
        f'[providers.deepseek]\nmodels = "{SECRET}"',
        f'[models]\nx = "{SECRET}"',
        f'[timeouts]\nidle_s = "{SECRET}"',
        f'broken = "{SECRET}',
    ],
)
def test_secret_in_the_wrong_place_is_not_shown(place: Place, text: str) -> None:
    """A key that went into any wrong field is refused without being repeated."""
    problems = place.toml(text).problems({})
    assert SECRET not in "\n".join(problems)


@pytest.mark.parametrize("name", ENV_NAMES)
def test_secret_in_a_wrong_variable_is_not_shown(place: Place, name: str) -> None:
    """Whatever variable a key was put into by mistake, no problem and no warning repeats it."""
    try:
        said = "\n".join(place.load({**KEY, name: SECRET}).warnings)
    except ConfigError as error:
        said = str(error)
    assert SECRET not in said


@pytest.mark.parametrize("key", [SECRET, f"{SECRET},{SECRET}2"], ids=["one key", "several"])
def test_quotation_marks_in_the_environment_are_told(place: Place, key: str) -> None:
    """Quotes that reach the environment, as docker's --env-file leaves them, are named, not sent upstream."""
    place.toml('[providers.groq]\nmodels = ["a"]\n')
    environ = {
        "OPENAI_API_KEY": f'"{key}"',
        "BIG_MODEL": "'gpt-5'",
        "WORKERS": ' "2" ',
        "GROQ_API_KEY": f"'{key}'",
    }
    problems = place.problems(environ)
    assert [problem.partition(" has quotation marks")[0] for problem in problems] == [
        "environment: OPENAI_API_KEY",
        "environment: BIG_MODEL",
        "environment: WORKERS",
        "environment: GROQ_API_KEY",
    ]
    assert SECRET not in str(problems)


def test_comments_in_the_environment_are_told(place: Place) -> None:
    """A comment that reaches the environment, as docker's --env-file leaves it, is named, not sent upstream."""
    environ = {"OPENAI_API_KEY": f"{SECRET} # mine", "BIG_MODEL": "gpt-5 # best", "SMALL_MODEL": "fine-tuned#2"}
    problems = place.problems(environ)
    assert [problem.partition(" has a comment")[0] for problem in problems] == [
        "environment: OPENAI_API_KEY",
        "environment: BIG_MODEL",
    ]
    assert SECRET not in str(problems)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_key_that_no_header_can_carry_is_refused(place: Place, key: str) -> None:
    """A key with a blank, a line break or a foreign letter is refused, unseen, with its place."""
    (problem,) = place.problems({"OPENAI_API_KEY": key})
    assert problem.startswith("environment: OPENAI_API_KEY holds a key with")
    assert key not in problem


def test_settings_never_print_a_key(place: Place) -> None:
    """The settings as text hold no key."""
    settings = place.load({**KEY, "PROXY_API_KEYS": "client-key"})
    assert "test-key" not in repr(settings)
    assert "client-key" not in repr(settings)


def test_missing_variable_of_a_key_is_named(place: Place) -> None:
    """A reference to a variable that is not set is a problem that names it."""
    (problem,) = place.toml('[providers.groq]\napi_key = "env:MY_KEY"\n').problems()
    assert problem == (
        f"{FILE_NAME}: providers.groq.api_key takes its key from the environment, but MY_KEY is not set."
    )


def test_key_file_is_read_and_stripped(place: Place) -> None:
    """A key file is found beside the configuration and read without its line end."""
    (place.cwd / "key").write_text("file-key\n")
    (place.cwd / "key").chmod(0o600)
    settings = place.toml('[providers.groq]\napi_key = "file:key"\n').load()
    assert key_of(settings, "groq") == "file-key"
    assert settings.warnings == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_key_file_that_everyone_can_read_warns(place: Place) -> None:
    """A world-readable key file is warned of."""
    (place.cwd / "key").write_text("file-key\n")
    (place.cwd / "key").chmod(0o644)
    (warning,) = place.toml('[providers.groq]\napi_key = "file:key"\n').load().warnings
    assert "providers.groq.api_key names a file that every user of this machine can read" in warning


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("\n", "is empty|empty file")])
def test_key_file_without_a_key_is_a_problem(place: Place, content: str | None, words: str) -> None:
    """A key file that misses or is empty is refused at start."""
    if content is not None:
        (place.cwd / "key").write_text(content)
        (place.cwd / "key").chmod(0o600)
    (problem,) = place.toml('[providers.groq]\napi_key = "file:key"\n').problems()
    assert re.search(words, problem)


def test_clients_key_can_be_forwarded(place: Place) -> None:
    """api_key = "client" makes a provider usable without a key of ours, also as the preferred one."""
    place.toml('preferred_provider = "anthropic"\n[providers.anthropic]\napi_key = "client"\n')
    assert place.load({}).providers["anthropic"].credential.client


def test_two_keys_of_a_client_are_warned_of(place: Place) -> None:
    """Client keys together with a forwarded key need both headers, which a warning says."""
    place.toml('[providers.anthropic]\napi_key = "client"\n')
    (warning,) = place.load({**KEY, "PROXY_API_KEYS": "client-key"}).warnings
    assert "forwards the client's own key" in warning


def test_client_keys_in_the_file_are_references(place: Place) -> None:
    """In the file client keys are named by where they are kept."""
    settings = place.toml('proxy_api_keys = ["env:A"]\n').load({**KEY, "A": "client-key"})
    assert [key.secret.reveal() for key in settings.client_keys] == ["client-key"]


HASH = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("entry", "name", "key"),
    [
        pytest.param("client-key", "", "client-key", id="key"),
        pytest.param("alice=client-key", "alice", "client-key", id="named_key"),
        pytest.param(HASH, "", HASH, id="hash"),
        pytest.param(f"team.a-1 = {HASH}", "team.a-1", HASH, id="named_hash"),
        pytest.param("Y2xpZW50LWtleQ==", "", "Y2xpZW50LWtleQ==", id="base64"),
    ],
)
def test_client_keys_may_be_named_and_hashed(place: Place, entry: str, name: str, key: str) -> None:
    """An entry is a key or its hash, behind a name or not; the equals signs of base64 make no name."""
    (client_key,) = place.load({**KEY, "PROXY_API_KEYS": entry}).client_keys
    assert (client_key.name, client_key.secret.reveal()) == (name, key)


def test_client_keys_in_the_file_may_be_named_and_hashed(place: Place) -> None:
    """In the file a hash may stand itself, since it is no key; keys stay references."""
    place.toml(f'proxy_api_keys = ["alice=env:A", "bob={HASH}", "{HASH}"]\n')
    keys = place.load({**KEY, "A": "client-key"}).client_keys
    assert [(key.name, key.secret.reveal()) for key in keys] == [("alice", "client-key"), ("bob", HASH), ("", HASH)]


@pytest.mark.parametrize("entry", ["sha256:", "sha256:0a", "alice=sha256:" + "0g" * 32, HASH + "00"])
def test_malformed_hash_is_no_key(place: Place, entry: str) -> None:
    """A hash that none of any key can be is refused at start, and not taken for a key."""
    assert place.problems({**KEY, "PROXY_API_KEYS": entry}) == [
        "environment: PROXY_API_KEYS holds a hash that is not sha256: and 64 hexadecimal digits."
    ]
