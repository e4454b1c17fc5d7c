"""Protocol -> translator. A new protocol is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.gemini import GeminiTranslator
from llm_to_anthropic.translators.openai_chat import OpenAIChatTranslator
from llm_to_anthropic.translators.openai_responses import OpenAIResponsesTranslator
from llm_to_anthropic.translators.translator import ClientRequest, Learned, Translator, TranslatorFactory

TRANSLATORS: Mapping[str, TranslatorFactory] = {
    "openai_chat": OpenAIChatTranslator,
    "openai_responses": OpenAIResponsesTranslator,
    "gemini": GeminiTranslator,
}


def make_translator(request: ClientRequest, target: Target, learned: Learned) -> Translator:
    """The translator of the target's protocol. Raises ApiError 501 where there is none."""
    factory = TRANSLATORS.get(target.protocol)
    if factory is None:
        raise ApiError(
            501,
            f"provider {target.provider.name} speaks {target.protocol}, which this version does not "
            "translate to yet; use an OpenAI Chat Completions, a Gemini or an Anthropic provider",
            type="api_error",
            headers={"x-should-retry": "false"},
        )
    return factory(request, target, learned)
