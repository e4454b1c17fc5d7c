"""Turns of a conversation as input items of OpenAI Responses."""

from __future__ import annotations

from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.as_text import attachment_texts, error_text, reference_text
from llm_to_anthropic.translators.assistant_text import block_text
from llm_to_anthropic.translators.documents import Documents
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.media_urls import UrlNotTaken, check_url, data_of_url
from llm_to_anthropic.translators.openai_responses_carrier import read_replay
from llm_to_anthropic.translators.openai_responses_said import Said
from llm_to_anthropic.translators.pairing import Placed, Result, Turn
from llm_to_anthropic.translators.request import block_type, dotted
from llm_to_anthropic.translators.tools import call_arguments, upstream_id, upstream_name
from llm_to_anthropic.wire.anthropic import (
    Base64Source,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    SearchResultBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolUseBlock,
    UrlSource,
)
from llm_to_anthropic.wire.openai_responses import (
    CallItem,
    InputFile,
    InputImage,
    InputItem,
    InputPart,
    InputText,
    MessageItem,
    OutputItem,
)

MAX_CALL_ID = 64
_LEFT_OUT = "[an image was left out here: this model takes no images]"


class ResponsesContent:
    """Renders the turns of one request. Documents are numbered throughout it."""

    def __init__(self, target: Target, losses: LossReport, *, model: str, unsigned: bool = False) -> None:
        """`unsigned`: no reasoning of the history is sent, as the upstream refused it."""
        self.media_bytes = 0
        """Base64 of images and files, which is no text to be counted."""
        self._target = target
        self._quirks = target.responses
        self._losses = losses
        self._model = model
        self._unsigned = unsigned
        self._replayed = False
        self._documents = Documents(losses, model=model)

    @property
    def documents(self) -> int:
        """Documents so far: each is numbered."""
        return self._documents.count

    @property
    def replayed(self) -> bool:
        """Whether there is reasoning of earlier answers among the items."""
        return self._replayed

    def render(self, turn: Turn) -> list[InputItem]:
        """The items of one turn."""
        match turn.role:
            case "user":
                return self._user(turn)
            case "assistant":
                return self._assistant(turn)
            case "system":
                texts = [placed.block.text for placed in turn.blocks if isinstance(placed.block, TextBlock)]
                return [self._message(self._quirks.system_role, [InputText(text) for text in texts])] if texts else []

    def _message(self, role: str, parts: list[InputPart] | list[InputText]) -> MessageItem:
        return MessageItem(role=role, content=[*parts])

    def _user(self, turn: Turn) -> list[InputItem]:
        parts: list[InputPart] = []
        items: list[InputItem] = [self._output(result, parts) for result in turn.results]
        for placed in turn.blocks:
            parts.extend(self._parts(placed))
        return [*items, self._message("user", parts)] if parts else items

    def _output(self, result: Result, attached: list[InputPart]) -> OutputItem:
        """A result; images and files that it cannot hold are added to `attached`, for the message that follows."""
        call_id = upstream_id(result.call.id, limit=MAX_CALL_ID)
        parts = [part for placed in result.content for part in self._parts(placed)]
        if not self._quirks.result_media:
            parts = _detached(parts, attached, call_id)
        texts = [part.text for part in parts if isinstance(part, InputText)]
        if len(texts) == len(parts):
            text = "\n".join(texts)
            return OutputItem(call_id=call_id, output=error_text(text) if result.is_error else text)
        return OutputItem(call_id=call_id, output=_failed(parts) if result.is_error else parts)

    def _parts(self, placed: Placed) -> list[InputPart]:
        """One block of a user message or a tool result as parts."""
        match placed.block:
            case TextBlock(text=text):
                return [InputText(text)]
            case ImageBlock() as image:
                return [self._image(image, placed.path)]
            case DocumentBlock() as document:
                return self._document(document, placed.path)
            case SearchResultBlock() as found:
                return [InputText(self._documents.search_result(found, placed.path))]
            case ToolReferenceBlock(tool_name=name):
                return [InputText(reference_text(name))]
            case block:
                raise ClientError(f"{dotted(placed.path)}: {block_type(block)} blocks are not supported here")

    def _image(self, block: ImageBlock, path: str) -> InputPart:
        if not self._quirks.images:
            self._losses.lose(path, "the model takes no images; left out")
            return InputText(_LEFT_OUT)
        match block.source:
            case Base64Source(media_type=media_type, data=data):
                self.media_bytes += len(data)
                return InputImage(f"data:{media_type};base64,{data}")
            case UrlSource(url=url):
                check_url(url, path)
                if not self._quirks.image_urls and not url.startswith("data:"):
                    raise UrlNotTaken(url, path, "image", f"model '{self._model}' takes no images by URL")
                return InputImage(url)
            case FileSource():
                raise self._documents.no_files(path)

    def _document(self, block: DocumentBlock, path: str) -> list[InputPart]:
        self._documents.report_citations(block.citations, path)
        match block.source:
            case Base64Source(media_type=media_type, data=data):
                self._documents.check_pdf(media_type, path)
                return self._pdf(block, data, path)
            case UrlSource(url=url):
                check_url(url, path)
                inline = data_of_url(url)
                return self._pdf(block, inline[1], path) if inline else self._pdf_by_url(block, url, path)
            case TextSource(data=data):
                return [InputText(self._documents.text(block, data))]
            case ContentSource() as source:
                text, images = self._documents.content(block, source, path)
                return [InputText(text), *(part for image in images for part in self._parts(image))]
            case FileSource():
                raise self._documents.no_files(path)

    def _pdf(self, block: DocumentBlock, data: str, path: str) -> list[InputPart]:
        self._check_files(path)
        self.media_bytes += len(data)
        name = self._documents.pdf_name(block)
        return [*_context(block, name), InputFile(filename=name, file_data=f"data:application/pdf;base64,{data}")]

    def _pdf_by_url(self, block: DocumentBlock, url: str, path: str) -> list[InputPart]:
        self._check_files(path)
        if not self._quirks.file_urls:
            raise UrlNotTaken(url, path, "document", f"model '{self._model}' takes no documents by URL")
        return [*_context(block, block.title or url), InputFile(file_url=url)]

    def _check_files(self, path: str) -> None:
        if not self._quirks.files:
            raise ClientError(
                f"{dotted(path)}: document blocks (PDF) are not supported for model '{self._model}'; send their text"
            )

    def _assistant(self, turn: Turn) -> list[InputItem]:
        said = Said()
        for placed in turn.blocks:
            match placed.block:
                case ThinkingBlock() as thinking:
                    self._replay(thinking, said)
                case ToolUseBlock() as call:
                    said.item(self._call(call, placed.path))
                case DocumentBlock() as document:
                    said.text(document, self._own_document(document, placed.path))
                case block:
                    said.text(block, block_text(block))
        items = said.close()
        self._replayed = self._replayed or any(isinstance(item, Raw) for item in items)
        return items

    def _replay(self, block: ThinkingBlock, said: Said) -> None:
        replay = read_replay(block.signature, self._target)
        if replay is None:
            said.text(block, "")
            return
        keeps = self._quirks.encrypted_content and not self._unsigned
        said.reasoning(replay.items if keeps else [], replay.phases)

    def _call(self, block: ToolUseBlock, path: str) -> CallItem:
        return CallItem(
            call_id=upstream_id(block.id, limit=MAX_CALL_ID),
            name=upstream_name(block.name),
            arguments=call_arguments(block, path),
        )

    def _own_document(self, block: DocumentBlock, path: str) -> str:
        texts: list[str] = []
        for part in self._document(block, path):
            if isinstance(part, InputText):
                texts.append(part.text)
            else:
                self._losses.lose(path, "assistant messages take text only; left out")
        return "\n".join(texts)


def _context(block: DocumentBlock, name: str) -> list[InputPart]:
    return [InputText(f"Context of {name}: {block.context}")] if block.context else []


def _failed(parts: list[InputPart]) -> list[InputPart]:
    """The parts of a result that is an error: its first text says so."""
    first = next((part for part in parts if isinstance(part, InputText)), None)
    if first is None:
        return [InputText(error_text("see below")), *parts]
    return [InputText(error_text(part.text)) if part is first else part for part in parts]


def _detached(parts: list[InputPart], attached: list[InputPart], call_id: str) -> list[InputPart]:
    """The parts of a result as texts; what else there is goes into `attached`."""
    texts: list[InputPart] = []
    for part in parts:
        if isinstance(part, InputText):
            texts.append(part)
            continue
        number = 1 + sum(not isinstance(each, InputText) for each in attached)
        note, lead = attachment_texts("Image" if isinstance(part, InputImage) else "Document", number, call_id)
        texts.append(InputText(note))
        attached += [InputText(lead), part]
    return texts
