"""What configures Gemini and Vertex AI: addresses, versions, credentials, and settings that contradict."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from llm_to_anthropic.providers.provider import GoogleAccount, Provider
from llm_to_anthropic.routing import Router, usable
from tests.configuring import Place

KEY = {"GEMINI_API_KEY": "test-key"}
VERTEX = {"USE_VERTEX_AUTH": "true", "VERTEX_PROJECT": "my-project"}
CLAUDE = '[providers.claude]\npreset = "vertex-anthropic"\n'


def gemini_of(place: Place, environ: Mapping[str, str]) -> Provider:
    return place.load({"HOME": str(place.cwd), **environ}).providers["gemini"]


def test_one_key_is_enough_for_gemini(place: Place) -> None:
    """GEMINI_API_KEY alone reaches the Developer API."""
    gemini = gemini_of(place, KEY)
    assert (gemini.base_url, gemini.backend) == ("https://generativelanguage.googleapis.com/v1beta", "dev")
    assert gemini.credential.key is not None
    assert usable(gemini)


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ("http://host.test", "http://host.test/v1beta"),
        ("http://host.test/", "http://host.test/v1beta"),
        ("http://host.test/v1", "http://host.test/v1"),
        ("http://host.test/v1beta/", "http://host.test/v1beta"),
        ("http://host.test/v1beta1", "http://host.test/v1beta1"),
        ("http://host.test/google", "http://host.test/google/v1beta"),
        ("http://127.0.0.1:9/gateway/v2alpha", "http://127.0.0.1:9/gateway/v2alpha"),
    ],
)
def test_base_url_of_gemini_has_one_version(place: Place, given: str, base_url: str) -> None:
    """GEMINI_BASE_URL may be written with or without a version."""
    assert gemini_of(place, {**KEY, "GEMINI_BASE_URL": given}).base_url == base_url


def test_base_url_in_a_table_has_one_version_too(place: Place) -> None:
    """A provider of Gemini's protocol under any name gets a version as well."""
    place.toml('[providers.g]\nprotocol = "gemini"\nbase_url = "http://host.test"\n')
    assert place.load({}).providers["g"].base_url == "http://host.test/v1beta"


@pytest.mark.parametrize("end", ["/v1beta/models", "/models/", "/v1beta/models/gemini-2.5-pro:generateContent"])
def test_base_url_with_models_is_refused(place: Place, end: str) -> None:
    """A URL that goes on to /models is refused with where it should end."""
    (problem,) = place.problems({**KEY, "GEMINI_BASE_URL": "http://host.test" + end})
    assert problem == (
        "environment: GEMINI_BASE_URL must end before /models: the proxy adds that part and the model itself."
    )


def test_base_url_of_the_other_protocol_is_refused(place: Place) -> None:
    """Google's address for OpenAI's protocol, which its manual gives too, is refused where Gemini's is spoken."""
    (problem,) = place.problems({**KEY, "GEMINI_BASE_URL": "https://generativelanguage.googleapis.com/v1beta/openai/"})
    assert problem == "environment: GEMINI_BASE_URL is Google's address for OpenAI's protocol: take /openai away."


def test_api_version_can_be_chosen(place: Place) -> None:
    """GOOGLE_GENAI_API_VERSION is the version where the URL names none."""
    chosen = {**KEY, "GOOGLE_GENAI_API_VERSION": "v1"}
    assert gemini_of(place, chosen).base_url == "https://generativelanguage.googleapis.com/v1"
    assert (
        gemini_of(place, {**chosen, "GEMINI_BASE_URL": "http://host.test/v1beta"}).base_url == "http://host.test/v1beta"
    )
    assert gemini_of(place, {**VERTEX, "GOOGLE_GENAI_API_VERSION": "v1"}).base_url.startswith(
        "https://aiplatform.googleapis.com/v1/projects/"
    )


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("", "aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("Europe-West4", "europe-west4-aiplatform.googleapis.com"),
        ("northamerica-northeast1", "northamerica-northeast1-aiplatform.googleapis.com"),
    ],
    ids=["default", "global", "us", "eu", "region", "capitals", "long-region"],
)
def test_host_of_vertex_goes_by_location(place: Place, location: str, host: str) -> None:
    """Each kind of location has its host; the path names project and location."""
    gemini = gemini_of(place, {**VERTEX, "VERTEX_LOCATION": location})
    path = f"/v1beta1/projects/my-project/locations/{location.lower() or 'global'}/publishers/google"
    assert gemini.base_url == f"https://{host}{path}"


def test_vertex_takes_googles_credentials(place: Place) -> None:
    """With USE_VERTEX_AUTH the built-in provider speaks to Vertex AI, with Google's own login and no key."""
    gemini = gemini_of(place, VERTEX)
    assert (gemini.protocol, gemini.backend, gemini.preset) == ("gemini", "vertex", "vertex")
    assert gemini.credential.login
    assert gemini.credential.key is None
    assert usable(gemini)


def test_vertex_is_listed_like_gemini(place: Place) -> None:
    """The models of Vertex AI are listed and reached under the name gemini."""
    settings = place.load({**VERTEX, "PREFERRED_PROVIDER": "google"})
    router = Router(settings)
    assert "gemini/gemini-2.5-pro" in [entry.id for entry in router.models()]
    assert router.resolve("claude-sonnet-5-5").targets[0].provider.backend == "vertex"


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9/v1beta1"),
        ("http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1"),
        ("https://private.test/vertex", "https://private.test/vertex/v1beta1"),
    ],
)
def test_private_endpoint_keeps_project_and_location(place: Place, given: str, root: str) -> None:
    """VERTEX_BASE_URL replaces the host alone."""
    gemini = gemini_of(place, {**VERTEX, "VERTEX_BASE_URL": given, "VERTEX_LOCATION": "us-east5"})
    assert gemini.base_url == f"{root}/projects/my-project/locations/us-east5/publishers/google"


def test_express_mode_is_a_key_alone(place: Place) -> None:
    """Vertex AI with an API key and no project is express mode: no project in the path, the key in its header."""
    gemini = gemini_of(place, {**KEY, "USE_VERTEX_AUTH": "true"})
    assert gemini.base_url == "https://aiplatform.googleapis.com/v1beta1/publishers/google"
    assert gemini.backend == "vertex"
    assert gemini.credential.key is not None
    assert not gemini.credential.login


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"USE_VERTEX_AUTH": "true"}, ["VERTEX_PROJECT is missing"]),
        ({**VERTEX, **KEY}, ["VERTEX_PROJECT contradicts environment: GEMINI_API_KEY"]),
        (
            {**KEY, "USE_VERTEX_AUTH": "true", "VERTEX_LOCATION": "us-central1"},
            ["VERTEX_LOCATION contradicts environment: GEMINI_API_KEY"],
        ),
        ({**KEY, "VERTEX_LOCATION": "us-central1"}, ["VERTEX_LOCATION is set, but nothing uses Vertex AI"]),
        ({**KEY, "VERTEX_PROJECT": "p"}, ["VERTEX_PROJECT is set, but nothing uses Vertex AI"]),
        ({**VERTEX, "VERTEX_LOCATION": "us-central1-a"}, ["VERTEX_LOCATION must be global, us, eu or a region"]),
        ({**VERTEX, "VERTEX_PROJECT": "a/b"}, ["VERTEX_PROJECT must be the id"]),
        ({**VERTEX, "GEMINI_BASE_URL": "http://host.test"}, ["GEMINI_BASE_URL contradicts Vertex AI"]),
        ({**VERTEX, "VERTEX_BASE_URL": "http://h.test/v1/projects/p/x"}, ["VERTEX_BASE_URL must end before /projects"]),
        ({**VERTEX, "VERTEX_BASE_URL": "host.test"}, ["VERTEX_BASE_URL must be a URL"]),
        ({**VERTEX, "GOOGLE_GENAI_API_VERSION": "v1beta"}, ["GOOGLE_GENAI_API_VERSION contradicts Vertex AI"]),
        ({**KEY, "GOOGLE_GENAI_API_VERSION": "latest"}, ["GOOGLE_GENAI_API_VERSION must be a version"]),
        (
            {"USE_VERTEX_AUTH": "true", "VERTEX_LOCATION": "mars", "GEMINI_BASE_URL": "http://h.test"},
            ["GEMINI_BASE_URL contradicts", "VERTEX_PROJECT is missing", "VERTEX_LOCATION must be"],
        ),
    ],
    ids=[
        "no-project",
        "key-and-project",
        "key-and-location",
        "location-without-vertex",
        "project-without-vertex",
        "zone",
        "project-that-is-none",
        "gemini-base-url",
        "base-url-with-project",
        "base-url-that-is-none",
        "version-of-the-other",
        "version-that-is-none",
        "many-at-once",
    ],
)
def test_settings_that_miss_or_contradict_are_refused(
    place: Place, environ: Mapping[str, str], named: list[str]
) -> None:
    """Each mistake is refused at start by its name, all in one report."""
    problems = place.problems(environ)
    assert len(problems) == len(named)
    for problem, start in zip(problems, named, strict=True):
        assert problem.startswith(f"environment: {start}")


def test_vertex_switched_off_leaves_its_settings_alone(place: Place) -> None:
    """USE_VERTEX_AUTH=false, said aloud, switches Vertex AI off without taking its other settings away."""
    gemini = gemini_of(place, {**KEY, "USE_VERTEX_AUTH": "false", "VERTEX_PROJECT": "p", "VERTEX_LOCATION": "mars"})
    assert gemini.backend == "dev"


def test_vertex_beside_gemini(place: Place) -> None:
    """A table with the preset vertex stands beside the built-in provider and its key."""
    place.toml('[providers.v]\npreset = "vertex"\nproject = "other"\nlocation = "eu"\n')
    providers = place.load(KEY).providers
    assert providers["gemini"].backend == "dev"
    assert providers["v"].base_url == (
        "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/other/locations/eu/publishers/google"
    )
    assert providers["v"].credential.login


def test_express_mode_in_a_table(place: Place) -> None:
    """An api_key in a table of Vertex AI without a project is express mode."""
    place.toml('[providers.v]\npreset = "vertex"\napi_key = "env:EXPRESS_KEY"\n')
    provider = place.load({"EXPRESS_KEY": "test-key"}).providers["v"]
    assert provider.base_url == "https://aiplatform.googleapis.com/v1beta1/publishers/google"
    assert provider.credential.key is not None


def test_claude_on_vertex_is_a_provider_of_its_own(place: Place) -> None:
    """The preset vertex-anthropic speaks Anthropic's protocol at Anthropic's publisher, version v1."""
    place.toml(CLAUDE)
    claude = place.load({"VERTEX_PROJECT": "my-project", "VERTEX_LOCATION": "us-east5"}).providers["claude"]
    assert (claude.protocol, claude.backend) == ("anthropic", "vertex")
    assert claude.base_url == (
        "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/publishers/anthropic"
    )
    assert claude.credential.login


def test_anthropic_itself_can_come_from_vertex(place: Place) -> None:
    """[providers.anthropic] with the preset gets all Claude models from Vertex AI, without a key of Anthropic."""
    place.toml('[providers.anthropic]\npreset = "vertex-anthropic"\nproject = "my-project"\n')
    settings = place.load({"PREFERRED_PROVIDER": "anthropic"})
    target = Router(settings).resolve("claude-opus-5-5").targets[0]
    assert (target.provider.backend, target.model) == ("vertex", "claude-opus-5-5")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (CLAUDE, "environment: VERTEX_PROJECT is missing"),
        (CLAUDE + 'project = "p"\nlocation = "moon"\n', "providers.claude.location must be global, us, eu"),
        (CLAUDE + 'project = "p"\napi_key = "env:HOME"\n', "providers.claude.api_key is not for Claude on Vertex AI"),
        (CLAUDE + 'project = "p"\nprotocol = "gemini"\n', "providers.claude.protocol must be anthropic on Vertex AI"),
        ('[providers.groq]\nproject = "p"\n', "providers.groq.project belongs to the presets vertex and"),
        ("[providers.gemini.quirks]\ntop_k = true\n", "providers.gemini.quirks.top_k is not a known key"),
        ('[providers.gemini.quirks]\nthinking = "levels"\n', 'providers.gemini.quirks.thinking must be "level" or'),
    ],
    ids=["no-project", "location", "api-key", "protocol", "not-on-vertex", "quirk-of-another", "quirk-misspelt"],
)
def test_tables_that_contradict_are_refused(place: Place, text: str, problem: str) -> None:
    """Tables of providers are checked by the same rules, with their own places."""
    (told,) = place.toml(text).problems({"HOME": str(place.cwd)})
    assert problem in told


def test_quirks_of_gemini_can_be_set(place: Place) -> None:
    """Overrides of a Gemini provider are those of its own protocol, and routing takes them."""
    place.toml('[providers.gemini.quirks]\nlevels = ["LOW", "HIGH"]\nmin_budget = 0\nprefill = true\n')
    settings = place.load(KEY)
    assert dict(settings.providers["gemini"].quirks) == {"levels": ("LOW", "HIGH"), "min_budget": 0, "prefill": True}
    assert Router(settings).resolve("gemini/gemini-2.5-pro").targets


@pytest.mark.parametrize(
    ("given", "path"),
    [("~/account.json", "{home}/account.json"), ("account.json", "account.json"), ("/etc/account.json",) * 2],
    ids=["home", "relative", "absolute"],
)
def test_credential_file_in_the_environment(place: Place, given: str, path: str) -> None:
    """GOOGLE_APPLICATION_CREDENTIALS may stand in .env as well, where Google's library does not look."""
    place.dotenv(f"GOOGLE_APPLICATION_CREDENTIALS={given}\n")
    assert gemini_of(place, VERTEX).credential.login == GoogleAccount(file=path.format(home=place.cwd))


def test_credential_file_in_the_settings_file(place: Place) -> None:
    """A relative path in the TOML file starts where that file is."""
    place.toml('google_application_credentials = "account.json"\n')
    assert gemini_of(place, VERTEX).credential.login == GoogleAccount(file=str(place.cwd / "account.json"))


def test_nothing_of_google_is_imported(place: Place) -> None:
    """Reading a configuration, with Vertex AI or without, does not import google-auth."""
    import subprocess
    import sys

    program = (
        "import sys; from pathlib import Path; import llm_to_anthropic.cli.main; "
        "from llm_to_anthropic.config import loading; "
        f"loading.load({{}}, {VERTEX!r}, Path({str(place.cwd)!r})); "
        "from llm_to_anthropic.http import server; "
        "assert not [name for name in sys.modules if name.startswith('google')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603  our own words
