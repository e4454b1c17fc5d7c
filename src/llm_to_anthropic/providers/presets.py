"""Known vendors and servers as rows: protocol, base URL, key variable, and how each deviates from its protocol.

A new vendor of a known protocol is a row here. Nothing else in this project knows a vendor by name.
As of November 2026; source: the vendors' API references and their recorded answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from llm_to_anthropic.providers.families import NOT_REASONING, Overrides, Rule, overrides_for
from llm_to_anthropic.providers.provider import Backend, Provider, ProviderProtocol
from llm_to_anthropic.providers.quirks import ChatQuirks

AuthScheme = Literal["bearer", "api-key", "x-api-key", "x-goog-api-key"]

DEFAULT_AUTH: Mapping[ProviderProtocol, AuthScheme] = {
    "openai": "bearer",
    "openai_chat": "bearer",
    "openai_responses": "bearer",
    "gemini": "x-goog-api-key",
    "anthropic": "x-api-key",
}


COMPATIBLE_RESPONSES: Overrides = {
    **NOT_REASONING,
    "compaction": False,
    "system_role": "system",
    "max_tools": 0,
    "hosted": (),
    "file_urls": False,
    "tool_args": "buffer",
    "obfuscation": False,
    "prompt_cache_key": False,
    "safety_identifier": False,
    "service_tier": False,
    "count_tokens": False,
}
"""How servers that speak OpenAI Responses differ from OpenAI's own: vLLM, LM Studio, OpenRouter and their like."""


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One known vendor or server."""

    base_url: str = ""
    """Empty: every account has its own, so the configuration must give it."""
    protocol: ProviderProtocol = "openai_chat"
    backend: Backend = "dev"
    """"vertex": the address is made of a Google Cloud project and a location; "azure": it may name a deployment."""
    variable: str = ""
    """The environment variable that its users know; empty: it needs no key."""
    auth: AuthScheme | None = None
    """The header that carries the key; None: the protocol's own."""
    hosts: tuple[str, ...] = ()
    """Host names (or wildcards) by which the vendor is recognised under any provider name."""
    own_hosts_only: bool = False
    """Protocol and quirks hold at these hosts alone: a gateway that speaks alike is another server."""
    quirks: Overrides = {}
    rules: tuple[Rule, ...] = ()
    """Overrides for some of its models, by pattern."""
    responses: Overrides | None = None
    """The quirks where it is asked by OpenAI Responses; None: those of a compatible server."""
    models: tuple[str, ...] = ()
    """What /v1/models lists where the configuration names no models."""


_NO_FILES: Overrides = {"files": False}
_TEXT_ONLY: Overrides = {"files": False, "images": False}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_ALWAYS_THINKS: Overrides = {"reasoning": "effort", "efforts": ("low", "high", "max")}
_ON_OR_OFF: Overrides = {"reasoning": "effort", "efforts": ("none", "high")}
_LOCAL: Overrides = {
    "files": False,
    "top_k": True,
    # Chat templates of open models commonly refuse a system message after the first.
    "merge_system": True,
    "think_tags": True,
}
_HYBRIDS: tuple[Rule, ...] = (
    # They think unless their template is told otherwise, for which these servers have no field in common.
    ("qwen3*", {"reasons": True}),
    ("qwen3*coder*", {"reasons": False}),
    ("qwen3*instruct*", {"reasons": False}),
)
_OPENAI: Overrides = {
    "max_tokens_field": "max_completion_tokens",
    "max_stop": 0,
    "obfuscation": True,
    "strict": True,
    "max_tools": 128,
    "tool_args": "live",
    "safety_identifier": True,
    "prompt_cache_key": True,
    "store": True,
    "service_tier": True,
}
_DEVELOPER: tuple[Rule, ...] = (
    ("o[1-9]*", {"system_role": "developer"}),
    ("gpt-[5-9]*", {"system_role": "developer"}),
)

_SIGNED_CALLS: tuple[Rule, ...] = (("gemini-[3-9]*", {"call_signatures": "extra_content"}),)

_GEMINI_MODELS = ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite")
_CLAUDE_MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2")

PRESETS: Mapping[str, Preset] = {
    "openai": Preset(
        base_url="https://api.openai.com/v1",
        protocol="openai",
        variable="OPENAI_API_KEY",
        hosts=("api.openai.com", "*.api.openai.com"),
        own_hosts_only=True,
        quirks=_OPENAI,
        responses={},
        rules=_DEVELOPER,
        models=("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "gpt-5.1", "o3", "o4-mini"),
    ),
    "anthropic": Preset(
        base_url="https://api.anthropic.com",
        protocol="anthropic",
        variable="ANTHROPIC_API_KEY",
        hosts=("api.anthropic.com",),
        models=_CLAUDE_MODELS,
    ),
    "gemini": Preset(
        base_url="https://generativelanguage.googleapis.com",
        protocol="gemini",
        variable="GEMINI_API_KEY",
        hosts=("generativelanguage.googleapis.com",),
        rules=_SIGNED_CALLS,
        models=_GEMINI_MODELS,
    ),
    "vertex": Preset(
        protocol="gemini",
        backend="vertex",
        variable="GOOGLE_APPLICATION_CREDENTIALS",
        hosts=("aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com"),
        rules=_SIGNED_CALLS,
        models=_GEMINI_MODELS,
    ),
    "vertex-anthropic": Preset(
        protocol="anthropic",
        backend="vertex",
        variable="GOOGLE_APPLICATION_CREDENTIALS",
        models=_CLAUDE_MODELS,
    ),
    "azure-openai": Preset(
        protocol="openai",
        backend="azure",
        variable="AZURE_OPENAI_API_KEY",
        auth="api-key",
        hosts=(
            *("*.openai.azure.com", "*.openai.azure.us", "*.openai.azure.cn"),
            *("*.services.ai.azure.com", "*.cognitiveservices.azure.com"),
        ),
        quirks={"max_tokens_field": "max_completion_tokens", "strict": True, "max_tools": 128, "tool_args": "live"},
        responses={"safety_identifier": False, "service_tier": False, "count_tokens": False},
        rules=_DEVELOPER,
    ),
    "deepseek": Preset(
        base_url="https://api.deepseek.com/v1",
        variable="DEEPSEEK_API_KEY",
        hosts=("api.deepseek.com",),
        quirks={
            # Images since V4.1, which answers under all names; efforts between these it maps by itself.
            **_NO_FILES,
            "reasoning": "thinking",
            "efforts": _EFFORTS,
            "reasoning_history": "reasoning_content",
            "response_format": "json_object",
        },
    ),
    "openrouter": Preset(
        base_url="https://openrouter.ai/api/v1",
        variable="OPENROUTER_API_KEY",
        hosts=("openrouter.ai",),
        quirks={
            # It speaks to every vendor in its own way, so what a family refuses elsewhere is its business.
            "max_tokens_field": "max_tokens",
            "sampling": True,
            "max_stop": 4,
            "top_k": True,
            "parallel_tool_calls": True,
            "reasoning": "openrouter",
            "efforts": ("none", "minimal", "low", "medium", "high", "xhigh"),
            "reasoning_history": "reasoning",
            "reasoning_details": True,
            "think_tags": False,
            "cache_control": True,
            "tools_need_no_reasoning": False,
        },
        rules=(("gemini-[3-9]*", {"call_signatures": "reasoning_details"}),),
    ),
    "groq": Preset(
        base_url="https://api.groq.com/openai/v1",
        variable="GROQ_API_KEY",
        hosts=("api.groq.com",),
        quirks={
            **_NO_FILES,
            "max_tokens_field": "max_completion_tokens",
            "max_tools": 128,
            "reasoning_history": "reasoning",
        },
    ),
    "mistral": Preset(
        base_url="https://api.mistral.ai/v1",
        variable="MISTRAL_API_KEY",
        hosts=("api.mistral.ai",),
        quirks={
            "document_urls": True,
            "merge_system": True,
            "merge_same_role": True,
            "user_after_tool": False,
            "prefix": True,
            "short_ids": True,
            # It refuses fields that it does not know, and reports usage unasked.
            "stream_options": False,
            "reasoning": "none",
            "reasoning_history": "none",
        },
        rules=(
            ("mistral-small-latest", _ON_OR_OFF),
            ("mistral-small-26*", _ON_OR_OFF),
            ("mistral-medium-latest", _ON_OR_OFF),
            ("mistral-medium-3*5", _ON_OR_OFF),
            ("mistral-medium-26*", _ON_OR_OFF),
        ),
    ),
    "together": Preset(
        base_url="https://api.together.xyz/v1",
        variable="TOGETHER_API_KEY",
        hosts=("api.together.xyz", "api.together.ai"),
        quirks={**_NO_FILES, "top_k": True, "think_tags": True},
    ),
    "fireworks": Preset(
        base_url="https://api.fireworks.ai/inference/v1",
        variable="FIREWORKS_API_KEY",
        hosts=("api.fireworks.ai",),
        quirks={**_NO_FILES, "top_k": True},
    ),
    "cerebras": Preset(
        base_url="https://api.cerebras.ai/v1",
        variable="CEREBRAS_API_KEY",
        hosts=("api.cerebras.ai",),
        quirks={**_TEXT_ONLY, "max_tokens_field": "max_completion_tokens", "reasoning_history": "reasoning"},
    ),
    "xai": Preset(
        base_url="https://api.x.ai/v1",
        variable="XAI_API_KEY",
        hosts=("api.x.ai", "*.api.x.ai"),
        quirks=_NO_FILES,
        responses={**COMPATIBLE_RESPONSES, "hosted": ("web_search", "code_interpreter", "mcp")},
        rules=(
            ("grok-[4-9]*", {"max_stop": 0}),
            ("grok-3-mini*", {"efforts": ("low", "high"), "max_stop": 0}),
            ("grok-4.3*", {"efforts": ("none", *_EFFORTS[:3])}),
            ("grok-4.5*", {"efforts": _EFFORTS[:3]}),
            ("grok-4.[67]*", {"efforts": _EFFORTS[:4]}),
        ),
    ),
    "moonshot": Preset(
        base_url="https://api.moonshot.ai/v1",
        variable="MOONSHOT_API_KEY",
        hosts=("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
        quirks={
            **_NO_FILES,
            "image_urls": False,
            "typed_schema": True,
            "letter_names": True,
            "reasoning": "none",
            "reasoning_history": "reasoning_content",
        },
        rules=(
            ("kimi-k2.[5-9]*", {"reasoning": "thinking", "sampling": False}),
            ("kimi-k2.7-code*", {"reasoning": "none", "reasons": True}),
            ("kimi-k[3-9]*", {**_ALWAYS_THINKS, "sampling": False}),
        ),
    ),
    "zai": Preset(
        base_url="https://api.z.ai/api/paas/v4",
        variable="ZAI_API_KEY",
        hosts=("api.z.ai", "open.bigmodel.cn"),
        quirks={
            **_NO_FILES,
            "max_stop": 1,
            "reasoning": "thinking",
            "reasoning_history": "reasoning_content",
            "response_format": "json_object",
            "parallel_tool_calls": False,
        },
        rules=(("glm-5.2*", {"efforts": _EFFORTS}), ("glm-5.[3-9]*", _ALWAYS_THINKS)),
    ),
    "dashscope": Preset(
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        variable="DASHSCOPE_API_KEY",
        hosts=("dashscope.aliyuncs.com", "*.dashscope.aliyuncs.com", "dashscope-*.aliyuncs.com"),
        quirks={
            **_NO_FILES,
            "top_k": True,
            "stream_always": True,
            "reasoning": "enable_thinking_field",
            "cache_control": True,
            "response_format": "json_object",
        },
    ),
    "huggingface": Preset(
        base_url="https://router.huggingface.co/v1",
        variable="HF_TOKEN",
        hosts=("router.huggingface.co",),
        quirks=_NO_FILES,
    ),
    "github-models": Preset(
        base_url="https://models.github.ai/inference",
        variable="GITHUB_TOKEN",
        hosts=("models.github.ai",),
        quirks=_NO_FILES,
    ),
    "nvidia": Preset(
        base_url="https://integrate.api.nvidia.com/v1",
        variable="NVIDIA_API_KEY",
        hosts=("integrate.api.nvidia.com",),
        quirks=_NO_FILES,
    ),
    "ollama": Preset(
        base_url="http://localhost:11434/v1",
        quirks={**_LOCAL, "image_urls": False, "tool_choice": "ignored"},
        rules=_HYBRIDS,
        responses={**COMPATIBLE_RESPONSES, "image_urls": False},
    ),
    "lmstudio": Preset(
        base_url="http://localhost:1234/v1",
        quirks={**_LOCAL, "image_urls": False, "tool_choice": "required"},
        rules=_HYBRIDS,
        responses={**COMPATIBLE_RESPONSES, "image_urls": False},
    ),
    "vllm": Preset(
        base_url="http://localhost:8000/v1", quirks={**_LOCAL, "reasoning_history": "reasoning"}, rules=_HYBRIDS
    ),
    "llamacpp": Preset(
        base_url="http://localhost:8080/v1",
        quirks={**_LOCAL, "reasoning_history": "reasoning_content"},
        rules=_HYBRIDS,
    ),
}


def preset_of(provider: Provider) -> Preset | None:
    """The row that describes a provider: the one that it names, else the one of its host."""
    return find_preset(provider.preset, provider.base_url)


@lru_cache(maxsize=256)
def find_preset(name: str, base_url: str) -> Preset | None:
    """The row of a preset's name, else of a base URL's host; None: a server that we do not know."""
    named = PRESETS.get(name)
    if named is not None and not named.own_hosts_only:
        return named
    host = urlsplit(base_url).hostname or ""
    return next((row for row in PRESETS.values() if any(fnmatchcase(host, wanted) for wanted in row.hosts)), None)


def auth_scheme(provider: Provider) -> AuthScheme:
    """The header in which a provider expects its key."""
    preset = preset_of(provider)
    return (preset.auth if preset else None) or DEFAULT_AUTH[provider.protocol]


def chat_quirks_for(provider: Provider, model: str) -> ChatQuirks:
    """The deviations that hold for a model at a provider.

    The standard, then what the model's family demands, then what the server insists on (a gateway may
    spell for the vendors behind it), its rules for single models, and the configuration above all.

    Raises: msgspec.ValidationError where an override has the wrong type; configuration is checked before.
    """
    merged = overrides_for(model)
    preset = preset_of(provider)
    if preset is not None:
        merged.update(preset.quirks)
        merged.update(overrides_for(model, preset.rules))
    merged.update(known_quirks(provider, ChatQuirks))
    return msgspec.convert(merged, ChatQuirks)


def known_quirks(provider: Provider, kind: type[msgspec.Struct]) -> Overrides:
    """The configured overrides that one protocol knows: an account that speaks two has those of both."""
    return {field: value for field, value in provider.quirks if field in kind.__struct_fields__}
