"""Citations of web pages in an answer of OpenAI Responses -> Anthropic's, and the text parted where they stand.

An annotation marks a link in the text, which stands behind what it supports: the citation then is of the words before
the link. One that marks no link is of the words that it marks.
"""

from __future__ import annotations

from llm_to_anthropic.translators.web_results import MAX_CITED, Piece
from llm_to_anthropic.wire.anthropic import SearchCitation
from llm_to_anthropic.wire.openai_responses_answer import Annotation
from llm_to_anthropic.writer import sound


def citation(annotation: Annotation, text: str, begin: int, seal: str) -> SearchCitation | None:
    """The citation of an annotation in `text`, of which the client has the characters before `begin` in other blocks.

    `seal` stands where Anthropic has an encrypted index. None: it cites no web page.
    """
    if annotation.type != "url_citation" or not annotation.url:
        return None
    start, end = _place(annotation, text)
    marked = text[start:end]
    cited = text[begin:start].rstrip() if annotation.url in marked else ""
    return SearchCitation(
        url=sound(annotation.url),
        title=sound(annotation.title) if annotation.title else None,
        cited_text=sound((cited or marked)[-MAX_CITED:]),
        encrypted_index=seal,
    )


def cited_pieces(text: str, annotations: list[Annotation], seal: str) -> list[Piece]:
    """A whole text, parted behind each place that is cited."""
    pieces: list[Piece] = []
    begin = 0
    for annotation in sorted(annotations, key=lambda one: _place(one, text)[1]):
        if (found := citation(annotation, text, begin, seal)) is None:
            continue
        end = _place(annotation, text)[1]
        if end > begin:
            pieces.append((text[begin:end], [found]))
            begin = end
        elif pieces:
            pieces[-1][1].append(found)
    if begin < len(text):
        pieces.append((text[begin:], []))
    return pieces


def _place(annotation: Annotation, text: str) -> tuple[int, int]:
    """The first character that it marks and the one after the last: all of the text where it tells no sound ones."""
    start, end = annotation.start_index, annotation.end_index
    if start is None or end is None or not 0 <= start < end:
        return 0, len(text)
    if not text.isascii() and (annotation.url or "") not in text[start:end]:
        # Some servers count in UTF-16, where a character outside the first plane is two.
        units = text.encode("utf-16-le", "surrogatepass")
        wide = tuple(len(units[: 2 * place].decode("utf-16-le", "replace")) for place in (start, end))
        if annotation.url and annotation.url in text[wide[0] : wide[1]]:
            return wide[0], wide[1]
    return min(start, len(text)), min(end, len(text))
