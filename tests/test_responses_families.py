"""What is known of the models and servers of OpenAI Responses."""

from __future__ import annotations

import pytest

from llm_to_anthropic.providers.provider import Credential, Provider, Target
from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.providers.responses_families import responses_quirks_for
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings

OFFICIAL = "https://api.openai.com/v1"
LOCAL = "http://localhost:8000/v1"


def a_provider(base_url: str = OFFICIAL, **quirks: object) -> Provider:
    return Provider(
        name="acme",
        protocol="openai_responses",
        base_url=base_url,
        credential=Credential(),
        quirks=tuple(quirks.items()),
    )


def test_a_new_model_of_openai_is_the_standard() -> None:
    """A name that no table knows at OpenAI's own server has no quirk at all."""
    assert responses_quirks_for(a_provider(), "nova-1") == ResponsesQuirks()


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-4o-mini", "chatgpt-4o-latest", "gpt-5-chat-latest", "ft:gpt-4o:me"])
def test_a_model_that_does_not_reason_is_asked_for_no_reasoning(model: str) -> None:
    """It takes no effort, no summary and no encrypted content, but temperatures."""
    quirks = responses_quirks_for(a_provider(), model)
    assert (quirks.efforts, quirks.summaries, quirks.encrypted_content) == ((), False, False)
    assert quirks.sampling


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("o3", ("low", "medium", "high")),
        ("codex-mini-latest", ("low", "medium", "high")),
        ("gpt-5", ("minimal", "low", "medium", "high")),
        ("gpt-5-pro", ("high",)),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.2-codex", ("low", "medium", "high", "xhigh")),
        ("gpt-5.6-sol", ("none", "low", "medium", "high", "xhigh", "max")),
        ("gpt-6-astra", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-6.1-sol", ("low", "medium", "high", "xhigh", "max")),
    ],
)
def test_each_family_has_its_own_efforts(model: str, efforts: tuple[str, ...]) -> None:
    """A reasoning model is asked for nothing but the efforts that it knows, and for no temperature."""
    quirks = responses_quirks_for(a_provider(), model)
    assert quirks.efforts == efforts
    assert (quirks.summaries, quirks.encrypted_content, quirks.sampling) == (True, True, False)


def test_a_compatible_server_is_not_asked_for_openais_extras() -> None:
    """Another server gets none of the fields and tools that OpenAI's own account for, and its arguments are checked."""
    quirks = responses_quirks_for(a_provider(LOCAL), "qwen3")
    extras = (quirks.obfuscation, quirks.safety_identifier, quirks.prompt_cache_key, quirks.service_tier)
    assert extras == (False, False, False, False)
    assert (quirks.hosted, quirks.efforts, quirks.encrypted_content, quirks.count_tokens) == ((), (), False, False)
    assert (quirks.system_role, quirks.tool_args, quirks.sampling) == ("system", "buffer", True)
    assert quirks.store
    assert not quirks.compaction


def test_openais_models_reason_behind_any_server() -> None:
    """What a model can do does not depend on the gateway in front of it."""
    quirks = responses_quirks_for(a_provider("https://openrouter.ai/api/v1"), "openai/GPT-5-nano")
    assert quirks.efforts == ("minimal", "low", "medium", "high")
    assert quirks.encrypted_content
    assert quirks.hosted == ()


def test_a_gateway_to_openai_runs_openais_tools() -> None:
    """OpenAI's models at an unknown server bring its tools and counts along, but none of its account's fields."""
    quirks = responses_quirks_for(a_provider("http://gateway.test/v1"), "openai/gpt-5.1")
    assert quirks.hosted == ResponsesQuirks().hosted
    assert (quirks.count_tokens, quirks.file_urls, quirks.max_tools) == (True, True, 128)
    assert quirks.compaction
    assert (quirks.safety_identifier, quirks.prompt_cache_key, quirks.obfuscation) == (False, False, False)
    assert responses_quirks_for(a_provider("http://gateway.test/v1"), "openai/gpt-oss-20b").hosted == ()


def test_configured_quirks_win() -> None:
    """What the configuration says of a quirk stands above every table."""
    assert responses_quirks_for(a_provider(efforts=("low",)), "gpt-5").efforts == ("low",)


def test_routes_carry_the_quirks_of_responses() -> None:
    """A target of a Responses provider has the quirks of its model and server."""
    settings = Settings(providers={"acme": a_provider(LOCAL, max_output=500)}, aliases={})
    target: Target = Router(settings).resolve("acme/gpt-4.1").targets[0]
    assert target.responses == responses_quirks_for(a_provider(LOCAL, max_output=500), "gpt-4.1")
