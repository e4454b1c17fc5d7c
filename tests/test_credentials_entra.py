"""Identities of Microsoft Entra for Azure OpenAI, against a token endpoint and a metadata server of the test."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_to_anthropic.credentials.entra import fetch_token
from llm_to_anthropic.credentials.login import LoginFailure
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import EntraAccount, Provider, Secret
from llm_to_anthropic.scripted import Script, ScriptedUpstream, whole
from llm_to_anthropic.scripted.script import Answer
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.entra_login import LASTS_S, SECRET, account, azure, form, machine, machine_token, numbered_tokens, refusal
from tests.gateway.memory_reply import ask, call, reply_to
from tests.logins import MovedClock, credentials
from tests.running import exchange, run_command, running_proxy

ANSWER = {"id": "c", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
DENIED = {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}}
ROLE = "Cognitive Services OpenAI User"


@pytest.fixture
async def entra() -> AsyncIterator[ScriptedUpstream]:
    """Gives token-0, token-1, ..."""
    async with ScriptedUpstream(Script(otherwise=numbered_tokens)) as server:
        yield server


async def headers_of(login: EntraAccount) -> list[tuple[bytes, bytes]]:
    provider = azure("http://127.0.0.1:9", login)
    async with credentials(provider) as own:
        return await own.headers(provider, [])


async def failure_of(login: EntraAccount) -> LoginFailure:
    provider = azure("http://127.0.0.1:9", login)
    async with credentials(provider) as own:
        failure = await own.failure(provider)
    assert failure is not None
    return failure


@asynccontextmanager
async def gateway(provider: Provider) -> AsyncIterator[Gateway]:
    timeouts = Timeouts(first_event_s=5.0, idle_s=5.0, total_s=20.0)
    settings = Settings(providers={provider.name: provider}, aliases={}, timeouts=timeouts)
    running = Gateway(settings, Upstream(timeouts, environ={}), [])
    try:
        yield running
    finally:
        await running.close()


def bearer(value: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {value}".encode())]


async def test_application_signs_in_with_its_secret(entra: ScriptedUpstream) -> None:
    """An application's secret is exchanged for a token of Azure's AI services."""
    assert await headers_of(account(entra)) == bearer("token-0")
    (request,) = entra.requests
    assert (request.method, request.path) == ("POST", "/acme.test/oauth2/v2.0/token")
    assert form(request) == {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": SECRET,
        "scope": "https://cognitiveservices.azure.com/.default",
    }


async def test_platforms_token_stands_in_for_a_secret(tmp_path: Path, entra: ScriptedUpstream) -> None:
    """With workload identity the token of the platform's file proves the application."""
    file = tmp_path / "token"
    file.write_text("platform-token\n")
    assert await headers_of(account(entra, token_file=str(file))) == bearer("token-0")
    sent = form(entra.requests[0])
    assert sent["client_assertion"] == "platform-token"
    assert sent["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in sent


async def test_platforms_token_is_read_at_each_renewal(tmp_path: Path, entra: ScriptedUpstream) -> None:
    """A platform that writes its token anew is heeded, without a new start."""
    file = tmp_path / "token"
    file.write_text("one")
    clock = MovedClock()
    provider = azure("http://127.0.0.1:9", account(entra, token_file=str(file)))
    async with credentials(provider, clock) as own:
        assert await own.headers(provider, []) == bearer("token-0")
        file.write_text("two")
        clock.moved_s = LASTS_S
        assert await own.headers(provider, []) == bearer("token-1")
    assert [form(request)["client_assertion"] for request in entra.requests] == ["one", "two"]


@pytest.mark.parametrize("client_id", ["", "mine"])
async def test_machine_signs_in_as_itself(client_id: str) -> None:
    """Without secret and file the metadata server gives the token of the machine's identity, or of the named one."""
    async with ScriptedUpstream(Script(otherwise=machine_token)) as server:
        assert await headers_of(machine(server, client_id)) == bearer("machine-token")
    (request,) = server.requests
    query = "api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com"
    wanted = f"{query}&client_id={client_id}" if client_id else query
    assert (request.method, request.path, request.query) == ("GET", "/metadata/identity/oauth2/token", wanted)


async def test_app_signs_in_as_itself() -> None:
    """In App Service and Container Apps the platform's endpoint gives the token, and says when it ends."""
    ends = int(time.time()) + 600
    answer = whole({"access_token": "app-token", "expires_on": str(ends), "token_type": "Bearer"})
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as server:
        app = EntraAccount(endpoint=f"{server.url}/msi/token", endpoint_key=Secret(SECRET))
        token = await asyncio.to_thread(fetch_token, app)
    assert (list(token.headers), token.ends_at) == (bearer("app-token"), ends)
    (request,) = server.requests
    assert (request.path, request.headers["x-identity-header"]) == ("/msi/token", SECRET)
    assert request.query.startswith("api-version=2019-08-01&resource=")


async def test_token_is_renewed_five_minutes_ahead(entra: ScriptedUpstream) -> None:
    """The next token is fetched while the old one is still good."""
    clock = MovedClock()
    provider = azure("http://127.0.0.1:9", account(entra))
    async with credentials(provider, clock) as own:
        assert await own.headers(provider, []) == bearer("token-0")
        clock.moved_s = LASTS_S - 290.0
        assert own.at_hand(provider, []) == bearer("token-0")
        await entra.request(1)


async def test_refused_token_is_renewed_and_the_request_sent_again(entra: ScriptedUpstream) -> None:
    """Azure's 401 has a new token fetched, and the client gets the answer to the request that carries it."""
    script = Script([whole(DENIED, status=401), whole(ANSWER)])
    async with ScriptedUpstream(script) as upstream, gateway(azure(upstream.url, account(entra))) as own:
        reply = await reply_to(own, call(ask("azure/gpt-4o")))
    assert reply.status == 200
    sent = [request.headers["authorization"] for request in upstream.requests]
    assert sent == ["Bearer token-0", "Bearer token-1"]
    assert "api-key" not in upstream.requests[0].headers


async def test_second_refusal_tells_of_the_role(entra: ScriptedUpstream) -> None:
    """Where every token is refused, the answer says what the identity lacks, without the upstream's talk of keys."""
    script = Script(otherwise=lambda _: whole(DENIED, status=401))
    async with ScriptedUpstream(script) as upstream, gateway(azure(upstream.url, account(entra))) as own:
        reply = await reply_to(own, call(ask("azure/gpt-4o")))
    assert reply.status == 401
    assert ROLE in json.loads(reply.body)["error"]["message"]


@pytest.mark.parametrize(
    ("answer", "problem", "remedy"),
    [
        (
            refusal(7000215, f"Invalid client secret provided: {SECRET}."),
            "Microsoft Entra refuses the credentials: AADSTS7000215: Invalid client secret provided: ***",
            "AZURE_CLIENT_SECRET",
        ),
        (refusal(7000222, "The provided client secret keys are expired."), "are expired", "credential reset"),
        (refusal(90002, "Tenant 'acme.test' not found."), "Tenant 'acme.test' not found", "AZURE_TENANT_ID"),
        (refusal(700213, "No matching federated identity record found."), "AADSTS700213", "federated-credential"),
        (refusal(1, "Something new."), "AADSTS1: Something new", "AZURE_TENANT_ID, AZURE_CLIENT_ID"),
        (whole({"id_token": "hush"}), "Microsoft Entra refuses the credentials", "AZURE_TENANT_ID"),
        (whole(b"<html>hush</html>", status=503), "Microsoft Entra refuses the credentials", "AZURE_TENANT_ID"),
    ],
    ids=["wrong-secret", "old-secret", "no-tenant", "no-federation", "unknown", "no-token", "web-page"],
)
async def test_refused_login_is_told_with_its_remedy(answer: Answer, problem: str, remedy: str) -> None:
    """What Entra says is told on one line with what mends it; no secret and no trace ids are."""
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as server:
        failure = await failure_of(account(server))
    assert failure.problem.endswith(problem) or problem in failure.problem
    assert remedy in failure.remedy
    assert not any(word in str(failure) for word in (SECRET, "Trace", "Correlation", "hush"))


async def test_machine_without_an_identity_is_told() -> None:
    """A metadata server that knows no identity names the command that gives the machine one."""
    answer = whole({"error": "invalid_request", "error_description": "Identity not found"}, status=400)
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as server:
        failure = await failure_of(machine(server))
    assert failure.problem == "this machine's metadata server gives no token: Identity not found"
    assert "az vm identity assign" in failure.remedy


@pytest.mark.parametrize(
    ("login", "problem", "remedy"),
    [
        (account(), "Microsoft Entra's token server cannot be reached", "HTTPS_PROXY"),
        (EntraAccount(metadata="http://127.0.0.1:1"), "no metadata server", "AZURE_CLIENT_SECRET"),
        (account(token_file="/nowhere/token"), "/nowhere/token cannot be read", "AZURE_FEDERATED_TOKEN_FILE"),
    ],
    ids=["token-server", "metadata-server", "file"],
)
async def test_what_cannot_be_reached_is_told(login: EntraAccount, problem: str, remedy: str) -> None:
    """A server or a file that is not there is named, with what to look at."""
    failure = await failure_of(login)
    assert problem in failure.problem
    assert remedy in failure.remedy


def configure(folder: Path, upstream: ScriptedUpstream) -> None:
    table = f'[providers.azure]\npreset = "azure-openai"\nbase_url = "{upstream.url}/openai/v1"\nmodels = ["gpt-4.1"]\n'
    (folder / "llm-to-anthropic.toml").write_text(table)


def variables(entra: ScriptedUpstream) -> dict[str, str]:
    return {
        "AZURE_TENANT_ID": "acme.test",
        "AZURE_CLIENT_ID": "app",
        "AZURE_CLIENT_SECRET": SECRET,
        "AZURE_AUTHORITY_HOST": entra.url,
    }


async def test_check_signs_in(tmp_path: Path, entra: ScriptedUpstream) -> None:
    """With an application in the environment and no key, `check` is answered by Azure."""
    async with ScriptedUpstream(Script(otherwise=lambda _: whole(ANSWER))) as upstream:
        configure(tmp_path, upstream)
        result = await run_command("check", cwd=tmp_path, env=variables(entra))
        sent = [request.headers["authorization"] for request in upstream.requests]
    assert (result.code, sent) == (0, ["Bearer token-0"])
    assert "azure: ok, gpt-4.1 answered" in result.out


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, ROLE), (403, ROLE), (404, "names of deployments")],
    ids=["refused", "no-role", "no-deployment"],
)
async def test_check_says_what_azure_lacks(tmp_path: Path, entra: ScriptedUpstream, status: int, hint: str) -> None:
    """A login that works, and an upstream that refuses: check says what to change in Azure."""
    answer = whole({"error": {"code": str(status), "message": "no"}}, status=status)
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as upstream:
        configure(tmp_path, upstream)
        result = await run_command("check", cwd=tmp_path, env=variables(entra))
    assert result.code == 1
    assert hint in result.out
    assert not any(word in result.out + result.err for word in (SECRET, "token-0"))


async def test_failed_login_is_logged_at_start(tmp_path: Path) -> None:
    """The proxy starts with a secret that is refused, and logs what mends it, but not the secret."""
    answer = refusal(7000222, "The provided client secret keys are expired.")
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as server:
        configure(tmp_path, server)
        async with running_proxy(cwd=tmp_path, env=variables(server)) as proxy:
            body = json.dumps(ask("azure/gpt-4.1")).encode()
            assert b"500" in await exchange(proxy.url, b"POST /v1/messages", body)
    assert "credential reset" in proxy.err
    assert SECRET not in proxy.err
