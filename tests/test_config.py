"""The configuration: where settings come from, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from llm_to_anthropic import config
from llm_to_anthropic.config_sources import ENV_NAMES, FILE_NAME, FILE_VARIABLE
from llm_to_anthropic.errors import ConfigError
from llm_to_anthropic.providers.presets import PRESETS
from llm_to_anthropic.providers.quirks import ChatQuirks, GeminiQuirks, ResponsesQuirks
from llm_to_anthropic.routing import Router, usable
from llm_to_anthropic.settings import Limits, Retries, Settings, Timeouts

ROOT = Path(__file__).resolve().parents[1]
KEY = {"OPENAI_API_KEY": "test-key"}
SECRET = "look-at-me-nobody"


class Place:
    """A directory to configure in, and what loading there gives."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    def toml(self, text: str) -> Place:
        (self.cwd / FILE_NAME).write_text(text)
        return self

    def dotenv(self, text: str) -> Place:
        (self.cwd / ".env").write_text(text)
        return self

    def load(self, environ: Mapping[str, str] | None = None, **flags: object) -> Settings:
        return config.load(flags, KEY if environ is None else environ, self.cwd)

    def problems(self, environ: Mapping[str, str] | None = None, **flags: object) -> list[str]:
        with pytest.raises(ConfigError) as refused:
            self.load(environ, **flags)
        return refused.value.problems


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def key_of(settings: Settings, provider: str) -> str | None:
    key = settings.providers[provider].credential.key
    return key.reveal() if key else None


def test_one_key_is_enough(place: Place) -> None:
    """With OPENAI_API_KEY alone everything has its documented default and nothing is warned of."""
    settings = place.load()
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 8082, 1)
    assert (settings.big_model, settings.small_model) == ("gpt-4.1", "gpt-4.1-mini")
    assert list(settings.providers) == ["openai", "gemini", "anthropic"]
    assert (settings.timeouts, settings.limits, settings.warnings) == (Timeouts(), Limits(), ())


def test_stronger_sources_win(place: Place) -> None:
    """Flags win over the environment, that over .env, that over the file, that over defaults."""
    place.toml('server_port = 1\nworkers = 2\nbig_model = "a"\nsmall_model = "a"\n')
    place.dotenv("SERVER_PORT=2\nWORKERS=3\nBIG_MODEL=b\n")
    settings = place.load({**KEY, "SERVER_PORT": "3", "WORKERS": "4"}, port=5)
    assert (settings.port, settings.workers, settings.big_model, settings.small_model) == (5, 4, "b", "a")


@pytest.mark.parametrize(
    ("given", "host"), [("[::1]", "::1"), (" [::] ", "::"), ("*", "0.0.0.0"), (" ", "0.0.0.0"), ("::1", "::1")]
)
def test_host_is_read_in_every_usual_spelling(place: Place, given: str, host: str) -> None:
    """An IPv6 address may stand in brackets, as in a URL, and `*` is every address, as in other servers."""
    assert place.load({**KEY, "SERVER_HOST": given}).host == host


def test_empty_values_are_unset(place: Place) -> None:
    """An empty value in any source leaves the word to the next."""
    place.toml('big_model = "from-file"\nsmall_model = ""\n').dotenv("BIG_MODEL=\nOPENAI_API_KEY=test-key\n")
    settings = place.load({"BIG_MODEL": "", "OPENAI_API_KEY": " ", "SERVER_PORT": ""})
    assert (settings.big_model, settings.small_model) == ("from-file", "gpt-4.1-mini")
    assert key_of(settings, "openai") == "test-key"


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
    settings = config.load({"config": "one.toml"} if where == "flag" else {}, environ, place.cwd)
    assert settings.big_model == where


@pytest.mark.parametrize("host", ["https://proxy.example", "proxy.example:8082", "proxy.example/v1", "*", "*.*", "a b"])
def test_host_that_no_request_can_name_is_told(place: Place, host: str) -> None:
    """What never equals the name in a Host header, such as an address with its port, would let nobody in."""
    told = "a list of host names like proxy.example or *.example, without scheme, port or path."
    assert place.problems({**KEY, "ALLOWED_HOSTS": f"good.example,{host}"}) == [
        f"environment: ALLOWED_HOSTS must be {told}"
    ]


@pytest.mark.parametrize(
    "origin", ["chat.example", "localhost:3000", "https://chat.example/page", "https://", "https://*.example"]
)
def test_origin_that_no_page_has_is_told(place: Place, origin: str) -> None:
    """What never equals an Origin header, such as a bare host name, would let no page in."""
    told = "a list of origins like https://chat.example or http://localhost:3000."
    assert place.toml(f'allowed_origins = ["{origin}"]').problems() == [f"{FILE_NAME}: allowed_origins must be {told}"]


def test_every_form_of_hosts_and_origins_is_taken(place: Place) -> None:
    """Names, names with all below them, addresses; origins with and without a port, of extensions, and all of them."""
    hosts = ("proxy", "Proxy.example.", "*.example", ".example", "my_host", "192.0.2.1", "::1", "[2001:db8::1]")
    origins = ("*", "null", "https://chat.example", "http://localhost:3000/", "http://[::1]:80", "app+x://abc")
    settings = place.load({**KEY, "ALLOWED_HOSTS": ",".join(hosts), "ALLOWED_ORIGINS": ", ".join(origins)})
    assert (settings.allowed_hosts, settings.allowed_origins) == (hosts, origins)


def test_file_that_was_asked_for_must_exist(place: Place) -> None:
    """A named file that is missing is a problem, not silently skipped."""
    assert place.problems(config="no.toml") == [f"--config: there is no file {place.cwd / 'no.toml'}."]


def test_folder_that_cannot_be_looked_into_has_no_configuration(tmp_path: Path) -> None:
    """Where the usual folders may not be looked into, as with another user's home, the start is not a traceback."""
    # Whoever runs this may be allowed to look anywhere: a name that is too long closes a folder to everybody.
    closed = tmp_path / ("x" * 300)
    settings = config.load({}, {**KEY, "HOME": str(closed)}, closed)
    assert settings.big_model == config.load({}, KEY, tmp_path).big_model


def test_file_that_was_asked_for_tells_why_it_cannot_be_read(place: Place) -> None:
    """A named file in such a folder is a problem that says so, not one that is missing."""
    asked = place.cwd / ("x" * 300) / "one.toml"
    assert place.problems(config=str(asked)) == [f"--config: {asked} cannot be read: File name too long."]


def test_every_variable_is_accepted(place: Place) -> None:
    """All documented variables can be set at once."""
    values = {
        "OPENAI_API_KEY": "test-key",
        "GEMINI_API_KEY": "test-key",
        "ANTHROPIC_API_KEY": "test-key",
        "OPENAI_BASE_URL": "http://localhost:1/v1",
        "GEMINI_BASE_URL": "http://localhost:1",
        "ANTHROPIC_BASE_URL": "http://localhost:1/v1/",
        "OPENAI_API": "Chat",
        "PREFERRED_PROVIDER": "google",
        "BIG_MODEL": "big",
        "SMALL_MODEL": "small",
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": "9000",
        "WORKERS": "2",
        "VERBOSE": "true",
        "STRICT": "1",
        "FETCH_URLS": "yes",
        "PROXY_API_KEYS": "client-key, other-key,",
        "ALLOW_UNAUTHENTICATED": "no",
        "ALLOWED_HOSTS": "a.test,b.test",
        "ALLOWED_ORIGINS": "https://a.test",
        "USE_VERTEX_AUTH": "false",
        "VERTEX_PROJECT": "p",
        "VERTEX_LOCATION": "l",
        "VERTEX_BASE_URL": "http://localhost:1",
        "GOOGLE_GENAI_API_VERSION": "v1",
        "GOOGLE_APPLICATION_CREDENTIALS": "credentials.json",
        "AZURE_TENANT_ID": "acme.test",
        "AZURE_CLIENT_ID": "app",
        "AZURE_CLIENT_SECRET": "test-secret",
        "AZURE_FEDERATED_TOKEN_FILE": "token",
        "AZURE_AUTHORITY_HOST": "login.acme.test",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://localhost:1",
        "IDENTITY_ENDPOINT": "http://localhost:1/token",
        "IDENTITY_HEADER": "test-header",
    }
    assert set(values) == set(ENV_NAMES)
    settings = place.load(values)
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 9000, 2)
    assert (settings.preferred_provider, settings.big_model, settings.small_model) == ("google", "big", "small")
    assert (settings.verbose, settings.strict, settings.allow_unauthenticated) == (True, True, False)
    assert settings.fetch_urls
    assert [key.secret.reveal() for key in settings.client_keys] == ["client-key", "other-key"]
    assert (settings.allowed_hosts, settings.allowed_origins) == (("a.test", "b.test"), ("https://a.test",))
    assert settings.providers["anthropic"].base_url == "http://localhost:1"


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ("https://host.test", "https://host.test/v1"),
        ("https://host.test/", "https://host.test/v1"),
        ("https://host.test/v1/", "https://host.test/v1"),
        ("https://host.test/openai/v1", "https://host.test/openai/v1"),
        ("https://host.test/api/paas/v4", "https://host.test/api/paas/v4"),
        ("https://host.test/v1/chat/completions", "https://host.test/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_base_url_of_chat_servers(place: Place, given: str, base_url: str) -> None:
    """A Chat server's address is taken with or without version, slash or endpoint."""
    assert place.load({"OPENAI_BASE_URL": given}).providers["openai"].base_url == base_url


@pytest.mark.parametrize("given", ["https://host.test/v1", "https://host.test", "https://host.test/v1/messages"])
def test_base_url_of_anthropic_has_no_version(place: Place, given: str) -> None:
    """Anthropic's address is kept without /v1, however it was given."""
    assert place.load({**KEY, "ANTHROPIC_BASE_URL": given}).providers["anthropic"].base_url == "https://host.test"


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://{SECRET}",
        f"https://user:{SECRET}@host.test",
        f"https://host.test/v1?key={SECRET}",
        f"https://host.test/#{SECRET}",
        f"http://host.test:{SECRET}",
        f"{SECRET}",
        f"http://{SECRET} {SECRET}",
        "http://",
    ],
)
def test_bad_base_url_is_refused_without_being_shown(place: Place, url: str) -> None:
    """What is no plain http address is a problem with its place, and is not repeated."""
    (problem,) = place.problems({**KEY, "OPENAI_BASE_URL": url})
    assert problem.startswith("environment: OPENAI_BASE_URL must")
    assert SECRET not in problem


@pytest.mark.parametrize("text", ["8082.0", "1e3", "0x1f"])
def test_whole_number_is_written_as_one(place: Place, text: str) -> None:
    """A port that is written as something else than a whole number is a slip, and no port."""
    (problem,) = place.problems({**KEY, "SERVER_PORT": text})
    assert problem == "environment: SERVER_PORT must be a port number from 0 to 65535."


def test_base_url_of_ourselves_is_not_used(place: Place) -> None:
    """A shell prepared for Claude Code points Anthropic's address at this proxy: that makes no circle."""
    settings = place.load({**KEY, "ANTHROPIC_BASE_URL": "http://localhost:8082"})
    assert settings.providers["anthropic"].base_url == PRESETS["anthropic"].base_url
    assert "points at this proxy itself" in settings.warnings[0]


@pytest.mark.parametrize("name", ["openai", "gemini"])
def test_key_goes_nowhere_but_where_its_address_points(place: Place, name: str) -> None:
    """An address that is the proxy's own by mistake is warned of and kept: the vendor was not meant to get the key."""
    variable, url = f"{name.upper()}_BASE_URL", "http://localhost:8082/v1"
    settings = place.load({f"{name.upper()}_API_KEY": SECRET, variable: url})
    assert settings.providers[name].base_url.startswith("http://localhost:8082")
    assert settings.warnings[0].startswith(f"environment: {variable} is this proxy's own address")


@pytest.mark.parametrize("table", ['[providers.me]\nprotocol = "anthropic"', "[providers.anthropic]"])
def test_provider_that_is_the_proxy_itself_is_warned_of(place: Place, table: str) -> None:
    """An address in the file that is the proxy's own, from which requests would come back to it, brings a warning."""
    place.toml(f'{table}\nbase_url = "http://127.0.0.1:8082"\n')
    (warning,) = place.load().warnings
    assert "base_url is this proxy's own address" in warning
    assert place.load(port=8083).warnings == ()


def test_local_server_needs_no_key(place: Place) -> None:
    """OPENAI_BASE_URL away from known vendors is usable without a key, and none is sent."""
    settings = place.load({"OPENAI_BASE_URL": "http://localhost:11434/v1"})
    assert usable(settings.providers["openai"])
    assert settings.warnings == ()


def test_vendor_wants_its_key(place: Place) -> None:
    """A known vendor's address without a key is not usable."""
    assert not usable(place.load({"OPENAI_BASE_URL": "https://api.deepseek.com"}).providers["openai"])


def test_no_key_at_all_warns_and_loads(place: Place) -> None:
    """Without any key the server can start, and is told which variables to set."""
    (warning,) = place.load({}).warnings
    assert all(name in warning for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"))


def test_preferred_anthropic_needs_its_key(place: Place) -> None:
    """PREFERRED_PROVIDER=anthropic without a key is refused at start."""
    assert place.problems({"PREFERRED_PROVIDER": "anthropic"}) == [
        "environment: PREFERRED_PROVIDER is anthropic, but ANTHROPIC_API_KEY is not set."
    ]


def test_preferred_provider_without_a_key_warns(place: Place) -> None:
    """Where only another provider has a key, the warning says what the lines of Claude need."""
    (warning,) = place.load({"ANTHROPIC_API_KEY": "test-key"}).warnings
    assert "preferred provider openai has no key" in warning


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ALLOW_UNAUTHENTICATED": "true"}, "ALLOW_UNAUTHENTICATED"),
        ({"OPENAI_APIKEY": "x"}, "OPENAI_APIKEY is not read; did you mean"),
        ({"PREFERED_PROVIDER": "x"}, "did you mean PREFERRED_PROVIDER?"),
        ({"OPENAI_API_BASE": "x"}, "did you mean OPENAI_BASE_URL?"),
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


def test_all_problems_come_at_once(place: Place) -> None:
    """One report holds every mistake of every source, each with its place and the allowed values."""
    place.dotenv("OPENAI_API=respones\nnonsense here\n").toml(
        """
        serverport = 1
        [providers.foo]
        protocol = "open_chat"
        [providers.bar]
        preset = "depseek"
        [providers.baz]
        protocol = "openai_chat"
        base_ulr = "http://localhost"
        [providers.qux]
        base_url = "http://localhost"
        [models]
        fast = "nobody/x"
        slow = "no-slash"
        none = []
        [timeouts]
        connect = 1
        idle_s = 0
        [limits]
        max_headers = "many"
        """
    )
    problems = place.problems({**KEY, "SERVER_PORT": "eighty", "VERBOSE": "perhaps"})
    expected = (
        r"^\.env line 2: is not of the form NAME=value\.$",
        r'^\.env line 1: OPENAI_API must be "auto", "chat" or "responses"\. Did you mean "responses"\?$',
        r"^environment: SERVER_PORT must be a port number from 0 to 65535\.$",
        r"^environment: VERBOSE must be true or false\.$",
        r'^llm-to-anthropic\.toml: serverport is not a known key\. Did you mean "server_port"\?',
        r'^llm-to-anthropic\.toml: providers\.foo\.protocol must be .* Did you mean "openai_chat"\?$',
        r'^llm-to-anthropic\.toml: providers\.bar\.preset is not a known preset\. Did you mean "deepseek"\?',
        r'^llm-to-anthropic\.toml: providers\.baz\.base_ulr is not a known key\. Did you mean "base_url"\?',
        r"^llm-to-anthropic\.toml: providers\.baz\.base_url is missing",
        r"^llm-to-anthropic\.toml: providers\.qux needs a preset .* or a protocol\.$",
        r"^llm-to-anthropic\.toml: models\.fast names an unknown provider\.",
        r'^llm-to-anthropic\.toml: models\.slow must be "provider/model"',
        r'^llm-to-anthropic\.toml: models\.none must be "provider/model"',
        r'^llm-to-anthropic\.toml: timeouts\.connect is not a known key\. Did you mean "connect_s"\?',
        r"^llm-to-anthropic\.toml: timeouts\.idle_s must be a number, above 0\.$",
        r"^llm-to-anthropic\.toml: limits\.max_headers must be a whole number, above 0\.$",
    )
    for pattern in expected:
        assert [problem for problem in problems if re.search(pattern, problem)], pattern
    assert len(problems) == len(expected)


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


def test_preset_is_one_line(place: Place) -> None:
    """A provider called like a preset takes protocol, address and variable from it."""
    settings = place.toml("[providers.deepseek]\n").load({**KEY, "DEEPSEEK_API_KEY": "deep-key"})
    assert settings.providers["deepseek"].base_url == PRESETS["deepseek"].base_url
    assert key_of(settings, "deepseek") == "deep-key"
    assert Router(settings).resolve("deepseek/deepseek-chat").targets[0].quirks.reasoning == "thinking"


def test_preset_without_its_key_warns(place: Place) -> None:
    """A configured vendor without a key is warned of and cannot be used."""
    settings = place.toml('[providers.ds]\npreset = "deepseek"\n').load()
    assert settings.warnings == (f"{FILE_NAME}: providers.ds has no key: set DEEPSEEK_API_KEY.",)
    assert not usable(settings.providers["ds"])


def test_named_provider_with_everything(place: Place) -> None:
    """A provider of its own has protocol, address, key, models and quirks from its table."""
    place.toml(
        """
        [providers.corp]
        protocol = "openai_chat"
        base_url = "https://llm.example.test/gateway/"
        api_key = "env:CORP_KEY"
        models = ["one", "two"]
        quirks = { efforts = ["low", "high"], sampling = false }
        """
    )
    provider = place.load({**KEY, "CORP_KEY": "corp-key"}).providers["corp"]
    assert (provider.base_url, provider.models) == ("https://llm.example.test/gateway", ("one", "two"))
    assert provider.quirks == (("efforts", ("low", "high")), ("sampling", False))
    assert provider.credential.variable == "CORP_KEY"
    assert hash(provider)


def test_built_in_provider_can_be_described_anew(place: Place) -> None:
    """`[providers.openai]` changes the built-in provider and keeps its place."""
    place.toml(
        """
        [providers.openai]
        base_url = "http://localhost:8000"
        api_key = "env:OTHER"
        models = ["x"]
        """
    )
    settings = place.load({**KEY, "OTHER": "other-key"})
    assert list(settings.providers) == ["openai", "gemini", "anthropic"]
    assert settings.providers["openai"].base_url == "http://localhost:8000/v1"
    assert key_of(settings, "openai") == "other-key"


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


def test_aliases_are_kept_in_order(place: Place) -> None:
    """An alias is one target or a list whose first is primary."""
    place.toml('[models]\nfast = "openai/gpt-4o-mini"\n"claude-*" = ["google/gemini-2.5-pro", "openai/gpt-4.1"]\n')
    assert place.load().aliases == {
        "fast": ("openai/gpt-4o-mini",),
        "claude-*": ("google/gemini-2.5-pro", "openai/gpt-4.1"),
    }


def test_gemini_is_warned_of_no_more(place: Place) -> None:
    """A key for Gemini, which this version translates to, brings no warning."""
    assert place.load({**KEY, "GEMINI_API_KEY": "test-key"}).warnings == ()


def test_timeouts_and_limits_are_read(place: Place) -> None:
    """Tables of numbers change their fields and leave the others."""
    settings = place.toml(
        "[timeouts]\nconnect_s = 1\ndrain_s = 0\n[limits]\nmax_headers = 7\n[retries]\nmax_retries = 0\n"
    ).load()
    assert settings.timeouts == Timeouts(connect_s=1.0, drain_s=0.0)
    assert settings.limits == Limits(max_headers=7)
    assert settings.retries == Retries(max_retries=0)


def test_a_provider_has_time_limits_of_its_own(place: Place) -> None:
    """`[providers.NAME.timeouts]` goes over `[timeouts]`, for the limits of a request to an upstream alone."""
    text = "[timeouts]\nidle_s = 7\n[providers.ollama.timeouts]\nfirst_event_s = 600\n"
    [target] = Router(place.toml(text).load()).resolve("ollama/gemma3").targets
    assert (target.timeouts.first_event_s, target.timeouts.idle_s) == (600.0, 7.0)
    [problem] = place.toml("[providers.ollama.timeouts]\nping_s = 1\n").problems()
    assert problem.startswith(f"{FILE_NAME}: providers.ollama.timeouts.ping_s is not a known key.")


@pytest.mark.parametrize(
    "text", ["idle_s = nan", "idle_s = inf", "idle_s = -1", "idle_s = true", 'idle_s = "5"', "idle_s = [1]"]
)
def test_times_are_finite_numbers(place: Place, text: str) -> None:
    """A time that is no finite number above zero is refused."""
    assert place.toml(f"[timeouts]\n{text}\n").problems() == [
        f"{FILE_NAME}: timeouts.idle_s must be a number, above 0."
    ]


def test_broken_toml_says_where(place: Place) -> None:
    """A file that is not TOML is a problem with its line."""
    (problem,) = place.toml("a = 1\nb =\n").problems()
    assert re.search(r"^llm-to-anthropic\.toml: is not valid TOML: .*line 2", problem)


def test_reader_of_dotenv_files_comes_with_one(place: Place) -> None:
    """The parser of .env files is loaded only where there is one, so that the proxy starts at once."""
    load = "from llm_to_anthropic import config; config.load({}, {}, pathlib.Path())"
    code = f"import pathlib, sys; {load}; print('dotenv' in sys.modules)"
    for loaded in ("False", "True"):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code], cwd=place.cwd, capture_output=True, text=True, check=True, timeout=30
        )
        assert done.stdout.strip() == loaded
        place.dotenv("OPENAI_API_KEY=test-key\n")


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
