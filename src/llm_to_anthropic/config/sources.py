"""What flags, environment, .env and the TOML file say, each value with its place; no value is judged here."""

from __future__ import annotations

import io
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

import msgspec

from llm_to_anthropic.errors import ConfigError

FILE_NAME = "llm-to-anthropic.toml"
FILE_VARIABLE = "LLM_TO_ANTHROPIC_CONFIG"

ENV_NAMES: tuple[str, ...] = (
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENAI_BASE_URL",
    "GEMINI_BASE_URL",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API",
    "PREFERRED_PROVIDER",
    "BIG_MODEL",
    "SMALL_MODEL",
    "SERVER_HOST",
    "SERVER_PORT",
    "WORKERS",
    "VERBOSE",
    "STRICT",
    "PROXY_API_KEYS",
    "ALLOW_UNAUTHENTICATED",
    "ALLOWED_HOSTS",
    "ALLOWED_ORIGINS",
    "USE_VERTEX_AUTH",
    "VERTEX_PROJECT",
    "VERTEX_LOCATION",
    "VERTEX_BASE_URL",
    "FETCH_URLS",
    "GOOGLE_GENAI_API_VERSION",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
)
"""Variables that are read. In lower case they are keys of the TOML file too."""

QUOTED = "has quotation marks around its value: take them away, docker's --env-file and the like leave them there."
_COMMENTED = "has a comment behind its value: take it away, docker's --env-file and the like leave it there."

_FLAG_FIELDS = {"host": "server_host", "port": "server_port"}
_MISNOMERS = {
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "OPENAI_KEY": "OPENAI_API_KEY",
    "ANTHROPIC_KEY": "ANTHROPIC_API_KEY",
    "GEMINI_KEY": "GEMINI_API_KEY",
    "GOOGLE_API_KEY": "GEMINI_API_KEY",
    "SMALL_FAST_MODEL": "SMALL_MODEL",
    "PROXY_API_KEY": "PROXY_API_KEYS",
}
_AMBIENT_ALONE = frozenset(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"))
"""Read by whatever opens connections, from the environment itself."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHORTEST_GUESS = 8
"""Shorter names resemble too much: a shared environment is full of them."""


class Report:
    """What reading a configuration brought up: problems and warnings, a sentence each, and the files it looked for."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.files: list[str] = []
        self.key_files: list[str] = []
        """Those of them that hold keys alone."""

    def problem(self, place: str, text: str) -> None:
        self.problems.append(f"{place} {text}")

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Given(msgspec.Struct, frozen=True):
    """A value and where it stands, e.g. `.env line 3: OPENAI_API`."""

    value: object
    place: str
    from_file: bool = False
    """In the TOML file, where keys in plain text are refused."""
    ambient: bool = False
    """From the environment or .env, which other programs read too."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was said, the strongest source for each field."""

    fields: Mapping[str, Given]
    variables: Mapping[str, str]
    """The environment over .env, for `env:NAME`. Empty values are left out."""
    places: Mapping[str, str]
    """Where each of them stands."""
    folder: Path
    """Relative paths in the file start here."""
    home: Path | None
    file_name: str = ""

    def place(self, field: str) -> str:
        """Where a field was set, or where it could be set."""
        given = self.fields.get(field)
        if given is not None:
            return given.place
        return f"environment: {field.upper()}" if field.upper() in ENV_NAMES else f"{self.file_name}: {field}"

    def provider(self, name: str) -> str:
        """Where a provider's table stands: `[providers.NAME]`."""
        return f"{self.place('providers')}.{quoted(name)}"


def here() -> Path:
    """The folder that a command is called in. Raises ConfigError where it has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError(["the current folder has been removed: change to another one."]) from None


def quoted(key: str) -> str:
    """A key as it stands in a TOML file."""
    return key if _BARE_KEY.fullmatch(key) else f'"{key}"'


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known name and a blank before it, or nothing where none is near."""
    near = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def read(flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path, report: Report) -> Sources:
    """Reads all sources; what cannot be read at all becomes a problem."""
    dotenv = dict(_read_dotenv(cwd / ".env", report))
    variables = {name: given.value for name, given in dotenv.items() if isinstance(given.value, str)}
    variables |= {name: value for name, value in environ.items() if value.strip()}
    places = {name: given.place for name, given in dotenv.items()}
    places |= {name: f"environment: {name}" for name, value in environ.items() if value.strip()}
    home = environ.get("HOME") or environ.get("USERPROFILE")
    asked = (
        ("--config", flags.get("config")),
        (places.get(FILE_VARIABLE, ""), variables.get(FILE_VARIABLE)),
    )
    file = _find_file(asked, variables, cwd, Path(home) if home else None, report)
    fields = _from_file(file, report) if file else {}
    fields |= {name.lower(): given for name, given in dotenv.items() if name in ENV_NAMES}
    fields |= _from_environment(environ, report)
    fields |= _from_flags(flags)
    _warn_near_misses(places, report)
    return Sources(
        fields=fields,
        variables=variables,
        places=places,
        folder=file.parent if file else cwd,
        home=Path(home) if home else None,
        file_name=file.name if file else FILE_NAME,
    )


def _from_flags(flags: Mapping[str, object]) -> dict[str, Given]:
    given = {}
    for flag, value in flags.items():
        field = _FLAG_FIELDS.get(flag, flag)
        if value is not None and field.upper() in ENV_NAMES:
            given[field] = Given(value, f"--{flag.replace('_', '-')}")
    return given


def _from_environment(environ: Mapping[str, str], report: Report) -> dict[str, Given]:
    fields = {}
    for name in ENV_NAMES:
        given = Given(environ.get(name, ""), f"environment: {name}", ambient=True)
        if is_quoted(environ.get(name, "")):
            report.problem(given.place, QUOTED)
        elif " #" in environ.get(name, ""):
            report.problem(given.place, _COMMENTED)
        elif environ.get(name, "").strip():
            fields[name.lower()] = given
    return fields


def is_quoted(text: str) -> bool:
    """Whether a value is in quotation marks that a shell or `.env` would have taken away."""
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


def _read_dotenv(path: Path, report: Report) -> Iterator[tuple[str, Given]]:
    report.files.append(str(path))
    # Unlike the path's own question this one is no error in a folder that may not be looked into.
    text = _read_text(path, report) if os.path.exists(path) else None
    if not text:
        return
    from dotenv.parser import parse_stream  # noqa: PLC0415  most places have no such file

    for binding in parse_stream(io.StringIO(text)):
        # The parser counts from the blank lines before a statement.
        blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        line = binding.original.line + binding.original.string[:blank].count("\n")
        if binding.error:
            is_open = "'" in binding.original.string or '"' in binding.original.string
            wrong = "has a quotation mark too few or too many." if is_open else "is not of the form NAME=value."
            report.problem(f".env line {line}:", wrong)
        elif binding.key and binding.value and binding.value.strip():
            yield binding.key, Given(binding.value, f".env line {line}: {binding.key}", ambient=True)


def _find_file(
    asked: Iterable[tuple[str, object]],
    variables: Mapping[str, str],
    cwd: Path,
    home: Path | None,
    report: Report,
) -> Path | None:
    """The one TOML file that is read; a file that was asked for, somewhere, must exist."""
    for place, value in asked:
        if value:
            path = cwd / expand(Path(str(value)), home)
            if wrong := _out_of_reach(path, report):
                report.problem(f"{place}:", wrong)
                return None
            return path
    settings_home = variables.get("XDG_CONFIG_HOME")
    folder = Path(settings_home) if settings_home else home / ".config" if home else None
    usual = (cwd / FILE_NAME, folder / "llm-to-anthropic" / "config.toml" if folder else None)
    return next((path for path in usual if path is not None and not _out_of_reach(path, report)), None)


def _out_of_reach(path: Path, report: Report) -> str:
    """What keeps a file from being read: there is none, or none may be looked for. Empty where nothing does.

    It is one of the configuration's files either way: one that is missing may come.
    """
    report.files.append(str(path))
    try:
        found = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        found = False
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    return "" if found else f"there is no file {path}."


def host_of(text: str) -> str:
    """The host to listen on, without the brackets of a URL; empty for the usual one, which `*` is too."""
    host = text.strip().removeprefix("[").removesuffix("]")
    return "" if host == "*" else host


def expand(path: Path, home: Path | None) -> Path:
    """`~/x` below the home directory; other paths as they are."""
    return home.joinpath(*path.parts[1:]) if home and path.parts[:1] == ("~",) else path


def _from_file(path: Path, report: Report) -> dict[str, Given]:
    text = _read_text(path, report)
    if text is None:
        return {}
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Its message names line and column, and at most one character of the text.
        report.problem(f"{path.name}:", f"is not valid TOML: {error}.")
        return {}
    return {
        key: Given(value, f"{path.name}: {key}", from_file=True)
        for key, value in tables.items()
        if value != [] and not (isinstance(value, str) and not value.strip())
    }


def _read_text(path: Path, report: Report) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        report.problem(f"{path.name}:", f"cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        report.problem(f"{path.name}:", "is not UTF-8 text.")
    return None


def _warn_near_misses(places: Mapping[str, str], report: Report) -> None:
    """Names that nearly are ours, or stand elsewhere. Warnings only: the environment is other programs' as well."""
    for name, place in places.items():
        if name.upper() in _AMBIENT_ALONE and place.startswith(".env"):
            report.warn(f"{place} is not read from there: set it in the environment.")
        meant = _meant(name)
        if meant and meant not in places:
            report.warn(f"{place} is not read; did you mean {meant}?")


def _meant(name: str) -> str:
    if name in ENV_NAMES or name == FILE_VARIABLE:
        return ""
    name = name.upper()  # as the TOML file has them in lower case
    if name in _MISNOMERS:
        return _MISNOMERS[name]
    long_names = [known for known in (*ENV_NAMES, FILE_VARIABLE) if len(known) >= _SHORTEST_GUESS]
    near = get_close_matches(name, long_names, n=1, cutoff=0.9)
    return near[0] if near else ""
