"""What Google searched for an answer -> a client's search blocks, and citations in the text that rests on them.

Google tells it at the answer's end, with places as offsets in UTF-8 bytes.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.tool_ids import ToolIds
from llm_to_anthropic.translators.web_results import MAX_CITED, Piece, host_of, is_within
from llm_to_anthropic.wire.anthropic import (
    OutSearchResults,
    OutServerToolUse,
    SearchCitation,
    SearchResult,
    WholeBlock,
)
from llm_to_anthropic.wire.gemini import GroundingChunk, GroundingMetadata, GroundingSupport, Segment, Web

_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")

Span = tuple[int, int, list[SearchCitation]]
"""The first character of a piece of text, the one after its last, and what the piece rests on."""


class Grounding:
    """The searches of one message."""

    def __init__(self, *, seal: str, allowed: tuple[str, ...], blocked: tuple[str, ...], cites: bool) -> None:
        """`seal` stands where Anthropic has encrypted content; results of other than `allowed` domains, and of
        `blocked` ones, are left out. `cites`: the text is parted by what it rests on.
        """
        self._seal = seal
        self._cites = cites
        self._allowed = tuple(map(host_of, allowed))
        self._blocked = tuple(map(host_of, blocked))
        self._queries: list[str] = []
        self._chunks: list[GroundingChunk] = []
        self._supports: list[GroundingSupport] = []

    @property
    def searches(self) -> int:
        """How many searches there were."""
        return len(self._queries) or int(bool(self._webs()))

    def add(self, metadata: GroundingMetadata) -> None:
        """A snapshot: each replaces what it tells anew."""
        self._queries = metadata.web_search_queries or self._queries
        self._chunks = metadata.grounding_chunks or self._chunks
        self._supports = metadata.grounding_supports or self._supports

    def called(self, queries: list[str]) -> None:
        """Searches told by a part of the answer, which no metadata may repeat."""
        self._queries = self._queries + [query for query in queries if query not in self._queries]

    def blocks(self, ids: ToolIds) -> list[WholeBlock]:
        """A call and its results for each query; all results stand with the first, since nothing tells them apart."""
        blocks: list[WholeBlock] = []
        results = [
            SearchResult(url=web.uri or "", title=_title(web), encrypted_content=self._seal)
            for web in self._webs().values()
        ]
        for number, query in enumerate(self._queries or [""] * self.searches):
            id = ids.take("", f"search {number}", "srvtoolu_")
            blocks.append(OutServerToolUse(id, "web_search", raw_json({"query": query})))
            blocks.append(OutSearchResults(id, results if not number else []))
        return blocks

    def pieces(self, text: str, start: int, end: int) -> list[Piece]:
        """The characters from `start` to `end` of the whole text, parted by what they rest on."""
        pieces: list[Piece] = []
        place = start
        for first, last, citations in self._spans(text):
            first, last = max(first, place), min(last, end)  # noqa: PLW2901
            if first >= last:
                continue
            _add_plain(pieces, text[place:first])
            _add_cited(pieces, text[first:last], citations)
            place = last
        _add_plain(pieces, text[place:end])
        return pieces

    def _webs(self) -> dict[int, Web]:
        if not self._chunks:
            return {}
        found = {number: chunk.web for number, chunk in enumerate(self._chunks) if chunk.web is not None}
        return {number: web for number, web in found.items() if web.uri and self._wanted(web)}

    def _wanted(self, web: Web) -> bool:
        host = _host(web)
        if is_within(host, self._blocked):
            return False
        return not self._allowed or is_within(host, self._allowed)

    def _spans(self, text: str) -> list[Span]:
        """In order and apart: where segments overlap, the later one keeps only what the earlier one leaves."""
        raw = text.encode("utf-8", "surrogatepass")
        found: list[Span] = []
        webs = self._webs()
        for support in self._supports if self._cites else ():
            place = _place(support.segment, text, raw) if support.segment else None
            cited = [webs[number] for number in support.grounding_chunk_indices or () if number in webs]
            if place is not None and cited:
                start, end = place
                found.append((start, end, [self._citation(web, text[start:end]) for web in cited]))
        found.sort(key=lambda span: span[:2])
        spans: list[Span] = []
        for start, end, citations in found:
            reached = spans[-1][1] if spans else 0
            if end > reached:
                spans.append((max(start, reached), end, citations))
            else:
                spans[-1][2].extend(citation for citation in citations if citation not in spans[-1][2])
        return spans

    def _citation(self, web: Web, text: str) -> SearchCitation:
        return SearchCitation(
            url=web.uri or "", title=_title(web), cited_text=text[:MAX_CITED], encrypted_index=self._seal
        )


def _add_plain(pieces: list[Piece], text: str) -> None:
    if not text:
        return
    if pieces and not text.strip():
        # Anthropic's API refuses blocks of white space alone, when the conversation comes back.
        before, citations = pieces.pop()
        pieces.append((before + text, citations))
        return
    pieces.append((text, []))


def _add_cited(pieces: list[Piece], text: str, citations: list[SearchCitation]) -> None:
    # White space at the beginning has no piece before it that it could go to.
    gap = pieces.pop()[0] if len(pieces) == 1 and not pieces[0][0].strip() else ""
    pieces.append((gap + text, citations))


def _place(segment: Segment, text: str, raw: bytes) -> tuple[int, int] | None:
    """The first character of a segment and the one after its last.

    Its own text decides: offsets may count from the beginning of a part, of which an answer can have several.
    """
    start, end = segment.start_index or 0, segment.end_index or 0
    if 0 <= start < end <= len(raw):
        cut = raw[start:end].decode("utf-8", "replace")
        if cut == segment.text or (segment.text is None and not segment.part_index):
            first = len(raw[:start].decode("utf-8", "replace"))
            return first, first + len(cut)
    found = text.find(segment.text) if segment.text else -1
    return (found, found + len(segment.text or "")) if found >= 0 else None


def _title(web: Web) -> str:
    return web.title or web.domain or urlsplit(web.uri or "").hostname or ""


def _host(web: Web) -> str:
    """The site of a result: its address is a redirect by Google, whose title usually is the site's name."""
    title = (web.title or "").lower()
    return (web.domain or "").lower() or (title if _DOMAIN.fullmatch(title) else host_of(web.uri or ""))
