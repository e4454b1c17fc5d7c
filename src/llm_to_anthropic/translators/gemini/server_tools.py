"""What Google's own tools did for an answer -> Anthropic's blocks of server tools."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.gemini.grounding import Grounding
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.tool_ids import ToolIds
from llm_to_anthropic.wire.anthropic import (
    CodeError,
    CodeResult,
    FetchedDocument,
    FetchedPage,
    FetchError,
    OutCodeResult,
    OutFetchResult,
    OutServerToolUse,
    TextSource,
    WholeBlock,
)
from llm_to_anthropic.wire.gemini import CodeExecutionResult, ExecutableCode, Part, UrlContextMetadata
from llm_to_anthropic.writer import sound

_FETCHED = "URL_RETRIEVAL_STATUS_SUCCESS"
_CODE_ERRORS: Mapping[str, str] = {"OUTCOME_DEADLINE_EXCEEDED": "execution_time_exceeded"}


class _Args(msgspec.Struct):
    queries: list[str] | None = None
    query: str | None = None
    urls: list[str] | None = None


class _ServerCall(msgspec.Struct, rename="camel"):
    tool_type: str | None = None
    args: _Args | None = None


class ServerTools:
    """The server tools of one message."""

    def __init__(self, ids: ToolIds, grounding: Grounding) -> None:
        self._ids = ids
        self._grounding = grounding
        self._count = 0
        self._running = ""
        """The code execution whose result has not come."""
        self._pages: dict[str, bool] = {}
        """Pages that were fetched and not written, and whether they could be read."""
        self._written: set[str] = set()

    @property
    def fetches(self) -> int:
        """How many pages were fetched, or tried."""
        return len(self._written) + len(self._pages)

    def blocks(self, part: Part) -> list[WholeBlock]:
        """The blocks of one part. What a search found is told later, by the grounding."""
        if part.executable_code is not None:
            return [*self.pages(), self._code(part.executable_code)]
        if part.code_execution_result is not None:
            return self._code_result(part.code_execution_result)
        if part.tool_call:
            self._called(part.tool_call)
        return []

    def fetched(self, metadata: UrlContextMetadata) -> bool:
        """Notes pages that were read, or could not be; False where all of them are written."""
        for page in metadata.url_metadata or ():
            if page.retrieved_url and page.retrieved_url not in self._written:
                self._pages[page.retrieved_url] = page.url_retrieval_status == _FETCHED
        return bool(self._pages)

    def pages(self) -> list[WholeBlock]:
        """The blocks of the pages that were not written, each page once. At the end, or before what rests on them."""
        blocks = [block for url, read in self._pages.items() for block in self._page(url, read=read)]
        self._written.update(self._pages)
        self._pages.clear()
        return blocks

    def _code(self, code: ExecutableCode) -> WholeBlock:
        self._running = self._next_id()
        return OutServerToolUse(self._running, "code_execution", raw_json({"code": sound(code.code or "")}))

    def _code_result(self, result: CodeExecutionResult) -> list[WholeBlock]:
        # A result without its code would be refused when the conversation comes back.
        blocks = [] if self._running else [self._code(ExecutableCode())]
        output, outcome = sound(result.output or ""), result.outcome or "OUTCOME_OK"
        content: CodeResult | CodeError
        if outcome in _CODE_ERRORS:
            content = CodeError(_CODE_ERRORS[outcome])
        elif outcome == "OUTCOME_OK":
            content = CodeResult(stdout=output)
        else:
            content = CodeResult(stderr=output, return_code=1)
        id, self._running = self._running, ""
        return [*blocks, OutCodeResult(id, content)]

    def _called(self, raw: Raw) -> None:
        try:
            call = msgspec.json.decode(raw, type=_ServerCall)
        except msgspec.MsgspecError:
            return
        args = call.args or _Args()
        match call.tool_type:
            case "GOOGLE_SEARCH_WEB":
                self._grounding.called([*(args.queries or ()), *([args.query] if args.query else ())])
            case "URL_CONTEXT":
                for url in args.urls or ():
                    if url not in self._written:
                        self._pages.setdefault(url, True)

    def _page(self, url: str, *, read: bool) -> list[WholeBlock]:
        id = self._next_id()
        # What was read stays with Google; the client learns that it was.
        page = FetchedPage(url=url, content=FetchedDocument(source=TextSource("")))
        return [
            OutServerToolUse(id, "web_fetch", raw_json({"url": url})),
            OutFetchResult(id, page if read else FetchError("url_not_accessible")),
        ]

    def _next_id(self) -> str:
        self._count += 1
        return self._ids.take("", f"server tool {self._count}", "srvtoolu_")
