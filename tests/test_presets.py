"""Quirks by provider and model family, and token limits."""

from __future__ import annotations

import msgspec
import pytest

from llm_to_anthropic.providers.catalog import LIMITS, limits_for
from llm_to_anthropic.providers.families import FAMILIES
from llm_to_anthropic.providers.presets import PRESETS, auth_scheme, chat_quirks_for, find_preset
from llm_to_anthropic.providers.provider import Credential, Provider
from llm_to_anthropic.providers.quirks import ChatQuirks

OFFICIAL = "https://api.openai.com/v1"
LOCAL = "http://127.0.0.1:9/v1"


def provider(base_url: str = LOCAL, preset: str = "", **quirks: object) -> Provider:
    return Provider(
        name="p",
        protocol="openai_chat",
        base_url=base_url,
        credential=Credential(),
        preset=preset,
        quirks=tuple(quirks.items()),
    )


def test_unknown_server_follows_the_standard() -> None:
    """A server and a model that nobody knows get the plain standard."""
    assert chat_quirks_for(provider(), "some-model") == ChatQuirks()


def test_openai_itself_gets_all_of_its_deviations() -> None:
    """At api.openai.com a plain model has OpenAI's own fields and limits."""
    quirks = chat_quirks_for(provider(OFFICIAL, "openai"), "gpt-4.1")
    assert (quirks.max_tokens_field, quirks.system_role, quirks.tool_args) == (
        "max_completion_tokens",
        "system",
        "live",
    )
    assert quirks.strict
    assert quirks.store
    assert quirks.obfuscation
    assert quirks.prompt_cache_key
    assert quirks.safety_identifier
    assert quirks.service_tier
    assert (quirks.max_stop, quirks.max_tools, quirks.sampling) == (0, 128, True)


def test_openai_preset_at_another_host_is_another_server() -> None:
    """A base URL other than OpenAI's own gets the standard of a compatible server."""
    assert chat_quirks_for(provider(LOCAL, "openai"), "gpt-4o") == ChatQuirks()


@pytest.mark.parametrize("host", ["api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"])
def test_kimi_wants_types_from_its_makers_alone(host: str) -> None:
    """Moonshot checks schemas by a form of its own; other servers of its models do not."""
    assert chat_quirks_for(provider(f"https://{host}/v1"), "kimi-k2.5").typed_schema
    assert not chat_quirks_for(provider(LOCAL), "kimi-k2.5").typed_schema


@pytest.mark.parametrize(
    ("base_url", "model", "field"),
    [
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-3-pro-preview", "extra_content"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro", "none"),
        (
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi",
            "google/gemini-3-flash",
            "extra_content",
        ),
        ("https://openrouter.ai/api/v1", "google/gemini-3-flash-preview", "reasoning_details"),
        ("https://openrouter.ai/api/v1", "anthropic/claude-sonnet-4.5", "none"),
        (LOCAL, "gemini-3-pro-preview", "none"),
    ],
)
def test_gemini_wants_signatures_where_its_server_has_them(base_url: str, model: str, field: str) -> None:
    """Gemini 3 insists on signatures, which Google's compatible API and OpenRouter have in fields of their own."""
    assert chat_quirks_for(provider(base_url), model).call_signatures == field


def test_reasoning_model_behind_a_gateway_stays_one() -> None:
    """OpenAI's reasoning models refuse the same fields behind any gateway, but know no `store` there."""
    quirks = chat_quirks_for(provider(LOCAL, "openai"), "openai/GPT-5-mini")
    assert (quirks.max_tokens_field, quirks.sampling, quirks.max_stop) == ("max_completion_tokens", False, 0)
    assert quirks.system_role == "system"
    assert not quirks.store


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-4.1", ()),
        ("gpt-4o-mini", ()),
        ("o3", ("low", "medium", "high")),
        ("o4-mini-2025-04-16", ("low", "medium", "high")),
        ("o1-mini", ()),
        ("gpt-5", ("minimal", "low", "medium", "high")),
        ("gpt-5-2025-08-07", ("minimal", "low", "medium", "high")),
        ("gpt-5-codex", ("low", "medium", "high")),
        ("gpt-5-chat-latest", ()),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.1-codex-max", ("low", "medium", "high", "xhigh")),
        ("gpt-5.2", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.4-mini", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.6-sol", ("none", "low", "medium", "high", "xhigh", "max")),
        ("gpt-6-luna", ("none", "low", "medium", "high", "xhigh", "max")),
        ("gpt-6-astra", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-6.1-sol", ("low", "medium", "high", "xhigh", "max")),
        ("openai/gpt-oss-120b", ("low", "medium", "high")),
    ],
)
def test_efforts_by_family(model: str, efforts: tuple[str, ...]) -> None:
    """Each family takes its own values of reasoning_effort."""
    assert chat_quirks_for(provider(OFFICIAL, "openai"), model).efforts == efforts


@pytest.mark.parametrize("model", ["gpt-5.6", "gpt-5.6-sol", "gpt-6-sol", "gpt-6-luna"])
def test_newest_models_take_tools_without_reasoning_only(model: str) -> None:
    """gpt-5.6 and gpt-6 take function tools on this API only with reasoning switched off."""
    assert chat_quirks_for(provider(OFFICIAL, "openai"), model).tools_need_no_reasoning


@pytest.mark.parametrize("model", ["o1", "o3-mini", "gpt-5", "gpt-5.1", "gpt-6-sol"])
def test_reasoning_models_of_openai_take_the_developer_role(model: str) -> None:
    """At api.openai.com reasoning models have instructions in the developer role."""
    assert chat_quirks_for(provider(OFFICIAL, "openai"), model).system_role == "developer"


@pytest.mark.parametrize(
    "model", ["deepseek-chat", "deepseek-ai/DeepSeek-V3.2", "moonshotai/Kimi-K2-Thinking", "glm-4.7"]
)
def test_unmistakable_names_carry_their_reasoning_back(model: str) -> None:
    """DeepSeek, Kimi and GLM want reasoning_content in the history wherever they are served."""
    assert chat_quirks_for(provider(), model).reasoning_history == "reasoning_content"


def test_a_server_spells_for_the_models_behind_it() -> None:
    """OpenRouter's way of asking for reasoning holds for every family behind it."""
    quirks = chat_quirks_for(provider(PRESETS["openrouter"].base_url, "openrouter"), "deepseek/deepseek-r1")
    assert (quirks.reasoning, quirks.reasoning_history, quirks.reasoning_details) == ("openrouter", "reasoning", True)


def test_configured_quirks_win() -> None:
    """What the configuration says of a quirk stands above every table."""
    own = provider(OFFICIAL, "openai", max_tokens_field="max_tokens", efforts=("low",))
    quirks = chat_quirks_for(own, "gpt-5")
    assert (quirks.max_tokens_field, quirks.efforts) == ("max_tokens", ("low",))


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        (OFFICIAL, "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://team.openai.azure.com/openai/v1", "azure-openai"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "dashscope"),
    ],
)
def test_a_vendor_is_known_by_its_host(base_url: str, name: str) -> None:
    """A vendor's host under the name of the openai provider brings the vendor's row."""
    assert find_preset("openai", base_url) is PRESETS[name]


@pytest.mark.parametrize(
    ("base_url", "model"),
    [("https://api.mistral.ai/v1", "labs-new-model"), (LOCAL, "mistralai/Devstral-Small-2"), (LOCAL, "ministral-3b")],
)
def test_mistral_lets_no_user_follow_a_tool(base_url: str, model: str) -> None:
    """Its API refuses that order, and so do the chat templates of its models elsewhere."""
    assert not chat_quirks_for(provider(base_url), model).user_after_tool


def test_mistral_reads_documents() -> None:
    """Its API has a part of its own for PDFs; its models elsewhere have not."""
    assert chat_quirks_for(provider("https://api.mistral.ai/v1"), "mistral-medium-latest").document_urls
    assert not chat_quirks_for(provider(LOCAL), "mistral-medium-latest").document_urls


def test_dashscope_has_a_field_for_thinking() -> None:
    """DashScope runs Qwen behind an API of its own: it reads no arguments of chat templates, and thinks in streams."""
    quirks = chat_quirks_for(provider(PRESETS["dashscope"].base_url), "qwen3-max")
    assert (quirks.reasoning, quirks.stream_always) == ("enable_thinking_field", True)


@pytest.mark.parametrize("base_url", [LOCAL, "https://api.openai.com.example.test/v1", "https://llm.example.test"])
def test_other_hosts_are_no_vendor(base_url: str) -> None:
    """A host that only looks like a vendor's brings no row."""
    assert find_preset("", base_url) is None


def test_azure_takes_its_key_in_a_header_of_its_own() -> None:
    """Azure's key travels as api-key, every other Chat server's as a bearer token."""
    assert auth_scheme(provider("https://team.openai.azure.com/openai/v1")) == "api-key"
    assert auth_scheme(provider()) == "bearer"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_made_of_real_quirks(name: str) -> None:
    """Each row and each of its rules names fields that exist, with values of their type."""
    row = PRESETS[name]
    for overrides in (row.quirks, *(rule for _, rule in row.rules)):
        msgspec.convert(dict(overrides), ChatQuirks)


@pytest.mark.parametrize(("pattern", "overrides"), FAMILIES, ids=[pattern for pattern, _ in FAMILIES])
def test_every_family_is_made_of_real_quirks(pattern: str, overrides: dict[str, object]) -> None:
    """Each family's row names fields that exist, and is matched in lower case."""
    assert pattern == pattern.lower()
    msgspec.convert(dict(overrides), ChatQuirks)


@pytest.mark.parametrize(
    ("model", "context", "output"),
    [
        ("gpt-4o", 128_000, 16_384),
        ("gpt-4o-2024-05-13", 128_000, 4_096),
        ("gpt-4.1-mini", 1_047_576, 32_768),
        ("gpt-4", 8_192, None),
        ("gpt-5", 272_000, 128_000),
        ("gpt-5-2025-08-07", 272_000, 128_000),
        ("gpt-5.1", 272_000, 128_000),
        ("gpt-5.4", 922_000, 128_000),
        ("gpt-5.4-mini", 272_000, 128_000),
        ("o3", 200_000, 100_000),
        ("openai/o4-mini", 200_000, 100_000),
        ("claude-sonnet-4-5-20250929", 200_000, 64_000),
        ("anthropic/claude-sonnet-4.5", 200_000, 64_000),
        ("claude-3-5-haiku-20241022", 200_000, 8_192),
        ("claude-opus-5-5", 1_000_000, 128_000),
        ("gemini-2.5-pro", 1_048_576, 65_536),
        ("deepseek-v4-flash", 1_000_000, 384_000),
        ("deepseek-flash", 1_000_000, 384_000),
        ("z-ai/glm-5.3", 1_000_000, 131_072),
        ("kimi-k3", 1_048_576, None),
        ("some-model", None, None),
    ],
)
def test_limits_of_known_models(model: str, context: int | None, output: int | None) -> None:
    """Known models have their limits; of others nothing is claimed."""
    limits = limits_for(model)
    assert (limits.context_window, limits.max_output) == (context, output)


def test_no_limit_is_hidden_behind_an_earlier_pattern() -> None:
    """No row of the catalog repeats a pattern, where the later one would never be read."""
    patterns = [pattern for pattern, _, _ in LIMITS]
    assert len(set(patterns)) == len(patterns)


@pytest.mark.parametrize(
    ("preset", "model", "reasons"),
    [
        ("ollama", "qwen3:8b", True),
        ("ollama", "qwen3-coder:30b", False),
        ("vllm", "Qwen/Qwen3-30B-A3B-Instruct-2507", False),
        ("lmstudio", "llama-3.1-8b", False),
        ("ollama", "deepseek-r1:14b", True),
        ("dashscope", "qwen3-32b", False),
        ("xai", "grok-4", True),
        ("xai", "grok-4-fast-non-reasoning", False),
    ],
)
def test_models_that_reason_whatever_they_are_told_are_known(preset: str, model: str, reasons: bool) -> None:
    """Some models cannot be kept from reasoning, others not at a server that has no switch for it."""
    assert chat_quirks_for(provider(PRESETS[preset].base_url, preset), model).reasons == reasons


@pytest.mark.parametrize("model", ["deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro"])
def test_deepseek_sees_images_and_takes_efforts(model: str) -> None:
    """All names are served by V4.1-Flash (api-docs.deepseek.com: pricing, vision, thinking mode); it reads no PDFs."""
    quirks = chat_quirks_for(provider("https://api.deepseek.com"), model)
    assert (quirks.images, quirks.files, quirks.reasoning) == (True, False, "thinking")
    assert {"low", "high", "max"} <= {*quirks.efforts}


@pytest.mark.parametrize(
    ("host", "model", "reasoning", "efforts", "reasons"),
    [
        ("api.z.ai", "glm-5.1", "thinking", (), False),
        ("api.z.ai", "glm-5.2", "thinking", ("low", "medium", "high", "xhigh", "max"), False),
        ("open.bigmodel.cn", "glm-5.3-flash", "effort", ("low", "high", "max"), False),
        ("api.moonshot.ai", "kimi-k2.6", "thinking", (), False),
        ("api.moonshot.ai", "kimi-k2.7-code-highspeed", "none", (), True),
        ("api.moonshot.cn", "kimi-k3.1-pro", "effort", ("low", "high", "max"), False),
    ],
)
def test_what_always_thinks_is_not_told_to_stop(
    host: str, model: str, *, reasoning: str, efforts: tuple[str, ...], reasons: bool
) -> None:
    """GLM-5.3, Kimi K2.7 Code and K3 refuse `thinking: disabled` (docs.z.ai, platform.kimi.ai); the others heed it."""
    quirks = chat_quirks_for(provider(f"https://{host}/v1"), model)
    assert (quirks.reasoning, quirks.efforts, quirks.reasons) == (reasoning, efforts, reasons)


@pytest.mark.parametrize(
    ("name", "model", "efforts"),
    [
        ("xai", "grok-4-0709", ()),
        ("xai", "grok-4.3", ("none", "low", "medium", "high")),
        ("xai", "grok-4.5", ("low", "medium", "high")),
        ("xai", "grok-4.7", ("low", "medium", "high", "xhigh")),
        ("mistral", "mistral-medium-latest", ("none", "high")),
        ("mistral", "mistral-medium-3-5", ("none", "high")),
        ("mistral", "mistral-small-2603", ("none", "high")),
        ("mistral", "mistral-medium-2508", ()),
        ("mistral", "codestral-2508", ()),
    ],
)
def test_vendors_models_take_their_own_efforts(name: str, model: str, efforts: tuple[str, ...]) -> None:
    """What docs.x.ai and docs.mistral.ai tell of each; the others refuse the field."""
    quirks = chat_quirks_for(provider(PRESETS[name].base_url, name), model)
    assert quirks.efforts == efforts
    assert quirks.reasoning == "effort" or not efforts
