"""The tools of a request for OpenAI Responses: functions of the client, and what OpenAI runs itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.translators.history import History
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.openai.functions import function_schema
from llm_to_anthropic.translators.openai_responses.encoding import HostedTool, Kind
from llm_to_anthropic.translators.openai_responses.mcp import TOOLSET, mcp_tools
from llm_to_anthropic.translators.raw import given, raw_json
from llm_to_anthropic.translators.request import describe
from llm_to_anthropic.translators.tools import (
    DeclaredTool,
    OfferedTool,
    is_web_search,
    request_tools,
    upstream_name,
)
from llm_to_anthropic.wire.anthropic import MessagesRequest, ToolChoice
from llm_to_anthropic.wire.openai_responses import (
    CodeInterpreterTool,
    Container,
    FunctionTool,
    RequestTool,
    SearchFilters,
    UserLocation,
    WebSearchTool,
)

MAX_DOMAINS = 100

_RUN_BY: Mapping[str, tuple[Kind, str]] = {
    "web_search_": ("web_search", "web_search"),
    "web_fetch_": ("web_fetch", "web_search"),
    "code_execution_": ("code_execution", "code_interpreter"),
    TOOLSET: ("mcp", "mcp"),
}
"""Beginning of an Anthropic tool's type -> its kind, and the upstream's tool that does the same."""
_OWN_CONTAINER = "cntr_"
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class ResponsesTools(msgspec.Struct, kw_only=True):
    """The tools of one request."""

    declared: list[DeclaredTool] = []
    tools: list[RequestTool] = []
    choice: Raw | None = None
    single_call: bool = False
    """At most one call is wanted, and the upstream is to be told."""
    max_calls: int | None = None
    """The most calls of the tools that the upstream runs."""
    hosted: tuple[HostedTool, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    search_missing: bool = False
    """A search that the client offers had to be left out."""
    strict_schemas: dict[str, object] = {}
    """Client's tool name -> its schema, where a closed one is sent."""

    def runs(self, *kinds: Kind) -> bool:
        """Whether the upstream runs a tool of one of these kinds."""
        return any(tool.kind in kinds for tool in self.hosted)


class _Container(msgspec.Struct):
    id: str | None = None


def responses_tools(
    request: MessagesRequest, history: History, losses: LossReport, quirks: ResponsesQuirks
) -> ResponsesTools:
    """The tools to send. Raises ClientError (400) for those that cannot be had."""
    return _Declaration(request, losses, quirks).declare(history)


def run_upstream(quirks: ResponsesQuirks) -> tuple[str, ...]:
    """Beginnings of the types of Anthropic's tools that the server runs itself."""
    return tuple(prefix for prefix, (_, type) in _RUN_BY.items() if type in quirks.hosted)


class _Declaration:
    """The tools of one request in the making."""

    def __init__(self, request: MessagesRequest, losses: LossReport, quirks: ResponsesQuirks) -> None:
        self._request = request
        self._losses = losses
        self._quirks = quirks
        self._done = ResponsesTools()

    def declare(self, history: History) -> ResponsesTools:
        request, quirks, losses, done = self._request, self._quirks, self._losses, self._done
        done.declared, own = request_tools(
            request, history, losses, max_tools=quirks.max_tools, run_upstream=run_upstream(quirks)
        )
        done.tools += [self._function(tool) for tool in done.declared]
        searches = any(_kind(each) == "web_search" for each in own)
        for each in own:
            self._add_hosted(each, searches=searches)
        toolsets = [each for each in own if each.type == TOOLSET]
        for name, tool in mcp_tools(request, toolsets, losses).items():
            done.tools.append(tool)
            done.hosted += (HostedTool(kind="mcp", type=TOOLSET, name=name, label=tool.server_label),)
        self._limit_uses(own)
        done.search_missing = "web_search" not in quirks.hosted and any(map(is_web_search, request.tools or ()))
        self._choose(request.tool_choice)
        return done

    def _function(self, tool: DeclaredTool) -> FunctionTool:
        strict = self._quirks.strict
        schema = function_schema(tool, self._losses, strict=strict, patterns=self._quirks.patterns)
        if schema.closed:
            self._done.strict_schemas[tool.name] = msgspec.json.decode(tool.schema)
        return FunctionTool(
            name=upstream_name(tool.name),
            description=tool.description,
            parameters=schema.parameters,
            strict=schema.closed if strict else None,
        )

    def _add_hosted(self, each: OfferedTool, *, searches: bool) -> None:
        """Declares a tool that the upstream runs; `searches`: one of them is a web search."""
        kind, done = _kind(each), self._done
        if kind == "mcp":
            return
        done.hosted += (HostedTool(kind=kind, type=each.type, name=each.tool.name or kind),)
        if each.tool.max_content_tokens is not None:
            self._losses.mention(f"{each.path}.max_content_tokens", "the upstream knows no limit of a page; left out")
        if kind == "code_execution":
            done.tools.append(CodeInterpreterTool(self._container()))
        elif kind == "web_fetch" and searches:
            self._leave_to_search(each)
        else:
            done.tools.append(self._search(each))

    def _leave_to_search(self, each: OfferedTool) -> None:
        """A fetch beside a search is no tool of its own; its domains may keep data from going elsewhere."""
        tool, path = each.tool, each.path
        self._losses.mention(path, "the web search opens pages itself")
        for field, domains in (("allowed_domains", tool.allowed_domains), ("blocked_domains", tool.blocked_domains)):
            if domains:
                self._losses.lose(f"{path}.{field}", "the web search opens pages of its own domains, or of any")

    def _container(self) -> str | Container:
        """The container that the client names, if it is one of this upstream's; else one that it makes."""
        container = self._request.container
        if not given(container):
            return Container()
        try:
            named = msgspec.json.decode(container, type=str | _Container)
        except msgspec.ValidationError as error:
            raise ClientError(describe(error, "container")) from error
        id = named if isinstance(named, str) else named.id
        if id and id.startswith(_OWN_CONTAINER):
            return id
        if id:
            self._losses.lose("container", "no container of this upstream; a new one is used")
        return Container()

    def _search(self, each: OfferedTool) -> WebSearchTool:
        tool, path = each.tool, each.path
        filters = SearchFilters(allowed_domains=self._domains(tool.allowed_domains, f"{path}.allowed_domains"))
        blocked = self._domains(tool.blocked_domains, f"{path}.blocked_domains")
        if blocked and self._quirks.blocked_domains:
            filters.blocked_domains = blocked
        elif blocked:
            self._losses.mention(f"{path}.blocked_domains", "results of these domains are left out of the answer")
        # An upstream may send what it was asked to leave out.
        self._done.blocked_domains += tuple(blocked or ())
        location = UserLocation()
        if given(tool.user_location):
            try:
                location = msgspec.json.decode(tool.user_location, type=UserLocation)
            except msgspec.ValidationError as error:
                raise ClientError(describe(error, f"{path}.user_location")) from error
        return WebSearchTool(filters=filters if filters != SearchFilters() else None, user_location=location)

    def _domains(self, domains: list[str] | None, path: str) -> list[str] | None:
        """Domains as the upstream takes them: without scheme, path and wildcards."""
        if not domains:
            return None
        whole = [domain.rpartition("://")[2].rstrip("/*") for domain in domains]
        if any("/" in domain for domain in whole):
            self._losses.mention(path, "the upstream knows whole domains only; their paths are left out")
        bare = list(dict.fromkeys(domain.partition("/")[0].lower() for domain in whole))
        if len(bare) > MAX_DOMAINS:
            self._losses.lose(path, f"more than {MAX_DOMAINS} domains; the rest is left out")
        return bare[:MAX_DOMAINS]

    def _limit_uses(self, own: list[OfferedTool]) -> None:
        """The upstream counts the calls of all its tools together."""
        for each in own:
            if each.tool.max_uses is None:
                continue
            if len(self._done.hosted) == 1 and self._quirks.max_tool_calls:
                self._done.max_calls = each.tool.max_uses
            else:
                self._losses.mention(f"{each.path}.max_uses", "the upstream knows no limit for one tool; left out")

    def _choose(self, choice: ToolChoice | None) -> None:
        done = self._done
        if choice is None or not done.tools:
            return
        if choice.disable_parallel_tool_use and choice.type != "none" and self._quirks.parallel_tool_calls:
            done.single_call = True
        chosen: object = _CHOICES.get(choice.type) or self._chosen(choice.name or "")
        done.choice = raw_json(chosen) if chosen else None

    def _chosen(self, name: str) -> object:
        """The choice of one tool; nothing for one that was left out."""
        done = self._done
        if any(tool.name == name for tool in done.declared):
            return {"type": "function", "name": upstream_name(name)}
        kind = next((tool.kind for tool in done.hosted if tool.name == name), None)
        if kind is None:
            return None
        if len(done.tools) == 1:
            return "required"
        return {"type": "code_interpreter" if kind == "code_execution" else "web_search"}


def _kind(each: OfferedTool) -> Kind:
    kind: Kind
    kind, _ = next(found for prefix, found in _RUN_BY.items() if each.type.startswith(prefix))
    return kind
