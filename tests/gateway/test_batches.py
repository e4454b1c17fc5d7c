"""Message batches go to Anthropic, as each of their requests would alone."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from llm_to_anthropic.gateway.batches import check_batch
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Backend
from llm_to_anthropic.routing import Router
from llm_to_anthropic.scripted import Script, ScriptedUpstream, whole
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.conftest import providers
from tests.gateway.memory_reply import MemoryReply, ask, call
from tests.translators.conversations import CARRIERS

OWN = [{"type": "thinking", "thinking": "", "signature": CARRIERS[0]}]
THEIRS = [{"type": "thinking", "thinking": "hm", "signature": "EqoB"}, {"type": "text", "text": "So"}]


async def test_thinking_of_other_upstreams_is_left_out_of_a_batch(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """Anthropic could not verify it, and would refuse that request of the batch a day later."""
    script.push(whole({"id": "b1"}))
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": OWN},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": OWN + THEIRS},
        {"role": "user", "content": "c"},
    ]
    asked = [ask("claude-x", messages=turns), ask("claude-mine", messages=turns[:1])]
    batch = {"requests": [{"custom_id": str(n), "params": params} for n, params in enumerate(asked)]}
    await gateway.forward(call(batch, path="/v1/messages/batches"), MemoryReply())
    first, second = (each["params"] for each in json.loads(upstream.requests[0].body)["requests"])
    joined = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert first["messages"] == [
        {"role": "user", "content": joined},
        {"role": "assistant", "content": THEIRS},
        {"role": "user", "content": "c"},
    ]
    assert (second["model"], second["messages"]) == ("claude-real", turns[:1])


async def test_a_batch_without_anything_of_ours_keeps_its_bytes(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """What needs no edit arrives byte for byte."""
    script.push(whole({"id": "b1"}))
    body = b'{"requests" : [{"custom_id":"a", "params": {"model":"claude-x", "max_tokens":1e1, "messages":[]}}]}'
    await gateway.forward(call(body, path="/v1/messages/batches"), MemoryReply())
    assert upstream.requests[0].body == body


async def test_a_batch_of_many_models_does_not_hold_up_others() -> None:
    """A batch may name a hundred thousand models that nobody has heard of: meanwhile others have their turns."""
    known = providers("http://127.0.0.1:1")
    asked = [{"params": {"model": f"claude-{n}", "messages": []}} for n in range(2000)]
    body = json.dumps({"requests": asked}).encode()
    router = Router(Settings(providers=known, aliases={}, preferred_provider="anthropic"))
    checking = asyncio.create_task(check_batch(body, router, known["anthropic"]))
    turns = 0
    while not checking.done():
        turns += 1
        await asyncio.sleep(0)
    assert await checking == body
    assert turns > 50


@pytest.mark.parametrize("slash", ["/", "\\/"], ids=["plain", "escaped"])
@pytest.mark.parametrize("origin", ["https://api.anthropic.com", "https://gateway.test/anthropic", "http://[::1]:1"])
async def test_results_are_fetched_through_the_proxy_wherever_they_are(
    gateway: Gateway, script: Script, origin: str, slash: str
) -> None:
    """A gateway as the upstream may name Anthropic's own address, to which the client's key must not go."""
    batch = {"id": "b1", "results_url": f"{origin}/v1/messages/batches/b1/results"}
    listed = {"data": [batch, batch | {"results_url": None}], "has_more": False}
    script.push(whole(json.dumps(listed, indent=1).replace("/", slash).encode()))
    reply = MemoryReply()
    headers = {"host": "proxy.test", "x-forwarded-proto": "https"}
    await gateway.forward(call(b"", method="GET", path="/v1/messages/batches", headers=headers), reply)
    here = {"results_url": "https://proxy.test/v1/messages/batches/b1/results"}
    assert reply.json() == listed | {"data": [batch | here, batch | {"results_url": None}]}


@pytest.mark.parametrize(
    ("told", "scheme"), [("https, http", "https"), ("HTTPS", "https"), ("http,https", "http"), ('x","y":"', "http")]
)
async def test_results_have_the_scheme_by_which_their_client_came(
    gateway: Gateway, script: Script, told: str, scheme: str
) -> None:
    """Behind several reverse proxies each may add its own to the header: the client's stands first."""
    script.push(whole({"id": "b1", "results_url": "https://api.anthropic.com/v1/messages/batches/b1/results"}))
    reply = MemoryReply()
    headers = {"host": "proxy.test", "x-forwarded-proto": told}
    await gateway.forward(call(b"", method="GET", path="/v1/messages/batches/b1", headers=headers), reply)
    assert reply.json()["results_url"] == f"{scheme}://proxy.test/v1/messages/batches/b1/results"


@pytest.mark.parametrize("backend", ["dev", "vertex"])
async def test_a_batch_for_another_account_is_not_sent_to_anthropic(
    upstream: ScriptedUpstream, timeouts: Timeouts, backend: Backend
) -> None:
    """A request meant for a gateway, or for Claude on Vertex AI, is none of Anthropic's own account's business."""
    known = providers(upstream.url)
    other = msgspec.structs.replace(known["anthropic"], name="house", backend=backend)
    gateway = Gateway(Settings(providers={**known, "house": other}, aliases={}), Upstream(timeouts, environ={}), [])
    batch = {"requests": [{"custom_id": "a", "params": ask("house/claude-x")}]}
    reply = MemoryReply()
    await gateway.forward(call(batch, path="/v1/messages/batches"), reply)
    await gateway.close()
    assert reply.status == 400
    assert b"only available for models of anthropic" in reply.body
    assert upstream.requests == []


async def test_results_of_a_batch_are_fetched_through_the_proxy(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """A batch's results_url points at the proxy, so that the client's key stays here."""
    script.push(whole({"results_url": upstream.url + "/v1/messages/batches/b1/results"}))
    reply = MemoryReply()
    await gateway.forward(call(b"", method="GET", path="/v1/messages/batches/b1", headers={"host": "proxy:1"}), reply)
    assert reply.json()["results_url"] == "http://proxy:1/v1/messages/batches/b1/results"


async def test_a_batch_for_another_provider_is_refused(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """A batch request whose model is translated is a 400 that names it."""
    batch = {"requests": [{"custom_id": "a", "params": ask("openai/gpt-4o")}]}
    reply = MemoryReply()
    await gateway.forward(call(batch, path="/v1/messages/batches"), reply)
    assert reply.status == 400
    assert b"gpt-4o" in reply.body
    assert upstream.requests == []


async def test_models_of_a_batch_are_resolved(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """Aliases work inside a batch."""
    script.push(whole({"id": "b1"}))
    batch = {"requests": [{"custom_id": "a", "params": ask("claude-mine")}]}
    await gateway.forward(call(batch, path="/v1/messages/batches"), MemoryReply())
    assert json.loads(upstream.requests[0].body)["requests"][0]["params"]["model"] == "claude-real"
