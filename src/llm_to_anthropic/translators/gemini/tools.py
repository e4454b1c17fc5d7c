"""Tools and their choice as Gemini takes them: functions of the client, and what Google runs itself."""

from __future__ import annotations

import msgspec

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.quirks import GeminiQuirks
from llm_to_anthropic.translators.history import History
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.raw import given
from llm_to_anthropic.translators.schemas.google import declared_schema
from llm_to_anthropic.translators.tools import (
    DeclaredTool,
    OfferedTool,
    is_web_search,
    request_tools,
    upstream_name,
)
from llm_to_anthropic.wire.anthropic import MessagesRequest, ToolChoice
from llm_to_anthropic.wire.gemini import (
    FunctionCallingConfig,
    FunctionDeclaration,
    GoogleSearch,
    NoOptions,
    Tool,
    ToolConfig,
)

MAX_INLINED_IN_ALL = 4000
"""Once this many references of all tools are written out, those of each further tool are only sparingly."""

WEB_SEARCH = "web_search_"
WEB_FETCH = "web_fetch_"
CODE_EXECUTION = "code_execution_"
RUN_BY_GOOGLE = (WEB_SEARCH, WEB_FETCH, CODE_EXECUTION)

_MODES = {"any": "ANY", "tool": "ANY", "none": "NONE"}


class GeminiTools(msgspec.Struct, kw_only=True):
    """The tools of one request."""

    declared: list[DeclaredTool] = []
    tools: list[Tool] = []
    config: ToolConfig | None = None
    kinds: frozenset[str] = frozenset()
    """Those of RUN_BY_GOOGLE that were asked for."""
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    search_missing: bool = False
    """A search that the client offers had to be left out."""
    inlined: int = 0
    """Schemas that others referred to, written out for all tools."""
    written_as_text: dict[str, object] = {}
    """Client's tool name -> schema, where values come back as text."""


def gemini_tools(request: MessagesRequest, history: History, losses: LossReport, quirks: GeminiQuirks) -> GeminiTools:
    """The tools to send. Raises ClientError (400) for those that cannot be had together, or at all."""
    done = GeminiTools()
    done.declared, own = request_tools(request, history, losses, run_upstream=RUN_BY_GOOGLE)
    choice = request.tool_choice
    if choice is not None and choice.type == "none":
        # Google's tools have no mode of their own: they stay away.
        own = []
    if done.declared and not quirks.mixed_tools:
        own = _beside_functions(own, done, losses, search=quirks.search_with_tools)
    if done.declared:
        functions = [_function(tool, done, losses, json_schema=quirks.json_schema) for tool in done.declared]
        done.tools.append(Tool(function_declarations=functions))
    for each in own:
        _add_server_tool(done, each, losses, quirks)
    done.config = _config(choice, done, losses, mixed=bool(own and done.declared and quirks.mixed_tools))
    return done


def _beside_functions(
    own: list[OfferedTool], done: GeminiTools, losses: LossReport, *, search: bool
) -> list[OfferedTool]:
    """Agents offer a search beside their own tools without needing it: it is left out, and the model is told.

    `search`: it may stay, other tools may not.
    """
    kept: list[OfferedTool] = []
    for each in own:
        if not is_web_search(each.tool):
            raise ClientError(f"{each.type} cannot be combined with other tools on model '{losses.model}'")
        if search:
            kept.append(each)
            continue
        losses.lose(
            each.path, f"cannot be combined with other tools on model '{losses.model}'; left out, and the model is told"
        )
        done.search_missing = True
    return kept


def _function(tool: DeclaredTool, done: GeminiTools, losses: LossReport, *, json_schema: bool) -> FunctionDeclaration:
    schema = declared_schema(tool, losses, json_schema=json_schema, sparing=done.inlined > MAX_INLINED_IN_ALL)
    done.inlined += schema.inlined
    if schema.original is not None:
        done.written_as_text[tool.name] = schema.original
    name = upstream_name(tool.name, lead="_")
    # Some models refuse a function without a description.
    declared = FunctionDeclaration(name, tool.description or tool.name)
    if json_schema:
        declared.parameters_json_schema = schema.schema
    else:
        declared.parameters = schema.schema
    return declared


def _add_server_tool(done: GeminiTools, each: OfferedTool, losses: LossReport, quirks: GeminiQuirks) -> None:
    tool, path = each.tool, each.path
    kind = next(kind for kind in RUN_BY_GOOGLE if each.type.startswith(kind))
    done.kinds |= {kind}
    if tool.max_uses is not None:
        losses.mention(f"{path}.max_uses", "the upstream knows no limit; left out")
    match kind:
        case "web_search_":
            _add_search(done, each, losses, quirks)
        case "web_fetch_":
            _report_fetch(each, losses)
            done.tools.append(Tool(url_context=NoOptions()))
        case _:
            done.tools.append(Tool(code_execution=NoOptions()))


def _report_fetch(each: OfferedTool, losses: LossReport) -> None:
    """Reports what Google does not keep to."""
    tool, path = each.tool, each.path
    for field, domains in (("allowed_domains", tool.allowed_domains), ("blocked_domains", tool.blocked_domains)):
        if domains:
            losses.lose(f"{path}.{field}", "the upstream fetches any public address; left out")
    if tool.max_content_tokens is not None:
        losses.mention(f"{path}.max_content_tokens", "the upstream knows no limit of a page; left out")
    if tool.citations and tool.citations.enabled:
        losses.lose(f"{path}.citations", "what is fetched is not cited; left out")


def _add_search(done: GeminiTools, each: OfferedTool, losses: LossReport, quirks: GeminiQuirks) -> None:
    tool, path = each.tool, each.path
    done.allowed_domains = tuple(tool.allowed_domains or ())
    done.blocked_domains = tuple(tool.blocked_domains or ())
    search = GoogleSearch()
    if done.blocked_domains and quirks.backend == "vertex":
        search.exclude_domains = list(done.blocked_domains)
    elif done.blocked_domains:
        losses.mention(f"{path}.blocked_domains", "results of these domains are left out of the answer")
    if done.allowed_domains:
        losses.mention(f"{path}.allowed_domains", "asked of the model; other results are left out of the answer")
    if given(tool.user_location):
        losses.lose(f"{path}.user_location", "the upstream takes coordinates only; left out")
    done.tools.append(Tool(google_search=search))


def _config(choice: ToolChoice | None, done: GeminiTools, losses: LossReport, *, mixed: bool) -> ToolConfig | None:
    config = ToolConfig(include_server_side_tool_invocations=True if mixed else None)
    mode = _MODES.get(choice.type) if choice else None
    if choice is not None and mode is not None and done.declared:
        names = [tool.name for tool in done.declared]
        if choice.type == "tool" and choice.name not in names:
            losses.lose("tool_choice", f"{choice.name} is run by the upstream, which decides when")
        else:
            chosen = [upstream_name(choice.name or "", lead="_")] if choice.type == "tool" else None
            config.function_calling_config = FunctionCallingConfig(mode, chosen)
    elif mode == "ANY":
        losses.lose("tool_choice", "the upstream runs these tools itself and decides when")
    return config if config != ToolConfig() else None
