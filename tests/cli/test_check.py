"""`check`: what it says of each provider, and how it exits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_to_anthropic.cli.check import models_to_try
from llm_to_anthropic.providers.provider import Credential, Provider
from llm_to_anthropic.routing import Router
from llm_to_anthropic.scripted import Answer, Line, Script, ScriptedUpstream, anthropic, openai_chat, whole
from llm_to_anthropic.scripted.script import Request
from llm_to_anthropic.settings import Settings
from tests.running import Finished, run_command


async def check(upstream: ScriptedUpstream, cwd: Path, **env: str) -> Finished:
    variables = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1", **env}
    return await run_command("check", cwd=cwd, env=variables)


async def test_working_provider_is_ok(conversation: ScriptedUpstream, tmp_path: Path) -> None:
    """A provider that answers is ok, with its models and the time they took, and the exit code is 0."""
    result = await check(conversation, tmp_path)
    assert result.code == 0
    assert re.search(r"openai: ok, gpt-4\.1-mini answered in \d+ ms, gpt-4\.1 answered in \d+ ms$", result.out, re.M)
    assert [request.path for request in conversation.requests] == ["/v1/chat/completions"] * 2


async def test_every_model_that_clients_are_sent_to_is_tried(tmp_path: Path) -> None:
    """A BIG_MODEL that does not exist is found, though SMALL_MODEL answers."""

    def answer(request: Request) -> Answer:
        if request.json()["model"] == "missing":
            return whole(openai_chat.error("No such model", code="model_not_found"), status=404)
        return whole(openai_chat.completion(Line(text="ok"), "m"))

    async with ScriptedUpstream(Script(otherwise=answer)) as upstream:
        result = await check(upstream, tmp_path, BIG_MODEL="missing")
    assert result.code == 1
    assert "openai: missing: " in result.out
    assert "BIG_MODEL" in result.out


async def test_request_is_tiny(conversation: ScriptedUpstream, tmp_path: Path) -> None:
    """The request that tries a provider costs next to nothing."""
    await check(conversation, tmp_path)
    request = conversation.requests[0].json()
    assert len(conversation.requests[0].body) < 500
    assert {request.get("max_tokens"), request.get("max_completion_tokens")} == {16, None}


async def test_provider_without_key_is_not_configured(conversation: ScriptedUpstream, tmp_path: Path) -> None:
    """A provider without a key is listed with the variable to set, and is no failure."""
    result = await check(conversation, tmp_path)
    assert "anthropic: not configured: set ANTHROPIC_API_KEY" in result.out
    assert result.code == 0


async def test_every_provider_is_tried(conversation: ScriptedUpstream, tmp_path: Path) -> None:
    """All configured providers are tried, each in its protocol."""
    result = await check(conversation, tmp_path, ANTHROPIC_API_KEY="test-key", ANTHROPIC_BASE_URL=conversation.url)
    assert result.code == 0
    assert "anthropic: ok, " in result.out
    assert {request.path for request in conversation.requests} == {"/v1/chat/completions", "/v1/messages"}


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (whole(openai_chat.error("Incorrect API key"), status=401), "OPENAI_API_KEY"),
        (whole(openai_chat.error("No such model", code="model_not_found"), status=404), "SMALL_MODEL"),
        (whole(openai_chat.error("Out of credit", code="insufficient_quota"), status=429), "no credit left"),
        (whole(openai_chat.error("Slow down"), status=429), "try again later"),
        (whole(openai_chat.error("Broken", type="server_error"), status=500), "trouble of its own"),
        (whole(b"<html>hello</html>", headers=(("content-type", "text/html"),)), "OPENAI_BASE_URL"),
    ],
    ids=["key-refused", "no-such-model", "no-credit", "rate-limited", "broken", "not-an-api"],
)
async def test_failure_says_how_to_mend_it(tmp_path: Path, answer: Answer, hint: str) -> None:
    """A provider that refuses is told with the setting to look at; the exit code is 1; the key is not shown."""
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as upstream:
        result = await check(upstream, tmp_path)
    assert result.code == 1
    assert hint in result.out
    assert "test-key" not in result.out + result.err
    assert "Traceback" not in result.err


async def test_every_key_is_tried(tmp_path: Path) -> None:
    """Of several keys each is tried, and one that fails is told by its number, never by its value."""

    def answer(request: Request) -> Answer:
        if request.headers["authorization"] == "Bearer key-second":
            return whole(openai_chat.error("Incorrect API key"), status=401)
        return whole(openai_chat.completion(Line(text="ok"), "m"))

    async with ScriptedUpstream(Script(otherwise=answer)) as upstream:
        result = await check(upstream, tmp_path, OPENAI_API_KEY="key-first,key-second,key-third")
    lines = [line for line in result.out.splitlines() if line.startswith("openai")]
    assert [line.partition(":")[0] for line in lines] == [f"openai (key {number} of 3)" for number in (1, 2, 3)]
    assert [": ok, " in line for line in lines] == [True, False, True]
    assert result.code == 1
    assert "key-" not in result.out + result.err


async def test_unreachable_provider_names_its_base_url(tmp_path: Path) -> None:
    """A provider that cannot be reached is told with its URL and the setting that holds it."""
    env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    result = await run_command("check", cwd=tmp_path, env=env)
    assert result.code == 1
    assert "OPENAI_BASE_URL (now http://127.0.0.1:1/v1)" in result.out


async def test_anthropic_key_refused(tmp_path: Path) -> None:
    """A refused Anthropic key names its own variable."""
    refusal = whole(anthropic.error("invalid x-api-key", type="authentication_error"), status=401)
    async with ScriptedUpstream(Script(otherwise=lambda _: refusal)) as upstream:
        env = {"ANTHROPIC_API_KEY": "test-key", "ANTHROPIC_BASE_URL": upstream.url}
        result = await run_command("check", cwd=tmp_path, env=env)
    assert result.code == 1
    assert "look at ANTHROPIC_API_KEY" in result.out


async def test_nothing_configured_exits_1(tmp_path: Path) -> None:
    """Without any key there is nothing to try, which is no success."""
    result = await run_command("check", cwd=tmp_path)
    assert result.code == 1
    assert "No provider could be tried." in result.out


@pytest.mark.parametrize(
    ("models", "small_model", "tried"),
    [
        (("big", "some-mini"), "", ("some-mini",)),
        (("gemini-pro", "gemini-flash"), "", ("gemini-flash",)),
        (("only",), "", ("only",)),
        (("a", "b"), "vendor/b", ("b",)),
        ((), "", ()),
    ],
    ids=["a-small-one", "a-small-gemini", "the-only-one", "the-mapped-one", "none-known"],
)
def test_models_to_try(models: tuple[str, ...], small_model: str, tried: tuple[str, ...]) -> None:
    """The models that clients are sent to are tried, else a small one of those listed, else none."""
    provider = Provider(
        name="vendor", protocol="openai_chat", base_url="http://127.0.0.1:1", credential=Credential(), models=models
    )
    preferred = Provider(
        name="openai",
        protocol="openai_chat",
        base_url="http://127.0.0.1:1",
        credential=Credential(variable="OPENAI_API_KEY"),
    )
    settings = Settings(providers={"openai": preferred, "vendor": provider}, aliases={}, small_model=small_model)
    assert models_to_try(Router(settings), provider) == tried


@pytest.mark.parametrize(
    ("aliases", "tried"),
    [
        ({"claude-opus-*": ("vendor/big",)}, ("big",)),
        ({"claude-*": ("openai/gpt-4o", "vendor/spare")}, ("spare",)),
        ({"fast": ("openai/gpt-4o", "vendor/spare")}, ("spare",)),
        (
            {"claude-opus-*": ("vendor/claude-opus-5-5",), "claude-haiku-*": ("vendor/claude-haiku-5-5",)},
            ("claude-haiku-5-5",),
        ),
    ],
    ids=["one-line", "a-fallback", "another-name", "the-dearest-under-its-own-name"],
)
def test_models_of_aliases_are_tried(aliases: dict[str, tuple[str, ...]], tried: tuple[str, ...]) -> None:
    """What an alias sends any of Claude's names to is tried, fallbacks included, and a model that another one names."""
    known = {
        name: Provider(name=name, protocol="openai_chat", base_url="http://127.0.0.1:1", credential=Credential())
        for name in ("openai", "vendor")
    }
    router = Router(Settings(providers=known, aliases=aliases))
    assert models_to_try(router, known["vendor"]) == tried


ANSWERED = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [{"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "ok"}]}],
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


async def test_responses_target_is_tried_by_its_api(tmp_path: Path) -> None:
    """A provider that speaks OpenAI Responses is asked there."""
    async with ScriptedUpstream(Script(otherwise=lambda _: whole(ANSWERED))) as upstream:
        result = await check(upstream, tmp_path, OPENAI_API="responses", SMALL_MODEL="gpt-5-mini")
    assert (result.code, {request.path for request in upstream.requests}) == (0, {"/v1/responses"})
    assert "openai: ok, gpt-5-mini answered in " in result.out


async def test_server_without_responses_is_told_how_to_do_without(tmp_path: Path) -> None:
    """Where a server has no Responses API, the setting that does without it is named."""
    answer = whole({"detail": "Not Found"}, status=404)
    async with ScriptedUpstream(Script(otherwise=lambda _: answer)) as upstream:
        result = await check(upstream, tmp_path, OPENAI_API="responses")
    assert result.code == 1
    assert "set OPENAI_API=chat" in result.out
