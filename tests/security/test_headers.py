"""What travels in headers: upstreams see the headers of their protocol and no more, clients an allowed few."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.scripted import Script, ScriptedUpstream, whole
from tests.http.fake import Front
from tests.security.four_protocols import ANSWERS, MODELS, TRANSLATED, ask

CLIENT = {
    "x-api-key": "client-key",
    "authorization": "Bearer client-token",
    "api-key": "client-azure-key",
    "x-goog-api-key": "client-google-key",
    "proxy-authorization": "Basic Y2xpZW50",
    "cookie": "session=client",
    "user-agent": "claude-cli/9.9",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "one,two",
    "anthropic-dangerous-direct-browser-access": "true",
    "x-stainless-lang": "js",
    "x-app": "cli",
    "x-claude-code-session-id": "session-1",
    "openai-organization": "org-client",
    "openai-project": "project-client",
    "connection": "keep-alive, x-hop",
    "x-hop": "for the proxy alone",
    "keep-alive": "timeout=5",
    "te": "trailers",
    "upgrade-insecure-requests": "1",
    "x-cluster-secret": "kept for Anthropic alone",
    "x-proxy-strict": "false",
    "x-amzn-oidc-data": "token",
    "x-auth-request-access-token": "token",
    "true-client-ip": "192.0.2.1",
    "x-base-url": "http://evil.example",
}
"""Everything that a client, or a server in front of this one, may send. Those that say where from are below."""
OURS = {"host", "content-type", "content-length", "accept", "accept-encoding", "x-client-request-id"}
SENT: dict[str, set[str]] = {
    "openai_chat": OURS | {"authorization"},
    "openai_responses": OURS | {"authorization"},
    "gemini": OURS | {"x-goog-api-key"},
    "anthropic": {
        *("host", "content-type", "content-length", "accept-encoding", "x-api-key"),
        *("user-agent", "anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access"),
        *("x-stainless-lang", "x-app", "x-claude-code-session-id", "openai-organization", "openai-project"),
        *("upgrade-insecure-requests", "x-cluster-secret", "x-base-url"),
    },
}
"""Protocol -> the names that its upstream sees."""
SEEN = {"content-type", "content-length", "request-id", "date"}
SEEN |= {"x-upstream-provider", "x-upstream-model", "x-upstream-attempts"}


@pytest.mark.parametrize("protocol", MODELS)
async def test_upstream_sees_its_own_headers_alone(protocol: str, proxy: Front, upstream: ScriptedUpstream) -> None:
    """The exact set of names is fixed for each protocol, and no value of a client's credential is among them."""
    answer = await proxy.request("POST", "/v1/messages", CLIENT, json.dumps(ask(protocol)).encode())
    (request,) = upstream.requests
    assert answer.status == 200
    assert set(request.headers) == SENT[protocol]
    assert len(request.header_list) == len(request.headers)
    assert not [value for value in request.headers.values() if "client-" in value or "Y2xpZW50" in value]
    assert "upstream-key" in "".join(request.headers.values())
    assert request.headers["host"] == upstream.url.removeprefix("http://")


@pytest.mark.parametrize("protocol", TRANSLATED)
async def test_betas_of_anthropic_stay_with_anthropic(protocol: str, proxy: Front, upstream: ScriptedUpstream) -> None:
    """Other vendors are told nothing of Anthropic's versions, betas and clients."""
    await proxy.request("POST", "/v1/messages", CLIENT, json.dumps(ask(protocol)).encode())
    sent = upstream.requests[0]
    text = json.dumps(sent.header_list) + sent.body.decode()
    assert not [word for word in ("anthropic", "claude-cli", "stainless", "2023-06-01") if word in text]


@pytest.mark.parametrize("protocol", MODELS)
async def test_client_sees_an_allowed_few(protocol: str, proxy: Front, script: Script) -> None:
    """Cookies, CORS and whatever else an upstream says about itself do not come through."""
    script.push(
        whole(
            ANSWERS[protocol],
            headers=(
                ("set-cookie", "session=upstream"),
                ("access-control-allow-origin", "*"),
                ("access-control-allow-credentials", "true"),
                ("server", "upstream/1"),
                ("x-powered-by", "upstream"),
                ("strict-transport-security", "max-age=1"),
                ("alt-svc", 'h3=":443"'),
                ("link", "<https://evil.example>; rel=preload"),
                ("location", "https://evil.example"),
                ("content-security-policy", "default-src *"),
                ("keep-alive", "timeout=5"),
                ("x-upstream-secret", "secret"),
            ),
        )
    )
    answer = await proxy.request("POST", "/v1/messages", {}, json.dumps(ask(protocol)).encode())
    assert answer.status == 200
    assert {name for name, _ in answer.headers} == SEEN


@pytest.mark.parametrize("protocol", MODELS)
@pytest.mark.parametrize("header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"])
async def test_way_here_is_not_told(
    protocol: str, header: str, script: Script, upstream: ScriptedUpstream, proxy: Front
) -> None:
    """Who stands behind the proxy is no upstream's business; without client keys such a request is refused anyway."""
    answer = await proxy.request("POST", "/v1/messages", {header: "192.0.2.1"}, json.dumps(ask(protocol)).encode())
    assert (answer.status, upstream.requests) == (401, [])


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_what_asks_for_no_answer_of_the_api_ends_here(
    method: str, proxy: Front, upstream: ScriptedUpstream
) -> None:
    """TRACE would repeat the request's headers, which hold the upstream's key, and CONNECT ask for a tunnel."""
    answer = await proxy.request(method, "/v1/files")
    assert (answer.error, answer.header("allow")) == (
        (405, "invalid_request_error"),
        "GET, HEAD, POST, PUT, PATCH, DELETE",
    )
    assert upstream.requests == []
