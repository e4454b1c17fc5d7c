"""The configuration: defaults, providers, presets, models and limits, and that every mistake is told."""

from __future__ import annotations

import re

import pytest

from llm_to_anthropic.config.sources import ENV_NAMES, FILE_NAME
from llm_to_anthropic.providers.presets import PRESETS
from llm_to_anthropic.routing import Router, usable
from llm_to_anthropic.settings import Limits, Retries, Timeouts
from tests.configuring import KEY, Place, key_of


def test_one_key_is_enough(place: Place) -> None:
    """With OPENAI_API_KEY alone everything has its documented default and nothing is warned of."""
    settings = place.load()
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 8082, 1)
    assert (settings.big_model, settings.small_model) == ("gpt-4.1", "gpt-4.1-mini")
    assert list(settings.providers) == ["openai", "gemini", "anthropic"]
    assert (settings.timeouts, settings.limits, settings.warnings) == (Timeouts(), Limits(), ())


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


@pytest.mark.parametrize("text", ["8082.0", "1e3", "0x1f"])
def test_whole_number_is_written_as_one(place: Place, text: str) -> None:
    """A port that is written as something else than a whole number is a slip, and no port."""
    (problem,) = place.problems({**KEY, "SERVER_PORT": text})
    assert problem == "environment: SERVER_PORT must be a port number from 0 to 65535."


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
    """Where only another provider has a key, the warning says what the lines of Claude need, and what else would do."""
    (warning,) = place.load({"ANTHROPIC_API_KEY": "test-key"}).warnings
    assert warning == (
        "requests for opus, sonnet, haiku, fable are refused: no key for provider openai: "
        "set OPENAI_API_KEY, or PREFERRED_PROVIDER=anthropic, where the proxy runs and start it again."
    )


def test_lines_that_are_served_elsewhere_warn_of_nothing(place: Place) -> None:
    """Where Claude's lines go to other providers, the preferred one needs no key."""
    place.toml("[providers.deepseek]\n")
    models = {"BIG_MODEL": "deepseek/large", "SMALL_MODEL": "deepseek/small"}
    assert place.load({"DEEPSEEK_API_KEY": "test-key", **models}).warnings == ()


def test_a_line_that_goes_nowhere_warns(place: Place) -> None:
    """A line of Claude's whose own provider has no key is named, though the preferred provider has one."""
    (warning,) = place.load({"OPENAI_API_KEY": "test-key", "SMALL_MODEL": "gemini/small"}).warnings
    assert warning.startswith("requests for haiku are refused: no key for provider gemini: set GEMINI_API_KEY where")


@pytest.mark.parametrize(("provider", "vendor"), [("openai", "gemini"), ("anthropic", "openai"), ("gemini", "openai")])
def test_every_built_in_provider_knows_others_keys(place: Place, provider: str, vendor: str) -> None:
    """A key of another vendor's is told whichever of the built-in providers has it."""
    keys = {"openai": "sk-proj-x", "gemini": "AIzax", "anthropic": "sk-ant-x"}
    right = {f"{name.upper()}_API_KEY": key for name, key in keys.items()}
    assert place.load(right).warnings == ()
    variable = f"{provider.upper()}_API_KEY"
    assert [warning.split()[0] for warning in place.load(right | {variable: keys[vendor]}).warnings] == [variable]


@pytest.mark.parametrize(
    ("key", "base_url", "warned"),
    [
        ("sk-ant-x", "", ["OPENAI_API_KEY begins like a key of anthropic's, which openai will refuse."]),
        ("AIzax,sk-proj-x", "", ["OPENAI_API_KEY begins like a key of gemini's, which openai will refuse."]),
        ("sk-proj-x", "", []),
        ("sk-x", "", []),
        ("sk-ant-x", "https://gateway.example/v1", []),
    ],
)
def test_key_of_another_vendor_warns(place: Place, key: str, base_url: str, warned: list[str]) -> None:
    """A key that another vendor's begin like is told at start, but not where a gateway may take any."""
    settings = place.load({"OPENAI_API_KEY": key, "OPENAI_BASE_URL": base_url})
    assert list(settings.warnings) == warned


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


def test_preset_is_one_line(place: Place) -> None:
    """A provider called like a preset takes protocol, address and variable from it."""
    settings = place.toml("[providers.deepseek]\n").load({**KEY, "DEEPSEEK_API_KEY": "deep-key"})
    assert settings.providers["deepseek"].base_url == PRESETS["deepseek"].base_url
    assert key_of(settings, "deepseek") == "deep-key"
    assert Router(settings).resolve("deepseek/deepseek-chat").targets[0].chat.reasoning == "thinking"


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
