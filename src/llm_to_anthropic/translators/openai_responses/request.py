"""Anthropic request -> body of a request to OpenAI Responses, or of one that counts its tokens.

Pure: the same request gives the same bytes. Deviations of models and servers are quirks of the target; what cannot be
carried over is reported. Every request stands for itself: nothing is kept at the upstream, and nothing looked up there.
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
from llm_to_anthropic.translators.checks import check_request
from llm_to_anthropic.translators.encoder import RequestEncoder, encoded
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.history import History, read_history
from llm_to_anthropic.translators.memory.known_messages import fill_frame
from llm_to_anthropic.translators.openai.account import cache_key, set_account
from llm_to_anthropic.translators.openai_responses.compaction import read_compaction, wanted_compaction
from llm_to_anthropic.translators.openai_responses.content import ResponsesContent
from llm_to_anthropic.translators.openai_responses.encoding import ResponsesEncoding
from llm_to_anthropic.translators.openai_responses.reasoning import reasoning, wanted_thinking
from llm_to_anthropic.translators.openai_responses.tools import ResponsesTools, responses_tools
from llm_to_anthropic.translators.request import bounded_depth
from llm_to_anthropic.translators.schemas.closing import close_schema
from llm_to_anthropic.translators.schemas.patterns import readable_patterns
from llm_to_anthropic.translators.system_prompt import NO_SEARCH, system_blocks
from llm_to_anthropic.translators.thinking import wanted_effort
from llm_to_anthropic.translators.tools import client_names
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from llm_to_anthropic.wire.anthropic import MessagesRequest
from llm_to_anthropic.wire.openai_responses import (
    Compaction,
    FunctionTool,
    InputItem,
    JsonObjectFormat,
    JsonSchemaFormat,
    MessageItem,
    Prompt,
    ResponsesRequest,
    StreamOptions,
    TextOptions,
)

MIN_TOKENS = 16
"""The upstream refuses to be asked for fewer."""
SHORT_ANSWER_TOKENS = 4096
"""Generated in about a minute, reasoning included: most proxies tolerate no longer silence."""


def encode_responses(request: MessagesRequest, client: ClientRequest, target: Target) -> Encoded[ResponsesEncoding]:
    """The request for this target. Raises ClientError (400) for what it cannot carry."""
    return _Encoder(request, client, target).encode()


def encode_known(client: ClientRequest, target: Target, learned: Learned) -> Encoded[ResponsesEncoding] | None:
    """The same, put together out of what was rendered before.

    None where the general way has to see the request. Raises ClientError (400) as `encode_responses`.
    """
    return fill_frame(client, target, learned, ResponsesContent, _Encoder)


def encode_count(request: MessagesRequest, client: ClientRequest, target: Target) -> bytes:
    """The body that has the upstream count input tokens. Raises ClientError (400) for what it cannot carry."""
    with bounded_depth():
        return _Encoder(request, client, target).encode_count()


class _Encoder(RequestEncoder[ResponsesEncoding]):
    def __init__(self, request: MessagesRequest, client: ClientRequest, target: Target) -> None:
        super().__init__(request, client, target)
        self._quirks = target.responses
        self._content = ResponsesContent(target, self._losses, unsigned=client.unsigned)
        self._compaction: Compaction | None = None

    def encode_count(self) -> bytes:
        """The same prompt without what does not count: settings of the answer and of the account."""
        self._check()
        history = self._history()
        made, _ = self._prompt(history, self._items(history))
        return msgspec.json.encode(Prompt(**{name: getattr(made, name) for name in Prompt.__struct_fields__}))

    def _check(self) -> None:
        request, hosted = self._request, self._quirks.hosted
        executes = any((tool.type or "").startswith("code_execution_") for tool in request.tools or ())
        runs_code = executes and "code_interpreter" in hosted
        if self._quirks.compaction:
            self._compaction = wanted_compaction(request.context_management, self._losses)
        check_request(
            request,
            self._client,
            self._losses,
            runs_mcp="mcp" in hosted,
            runs_code=runs_code,
            compacts=self._compaction is not None,
        )

    def _history(self) -> History:
        version = self._client.api_version
        return read_history(self._request, self._losses, api_version=version, restore=self._restore)

    def _restore(self, sealed: str) -> Raw | None:
        reads = self._quirks.compaction and not self._client.unsigned
        return read_compaction(sealed, self._target) if reads else None

    def _items(self, history: History) -> list[InputItem]:
        items: list[InputItem] = [history.compacted] if history.compacted is not None else []
        items += [item for turn in history.turns for item in self._content.render(turn)]
        if not items:
            raise ClientError("messages: no message has any content for this model")
        return items

    def _encode(self, history: History, rendered: Raw | None = None) -> Encoded[ResponsesEncoding]:
        request = self._request
        items: list[InputItem] = self._items(history) if rendered is None else [rendered]
        made, tools = self._prompt(history, items)
        self._set_limits(made, tools)
        self._set_sampling(made)
        self._set_answer(made, tools)
        self._set_account(made)
        self._losses.check()
        encoding = ResponsesEncoding(
            losses=tuple(self._losses.losses),
            tool_names=client_names(tool.name for tool in tools.declared),
            strict_schemas=tools.strict_schemas,
            stop_sequences=tuple(request.stop_sequences or ()),
            most_visible=most_visible(request, made.max_output_tokens),
            prefill=_prefill(items[-1]),
            single_call=bool(request.tool_choice and request.tool_choice.disable_parallel_tool_use),
            thinking=wanted_thinking(request.thinking),
            hosted=tools.hosted,
            cites=made.text is None,
            blocked_domains=tools.blocked_domains,
            reasoning_effort=made.reasoning.effort if made.reasoning else None,
            wants_nothing=request.max_tokens == 0,
            compacts=self._compaction is not None,
        )
        return encoded(made, encoding, history, self._content)

    def _prompt(self, history: History, items: list[InputItem]) -> tuple[ResponsesRequest, ResponsesTools]:
        """All that makes input tokens."""
        request, losses, quirks = self._request, self._losses, self._quirks
        tools = responses_tools(request, history, losses, quirks)
        made = ResponsesRequest(model=self._target.model, input=items)
        texts = [block.text for block in system_blocks(request.system)]
        if tools.search_missing:
            texts.append(NO_SEARCH)
        self._set_format(made, texts)
        made.instructions = "\n\n".join(texts) or None
        made.tools = tools.tools or None
        made.tool_choice = tools.choice
        # What does not fit is the client's to sum up: it waits for the error.
        made.truncation = "disabled" if quirks.truncation else None
        made.parallel_tool_calls = False if tools.single_call else None
        effort = wanted_effort(request, history.effort)
        made.reasoning = reasoning(request, effort, quirks, losses, hosted=bool(tools.hosted))
        return made, tools

    def _set_format(self, made: ResponsesRequest, texts: list[str]) -> None:
        """Asks for structured output; where only JSON as such is known, the schema goes into the instructions."""
        found = wanted_schema(self._request, self._losses)
        if found is None:
            return
        schema, _ = found
        if self._quirks.response_format == "json_object":
            made.text = TextOptions(JsonObjectFormat())
            texts.append(schema_prompt(schema))
            return
        # Answers travel as text, so a schema that would only close with nulls for what is absent stays open.
        schema = readable_patterns(schema, keep=self._quirks.patterns)
        closed = close_schema(schema, optional=False) if self._quirks.strict else None
        strict = closed is not None if self._quirks.strict else None
        made.text = TextOptions(JsonSchemaFormat(name="output", schema=closed or schema, strict=strict))

    def _set_limits(self, made: ResponsesRequest, tools: ResponsesTools) -> None:
        limits = self._target.limits.max_output, self._quirks.max_output
        reasons = self._target.reasons and not (made.reasoning and made.reasoning.effort == "none")
        wanted = most_tokens(self._request, self._losses, *limits, reasons=reasons)
        if wanted and wanted < MIN_TOKENS:
            self._losses.mention("max_tokens", f"raised to {MIN_TOKENS}, the least that this API takes")
            wanted = MIN_TOKENS
        if wanted and not self._quirks.limits_output:
            self._losses.lose("max_tokens", "not known to this upstream; the answer is as long as the model likes")
            wanted = None
        made.max_output_tokens = wanted
        made.max_tool_calls = tools.max_calls

    def _set_sampling(self, made: ResponsesRequest) -> None:
        request = self._request
        if self._quirks.sampling or (made.reasoning and made.reasoning.effort == "none"):
            made.temperature, made.top_p = request.temperature, request.top_p
        else:
            lose_sampling(request, self._losses)
        if request.top_k is not None:
            self._losses.lose("top_k", "not known to this upstream; left out")

    def _set_answer(self, made: ResponsesRequest, tools: ResponsesTools) -> None:
        """How the answer comes, and what it includes."""
        included = {
            "reasoning.encrypted_content": self._quirks.encrypted_content,
            "web_search_call.action.sources": tools.runs("web_search", "web_fetch"),
            "code_interpreter_call.outputs": tools.runs("code_execution"),
        }
        made.include = [name for name, wanted in included.items() if wanted] or None
        made.context_management = [self._compaction] if self._compaction else None
        if self._streams(made, tools):
            made.stream = True
            made.stream_options = StreamOptions(include_obfuscation=False) if self._quirks.obfuscation else None

    def _streams(self, made: ResponsesRequest, tools: ResponsesTools) -> bool:
        """Whether to ask for events. For long answers to clients that want them whole, too.

        A long silence does not outlive every proxy on the way, and a stop sequence ends an answer where it comes.
        """
        request, wanted = self._request, made.max_output_tokens
        if self._quirks.streams != "long" or request.stream or request.stop_sequences or tools.hosted:
            return self._quirks.streams != "never"
        return wanted is None or wanted > SHORT_ANSWER_TOKENS

    def _set_account(self, made: ResponsesRequest) -> None:
        """Fields about the account rather than the answer."""
        set_account(made, self._request, self._quirks, self._losses)
        if self._quirks.prompt_cache_key:
            names = (tool.name for tool in made.tools or () if isinstance(tool, FunctionTool))
            made.prompt_cache_key = cache_key(self._client.session_id, [made.instructions or ""], names)


def _prefill(last: InputItem) -> str:
    if isinstance(last, MessageItem) and last.role == "assistant" and isinstance(last.content, str):
        return last.content
    return ""
