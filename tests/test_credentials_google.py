"""Google's credentials as google-auth finds them, against a token endpoint and a metadata server of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.scripted import Pause, Script, ScriptedUpstream, whole
from llm_to_anthropic.scripted import stream as streamed
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import ask, call, reply_to
from tests.google_login import (
    LASTS_S,
    claude_on_vertex,
    gemini_on_vertex,
    metadata,
    numbered_tokens,
    service_account,
    token,
)
from tests.logins import MovedClock, credentials
from tests.running import clean_environment, exchange, run_command, running_proxy

MESSAGE = b'{"type":"message","model":"claude-x","content":[],"stop_reason":"end_turn","usage":{"input_tokens":3}}'
STREAM = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x"}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
UNAUTHENTICATED = b'{"error":{"code":401,"message":"Invalid credentials","status":"UNAUTHENTICATED"}}'
LOGIN = "gcloud auth application-default login"


@pytest.fixture
async def token_server() -> AsyncIterator[ScriptedUpstream]:
    """Gives token-0, token-1, ..."""
    async with ScriptedUpstream(Script(otherwise=numbered_tokens)) as server:
        yield server


@pytest.fixture
def account(tmp_path: Path, token_server: ScriptedUpstream) -> Path:
    return service_account(tmp_path, token_server)


@asynccontextmanager
async def gateway(provider: Provider, records: Records | None = None) -> AsyncIterator[Gateway]:
    timeouts = Timeouts(first_event_s=5.0, idle_s=5.0, total_s=20.0)
    aliases = {"claude-x": (f"{provider.name}/claude-x",)}
    settings = Settings(providers={provider.name: provider}, aliases=aliases, timeouts=timeouts)
    running = Gateway(settings, Upstream(timeouts, environ={}), [records] if records else [])
    try:
        yield running
    finally:
        await running.close()


def bearer(value: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {value}".encode()


async def test_service_account_signs_in(account: Path, token_server: ScriptedUpstream) -> None:
    """A service account's file is exchanged for a token of the cloud-platform scope."""
    provider = claude_on_vertex("http://127.0.0.1:9", account)
    async with credentials(provider) as own:
        assert await own.headers(provider, []) == [bearer("token-0")]
    (request,) = token_server.requests
    asked = parse_qs(request.body.decode())
    assert asked["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert (request.method, request.path) == ("POST", "/token")


async def test_quota_project_travels_along(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota project, as Google's tools set it, goes into its header."""
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "who-pays")
    provider = claude_on_vertex("http://127.0.0.1:9", account)
    async with credentials(provider) as own:
        assert (b"x-goog-user-project", b"who-pays") in await own.headers(provider, [])


async def test_fifty_requests_sign_in_once(tmp_path: Path) -> None:
    """However many requests come before the first token is there, one is fetched; none blocks the event loop."""
    held = asyncio.Event()
    async with ScriptedUpstream(Script([token("token-0", before=(Pause(held),))])) as server:
        provider = claude_on_vertex("http://127.0.0.1:9", service_account(tmp_path, server))
        async with credentials(provider) as own:
            waiting = [asyncio.ensure_future(own.headers(provider, [])) for _ in range(50)]
            await server.request(0)
            assert own.at_hand(provider, []) is None
            held.set()
            assert await asyncio.gather(*waiting) == [[bearer("token-0")]] * 50
        assert len(server.requests) == 1


async def test_token_is_renewed_five_minutes_ahead(account: Path, token_server: ScriptedUpstream) -> None:
    """Less than five minutes before its end a token is renewed, while requests go on with it."""
    clock = MovedClock()
    provider = claude_on_vertex("http://127.0.0.1:9", account)
    async with credentials(provider, clock) as own:
        first = await own.headers(provider, [])
        clock.moved_s = LASTS_S - 330
        assert own.at_hand(provider, []) == first
        assert len(token_server.requests) == 1
        clock.moved_s = LASTS_S - 270
        assert own.at_hand(provider, []) == first
        await token_server.request(1)
        assert await own.refused(provider, first)
        assert own.at_hand(provider, []) == [bearer("token-1")]
    assert len(token_server.requests) == 2


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_refused_token_is_renewed_and_the_request_sent_again(
    account: Path, token_server: ScriptedUpstream, stream: bool
) -> None:
    """After a 401 a new token is fetched and the request sent once more; the client sees the answer alone."""
    records = Records()
    script = Script([whole(UNAUTHENTICATED, status=401), streamed(STREAM) if stream else whole(MESSAGE)])
    async with ScriptedUpstream(script) as upstream, gateway(claude_on_vertex(upstream.url, account), records) as own:
        reply = await reply_to(own, call(ask("claude-x", stream=stream)))
        sent = [request.headers["authorization"] for request in upstream.requests]
    assert sent == ["Bearer token-0", "Bearer token-1"]
    assert (reply.status, reply.body) == (200, STREAM if stream else MESSAGE)
    assert upstream.requests[0].body == upstream.requests[1].body
    assert records.exchanges[0].attempts == 2
    assert len(token_server.requests) == 2


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_refused_token_of_a_translated_request(account: Path, stream: bool) -> None:
    """Gemini on Vertex AI is asked once more as well, with the same request and a new token."""
    chunk = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}
    script = Script([whole(UNAUTHENTICATED, status=401), streamed(b"data: %s\r\n\r\n" % json.dumps(chunk).encode())])
    async with ScriptedUpstream(script) as upstream, gateway(gemini_on_vertex(upstream.url, account)) as own:
        reply = await reply_to(own, call(ask("gemini/gemini-2.5-flash", stream=stream)))
        first, second = upstream.requests
    assert (reply.status, reply.headers[b"x-upstream-attempts"]) == (200, b"2")
    assert b"hello" in reply.body
    assert [first.headers["authorization"], second.headers["authorization"]] == ["Bearer token-0", "Bearer token-1"]
    assert (first.path, first.body) == (second.path, second.body)
    publisher = "/v1beta1/projects/my-project/locations/global/publishers/google"
    verb = "streamGenerateContent" if stream else "generateContent"
    assert first.path == f"{publisher}/models/gemini-2.5-flash:{verb}"


async def test_second_refusal_is_the_answer(account: Path) -> None:
    """A 401 to the new token as well is passed on: in Anthropic's envelope, with the upstream's words."""
    script = Script(otherwise=lambda _: whole(UNAUTHENTICATED, status=401))
    async with ScriptedUpstream(script) as upstream, gateway(claude_on_vertex(upstream.url, account)) as own:
        reply = await reply_to(own, call(ask("claude/claude-x")))
        assert len(upstream.requests) == 2
    assert reply.status == 401
    assert b'"authentication_error"' in reply.body
    assert b"token-" not in reply.body


async def test_other_refusals_are_not_repeated(account: Path, token_server: ScriptedUpstream) -> None:
    """Only a 401 is about the token."""
    script = Script(otherwise=lambda _: whole(b'{"error":{"code":403,"message":"no role"}}', status=403))
    async with ScriptedUpstream(script) as upstream, gateway(claude_on_vertex(upstream.url, account)) as own:
        reply = await reply_to(own, call(ask("claude/claude-x")))
        assert (reply.status, len(upstream.requests)) == (403, 1)
    assert len(token_server.requests) == 1


def write(folder: Path, text: str) -> Path:
    file = folder / "account.json"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (lambda folder: folder / "none.json", ("none.json was not found", "GOOGLE_APPLICATION_CREDENTIALS", LOGIN)),
        (lambda folder: write(folder, "secret-words"), ("credential file is of no use", LOGIN)),
        (lambda folder: write(folder, json.dumps({"type": "secret-words"})), ("credential file is of no use", LOGIN)),
        (
            lambda folder: write(folder, json.dumps({"type": "service_account"})),
            ("credential file is of no use", LOGIN),
        ),
    ],
    ids=["missing", "not-json", "unknown-type", "incomplete"],
)
async def test_broken_file_is_told_in_words(
    tmp_path: Path, file: Callable[[Path], Path], words: tuple[str, ...]
) -> None:
    """A credential file that cannot be used is a 500 that names what mends it, and the provider is not ready."""
    provider = claude_on_vertex("http://127.0.0.1:9", file(tmp_path))
    async with gateway(provider) as own:
        reply = await reply_to(own, call(ask("claude/claude-x")))
        message = json.loads(reply.body)["error"]["message"]
        ready, details = own.ready()
    assert reply.status == 500
    assert all(word in message for word in words)
    assert reply.headers[b"x-should-retry"] == b"false"
    assert not ready
    assert words[0] in str(details)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            whole({"error": "invalid_grant", "error_description": "Account deleted", "id_token": "hush"}, status=400),
            "Google refuses the credentials: invalid_grant: Account deleted; run: " + LOGIN,
        ),
        (whole({"id_token": "hush"}), "Google refuses the credentials; run: " + LOGIN),
        (whole(b"<html>hush</html>", status=403), "Google refuses the credentials; run: " + LOGIN),
    ],
    ids=["refused", "no-token", "web-page"],
)
async def test_refused_login_is_told_without_secrets(tmp_path: Path, answer: object, words: str) -> None:
    """What Google says of a refused login is told; nothing else of its answer is."""
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as server:  # type: ignore[arg-type, return-value]
        provider = claude_on_vertex("http://127.0.0.1:9", service_account(tmp_path, server))
        async with credentials(provider) as own:
            with pytest.raises(UpstreamError) as refused:
                await own.headers(provider, [])
    assert words in refused.value.message
    assert "hush" not in refused.value.message


async def test_unreachable_token_server_is_told(tmp_path: Path, token_server: ScriptedUpstream) -> None:
    """A token server that cannot be reached is a matter of the network, and said so."""
    account = service_account(tmp_path, token_server, token_uri="http://127.0.0.1:1/token")
    provider = claude_on_vertex("http://127.0.0.1:9", account)
    async with credentials(provider) as own:
        failure = await own.failure(provider)
    assert failure is not None
    assert failure.problem == "Google's token server cannot be reached"
    assert "HTTPS_PROXY" in failure.remedy


async def test_mended_file_is_read_again(tmp_path: Path, token_server: ScriptedUpstream) -> None:
    """Once the file is there the login succeeds, without a new start."""
    clock = MovedClock()
    provider = claude_on_vertex("http://127.0.0.1:9", tmp_path / "account.json")
    async with credentials(provider, clock) as own:
        assert await own.failure(provider) is not None
        service_account(tmp_path, token_server)
        clock.moved_s = 60.0
        assert await own.headers(provider, []) == [bearer("token-0")]


def vertex(upstream: ScriptedUpstream) -> dict[str, str]:
    return {"VERTEX_PROJECT": "my-project", "VERTEX_BASE_URL": upstream.url}


def configure(folder: Path) -> None:
    table = '[providers.claude]\npreset = "vertex-anthropic"\nmodels = ["claude-haiku-x"]\n'
    (folder / "llm-to-anthropic.toml").write_text(table)


async def test_machine_signs_in_at_its_metadata_server(tmp_path: Path) -> None:
    """Without any file the metadata server of the machine gives the token; no web proxy stands in between."""
    configure(tmp_path)
    async with (
        ScriptedUpstream(Script(otherwise=metadata)) as machine,
        ScriptedUpstream(Script(otherwise=lambda _: whole(MESSAGE))) as upstream,
    ):
        address = machine.url.removeprefix("http://")
        env = {
            **vertex(upstream),
            "GCE_METADATA_HOST": address,
            "GCE_METADATA_IP": address,
            "HTTP_PROXY": "http://127.0.0.1:1",
            "http_proxy": "http://127.0.0.1:1",
        }
        result = await run_command("check", cwd=tmp_path, env=env)
        sent = [request.headers["authorization"] for request in upstream.requests]
    assert (result.code, sent) == (0, ["Bearer machine-token"])
    assert "claude: ok, claude-haiku-x answered" in result.out
    assert "machine-token" not in result.out + result.err


async def test_nothing_to_sign_in_with_is_told(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Where there are no credentials at all, check names the command that makes some."""
    configure(tmp_path)
    result = await run_command("check", cwd=tmp_path, env={**vertex(upstream), "NO_GCE_CHECK": "true"})
    assert result.code == 1
    assert "claude: no credentials of Google were found" in result.out
    assert f"run: {LOGIN}" in result.out
    assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize(
    ("status", "hint"),
    [(403, "roles/aiplatform.user"), (404, "VERTEX_LOCATION")],
    ids=["no-role", "not-in-this-location"],
)
async def test_check_says_what_vertex_lacks(tmp_path: Path, account: Path, status: int, hint: str) -> None:
    """A login that works, and an upstream that refuses: check says what to change in Google's cloud."""
    configure(tmp_path)
    refusal = whole({"error": {"code": status, "message": "no"}}, status=status)
    async with ScriptedUpstream(Script(otherwise=lambda _: refusal)) as upstream:
        env = {**vertex(upstream), "GOOGLE_APPLICATION_CREDENTIALS": str(account)}
        result = await run_command("check", cwd=tmp_path, env=env)
    assert result.code == 1
    assert hint in result.out
    assert "token-0" not in result.out + result.err


async def test_missing_google_auth_names_the_extra(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Without google-auth the line to install it is the remedy."""
    import sys

    configure(tmp_path)
    program = (
        "import sys; sys.modules['google.auth'] = None; from llm_to_anthropic.cli.main import main; main(['check'])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        cwd=tmp_path,
        env=clean_environment(tmp_path, vertex(upstream)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert "claude: google-auth is not installed" in out.decode()
    assert "pip install 'llm-to-anthropic[vertex]'" in out.decode()


async def test_failed_login_is_logged_at_start(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """The proxy starts without credentials, logs what mends it, and reports the provider as not ready."""
    configure(tmp_path)
    env = {**vertex(upstream), "GOOGLE_APPLICATION_CREDENTIALS": "none.json"}
    async with running_proxy(cwd=tmp_path, env=env) as proxy:
        body = json.dumps(ask("claude/claude-haiku-x")).encode()
        assert b"500" in await exchange(proxy.url, b"POST /v1/messages", body)
        state = await exchange(proxy.url, b"GET /health/ready")
    assert b"503" in state
    assert b"none.json was not found" in state
    assert "none.json was not found" in proxy.err
    assert LOGIN in proxy.err
