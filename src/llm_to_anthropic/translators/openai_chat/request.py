"""Anthropic request -> body of a Chat Completions request.

Pure: the same request gives the same bytes. Deviations of servers are quirks of the target; what cannot be carried
over is reported.
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
from llm_to_anthropic.translators.history import GO_ON, History
from llm_to_anthropic.translators.memory.known_messages import fill_frame
from llm_to_anthropic.translators.openai.account import cache_key, set_account
from llm_to_anthropic.translators.openai.functions import (
    FunctionSchema,
    function_schema,
    google_function_schema,
    typed_function_schema,
)
from llm_to_anthropic.translators.openai_chat.content import (
    ChatContent,
    begun_by_user,
    call_by_call,
    merge_roles,
    part_from_tools,
)
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.schemas.closing import close_schema
from llm_to_anthropic.translators.schemas.lengths import without_lengths
from llm_to_anthropic.translators.schemas.patterns import readable_patterns
from llm_to_anthropic.translators.schemas.typed import MAX_INLINED_IN_ALL
from llm_to_anthropic.translators.system_prompt import NO_SEARCH, system_blocks
from llm_to_anthropic.translators.thinking import (
    Level,
    is_off,
    is_on,
    nearest_effort,
    report_no_thinking,
    wanted_effort,
    wanted_level,
)
from llm_to_anthropic.translators.tools import (
    DeclaredTool,
    client_names,
    is_web_search,
    request_tools,
    upstream_name,
)
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from llm_to_anthropic.wire.anthropic import MessagesRequest, TextBlock
from llm_to_anthropic.wire.openai_chat import (
    ChatMessage,
    ChatRequest,
    Function,
    FunctionTool,
    JsonSchema,
    StreamOptions,
    TextPart,
)

_NO_ARGUMENT_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_FORCING = frozenset({"any", "tool"})
_LEFT_TO_MODEL = frozenset({"auto", "ignored"})
"""Where no model can be made to call a tool."""


def encode_chat(request: MessagesRequest, client: ClientRequest, target: Target) -> Encoded[ChatEncoding]:
    """The request for this target. Raises ClientError (400) for what it cannot carry."""
    return _Encoder(request, client, target).encode()


def encode_known(client: ClientRequest, target: Target, learned: Learned) -> Encoded[ChatEncoding] | None:
    """The same, put together out of what was rendered before.

    None where the general way has to see the request. Raises ClientError (400) as `encode_chat`.
    """
    quirks = target.chat
    if quirks.merge_same_role or quirks.merge_system or quirks.user_first:
        return None
    if not (quirks.user_after_tool and quirks.calls_together):
        return None
    return fill_frame(client, target, learned, ChatContent, _Encoder)


class _Encoder(RequestEncoder[ChatEncoding]):
    def __init__(self, request: MessagesRequest, client: ClientRequest, target: Target) -> None:
        super().__init__(request, client, target)
        self._quirks = target.chat
        self._content = ChatContent(target, self._losses, unsigned=client.unsigned)
        self._strict_schemas: dict[str, object] = {}
        self._written_as_text: dict[str, object] = {}
        self._inlined = 0
        """How many references of schemas were written out."""

    def _encode(self, history: History, rendered: Raw | None = None) -> Encoded[ChatEncoding]:
        request = self._request
        messages: list[ChatMessage | Raw]
        messages = [*self._messages(history)] if rendered is None else [*self._prompt(), rendered]
        tools, _ = request_tools(request, history, self._losses, max_tools=self._quirks.max_tools)
        stops = tuple(request.stop_sequences or ())
        prefill = _prefill(messages)
        if not self._quirks.prefill and isinstance(last := messages[-1], ChatMessage) and last.role == "assistant":
            messages.append(ChatMessage(role="user", content=GO_ON))
        chat = ChatRequest(model=self._target.model, messages=messages)
        # Stop sequences end an answer early.
        chat.stream = self._client.stream or bool(stops) or self._quirks.stream_always or None
        self._set_tools(chat, tools)
        self._set_reasoning(chat, history)
        self._set_limits(chat, stops)
        self._set_sampling(chat)
        self._set_format(chat)
        self._set_account(chat)
        self._losses.check()
        encoding = ChatEncoding(
            losses=tuple(self._losses.losses),
            tool_names=client_names((tool.name for tool in tools), lead=self._content.parts.lead),
            strict_schemas=self._strict_schemas,
            written_as_text=self._written_as_text,
            stop_sequences=stops,
            most_visible=most_visible(request, chat.max_tokens or chat.max_completion_tokens),
            prefill=prefill,
            single_call=bool(request.tool_choice and request.tool_choice.disable_parallel_tool_use),
            reasoning_off=is_off(request.thinking),
            thinking_asked=is_on(request.thinking),
            reasoning_effort=chat.reasoning_effort,
            wants_nothing=request.max_tokens == 0,
        )
        return encoded(chat, encoding, history, self._content)

    def _prompt(self) -> list[ChatMessage]:
        blocks = self._system_blocks()
        if not blocks:
            return []
        role = self._quirks.system_role
        if role == "user":
            self._losses.mention("system", "stands before the first message: this model takes no instructions apart")
        return [ChatMessage(role=role, content=self._content.system_prompt(blocks))]

    def _messages(self, history: History) -> list[ChatMessage]:
        messages = self._prompt()
        prompts = len(messages)
        for turn in history.turns:
            messages.extend(self._content.messages(turn, first=not messages))
        if len(messages) == prompts:
            raise ClientError("messages: no message has any content for this model")
        if not self._quirks.calls_together:
            messages = call_by_call(messages)
        if self._quirks.merge_same_role:
            messages = merge_roles(messages)
        if self._quirks.user_first:
            messages = begun_by_user(messages)
        if self._quirks.prefix and messages[-1].role == "assistant":
            messages[-1].prefix = True
        return messages if self._quirks.user_after_tool else part_from_tools(messages)

    def _system_blocks(self) -> list[TextBlock]:
        kept = system_blocks(self._request.system)
        if any(is_web_search(tool) for tool in self._request.tools or ()):
            kept.append(TextBlock(NO_SEARCH))
        return kept

    def _set_tools(self, chat: ChatRequest, tools: list[DeclaredTool]) -> None:
        if not tools:
            return
        choice, known = self._request.tool_choice, self._quirks.tool_choice
        if choice and choice.type == "none" and known == "ignored":
            return  # what it does not know of the model cannot call
        if choice and choice.type == "tool" and known == "required":
            # Of one tool alone it is the same to ask for any.
            tools = [tool for tool in tools if tool.name == choice.name] or tools
        chat.tools = [self._function(tool) for tool in tools]
        if choice is None or (choice.type == "tool" and not any(tool.name == choice.name for tool in tools)):
            return
        if choice.disable_parallel_tool_use and choice.type != "none" and self._quirks.parallel_tool_calls:
            chat.parallel_tool_calls = False
        if choice.type in _FORCING and known in _LEFT_TO_MODEL:
            self._losses.lose("tool_choice", "this model cannot be made to call a tool; left to it")
        elif choice.type == "tool" and known == "named":
            named = {
                "type": "function",
                "function": {"name": upstream_name(choice.name or "", lead=self._content.parts.lead)},
            }
            chat.tool_choice = raw_json(named)
        elif choice.type != "auto" or known not in _LEFT_TO_MODEL:
            chat.tool_choice = raw_json(_NO_ARGUMENT_CHOICES.get(choice.type, "required"))

    def _function(self, tool: DeclaredTool) -> FunctionTool:
        quirks = self._quirks
        schema = self._schema(tool)
        self._inlined += schema.inlined
        if schema.closed:
            self._strict_schemas[tool.name] = msgspec.json.decode(tool.schema)
        if schema.original is not None:
            self._written_as_text[tool.name] = schema.original
        strict = schema.closed if quirks.strict else None
        name = upstream_name(tool.name, lead=self._content.parts.lead)
        return FunctionTool(Function(name, tool.description, schema.parameters, strict=strict))

    def _schema(self, tool: DeclaredTool) -> FunctionSchema:
        quirks, losses, sparing = self._quirks, self._losses, self._inlined > MAX_INLINED_IN_ALL
        if quirks.google_schema:
            return google_function_schema(tool, losses, sparing=sparing)
        if quirks.typed_schema:
            return typed_function_schema(tool, losses, sparing=sparing, patterns=quirks.patterns)
        return function_schema(
            tool,
            losses,
            strict=quirks.strict,
            clean=quirks.clean_schema,
            patterns=quirks.patterns,
            lengths=quirks.lengths,
        )

    def _set_limits(self, chat: ChatRequest, stops: tuple[str, ...]) -> None:
        limits = self._target.limits.max_output, self._quirks.max_output
        wanted = most_tokens(self._request, self._losses, *limits, reasons=self._reasons(chat))
        if wanted and wanted < (least := self._quirks.min_output):
            self._losses.mention("max_tokens", f"raised to {least}, the least that this upstream takes")
            wanted = least
        if self._quirks.max_tokens_field == "max_tokens":
            chat.max_tokens = wanted
        else:
            chat.max_completion_tokens = wanted
        if 0 < len(stops) <= self._quirks.max_stop and not chat.tools and not self._may_think():
            chat.stop = list(stops)
        if chat.stream and self._quirks.stream_options:
            chat.stream_options = StreamOptions(True, False if self._quirks.obfuscation else None)

    def _set_reasoning(self, chat: ChatRequest, history: History) -> None:
        effort = wanted_effort(self._request, history.effort)
        level = wanted_level(self._request, effort)
        if chat.tools and self._quirks.tools_need_no_reasoning:
            if level != "off" and (level or is_on(self._request.thinking)):
                self._losses.lose("thinking", "this API takes function tools only without reasoning")
            chat.reasoning_effort = "none"
            return
        match self._quirks.reasoning:
            case "none":
                report_no_thinking(self._request, effort, self._losses)
            case "effort":
                self._set_effort(chat, level, effort)
            case "enable_thinking":
                if (wanted := self._thinks(chat, level)) is not None:
                    chat.chat_template_kwargs = raw_json({"enable_thinking": wanted})
            case "enable_thinking_field":
                chat.enable_thinking = self._thinks(chat, level)
            case "thinking":
                if (wanted := self._thinks(chat, level)) is not None:
                    chat.thinking = raw_json({"type": "enabled" if wanted else "disabled"})
                if wanted and level and level != "off":
                    chat.reasoning_effort = nearest_effort(level, self._quirks.efforts)
            case "openrouter":
                chat.reasoning = self._openrouter(level)

    def _reasons(self, chat: ChatRequest) -> bool:
        """Whether the model does so, whatever it was told."""
        if chat.reasoning_effort == "none":
            return False
        match self._quirks.reasoning:
            case "none":
                return self._target.reasons
            case "effort":
                # Tags and the like are looked for at all local servers: more tokens may not fit into a small context.
                return bool(self._quirks.efforts) or self._quirks.reasons
            case _:
                # Where the vendor's switch works, a client that wants no thoughts has turned it.
                return self._quirks.reasons

    def _may_think(self) -> bool:
        """Servers look for stop sequences in all that a model writes (vLLM, SGLang): in thoughts and in calls, too."""
        quirks = self._quirks
        known = bool(quirks.efforts) or quirks.reasons or self._target.reasons or quirks.think_tags
        return known or quirks.reasoning_history != "none" or quirks.reasoning not in ("none", "effort")

    def _set_effort(self, chat: ChatRequest, level: Level | None, effort: str | None) -> None:
        if not self._quirks.efforts:
            report_no_thinking(self._request, effort, self._losses)
            return
        if level is None:
            return
        chat.reasoning_effort = nearest_effort(level, self._quirks.efforts)
        if chat.reasoning_effort is None:
            self._losses.lose("thinking", "this model's reasoning cannot be turned off")

    def _thinks(self, chat: ChatRequest, level: Level | None) -> bool | None:
        """On, off, or the model's default. These vendors, too, force no tool on a model that thinks."""
        thinking, choice = self._request.thinking, self._request.tool_choice
        if level == "off":
            return False
        if chat.tool_choice and choice and choice.type in _FORCING:
            if thinking and thinking.type == "enabled":
                self._losses.lose("thinking", "not together with a tool that must be called; off")
            return False
        return True if level or is_on(thinking) else None

    def _openrouter(self, level: Level | None) -> Raw | None:
        thinking, efforts = self._request.thinking, self._quirks.efforts or ("low", "medium", "high", "xhigh")
        if level == "off" and self._quirks.reasons:
            self._losses.mention("thinking", "cannot be switched off on this model; asked for little")
            return raw_json({"effort": nearest_effort("low", efforts)})
        if level == "off":
            return raw_json({"enabled": False})
        if thinking and thinking.type == "enabled" and thinking.budget_tokens:
            return raw_json({"max_tokens": thinking.budget_tokens})
        if level is None:
            return raw_json({"enabled": True}) if is_on(thinking) else None
        return raw_json({"effort": nearest_effort(level, efforts)})

    def _set_sampling(self, chat: ChatRequest) -> None:
        request = self._request
        if self._quirks.sampling or chat.reasoning_effort == "none":
            chat.temperature, chat.top_p = request.temperature, request.top_p
        else:
            lose_sampling(request, self._losses)
        if request.top_k is not None:
            if self._quirks.top_k:
                chat.top_k = request.top_k
            else:
                self._losses.lose("top_k", "not known to this upstream; left out")

    def _set_format(self, chat: ChatRequest) -> None:
        found = wanted_schema(self._request, self._losses)
        if found is None:
            return
        schema, _ = found
        form = self._quirks.response_format
        if form == "prompt" or (chat.tools and not self._quirks.schema_with_tools):
            _append_system(chat, schema_prompt(schema), self._quirks.system_role)
        elif form == "json_object":
            chat.response_format = raw_json({"type": "json_object"})
            _append_system(chat, schema_prompt(schema), self._quirks.system_role)
        else:
            chat.response_format = raw_json({"type": "json_schema", "json_schema": self._json_schema(schema)})

    def _json_schema(self, schema: Raw) -> JsonSchema:
        # Answers travel as text, so a schema that would only close with nulls for what is absent stays open.
        schema = readable_patterns(schema, keep=self._quirks.patterns)
        if not self._quirks.lengths:
            schema = without_lengths(schema)
        closed = close_schema(schema, optional=False)
        if closed is not None:
            return JsonSchema(closed, "output", strict=True)
        return JsonSchema(schema, "output", strict=False if self._quirks.strict else None)

    def _set_account(self, chat: ChatRequest) -> None:
        """Fields about the account rather than the answer."""
        set_account(chat, self._request, self._quirks, self._losses)
        if self._quirks.prompt_cache_key:
            texts = (block.text for block in self._system_blocks())
            names = (tool.function.name for tool in chat.tools or ())
            chat.prompt_cache_key = cache_key(self._client.session_id, texts, names)


def _append_system(chat: ChatRequest, text: str, role: str) -> None:
    first = chat.messages[0]
    if not isinstance(first, ChatMessage) or first.role != role or first.content is None:
        chat.messages.insert(0, ChatMessage(role=role, content=text))
    elif isinstance(first.content, str):
        first.content = f"{first.content}\n\n{text}"
    else:
        first.content = [*first.content, TextPart(text)]


def _prefill(messages: list[ChatMessage | Raw]) -> str:
    last = messages[-1]
    if not isinstance(last, ChatMessage):
        return ""  # a conversation out of the memory ends with its client's words
    return last.content if last.role == "assistant" and isinstance(last.content, str) and not last.tool_calls else ""
