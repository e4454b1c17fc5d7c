"""What an upstream's own tools did for an answer of OpenAI Responses -> Anthropic's blocks of server tools."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Raw

from llm_to_anthropic.translators.argument_json import object_text, raw_text
from llm_to_anthropic.translators.raw import given, raw_json
from llm_to_anthropic.translators.tool_ids import ToolIds
from llm_to_anthropic.translators.web_results import host_of, is_within
from llm_to_anthropic.wire.anthropic import (
    CodeResult,
    Container,
    OutCodeResult,
    OutMcpResult,
    OutMcpToolUse,
    OutSearchResults,
    OutServerToolUse,
    OutText,
    SearchError,
    SearchResult,
    WholeBlock,
)
from llm_to_anthropic.wire.openai_responses_answer import CodeInterpreterItem, McpCallItem, SearchAction, WebSearchItem
from llm_to_anthropic.writer import sound

CONTAINER_S = 20 * 60
"""OpenAI deletes a container that was not used for this long."""


class ServerTools:
    """The server tools of one message."""

    def __init__(
        self, ids: ToolIds, *, seal: str, blocked: tuple[str, ...], mcp_names: Mapping[str, str], now: float
    ) -> None:
        """`seal` stands where Anthropic has encrypted content; results of `blocked` domains are left out.

        `mcp_names`: the upstream's label of a server -> the client's name. `now` is Unix time.
        """
        self._ids = ids
        self._seal = seal
        self._blocked = tuple(map(host_of, blocked))
        self._mcp_names = mcp_names
        self._now = now
        self._count = 0
        self.searches = 0
        self.pages = 0
        """Pages that a search opened."""
        self.container: Container | None = None

    def search(self, item: WebSearchItem) -> list[WholeBlock]:
        """A search and what it found. That a page was opened or looked through is counted alone: it brings no text."""
        action = item.action or SearchAction()
        if action.type != "search":
            self.pages += action.type == "open_page"
            return []
        self.searches += 1
        query = action.query or next(iter(action.queries or ()), "")
        id = self._next_id(item.id, "srvtoolu_")
        found = [self._result(source.url, source.title) for source in action.sources or () if self._wanted(source.url)]
        return [
            OutServerToolUse(id, "web_search", raw_json({"query": sound(query)})),
            OutSearchResults(id, SearchError("unavailable") if item.status == "failed" else found),
        ]

    def code(self, item: CodeInterpreterItem) -> list[WholeBlock]:
        """Code and what it printed. Images that it drew stay with the upstream."""
        if item.container_id:
            expires = datetime.fromtimestamp(self._now + CONTAINER_S, UTC)
            self.container = Container(sound(item.container_id), expires.strftime("%Y-%m-%dT%H:%M:%SZ"))
        id = self._next_id(item.id, "srvtoolu_")
        logs = "".join(output.logs or "" for output in item.outputs or ())
        result = CodeResult(stdout=sound(logs), return_code=int(item.status == "failed"))
        return [
            OutServerToolUse(id, "code_execution", raw_json({"code": sound(item.code or "")})),
            OutCodeResult(id, result),
        ]

    def mcp(self, item: McpCallItem) -> list[WholeBlock]:
        """A call of an MCP server's tool; only of servers that the client named, others would not be known to it."""
        server = self._mcp_names.get(item.server_label or "")
        if server is None:
            return []
        id = self._next_id(item.id, "mcptoolu_")
        failed = given(item.error)
        told = raw_text(item.error) if failed else item.output or ""
        return [
            OutMcpToolUse(id, sound(item.name or ""), server, Raw(object_text(raw_text(item.arguments)).encode())),
            OutMcpResult(id, is_error=failed, content=[OutText(sound(told))]),
        ]

    def _result(self, url: str | None, title: str | None) -> SearchResult:
        url = sound(url or "")
        return SearchResult(url=url, title=sound(title or "") or host_of(url), encrypted_content=self._seal)

    def _wanted(self, url: str | None) -> bool:
        return bool(url) and not is_within(host_of(url or ""), self._blocked)

    def _next_id(self, id: str | None, prefix: str) -> str:
        self._count += 1
        return self._ids.take("", id or f"server tool {self._count}", prefix)
