"""Protocol -> translator. A new protocol is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from llm_to_anthropic.providers.provider import Protocol, Target
from llm_to_anthropic.translators.gemini.translator import GeminiTranslator
from llm_to_anthropic.translators.openai_chat.translator import OpenAIChatTranslator
from llm_to_anthropic.translators.openai_responses.translator import OpenAIResponsesTranslator
from llm_to_anthropic.translators.translator import ClientRequest, Learned, Translator, TranslatorFactory

TRANSLATORS: Mapping[Protocol, TranslatorFactory] = {
    "openai_chat": OpenAIChatTranslator,
    "openai_responses": OpenAIResponsesTranslator,
    "gemini": GeminiTranslator,
}


def make_translator(request: ClientRequest, target: Target, learned: Learned) -> Translator:
    """The translator of the target's protocol, which is not Anthropic's."""
    return TRANSLATORS[target.protocol](request, target, learned)
