"""Where requests go is the configuration's word alone: no client and no upstream can send a key elsewhere."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.scripted import Answer, Script, ScriptedUpstream, whole
from tests.http.fake import Front
from tests.security.four_protocols import MODELS, ask

PATHS = ("/v1/messages", "/v1/messages/count_tokens")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("protocol", MODELS)
async def test_client_cannot_name_another_upstream(
    protocol: str, path: str, proxy: Front, upstream: ScriptedUpstream
) -> None:
    """Fields, headers and queries in which other gateways take a base URL, a proxy or a key are none here."""
    async with ScriptedUpstream(Script(otherwise=lambda _: whole({}))) as other:
        names = (
            "api_base",
            "base_url",
            "api_key",
            "baseURL",
            "endpoint",
            "proxy",
            "azure_endpoint",
            "custom_llm_provider",
        )
        fields = dict.fromkeys(names, other.url) | {"litellm_params": {"api_base": other.url}}
        fields |= {"extra_body": {"base_url": other.url}, "metadata": {"user_id": other.url}}
        headers: tuple[str, ...] = (
            "x-api-base",
            "x-base-url",
            "x-openai-base-url",
            "x-litellm-api-base",
            "x-portkey-custom-host",
        )
        headers += (
            "x-portkey-custom-host",
            "helicone-target-url",
            "x-target-url",
            "x-upstream",
            "x-original-url",
            "x-rewrite-url",
        )
        sent = json.dumps(ask(protocol, **fields)).encode()
        query = f"?api_base={other.url}&base_url={other.url}&url={other.url}"
        answer = await proxy.request("POST", path + query, dict.fromkeys(headers, other.url), sent)
        assert (other.connections, other.requests) == (0, [])
    assert answer.status == 200
    assert len(upstream.requests) <= 1  # a count may be made here


@pytest.mark.parametrize(
    "model", ["http://evil.example/v1", "evil.example/x", "../../../x", "anthropic/../../x", "//x/y"]
)
async def test_model_name_is_no_way_out(model: str, proxy: Front, upstream: ScriptedUpstream) -> None:
    """A model's name never changes the host, nor the path above the model."""
    for name in (model, *(f"{served.partition('/')[0]}/{model}" for served in MODELS.values())):
        await proxy.request("POST", "/v1/messages", {}, json.dumps(ask("gemini") | {"model": name}).encode())
    host = upstream.url.removeprefix("http://")
    assert {request.headers["host"] for request in upstream.requests} == {host}
    paths = {request.path for request in upstream.requests}
    assert not [path for path in paths if "/../" in path or "//" in path]
    known = ("/v1/chat/completions", "/v1/responses", "/v1beta/models/", "/v1/messages")
    assert not [path for path in paths if not path.startswith(known)]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("protocol", MODELS)
async def test_redirect_is_not_followed(
    *, protocol: str, status: int, streamed: bool, script: Script, proxy: Front, upstream: ScriptedUpstream
) -> None:
    """An upstream that sends its requests elsewhere, key and all, is an error; the other server hears nothing."""
    async with ScriptedUpstream(Script(otherwise=lambda _: whole({}))) as other:
        script.push(Answer(status=status, headers=(("location", other.url + "/v1/messages"),)))
        answer = await proxy.request("POST", "/v1/messages", {}, json.dumps(ask(protocol, stream=streamed)).encode())
        assert (other.connections, other.requests) == (0, [])
    assert answer.error == (502, "api_error")
    assert "correct the base URL" in answer.json()["error"]["message"]
    assert answer.header("location") == ""
    assert len(upstream.requests) == 1
