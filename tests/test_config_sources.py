"""Where the configuration comes from: flags, the environment, .env and the file, and what is said of each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from llm_to_anthropic.config import loading
from llm_to_anthropic.config.sources import FILE_NAME, FILE_VARIABLE
from tests.configuring import KEY, Place, key_of


def test_stronger_sources_win(place: Place) -> None:
    """Flags win over the environment, that over .env, that over the file, that over defaults."""
    place.toml('server_port = 1\nworkers = 2\nbig_model = "a"\nsmall_model = "a"\n')
    place.dotenv("SERVER_PORT=2\nWORKERS=3\nBIG_MODEL=b\n")
    settings = place.load({**KEY, "SERVER_PORT": "3", "WORKERS": "4"}, port=5)
    assert (settings.port, settings.workers, settings.big_model, settings.small_model) == (5, 4, "b", "a")


def test_empty_values_are_unset(place: Place) -> None:
    """An empty value in any source leaves the word to the next."""
    place.toml('big_model = "from-file"\nsmall_model = ""\n').dotenv("BIG_MODEL=\nOPENAI_API_KEY=test-key\n")
    settings = place.load({"BIG_MODEL": "", "OPENAI_API_KEY": " ", "SERVER_PORT": ""})
    assert (settings.big_model, settings.small_model) == ("from-file", "gpt-4.1-mini")
    assert key_of(settings, "openai") == "test-key"


def test_empty_list_of_keys_is_no_key(place: Place) -> None:
    """A provider without a single key is told as one without, and not asked without any."""
    settings = place.toml("openai_api_key = []").load({})
    assert "no provider has a key" in settings.warnings[0]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("OPENAI_API_KEY=test-key", "test-key"),
        ("export OPENAI_API_KEY=test-key", "test-key"),
        ('OPENAI_API_KEY="test-key"  # mine', "test-key"),
        ("# OPENAI_API_KEY=test-key", None),
    ],
)
def test_dotenv_is_read_as_shells_do(place: Place, line: str, key: str | None) -> None:
    """`.env` may export, quote and comment."""
    assert key_of(place.dotenv(line + "\n").load({}), "openai") == key


@pytest.mark.parametrize("where", ["flag", "variable", "here", "xdg", "home"])
def test_file_is_found(place: Place, where: str) -> None:
    """The file is found by flag, variable, here, or in the user's configuration directory."""
    paths = {
        "flag": "one.toml",
        "variable": "two.toml",
        "here": FILE_NAME,
        "xdg": "xdg/llm-to-anthropic/config.toml",
        "home": ".config/llm-to-anthropic/config.toml",
    }
    path = place.cwd / paths[where]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'big_model = "{where}"\n')
    environ = {**KEY, "HOME": str(place.cwd)}
    environ |= {FILE_VARIABLE: "two.toml"} if where == "variable" else {}
    environ |= {"XDG_CONFIG_HOME": str(place.cwd / "xdg")} if where == "xdg" else {}
    settings = loading.load({"config": "one.toml"} if where == "flag" else {}, environ, place.cwd)
    assert settings.big_model == where


def test_file_that_was_asked_for_must_exist(place: Place) -> None:
    """A named file that is missing is a problem, not silently skipped."""
    assert place.problems(config="no.toml") == [f"--config: there is no file {place.cwd / 'no.toml'}."]


def test_folder_that_cannot_be_looked_into_has_no_configuration(tmp_path: Path) -> None:
    """Where the usual folders may not be looked into, as with another user's home, the start is not a traceback."""
    # Whoever runs this may be allowed to look anywhere: a name that is too long closes a folder to everybody.
    closed = tmp_path / ("x" * 300)
    settings = loading.load({}, {**KEY, "HOME": str(closed)}, closed)
    assert settings.big_model == loading.load({}, KEY, tmp_path).big_model


def test_file_that_was_asked_for_tells_why_it_cannot_be_read(place: Place) -> None:
    """A named file in such a folder is a problem that says so, not one that is missing."""
    asked = place.cwd / ("x" * 300) / "one.toml"
    assert place.problems(config=str(asked)) == [f"--config: {asked} cannot be read: File name too long."]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ALLOW_UNAUTHENTICATED": "true"}, "ALLOW_UNAUTHENTICATED"),
        ({"OPENAI_APIKEY": "x"}, "OPENAI_APIKEY is not read; did you mean"),
        ({"PREFERED_PROVIDER": "x"}, "did you mean PREFERRED_PROVIDER?"),
        ({"OPENAI_API_BASE": "x"}, "did you mean OPENAI_BASE_URL?"),
        ({"OPENAI_KEY": "x"}, "OPENAI_KEY is not read; did you mean OPENAI_API_KEY?"),
        ({"openai_api_key": "x"}, "openai_api_key is not read; did you mean OPENAI_API_KEY?"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_doubtful_environment_warns(place: Place, environ: dict[str, str], words: str) -> None:
    """Open access and names that nearly are ours are warned of, not refused."""
    warnings = place.load({"ANTHROPIC_API_KEY": "test-key", **environ}).warnings
    assert [warning for warning in warnings if words in warning]


def test_near_miss_in_dotenv_has_its_line(place: Place) -> None:
    """A name in .env that nearly is ours is shown with its line."""
    settings = place.dotenv("\n# comment\n\nBIG_MODELS=x\n").load()
    assert settings.warnings == (".env line 4: BIG_MODELS is not read; did you mean BIG_MODEL?",)


@pytest.mark.parametrize("line", ['OPENAI_API_KEY="test-key', "OPENAI_API_KEY='test-key' more'"])
def test_a_quotation_mark_alone_in_dotenv_is_told(place: Place, line: str) -> None:
    """A line of .env whose quotation marks do not pair is told for what it is, without its value."""
    assert place.dotenv(f"{line}\nBIG_MODEL=x\n").problems() == [
        ".env line 1: has a quotation mark too few or too many."
    ]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE"])
def test_what_dotenv_cannot_say_is_told(place: Place, name: str) -> None:
    """Web proxies and certificates are the whole environment's: in `.env` they bring a warning, and are not ignored."""
    (warning,) = place.dotenv(f"\n{name}=http://proxy.example:3128\n").load().warnings
    assert warning == f".env line 2: {name} is not read from there: set it in the environment."
    assert place.load({**KEY, name: "http://proxy.example:3128"}).warnings == ()


@pytest.mark.parametrize(
    ("line", "place_of"),
    [
        ("GROQ_API_KEY='two words'", ".env line 2: GROQ_API_KEY holds"),
        ("GROQ_API_KEY_FILE=none", ".env line 2: GROQ_API_KEY_FILE names a file that cannot be read"),
        (f"{FILE_VARIABLE}=none", f".env line 2: {FILE_VARIABLE}: there is no file"),
    ],
)
def test_every_variable_of_dotenv_has_its_line(place: Place, line: str, place_of: str) -> None:
    """A mistake in `.env` is told with its line, also where the variable is a vendor's or names a file."""
    if "GROQ" in line:
        place.toml("[providers.groq]\n")
    place.dotenv(f"BIG_MODEL=x\n{line}\n")
    (problem,) = place.problems()
    assert problem.startswith(place_of)


def test_foreign_environment_is_left_alone(place: Place) -> None:
    """Variables of other programs bring no warning."""
    foreign = {"PATH": "/bin", "OPENAI_ORG_ID": "x", "ANTHROPIC_MODEL": "x", "HOST": "x", "PORT": "1", "WORKER": "1"}
    assert place.load({**KEY, **foreign}).warnings == ()


def test_broken_toml_says_where(place: Place) -> None:
    """A file that is not TOML is a problem with its line."""
    (problem,) = place.toml("a = 1\nb =\n").problems()
    assert re.search(r"^llm-to-anthropic\.toml: is not valid TOML: .*line 2", problem)


def test_reader_of_dotenv_files_comes_with_one(place: Place) -> None:
    """The parser of .env files is loaded only where there is one, so that the proxy starts at once."""
    load = "from llm_to_anthropic.config import loading; loading.load({}, {}, pathlib.Path())"
    code = f"import pathlib, sys; {load}; print('dotenv' in sys.modules)"
    for loaded in ("False", "True"):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code], cwd=place.cwd, capture_output=True, text=True, check=True, timeout=30
        )
        assert done.stdout.strip() == loaded
        place.dotenv("OPENAI_API_KEY=test-key\n")
