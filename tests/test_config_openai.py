"""Azure OpenAI as it is configured: addresses, deployments and versions, keys and identities."""

from __future__ import annotations

import pytest

from llm_to_anthropic.cli.translate import without_credentials
from llm_to_anthropic.config.sources import FILE_NAME
from llm_to_anthropic.credentials import auth_headers
from llm_to_anthropic.providers.provider import EntraAccount, Provider, Secret, target_url
from llm_to_anthropic.routing import Router, usable
from llm_to_anthropic.settings import Settings
from tests.configuring import KEY, Place

HOST = "https://acme.openai.azure.com"
VERSION = "?api-version=2024-10-21"
TOKEN = "eyJhbGciOiJub25l.eyJhdWQiOiJ0ZXN0.c2lnbmF0dXJl"
APPLICATION = {"AZURE_TENANT_ID": "acme.test", "AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": "test-secret"}


def with_azure(place: Place, base_url: str = HOST, table: str = "") -> Place:
    return place.toml(f'[providers.azure]\npreset = "azure-openai"\nbase_url = "{base_url}"\n{table}')


def load(place: Place, base_url: str = HOST, table: str = "", **environ: str) -> Settings:
    return with_azure(place, base_url, table).load({**KEY, **environ})


def azure_of(place: Place, base_url: str = HOST, table: str = "", **environ: str) -> Provider:
    return load(place, base_url, table, **environ).providers["azure"]


def url_of(settings: Settings, provider: str, model: str) -> str:
    """Where a chat request for a model goes."""
    target = Router(without_credentials(settings)).resolve(f"{provider}/{model}").targets[0]
    return target_url(target, {"openai_chat": "/chat/completions", "openai_responses": "/responses"}[target.protocol])


@pytest.mark.parametrize(
    ("base_url", "goes_to"),
    [
        (HOST, f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/", f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai", f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai/v1", f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai/v1/", f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai/v1/chat/completions", f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai/v1?api-version=preview", f"{HOST}/openai/v1/chat/completions?api-version=preview"),
        (
            f"{HOST}/openai/deployments/prod/chat/completions{VERSION}",
            f"{HOST}/openai/deployments/prod/chat/completions{VERSION}",
        ),
        (f"{HOST}/openai/deployments/prod{VERSION}", f"{HOST}/openai/deployments/prod/chat/completions{VERSION}"),
        (f"{HOST}/openai/deployments/prod/{VERSION}", f"{HOST}/openai/deployments/prod/chat/completions{VERSION}"),
        (f"{HOST}/openai{VERSION}", f"{HOST}/openai/deployments/my%20gpt-4.1/chat/completions{VERSION}"),
        (f"{HOST}{VERSION}", f"{HOST}/openai/deployments/my%20gpt-4.1/chat/completions{VERSION}"),
        (
            f"https://acme.services.ai.azure.com/models{VERSION}",
            f"https://acme.services.ai.azure.com/models/chat/completions{VERSION}",
        ),
        (
            f"https://gate.test/team/openai/deployments/prod{VERSION}",
            f"https://gate.test/team/openai/deployments/prod/chat/completions{VERSION}",
        ),
    ],
)
def test_address_is_taken_as_azure_shows_it(place: Place, base_url: str, goes_to: str) -> None:
    """Each spelling of an Azure address leads to the endpoint, with its deployment and its version."""
    assert url_of(load(place, base_url), "azure", "my gpt-4.1") == goes_to


def test_built_in_provider_goes_to_azure_too(place: Place) -> None:
    """OPENAI_BASE_URL takes the same addresses."""
    settings = load(place, OPENAI_BASE_URL=f"{HOST}/openai/deployments/prod{VERSION}")
    assert url_of(settings, "openai", "x") == f"{HOST}/openai/deployments/prod/chat/completions{VERSION}"


@pytest.mark.parametrize("base_url", [f"{HOST}/openai{VERSION}", f"{HOST}/openai/deployments/prod{VERSION}"])
def test_responses_beside_deployments(place: Place, base_url: str) -> None:
    """Where Responses is asked for at an address with deployments, it is spoken beside them, with the version."""
    settings = load(place, base_url, 'protocol = "openai_responses"\n')
    assert url_of(settings, "azure", "gpt-5") == f"{HOST}/openai/responses{VERSION}"


def test_addresses_with_deployments_stay_on_chat(place: Place) -> None:
    """What has its deployment in the URL is reached by Chat Completions, whatever the model is called."""
    assert azure_of(place, f"{HOST}/openai{VERSION}").protocol == "openai_chat"


def test_version_of_another_vendors_address_survives(place: Place) -> None:
    """Any server of OpenAI's protocols may want an api-version."""
    settings = load(place, OPENAI_BASE_URL=f"https://gate.test/v1/chat/completions{VERSION}")
    assert url_of(settings, "openai", "gpt-5") == f"https://gate.test/v1/chat/completions{VERSION}"


@pytest.mark.parametrize(
    ("base_url", "table", "words"),
    [
        (f"{HOST}/openai/deployments/prod", "", "needs a version too: ?api-version=2024-10-21"),
        (f"{HOST}/openai{VERSION}", 'protocol = "openai"\n', "must end in /openai/v1"),
        (f"{HOST}/openai/v1?key=hush", "", "must not hold a query"),
        (f"{HOST}/openai/v1{VERSION}&key=hush", "", "must not hold a query"),
    ],
)
def test_address_that_cannot_work_is_refused(place: Place, base_url: str, table: str, words: str) -> None:
    """An address without what it needs, or with what might be a key, is a problem with its place."""
    (problem,) = with_azure(place, base_url, table).problems()
    assert problem.startswith(f"{FILE_NAME}: providers.azure.base_url")
    assert words in problem
    assert "hush" not in problem


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("0123456789abcdef", (b"api-key", b"0123456789abcdef")),
        ("eyJust-a-key", (b"api-key", b"eyJust-a-key")),
        (TOKEN, (b"authorization", b"Bearer " + TOKEN.encode())),
    ],
    ids=["key", "key-like-a-token", "token"],
)
@pytest.mark.parametrize("kept_in", ["env:AZ", "file:key"])
def test_key_and_token_have_their_headers(place: Place, key: str, header: tuple[bytes, bytes], kept_in: str) -> None:
    """A key travels as `api-key`, a token of Entra as a bearer token, wherever it is kept."""
    file = place.cwd / "key"
    file.write_text(key)
    file.chmod(0o600)
    assert auth_headers(azure_of(place, table=f'api_key = "{kept_in}"\n', AZ=key), []) == [header]


def test_usual_variable_holds_the_key(place: Place) -> None:
    """AZURE_OPENAI_API_KEY is read without being named, and stands above an identity."""
    key = azure_of(place, AZURE_OPENAI_API_KEY="test-key", **APPLICATION).credential.key
    assert key == Secret("test-key")


def test_identity_stands_in_for_a_missing_key(place: Place) -> None:
    """With an application in the environment and no key, the provider signs in, and is usable."""
    azure = azure_of(place, **APPLICATION)
    expected = EntraAccount(tenant="acme.test", client_id="app", secret=Secret("test-secret"))
    assert azure.credential.login == expected
    assert usable(azure)


def test_identity_of_the_built_in_provider(place: Place) -> None:
    """OPENAI_BASE_URL at Azure, without OPENAI_API_KEY, takes the identity as well."""
    openai = load(place, OPENAI_BASE_URL=HOST, OPENAI_API_KEY="", **APPLICATION).providers["openai"]
    assert openai.credential.login == azure_of(place, **APPLICATION).credential.login


def test_identity_is_not_for_others(place: Place) -> None:
    """An application in the environment gives no credential to a provider that is not Azure's."""
    openai = load(place, OPENAI_API_KEY="", **APPLICATION).providers["openai"]
    assert openai.credential.login is None


@pytest.mark.parametrize(
    ("environ", "account"),
    [
        ({}, EntraAccount()),
        ({"AZURE_CLIENT_ID": "mine"}, EntraAccount(client_id="mine")),
        (
            {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "app", "AZURE_FEDERATED_TOKEN_FILE": "/var/token"},
            EntraAccount(tenant="t", client_id="app", token_file="/var/token"),
        ),
        (
            {"AZURE_AUTHORITY_HOST": "login.microsoftonline.us/", "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://m.test"},
            EntraAccount(authority="https://login.microsoftonline.us", metadata="http://m.test"),
        ),
        (
            {"IDENTITY_ENDPOINT": "http://localhost:42356/msi/token", "IDENTITY_HEADER": "test-header"},
            EntraAccount(endpoint="http://localhost:42356/msi/token", endpoint_key=Secret("test-header")),
        ),
    ],
    ids=["machine", "user-assigned", "workload-identity", "other-hosts", "container-apps"],
)
def test_entra_asks_for_an_identity(place: Place, environ: dict[str, str], account: EntraAccount) -> None:
    """`api_key = "entra"` takes whichever identity the settings describe; without any, the machine's own."""
    assert azure_of(place, table='api_key = "entra"\n', **environ).credential.login == account


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AZURE_CLIENT_SECRET": "test-secret", "AZURE_CLIENT_ID": "app"}, "AZURE_TENANT_ID is missing"),
        ({"AZURE_CLIENT_SECRET": "test-secret", "AZURE_TENANT_ID": "t"}, "AZURE_CLIENT_ID is missing"),
        ({"AZURE_FEDERATED_TOKEN_FILE": "f", "AZURE_TENANT_ID": "t"}, "AZURE_FEDERATED_TOKEN_FILE proves"),
        ({**APPLICATION, "AZURE_TENANT_ID": "a/b"}, "AZURE_TENANT_ID must be the id or the domain of a tenant"),
    ],
)
def test_identity_that_is_incomplete_is_refused(place: Place, environ: dict[str, str], words: str) -> None:
    """An application that lacks a part is a problem at start that names the setting."""
    (problem,) = with_azure(place, table='api_key = "entra"\n').problems({**KEY, **environ})
    assert words in problem
    assert "test-secret" not in problem


def test_entra_is_for_azure_alone(place: Place) -> None:
    """Another vendor's provider cannot sign in at Entra."""
    with_azure(place, table='[providers.groq]\napi_key = "entra"\n')
    (problem,) = place.problems({**KEY, "AZURE_OPENAI_API_KEY": "test-key"})
    assert problem == f'{FILE_NAME}: providers.groq.api_key is "entra", which is for Azure OpenAI alone.'


def test_secret_in_the_file_is_a_reference(place: Place) -> None:
    """The secret itself does not belong in the TOML file."""
    table = f'[providers.azure]\npreset = "azure-openai"\nbase_url = "{HOST}"\napi_key = "entra"\n'
    place.toml('azure_client_secret = "hush"\n' + table)
    problems = place.problems({"AZURE_CLIENT_ID": "app", "AZURE_TENANT_ID": "t"})
    assert "hush" not in str(problems)
    assert f"{FILE_NAME}: azure_client_secret must be" in problems[0]


def test_deployment_of_the_address_is_the_model_there(place: Place) -> None:
    """An address that names its deployment need not be told its models."""
    assert azure_of(place, f"{HOST}/openai/deployments/prod{VERSION}").models == ("prod",)
