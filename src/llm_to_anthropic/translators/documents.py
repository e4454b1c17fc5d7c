"""Documents and search results as text, for upstreams that know neither. Documents are numbered in a request."""

from __future__ import annotations

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.as_text import document_text, search_result_text
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.pairing import Placed
from llm_to_anthropic.translators.request import decode_blocks, dotted
from llm_to_anthropic.wire.anthropic import (
    Citations,
    ContentSource,
    DocumentBlock,
    ImageBlock,
    SearchResultBlock,
    TextBlock,
)


class Documents:
    """Renders those of one request, and counts what media it holds."""

    def __init__(self, losses: LossReport) -> None:
        self.count = 0
        """Documents so far: each is numbered."""
        self.media_bytes = 0
        """Base64 of images and files, which is no text to be counted."""
        self._losses = losses

    def text(self, block: DocumentBlock, text: str) -> str:
        """A document of which this is the text, in a wrapper that names it."""
        self.count += 1
        return document_text(self.count, block.title, block.context, text)

    def content(self, block: DocumentBlock, source: ContentSource, path: str) -> tuple[str, list[Placed]]:
        """A document made of blocks: its text, and its images. Raises ClientError for other blocks."""
        texts: list[str] = []
        images: list[Placed] = []
        for index, each in enumerate(decode_blocks(source.content, f"{path}.source.content")):
            where = f"{path}.source.content[{index}]"
            if isinstance(each, TextBlock):
                texts.append(each.text)
            elif isinstance(each, ImageBlock):
                images.append(Placed(each, where))
            else:
                raise ClientError(f"{dotted(where)}: Input should be a text or image block")
        return self.text(block, "\n".join(texts)), images

    def search_result(self, block: SearchResultBlock, path: str) -> str:
        """A search result in a wrapper that names where it is from. Raises ClientError for what is no text."""
        self.report_citations(block.citations, path)
        inner = decode_blocks(block.content, f"{path}.content")
        texts = [each.text for each in inner if isinstance(each, TextBlock)]
        if len(texts) < len(inner):
            raise ClientError(f"{dotted(path)}.content: Input should be text blocks")
        return search_result_text(block.source, block.title, texts)

    def report_citations(self, citations: Citations | None, path: str) -> None:
        """Reports that the citations that the client wants cannot be had."""
        if citations and citations.enabled:
            self._losses.lose(f"{path}.citations", "the answer will have no citations")

    def check_pdf(self, media_type: str, path: str) -> None:
        """Raises ClientError for base64 that is no PDF: Anthropic's API knows no other."""
        if media_type != "application/pdf":
            raise ClientError(f"{dotted(path)}.source.media_type: Input should be 'application/pdf'")

    def pdf_name(self, block: DocumentBlock) -> str:
        """The file name under which a PDF travels."""
        name = block.title or "document.pdf"
        return name if name.lower().endswith(".pdf") else f"{name}.pdf"

    def no_files(self, path: str) -> ClientError:
        """The refusal of a file that only Anthropic has."""
        unsupported = f"file ids are not supported for model '{self._losses.model}'"
        return ClientError(f"{dotted(path)}.source: {unsupported}; send the data as base64")
