"""Token limits of known models, by name pattern. Data, as of November 2026, from the vendors' model pages.

The first pattern that matches the last part of the model id (in lower case) counts. `?` stands where
vendors write a dot and gateways a dash. What is not known is None: nothing is clamped then.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from llm_to_anthropic.providers.families import family_name
from llm_to_anthropic.providers.provider import ModelLimits

_K = 1000
_UNKNOWN = ModelLimits()

LIMITS: tuple[tuple[str, int | None, int | None], ...] = (
    # pattern, context window, most output tokens. GPT-5's window is larger, but its input has a limit of its own.
    ("gpt-5?[1-3]-chat*", 128 * _K, 16_384),
    ("gpt-5?3-codex-spark*", 128 * _K, 32 * _K),
    ("gpt-5?[45]-mini*", 272 * _K, 128 * _K),
    ("gpt-5?[45]-nano*", 272 * _K, 128 * _K),
    ("gpt-5?[45]*", 922 * _K, 128 * _K),
    ("gpt-5?[6-9]*", None, 128 * _K),
    ("gpt-5-pro*", 400 * _K, 272 * _K),
    ("gpt-5*", 272 * _K, 128 * _K),
    ("gpt-[6-9]*", None, 128 * _K),
    ("gpt-4.1*", 1_047_576, 32_768),
    ("gpt-4o-2024-05-13", 128 * _K, 4_096),
    ("gpt-4o*", 128 * _K, 16_384),
    ("chatgpt-4o*", 128 * _K, 16_384),
    ("gpt-4-turbo*", 128 * _K, 4_096),
    ("gpt-4-1106*", 128 * _K, 4_096),
    ("gpt-4-0125*", 128 * _K, 4_096),
    ("gpt-4-32k*", 32_768, None),
    ("gpt-4.5*", 128 * _K, 16_384),
    ("gpt-4", 8_192, None),
    ("gpt-4-0[36]*", 8_192, None),
    ("gpt-3.5-turbo*", 16_385, 4_096),
    ("o1-mini*", 128 * _K, 65_536),
    ("o1-preview*", 128 * _K, 32_768),
    ("o[134]*", 200 * _K, 100 * _K),
    ("*gpt-oss*", 131_072, None),
    ("claude-3-haiku*", 200 * _K, 4_096),
    ("claude-3-opus*", 200 * _K, 4_096),
    ("claude-3-sonnet*", 200 * _K, 4_096),
    ("claude-3?5-*", 200 * _K, 8_192),
    ("claude-3?7-*", 200 * _K, 64 * _K),
    ("claude-opus-4?[678]*", 1_000 * _K, 128 * _K),
    ("claude-opus-4?5*", 200 * _K, 64 * _K),
    ("claude-opus-4*", 200 * _K, 32 * _K),
    ("claude-sonnet-4?6*", 1_000 * _K, 64 * _K),
    ("claude-sonnet-4*", 200 * _K, 64 * _K),
    ("claude-haiku-4*", 200 * _K, 64 * _K),
    ("claude-opus-5*", 1_000 * _K, 128 * _K),
    ("claude-sonnet-5*", 1_000 * _K, None),
    ("claude-fable-5*", 1_000 * _K, None),
    ("gemini-2.0-*", 1_048_576, 8_192),
    ("gemini-2.5-flash-image*", 32_768, 32_768),
    ("gemini-*-tts*", 8_192, 16_384),
    ("gemini-*-image*", 65_536, 65_536),
    ("gemini-1.5-pro*", 2_097_152, 8_192),
    ("gemini-1.5-flash*", 1_048_576, 8_192),
    ("gemini-1.0*", 32_760, 8_192),
    ("gemini-2.5*", 1_048_576, 65_536),
    ("gemini-3*", 1_048_576, 65_536),
    # Of a streamed answer, as ours all are; a plain one ends at half of it.
    ("gemini-4*", None, 65_536),
    ("gemini-flash*", 1_048_576, 65_536),
    ("gemini-pro-latest", 1_048_576, 65_536),
    ("deepseek-v4*", 1_000 * _K, 384 * _K),
    ("deepseek-flash*", 1_000 * _K, 384 * _K),
    # The two rolling names follow the newest version on the vendor's own server; elsewhere they are smaller.
    ("deepseek-chat", None, None),
    ("deepseek-reasoner", None, None),
    ("deepseek-v3*", 128 * _K, None),
    ("deepseek-r1*", 128 * _K, None),
    ("kimi-k2-0711*", 131_072, None),
    ("kimi-k2*", 262_144, None),
    ("kimi-k[3-9]*", 1_048_576, None),
    ("glm-4.5v*", 65_536, 16_384),
    ("glm-4.5*", 131_072, 98_304),
    ("glm-4.[67]*", 200 * _K, 131_072),
    ("glm-5.3*", 1_000 * _K, 131_072),
    ("glm-5*", 200 * _K, 131_072),
)


def limits_for(model: str) -> ModelLimits:
    """What is known of a model's token limits."""
    name = family_name(model)
    for pattern, context, output in LIMITS:
        if fnmatchcase(name, pattern):
            return ModelLimits(context_window=context, max_output=output)
    return _UNKNOWN
