"""Which tools an upstream is told of, under which names, and the ids of their calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.client_tools import client_tool
from llm_to_anthropic.translators.digest import digest
from llm_to_anthropic.translators.history import History
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.raw import given
from llm_to_anthropic.translators.request import dotted
from llm_to_anthropic.translators.schemas.limits import SchemaLimits
from llm_to_anthropic.translators.schemas.schema import EMPTY_OBJECT
from llm_to_anthropic.wire.anthropic import MessagesRequest, Tool, ToolUseBlock

MAX_EXAMPLES = 3
MAX_TOOLS = 512
"""More than any model can choose from; a provider's own limit takes its place."""

_LEGAL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
Lead = Literal["", "_", "t_"]
"""What stands before a name that may not begin as it does."""
_NOT_FIRST: Mapping[Lead, re.Pattern[str]] = {
    "": re.compile(r"(?!)"),
    "_": re.compile(r"[-0-9]"),
    "t_": re.compile(r"[^A-Za-z]"),
}
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_NAMESPACE = re.compile(r"^(?:functions|default_api)[.:/]")
_LEGAL_ID = re.compile(r"[A-Za-z0-9_-]+")
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SEARCH_FOR_TOOLS = "tool_search_tool"
_PLACEHOLDER = "DeferredToolPlaceholder"
"""Claude Code's stand-in for tools that it can still announce; it cannot be called."""


class DeclaredTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the upstream is told of, as the client describes it."""

    name: str
    description: str | None
    schema: Raw
    strict: bool
    path: str


class OfferedTool(msgspec.Struct, frozen=True):
    """A tool that the client offers, and where it does."""

    tool: Tool
    path: str

    @property
    def type(self) -> str:
        """The dated type of a tool that Anthropic defines; `custom` of the client's own."""
        return self.tool.type or "custom"


def request_tools(
    request: MessagesRequest,
    history: History,
    losses: LossReport,
    *,
    max_tools: int = 0,
    run_upstream: tuple[str, ...] = (),
) -> tuple[list[DeclaredTool], list[OfferedTool]]:
    """The client's own tools that are to be declared, and those that the upstream runs itself, in the client's order.

    Deferred tools are declared once something names them: the history, a system message or `tool_choice`. A tool search
    on Anthropic's side cannot run here, so with one all of them are declared. `max_tools`: more are refused (0:
    MAX_TOOLS). `run_upstream`: beginnings of the types of tools that the upstream runs itself. Raises ClientError for
    tools that only Anthropic can run, for too many or too large ones, and for a choice that cannot be made.
    """
    choice = request.tool_choice
    if not request.tools and not history.tool_changes:
        return [], []
    chosen = (choice.name or "") if choice and choice.type == "tool" else ""
    offered, added = _offered(request, history)
    own = [each for each in offered if not each.type.startswith(run_upstream)]
    hosted = [each for each in offered if each.type.startswith(run_upstream)]
    mentioned = history.used_tools | added | {chosen}
    tools = _declared(own, mentioned, losses, most=max_tools or MAX_TOOLS)
    if choice and choice.type in ("any", "tool"):
        _check_chosen(chosen, {*(tool.name for tool in tools), *(each.tool.name for each in hosted)}, request, losses)
    return tools, hosted


def _check_chosen(chosen: str, known: set[str | None], request: MessagesRequest, losses: LossReport) -> None:
    """Raises ClientError unless the tool that must be called is `known`, or where any must be, there is one."""
    if chosen in known if chosen else known:
        return
    if any(is_web_search(tool) and chosen in ("", tool.name) for tool in request.tools or ()):
        # Claude Code insists on the search in a request of its own, and takes its answer in text.
        losses.lose("tool_choice", "it asks for the web search that is left out; left out too")
        return
    named = f"tool '{chosen}'" if chosen else "a tool that can be called"
    raise ClientError(f"tool_choice: {named} is not among the tools for model '{losses.model}'")


def _declared(
    own: list[OfferedTool], mentioned: frozenset[str], losses: LossReport, *, most: int
) -> list[DeclaredTool]:
    """Those of the client's own tools that are to be declared, deferred ones if `mentioned`."""
    usable = [each for each in own if _is_usable(each, losses)]
    live = [each for each in usable if not each.tool.defer_loading or each.tool.name in mentioned]
    if any(each.type.startswith(_SEARCH_FOR_TOOLS) for each in own):
        every = [each for each in usable if each.tool.name != _PLACEHOLDER]
        live = every if len(every) <= most else live
    if len(live) > most:
        raise ClientError(f"tools: at most {most} tools are supported for model '{losses.model}'; got {len(live)}")
    limits = SchemaLimits()
    return [_declare(each, limits) for each in live]


def deferred_tools(tools: Iterable[Tool] | None) -> frozenset[str]:
    """Names of the tools that are declared only once something names them."""
    return frozenset(tool.name or "" for tool in tools or () if tool.defer_loading)


def upstream_name(name: str, *, lead: Lead = "") -> str:
    """A tool's name as upstreams take it: 64 letters, digits, `_` and `-`; the same for the same name, always.

    `lead` is put before a name that begins with what the upstream does not take there.
    """
    if lead and not _NOT_FIRST[lead].match(name):
        lead = ""
    if not lead and _LEGAL_NAME.fullmatch(name):
        return name
    return f"{lead}{_ILLEGAL.sub('_', name)[: 55 - len(lead)]}_{digest(name)[:8]}"


def input_text(block: ToolUseBlock, path: str) -> str:
    """The arguments of a call in the history, as JSON text. Raises ClientError unless they are an object."""
    if not given(block.input):
        return "{}"
    text = msgspec.json.format(bytes(block.input), indent=-1).decode()
    if not text.startswith("{"):
        raise ClientError(f"{dotted(path)}.input: Input should be a valid object")
    return text


def client_names(names: Iterable[str], *, lead: Lead = "") -> Mapping[str, str]:
    """Upstream name -> client's name."""
    return {upstream_name(name, lead=lead): name for name in names}


def client_name(called: str, names: Mapping[str, str]) -> str:
    """The client's name of a tool that is called.

    What a model writes around a name counts only where there is no tool without it: `functions.get` and
    `get<|channel|>commentary` (gpt-oss at Ollama and vLLM), `default_api:get` (Gemini).
    """
    known = names.get(called)
    if known is not None:
        return known
    bare = _NAMESPACE.sub("", called.partition("<|")[0])
    return names.get(bare, called)


def upstream_id(call_id: str, *, limit: int = 40, short: bool = False) -> str:
    """A call's id as upstreams take it; both halves of a pair go through here.

    `limit` is the longest id that is sent unchanged (api.openai.com: 40); `short`: nine letters or digits.
    """
    if short:
        if len(call_id) == 9 and call_id.isascii() and call_id.isalnum():
            return call_id
        number = int(digest(call_id), 16)
        return "".join(_LETTERS[number // 62**place % 62] for place in range(9))
    if len(call_id) <= limit and _LEGAL_ID.fullmatch(call_id):
        return call_id
    return f"toolu_{digest(call_id)[:34]}"


def _offered(request: MessagesRequest, history: History) -> tuple[list[OfferedTool], set[str]]:
    """The tools after what system messages added and removed, and the names of those added."""
    offered = [OfferedTool(tool, f"tools[{n}]") for n, tool in enumerate(request.tools or ())]
    added: set[str] = set()
    removed: set[str] = set()
    for change in history.tool_changes:
        if not change.adds:
            removed.add(change.name)
            added.discard(change.name)
            continue
        added.add(change.name)
        removed.discard(change.name)
        if change.definition is not None:
            offered = [each for each in offered if each.tool.name != change.name]
            offered.append(OfferedTool(change.definition, change.path))
    return [each for each in offered if each.tool.name not in removed], added


def is_web_search(tool: Tool) -> bool:
    """Whether it is Anthropic's own web search."""
    return (tool.type or "").startswith("web_search_")


def _is_usable(offered: OfferedTool, losses: LossReport) -> bool:
    """Whether the model behind can call it. Raises ClientError where leaving it out would mislead."""
    tool = offered.tool
    if tool.allowed_callers and "direct" not in tool.allowed_callers:
        losses.lose(offered.path, "callable by code execution only; left out")
        return False
    if _is_function(tool):
        if not tool.name:
            raise ClientError(f"{dotted(offered.path)}.name: Field required")
        return True
    if offered.type.startswith(_SEARCH_FOR_TOOLS):
        return False
    kind, model = offered.type, losses.model
    if is_web_search(tool):
        losses.lose(offered.path, f"{kind} is not supported for model '{model}'; left out, and the model is told")
        return False
    raise ClientError(f"{kind} is not supported for model '{model}'")


def _is_function(tool: Tool) -> bool:
    """Whether the client runs it, so that any model can call it."""
    return tool.type in (None, "custom") or client_tool(tool) is not None


def _declare(offered: OfferedTool, limits: SchemaLimits) -> DeclaredTool:
    tool = offered.tool
    known = client_tool(tool)
    if known is not None:
        description, schema = known
        return DeclaredTool(
            name=tool.name or "", description=description, schema=schema, strict=False, path=offered.path
        )
    schema = tool.input_schema if given(tool.input_schema) else EMPTY_OBJECT
    limits.check(schema, f"{offered.path}.input_schema")
    return DeclaredTool(
        name=tool.name or "",
        description=_description(tool),
        schema=schema,
        strict=bool(tool.strict),
        path=offered.path,
    )


def _description(tool: Tool) -> str | None:
    examples = [f"Example input: {bytes(example).decode()}" for example in (tool.input_examples or ())[:MAX_EXAMPLES]]
    return "\n\n".join([*([tool.description] if tool.description else ()), *examples]) or None
