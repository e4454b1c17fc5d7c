"""What a user sends and tools bring back, as parts of OpenAI's APIs, which differ only in how a part is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import msgspec

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.as_text import attachment_texts, reference_text
from llm_to_anthropic.translators.documents import Documents
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.media_urls import UrlNotTaken, check_url, data_of_url
from llm_to_anthropic.translators.pairing import Placed, Result
from llm_to_anthropic.translators.request import block_type, dotted
from llm_to_anthropic.translators.tools import Lead, upstream_name
from llm_to_anthropic.wire.anthropic import (
    Base64Source,
    CacheControl,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    SearchResultBlock,
    TextBlock,
    TextSource,
    ToolReferenceBlock,
    UrlSource,
)

Part = TypeVar("Part")

_NO_IMAGE = "[an image was left out here: this model takes no images]"


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream takes of media, and whether it fetches them by URL itself."""

    images: bool
    image_urls: bool
    files: bool
    file_urls: bool


class ContentParts(ABC, Generic[Part]):
    """The parts of one request. Documents are numbered throughout it."""

    def __init__(self, takes: Takes, losses: LossReport) -> None:
        self._takes = takes
        self._losses = losses
        self.documents = Documents(losses)
        self.lead: Lead = ""
        """What the names of tools must begin with."""

    @abstractmethod
    def text(self, text: str, cache: CacheControl | None = None) -> Part:
        """A text, and what the client says of caching after it."""

    @abstractmethod
    def text_of(self, part: Part) -> str | None:
        """The text of a part; None: it is an image or a file."""

    @abstractmethod
    def image(self, url: str) -> Part:
        """An image at a public address, or in a `data:` URL."""

    @abstractmethod
    def file(self, name: str, url: str) -> Part:
        """A PDF, in a `data:` URL."""

    @abstractmethod
    def file_at(self, url: str) -> Part:
        """A PDF at a public address."""

    @abstractmethod
    def is_image(self, part: Part) -> bool:
        """Whether a part that is no text is an image; else it is a file."""

    def of(self, placed: Placed) -> list[Part]:
        """One block of a user message or a tool result. Raises ClientError for what cannot be sent."""
        match placed.block:
            case TextBlock(text=text, cache_control=cache):
                return [self.text(text, cache)]
            case ImageBlock() as image:
                return [self._image(image, placed.path)]
            case DocumentBlock() as document:
                return self._document(document, placed.path)
            case SearchResultBlock() as found:
                return [self.text(self.documents.search_result(found, placed.path))]
            case ToolReferenceBlock(tool_name=name):
                return [self.text(reference_text(upstream_name(name, lead=self.lead)))]
            case block:
                raise ClientError(f"{dotted(placed.path)}: {block_type(block)} blocks are not supported here")

    def of_assistant(self, block: DocumentBlock, path: str) -> str:
        """A document among an assistant's words, which are text alone."""
        texts = [self.text_of(part) for part in self._document(block, path)]
        if None in texts:
            self._losses.lose(path, "assistant messages take text only; left out")
        return "\n".join(text for text in texts if text is not None)

    def texts_of(self, result: Result, attached: list[Part], call_id: str) -> list[str]:
        """A result as texts; what else there is goes into `attached`, each after a text that leads it."""
        texts: list[str] = []
        for placed in result.content:
            if isinstance(placed.block, TextBlock):
                texts.append(placed.block.text)
            else:
                texts += [self._detached(part, attached, call_id) for part in self.of(placed)]
        return texts

    def _detached(self, part: Part, attached: list[Part], call_id: str) -> str:
        text = self.text_of(part)
        if text is None:
            number = 1 + len(attached) // 2
            kind = "Image" if self.is_image(part) else "Document"
            text, lead = attachment_texts(kind, number, call_id)
            attached += [self.text(lead), part]
        return text

    def _image(self, block: ImageBlock, path: str) -> Part:
        if not self._takes.images:
            self._losses.lose(path, "the model takes no images; left out")
            return self.text(_NO_IMAGE)
        match block.source:
            case Base64Source(media_type=media_type, data=data):
                self.documents.media_bytes += len(data)
                return self.image(f"data:{media_type};base64,{data}")
            case UrlSource(url=url):
                check_url(url, path)
                if not self._takes.image_urls and not url.startswith("data:"):
                    raise UrlNotTaken(url, path, "image", f"model '{self._losses.model}' takes no images by URL")
                return self.image(url)
            case FileSource():
                raise self.documents.no_files(path)

    def _document(self, block: DocumentBlock, path: str) -> list[Part]:
        self.documents.report_citations(block.citations, path)
        match block.source:
            case Base64Source(media_type=media_type, data=data):
                self.documents.check_pdf(media_type, path)
                return self._pdf(block, data, path)
            case UrlSource(url=url):
                check_url(url, path)
                inline = data_of_url(url)
                return self._pdf(block, inline[1], path) if inline else self._pdf_by_url(block, url, path)
            case TextSource(data=data):
                return [self.text(self.documents.text(block, data))]
            case ContentSource() as source:
                text, images = self.documents.content(block, source, path)
                return [self.text(text), *(part for image in images for part in self.of(image))]
            case FileSource():
                raise self.documents.no_files(path)

    def _pdf(self, block: DocumentBlock, data: str, path: str) -> list[Part]:
        self._check_files(path)
        self.documents.media_bytes += len(data)
        name = self.documents.pdf_name(block)
        return [*self._context(block, name), self.file(name, f"data:application/pdf;base64,{data}")]

    def _pdf_by_url(self, block: DocumentBlock, url: str, path: str) -> list[Part]:
        if not self._takes.file_urls:
            raise UrlNotTaken(url, path, "document", f"model '{self._losses.model}' takes no documents by URL")
        self._check_files(path)
        return [*self._context(block, block.title or url), self.file_at(url)]

    def _context(self, block: DocumentBlock, name: str) -> list[Part]:
        return [self.text(f"Context of {name}: {block.context}")] if block.context else []

    def _check_files(self, path: str) -> None:
        if not self._takes.files:
            unsupported = f"document blocks (PDF) are not supported for model '{self._losses.model}'"
            raise ClientError(f"{dotted(path)}: {unsupported}; send their text")
