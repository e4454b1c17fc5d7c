"""Microsoft Entra's side of a login, on loopback: a token endpoint and a machine's metadata server."""

from __future__ import annotations

from urllib.parse import parse_qs

from llm_to_anthropic.providers.provider import Credential, EntraAccount, Provider, Secret
from llm_to_anthropic.scripted import ScriptedUpstream
from llm_to_anthropic.scripted.script import Answer, Request, whole

SECRET = "not-to-be-told"
LASTS_S = 3600


def numbered_tokens(request: Request) -> Answer:
    """token-0, token-1, ... by the number of the request."""
    return whole({"token_type": "Bearer", "expires_in": LASTS_S, "access_token": f"token-{request.number}"})


def machine_token(request: Request) -> Answer:
    """The metadata server: numbers are texts there, and a request without its header is refused."""
    if request.headers.get("metadata") != "true":
        return whole({"error": "invalid_request", "error_description": "no Metadata header"}, status=400)
    return whole({"access_token": "machine-token", "expires_in": str(LASTS_S), "token_type": "Bearer"})


def refusal(number: int, words: str) -> Answer:
    """Entra's answer to credentials that it does not take."""
    trace = "Trace ID: 1-2 Correlation ID: 3-4 Timestamp: 2026-11-25 08:00:00Z"
    body = {"error": "invalid_client", "error_description": f"AADSTS{number}: {words} {trace}", "error_codes": [number]}
    return whole(body, status=401)


def account(server: ScriptedUpstream | None = None, *, token_file: str = "") -> EntraAccount:
    """An application with a secret or a token file, whose tokens come from a server of the test."""
    url = server.url if server else "http://127.0.0.1:1"
    secret = None if token_file else Secret(SECRET)
    return EntraAccount(tenant="acme.test", client_id="app", secret=secret, authority=url, token_file=token_file)


def machine(server: ScriptedUpstream, client_id: str = "") -> EntraAccount:
    """The identity of a machine whose metadata server is the test's."""
    return EntraAccount(client_id=client_id, metadata=server.url)


def azure(upstream_url: str, login: EntraAccount) -> Provider:
    """Azure OpenAI, played by a server of the test."""
    return Provider(
        name="azure",
        protocol="openai_chat",
        base_url=f"{upstream_url}/openai/v1",
        credential=Credential(login=login, variable="AZURE_CLIENT_ID"),
        preset="azure-openai",
        backend="azure",
    )


def form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
