"""Addresses in the configuration: where the proxy listens, who may call it, and where upstreams are."""

from __future__ import annotations

import pytest

from llm_to_anthropic.config.sources import FILE_NAME
from llm_to_anthropic.providers.presets import PRESETS
from tests.configuring import KEY, SECRET, Place


@pytest.mark.parametrize(
    ("given", "host"), [("[::1]", "::1"), (" [::] ", "::"), ("*", "0.0.0.0"), (" ", "0.0.0.0"), ("::1", "::1")]
)
def test_host_is_read_in_every_usual_spelling(place: Place, given: str, host: str) -> None:
    """An IPv6 address may stand in brackets, as in a URL, and `*` is every address, as in other servers."""
    assert place.load({**KEY, "SERVER_HOST": given}).host == host


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
