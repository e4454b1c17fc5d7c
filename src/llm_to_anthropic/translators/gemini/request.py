"""Anthropic request -> body of a generateContent request.

Pure: the same request gives the same bytes. Deviations of models and servers are quirks of the target; what cannot be
carried over is reported.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.answer_settings import (
    lose_sampling,
    most_tokens,
    most_visible,
    schema_prompt,
    wanted_schema,
)
from llm_to_anthropic.translators.encoder import RequestEncoder, encoded
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.gemini.content import GeminiContent, seam
from llm_to_anthropic.translators.gemini.encoding import GeminiEncoding
from llm_to_anthropic.translators.gemini.thinking import thinking_config
from llm_to_anthropic.translators.gemini.tools import WEB_FETCH, WEB_SEARCH, GeminiTools, gemini_tools
from llm_to_anthropic.translators.history import GO_ON, History
from llm_to_anthropic.translators.memory.known_messages import fill_frame
from llm_to_anthropic.translators.request import bounded_depth, dotted
from llm_to_anthropic.translators.schemas.google import answer_schema
from llm_to_anthropic.translators.system_prompt import NO_SEARCH, system_blocks
from llm_to_anthropic.translators.thinking import is_off, is_on, wanted_effort
from llm_to_anthropic.translators.tools import client_names
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from llm_to_anthropic.wire.anthropic import MessagesRequest
from llm_to_anthropic.wire.gemini import (
    Content,
    CountRequest,
    GenerateRequest,
    GenerationConfig,
    Part,
    SafetySetting,
)

SAFETY_CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)

_ONLY_DOMAINS = "Search the web on these domains only, each search limited by site: to one of them: {}."
_PREFIXES = ("models/", "gemini/", "google/")


def encode_gemini(request: MessagesRequest, client: ClientRequest, target: Target) -> Encoded[GeminiEncoding]:
    """The request for this target. Raises ClientError (400) for what it cannot carry."""
    return _Encoder(request, client, target).encode()


def encode_known(client: ClientRequest, target: Target, learned: Learned) -> Encoded[GeminiEncoding] | None:
    """The same, put together out of what was rendered before.

    None where the general way has to see the request. Raises ClientError (400) as `encode_gemini`.
    """
    if not target.gemini.system_instruction:
        return None
    return fill_frame(client, target, learned, GeminiContent, _Encoder, seam=seam)


def encode_gemini_count(request: MessagesRequest, client: ClientRequest, target: Target) -> bytes:
    """The body of countTokens for this target. Raises ClientError (400) for what it cannot carry."""
    with bounded_depth():
        return _Encoder(request, client, target).encode_count()


def bare_model(model: str) -> str:
    """A model's id without what lists and gateways put in front of it."""
    for prefix in _PREFIXES:
        model = model.removeprefix(prefix)
    return model


class _Encoder(RequestEncoder[GeminiEncoding]):
    def __init__(self, request: MessagesRequest, client: ClientRequest, target: Target) -> None:
        super().__init__(request, client, target)
        self._quirks = target.gemini
        self._content = GeminiContent(target, self._losses, unsigned=client.unsigned)
        self._added_to_system: list[str] = []
        self._prefill = ""
        self._cites = True

    def _encode(self, history: History, rendered: Raw | None = None) -> Encoded[GeminiEncoding]:
        request, tools, generate = self._request, *self._generate(history, rendered)
        generate.safety_settings = [
            SafetySetting(category, self._quirks.safety_threshold) for category in SAFETY_CATEGORIES
        ]
        self._losses.check()
        config = generate.generation_config or GenerationConfig()
        encoding = GeminiEncoding(
            losses=tuple(self._losses.losses),
            tool_names=client_names((tool.name for tool in tools.declared), lead="_"),
            written_as_text=tools.written_as_text,
            stop_sequences=tuple(request.stop_sequences or ()),
            most_visible=most_visible(request, config.max_output_tokens),
            single_call=bool(request.tool_choice and request.tool_choice.disable_parallel_tool_use),
            reasoning_off=is_off(request.thinking),
            thinking_asked=is_on(request.thinking),
            prefill=self._prefill,
            web_search=WEB_SEARCH in tools.kinds,
            web_fetch=WEB_FETCH in tools.kinds,
            cites=self._cites,
            allowed_domains=tools.allowed_domains,
            blocked_domains=tools.blocked_domains,
            max_tokens=config.max_output_tokens,
            wants_nothing=request.max_tokens == 0,
        )
        return encoded(generate, encoding, history, self._content)

    def encode_count(self) -> bytes:
        """The same prompt without what does not count: settings of the answer."""
        self._check()
        _, generate = self._generate(self._history())
        contents = [content for content in generate.contents if isinstance(content, Content)]
        if not any(isinstance(part, Part) and part.text for content in contents for part in content.parts):
            # Counting refuses contents without any text.
            contents[-1].parts.append(Part(text=" "))
        generate.tool_config = generate.generation_config = None
        if self._quirks.backend == "vertex":
            return msgspec.json.encode(generate)
        generate.model = f"models/{bare_model(self._target.model)}"
        return msgspec.json.encode(CountRequest(generate))

    def _generate(self, history: History, rendered: Raw | None = None) -> tuple[GeminiTools, GenerateRequest]:
        request, losses = self._request, self._losses
        tools = gemini_tools(request, history, losses, self._quirks)
        config = GenerationConfig()
        effort = wanted_effort(request, history.effort)
        config.thinking_config = thinking_config(request, effort, self._quirks, losses)
        self._set_limit(config)
        self._set_sampling(config)
        self._set_format(config, tools)
        if tools.search_missing:
            self._added_to_system.append(NO_SEARCH)
        if tools.allowed_domains:
            self._added_to_system.append(_ONLY_DOMAINS.format(", ".join(tools.allowed_domains)))
        return tools, GenerateRequest(
            contents=[*self._contents(history)] if rendered is None else [rendered],
            system_instruction=self._system() if self._quirks.system_instruction else None,
            tools=tools.tools or None,
            tool_config=tools.config,
            generation_config=config if config != GenerationConfig() else None,
        )

    def _contents(self, history: History) -> list[Content]:
        contents = self._content.contents(history.turns)
        if not contents:
            raise ClientError("messages: no message has any content for this model")
        if not self._quirks.system_instruction and (system := self._system()):
            self._losses.mention("system", "stands before the first message: this model takes no instructions apart")
            contents[0].parts[:0] = system.parts
        if contents[-1].role == "model":
            texts = [part.text for part in contents[-1].parts if isinstance(part, Part) and part.text]
            self._prefill = "".join(texts)
            if not self._quirks.prefill:
                contents.append(Content([Part(text=GO_ON)], role="user"))
        return contents

    def _system(self) -> Content | None:
        texts = [block.text for block in system_blocks(self._request.system)]
        parts: list[Part | Raw] = [Part(text=text) for text in (*texts, *self._added_to_system)]
        return Content(parts) if parts else None

    def _set_limit(self, config: GenerationConfig) -> None:
        limits = self._target.limits.max_output, self._quirks.max_output
        thinking = config.thinking_config
        reasons = self._quirks.thinking != "none" and not (thinking and thinking.thinking_budget == 0)
        config.max_output_tokens = most_tokens(self._request, self._losses, *limits, reasons=reasons)

    def _set_sampling(self, config: GenerationConfig) -> None:
        request = self._request
        if self._quirks.sampling:
            config.temperature, config.top_p, config.top_k = request.temperature, request.top_p, request.top_k
            return
        lose_sampling(request, self._losses)
        if request.top_k not in (None, 1):
            self._losses.lose("top_k", "this model chooses it itself; left out")

    def _set_format(self, config: GenerationConfig, tools: GeminiTools) -> None:
        found = wanted_schema(self._request, self._losses)
        if found is None:
            return
        self._cites = False
        schema, path = found
        if tools.tools and not self._quirks.schema_with_tools:
            self._losses.mention(path, "asked for in the system prompt: this model takes no schema beside tools")
            self._added_to_system.append(schema_prompt(schema))
        else:
            self._set_schema(config, schema, f"{path}.schema")

    def _set_schema(self, config: GenerationConfig, schema: Raw, path: str) -> None:
        config.response_mime_type = "application/json"
        known = answer_schema(schema, dotted(path), json_schema=self._quirks.json_schema)
        if known.cut:
            self._losses.mention(path, "refers to itself or is very deep; written out to a bound")
        if self._quirks.json_schema:
            config.response_json_schema = known.schema
        else:
            config.response_schema = known.schema
