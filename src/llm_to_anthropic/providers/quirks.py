"""Quirks: named deviations of a provider or a model family from its protocol.

Each field's default is the standard. Translators read these fields and never ask for a provider's name.
A new deviation is a field here, one branch in one translator, and a test that names the upstream.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ReasoningStyle = Literal["none", "effort", "enable_thinking", "enable_thinking_field", "thinking", "openrouter"]


class ChatQuirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deviations of OpenAI Chat Completions. The standard is a plain compatible server (vLLM, llama.cpp)."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_output: int = 0
    """The server refuses to be asked for more tokens; 0: no limit beside the model's own."""
    min_output: int = 0
    """The server refuses to be asked for fewer tokens (OpenAI behind a gateway, Perplexity); 0: it takes any number."""
    system_role: Literal["system", "developer", "user"] = "system"
    """The role of instructions; `user` for models that take none apart (Gemma)."""
    merge_system: bool = False
    """The chat template takes one leading system message: later ones become user text in <system-reminder>."""
    merge_same_role: bool = False
    """The chat template demands alternating roles (Mistral, Gemma)."""
    user_first: bool = False
    """The user speaks first (Bedrock, GLM, templates of Qwen and Mistral)."""
    user_after_tool: bool = True
    """A user message may follow the result of a tool; otherwise the assistant says a word in between (Mistral)."""
    calls_together: bool = True
    """Several calls may stand in one message of the conversation; not so in the template of Llama 3."""
    prefix: bool = False
    """Goes on with an assistant's last message where that has `prefix`, and refuses it without (Mistral)."""
    prefill: bool = True
    """A conversation may end with the assistant's words; not so with Claude 4.6 and later, and models that think in
    llama.cpp."""
    sampling: bool = True
    """Takes `temperature` and `top_p`; OpenAI's reasoning models refuse them."""
    top_k: bool = False
    """Takes `top_k` (vLLM, Ollama, OpenRouter, llama.cpp)."""
    max_stop: int = 4
    """How many stop sequences may be sent along, where the answer is nothing but text; 0: none. They are always matched
    here, too."""
    stream_always: bool = False
    """Asked for a stream also where the client wants the answer whole: Qwen thinks in streams alone (DashScope)."""
    stream_options: bool = True
    """Takes `stream_options.include_usage`."""
    obfuscation: bool = False
    """Pads its chunks unless `include_obfuscation` is false (api.openai.com)."""
    strict: bool = False
    """Knows `strict` on tools (api.openai.com)."""
    patterns: bool = True
    """Takes regular expressions in schemas: those that JavaScript, Python and RE2 read alike."""
    lengths: bool = True
    """Takes bounds of lengths in schemas; llama.cpp and LM Studio make grammars of them, but not of large ones."""
    clean_schema: bool = False
    """Refuses annotations in schemas: `$schema`, `$id`, `$comment`, `examples`, `format` are left out."""
    typed_schema: bool = False
    """Wants a type in each part of a schema, nothing beside choices, and no references but its own (Moonshot)."""
    google_schema: bool = False
    """Knows of JSON Schema what Google's own, older form of it does (gateways that pass on schemas to Gemini)."""
    tool_choice: Literal["named", "required", "auto", "ignored"] = "named"
    """How far a model can be made to call a tool: one by its name, any (LM Studio), or none; Ollama reads no choice."""
    parallel_tool_calls: bool = True
    """Takes `parallel_tool_calls: false`."""
    max_tools: int = 0
    """More tools are refused; 0: no limit known."""
    letter_names: bool = False
    """Names of functions begin with a letter (Moonshot)."""
    files: bool = True
    """Takes `file` parts (PDF)."""
    document_urls: bool = False
    """Takes PDFs as `document_url` parts in their place, also by address (Mistral)."""
    images: bool = True
    image_urls: bool = True
    """Fetches images by URL itself; otherwise it takes base64 alone (Ollama, LM Studio, Moonshot)."""
    tool_args: Literal["live", "buffer"] = "buffer"
    """Pass on argument fragments as they come, or the whole checked object at the block's end."""
    reasoning: ReasoningStyle = "effort"
    """How the amount of reasoning is asked for. `enable_thinking` is an argument of the chat template (vLLM), or a
    field of its own (DashScope)."""
    reasons: bool = False
    """Reasons whatever it is told, though efforts do not show it: a client that wants none of it gets its text all the
    same."""
    efforts: tuple[str, ...] = ()
    """Values of `reasoning_effort` that the model takes, ascending; empty: it is no reasoning model."""
    reasoning_history: Literal["none", "reasoning_content", "reasoning"] = "none"
    """The field in which assistant messages of the history carry their reasoning back (DeepSeek refuses without)."""
    reasoning_details: bool = False
    """Wants `reasoning_details` back unchanged (OpenRouter)."""
    call_signatures: Literal["none", "extra_content", "reasoning_details"] = "none"
    """The field in which a message with calls has to have Gemini's thought signature, or Google's stand-in for one
    (Gemini 3 and later: Google's API compatible with OpenAI's, OpenRouter)."""
    think_tags: bool = False
    """Writes its reasoning as <think>...</think> at the start of the content."""
    short_ids: bool = False
    """Tool call ids are exactly nine letters or digits (Mistral)."""
    null_content: bool = True
    """Assistant messages with calls alone have `content: null`; otherwise an empty string."""
    empty_tool_result: str = ""
    """What an empty tool result reads as, where the server refuses an empty string."""
    response_format: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    """`prompt`: the field is refused (Qwen while it thinks), so the prompt alone asks for the schema."""
    schema_with_tools: bool = True
    """Takes `response_format` beside tools."""
    safety_identifier: bool = False
    prompt_cache_key: bool = False
    store: bool = False
    """Keeps requests unless `store` is false (api.openai.com)."""
    service_tier: bool = False
    cache_control: bool = False
    """Takes Anthropic's `cache_control` on text parts, those of tool results too (OpenRouter, DashScope)."""
    tools_need_no_reasoning: bool = False
    """Function tools only with `reasoning_effort: "none"` on this API (gpt-5.6, gpt-6)."""


class ResponsesQuirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deviations of OpenAI Responses. The standard is the newest reasoning model at api.openai.com."""

    efforts: tuple[str, ...] = ("none", "low", "medium", "high", "xhigh", "max")
    """Values of `reasoning.effort` that the model takes, ascending; empty: it does not reason, and refuses `reasoning`
    and encrypted content."""
    reasons: bool = False
    """Reasons whatever it is told, though it takes no efforts."""
    summaries: bool = True
    """Takes `reasoning.summary` (OpenAI asks for a verified organisation)."""
    encrypted_content: bool = True
    """Gives its reasoning encrypted, where asked to, and takes it back."""
    compaction: bool = True
    """Sums up a long conversation by itself, where asked to (`context_management`), and takes its summary back."""
    sampling: bool = False
    """Takes `temperature` and `top_p` while it reasons."""
    system_role: Literal["developer", "system"] = "developer"
    """The role of instructions within a conversation."""
    limits_output: bool = True
    """Takes `max_output_tokens`."""
    max_output: int = 0
    """The server refuses to be asked for more tokens; 0: no limit beside the model's own."""
    strict: bool = True
    """Enforces `strict` on tools and on the format of the answer."""
    patterns: bool = True
    """Takes regular expressions in schemas: those that JavaScript, Python and RE2 read alike."""
    parallel_tool_calls: bool = True
    """Takes `parallel_tool_calls: false`."""
    max_tools: int = 128
    """More tools are refused; 0: no limit known."""
    hosted: tuple[str, ...] = ("web_search", "code_interpreter", "mcp")
    """Types of tools that the server runs itself."""
    blocked_domains: bool = True
    """Takes `filters.blocked_domains` for its web search."""
    max_tool_calls: bool = True
    """Takes `max_tool_calls`, a limit of the calls of its own tools."""
    files: bool = True
    """Takes `input_file` parts (PDF)."""
    images: bool = True
    image_urls: bool = True
    """Fetches images by URL itself; otherwise it takes base64 alone."""
    file_urls: bool = True
    """Fetches files by URL itself."""
    result_media: bool = True
    """Takes images and files inside the output of a function."""
    tool_args: Literal["live", "buffer"] = "live"
    """Pass on argument fragments as they come, or the whole checked object at the block's end."""
    response_format: Literal["json_schema", "json_object"] = "json_schema"
    streams: Literal["long", "always", "never"] = "long"
    """Asked for events: all but short answers to clients that want them whole; these too; never (o1-pro)."""
    truncation: bool = True
    """May cut a conversation that does not fit, unless `truncation` is "disabled"."""
    obfuscation: bool = True
    """Pads its events unless `stream_options.include_obfuscation` is false."""
    store: bool = True
    """Keeps requests unless `store` is false."""
    prompt_cache_key: bool = True
    safety_identifier: bool = True
    service_tier: bool = True
    count_tokens: bool = True
    """Counts tokens at /responses/input_tokens."""


class GeminiQuirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deviations of Gemini's generateContent. The standard is the newest model on the Developer API (API key)."""

    backend: Literal["dev", "vertex"] = "dev"
    thinking: Literal["level", "budget", "none"] = "level"
    """How the amount of thinking is asked for: `thinkingLevel` (3 and later), `thinkingBudget` (2.5), not at all."""
    levels: tuple[str, ...] = ("LOW", "MEDIUM", "HIGH")
    """Thinking levels of the model, ascending."""
    min_budget: int = 0
    max_budget: int = 24576
    """The range of `thinkingBudget`, beside -1: the model decides."""
    zero_budget: bool = False
    """Takes a `thinkingBudget` of 0: thinking can be switched off (Flash and Flash-Lite of 2.5)."""
    system_instruction: bool = True
    """Takes instructions apart from the conversation (not Gemma 3, nor models of images and speech)."""
    signatures: bool = True
    """Demands thought signatures on the function calls of the history (3 and later)."""
    call_ids: bool = True
    """Gives its function calls ids and takes them back (Developer API, 3 and later)."""
    result_media: bool = True
    """Takes media inside a functionResponse (3 and later)."""
    json_schema: bool = True
    """Takes `parametersJsonSchema`; otherwise the subset that `parameters` knows."""
    schema_with_tools: bool = True
    """Takes a response schema beside function declarations (3 and later)."""
    mixed_tools: bool = True
    """Takes Google's own tools beside function declarations (Developer API, 3 and later)."""
    search_with_tools: bool = False
    """Takes a web search beside function declarations, if none else of Google's own (Vertex AI, 3 and later)."""
    sampling: bool = True
    """Heeds temperature, topP and topK (not gemini-4)."""
    stream_always: bool = False
    """Gives less in a whole answer than in a stream (gemini-4)."""
    max_output: int = 0
    """The server refuses to be asked for more tokens; 0: no limit beside the model's own."""
    prefill: bool = False
    """Goes on with a conversation that ends with the model's own words (2.5 and earlier)."""
    safety_threshold: str = "BLOCK_NONE"
    """How harmful a prompt or an answer has to be for Google's filters to block it. Claude's API has no such
    filters, and work on security trips them."""
