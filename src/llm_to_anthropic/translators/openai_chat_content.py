"""Turns of a conversation as messages of Chat Completions."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.as_text import attachment_texts, error_text, reference_text
from llm_to_anthropic.translators.assistant_text import AssistantText, block_text
from llm_to_anthropic.translators.carrier import decode_carrier
from llm_to_anthropic.translators.documents import Documents
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.media_urls import UrlNotTaken, check_url
from llm_to_anthropic.translators.pairing import Placed, Result, Turn
from llm_to_anthropic.translators.request import block_type, dotted
from llm_to_anthropic.translators.tools import call_arguments, upstream_id, upstream_name
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
    ThinkingBlock,
    ToolReferenceBlock,
    ToolUseBlock,
    UrlSource,
)
from llm_to_anthropic.wire.openai_chat import (
    ChatMessage,
    File,
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Part,
    TextPart,
    ToolCall,
)

Content = str | list[Part]

_NO_REASONING = " "
"""Stands for reasoning that is not known any more: DeepSeek refuses an assistant message without the field."""


class ChatContent:
    """Renders the turns of one request. Documents are numbered throughout it."""

    def __init__(self, target: Target, losses: LossReport, *, model: str) -> None:
        self.media_bytes = 0
        """Base64 of images and files, which is no text to be counted."""
        self._provider = target.provider.name
        self._quirks = target.quirks
        self._losses = losses
        self._model = model
        self._documents = Documents(losses, model=model)

    @property
    def documents(self) -> int:
        """Documents so far: each is numbered."""
        return self._documents.count

    @property
    def replayed(self) -> bool:
        """Reasoning of the history is text to these servers, or theirs to ignore."""
        return False

    def render(self, turn: Turn) -> list[ChatMessage]:
        """The messages of a turn in the middle of a conversation."""
        return self.messages(turn, first=False)

    def messages(self, turn: Turn, *, first: bool) -> list[ChatMessage]:
        """The messages of one turn; `first`: nothing stands before it, not even a system prompt."""
        match turn.role:
            case "user":
                return self._user(turn)
            case "assistant":
                return self._assistant(turn)
            case "system":
                return self._system(turn, first=first)

    def system_prompt(self, blocks: list[TextBlock]) -> Content:
        """Texts of a system prompt as one string, or as parts where cache breakpoints are to survive."""
        return self._joined([self._text_part(block.text, block.cache_control) for block in blocks])

    def _system(self, turn: Turn, *, first: bool) -> list[ChatMessage]:
        blocks = [placed.block for placed in turn.blocks if isinstance(placed.block, TextBlock)]
        content = self.system_prompt(blocks)
        if first or not self._quirks.merge_system:
            return [ChatMessage(role=self._quirks.system_role, content=content)]
        text = content if isinstance(content, str) else "\n\n".join(block.text for block in blocks)
        return [ChatMessage(role="user", content=f"<system-reminder>\n{text}\n</system-reminder>")]

    def _user(self, turn: Turn) -> list[ChatMessage]:
        if not turn.results and (text := self._plain_text(turn)) is not None:
            return [ChatMessage(role="user", content=text)]
        parts: list[Part] = []
        messages = [self._tool_message(result, parts) for result in turn.results]
        for placed in turn.blocks:
            parts.extend(self._parts(placed))
        if parts:
            messages.append(ChatMessage(role="user", content=self._joined(parts)))
        return messages

    def _plain_text(self, turn: Turn) -> str | None:
        """The text of a turn that is one text block; None for any other turn."""
        block = turn.blocks[0].block if len(turn.blocks) == 1 else None
        if not isinstance(block, TextBlock) or (block.cache_control and self._quirks.cache_control):
            return None
        return block.text

    def _tool_message(self, result: Result, attached: list[Part]) -> ChatMessage:
        """A result as text; its images and files are added to `attached`, for the user message that follows."""
        call_id = self._id(result.call.id)
        texts: list[str] = []
        for placed in result.content:
            for part in self._parts(placed):
                if isinstance(part, TextPart):
                    texts.append(part.text)
                    continue
                kind = "Image" if isinstance(part, ImagePart) else "Document"
                number = 1 + sum(not isinstance(each, TextPart) for each in attached)
                note, lead = attachment_texts(kind, number, call_id)
                texts.append(note)
                attached += [TextPart(lead), part]
        text = "\n".join(texts)
        if result.is_error:
            text = error_text(text)
        return ChatMessage(role="tool", tool_call_id=call_id, content=text or self._quirks.empty_tool_result)

    def _parts(self, placed: Placed) -> list[Part]:
        """One block of a user message or a tool result as parts."""
        match placed.block:
            case TextBlock(text=text, cache_control=cache):
                return [self._text_part(text, cache)]
            case ImageBlock() as image:
                return [self._image(image, placed.path)]
            case DocumentBlock() as document:
                return self._document(document, placed.path)
            case SearchResultBlock() as found:
                return [TextPart(self._documents.search_result(found, placed.path))]
            case ToolReferenceBlock(tool_name=name):
                return [TextPart(reference_text(name))]
            case block:
                raise ClientError(f"{dotted(placed.path)}: {block_type(block)} blocks are not supported here")

    def _joined(self, parts: list[Part]) -> Content:
        """One string where all is text, as that is what every server takes; else parts."""
        texts = [part.text for part in parts if isinstance(part, TextPart) and part.cache_control is None]
        return "\n\n".join(texts) if len(texts) == len(parts) else parts

    def _text_part(self, text: str, cache: CacheControl | None) -> TextPart:
        if cache is None or not self._quirks.cache_control:
            return TextPart(text)
        mark = {"type": cache.type, "ttl": cache.ttl} if cache.ttl else {"type": cache.type}
        return TextPart(text, Raw(msgspec.json.encode(mark)))

    def _image(self, block: ImageBlock, path: str) -> Part:
        if not self._quirks.images:
            self._losses.lose(path, "the model takes no images; left out")
            return TextPart("[an image was left out here: this model takes no images]")
        match block.source:
            case Base64Source(media_type=media_type, data=data):
                self.media_bytes += len(data)
                return ImagePart(ImageUrl(f"data:{media_type};base64,{data}"))
            case UrlSource(url=url):
                check_url(url, path)
                if not self._quirks.image_urls and not url.startswith("data:"):
                    raise UrlNotTaken(url, path, "image", f"model '{self._model}' takes no images by URL")
                return ImagePart(ImageUrl(url))
            case FileSource():
                raise self._documents.no_files(path)

    def _document(self, block: DocumentBlock, path: str) -> list[Part]:
        self._documents.report_citations(block.citations, path)
        match block.source:
            case Base64Source() as source:
                return self._pdf(block, source, path)
            case TextSource(data=data):
                return [TextPart(self._documents.text(block, data))]
            case ContentSource() as source:
                text, images = self._documents.content(block, source, path)
                return [TextPart(text), *(part for image in images for part in self._parts(image))]
            case UrlSource(url=url):
                check_url(url, path)
                raise UrlNotTaken(url, path, "document", f"model '{self._model}' takes no documents by URL")
            case FileSource():
                raise self._documents.no_files(path)

    def _pdf(self, block: DocumentBlock, source: Base64Source, path: str) -> list[Part]:
        self._documents.check_pdf(source.media_type, path)
        if not self._quirks.files:
            raise ClientError(
                f"{dotted(path)}: document blocks (PDF) are not supported for model '{self._model}'; send their text"
            )
        self.media_bytes += len(source.data)
        name = self._documents.pdf_name(block)
        part = FilePart(File(name, f"data:application/pdf;base64,{source.data}"))
        return [TextPart(f"Context of {name}: {block.context}"), part] if block.context else [part]

    def _assistant(self, turn: Turn) -> list[ChatMessage]:
        text = self._plain_text(turn) or self._assistant_text(turn)
        calls = [self._call(each.block, each.path) for each in turn.blocks if isinstance(each.block, ToolUseBlock)]
        if not calls and not text.strip():
            return []
        content: str | UnsetType | None = text or (None if self._quirks.null_content else "")
        message = ChatMessage(role="assistant", content=content, tool_calls=calls or None)
        self._replay_reasoning(turn, message)
        return [message]

    def _assistant_text(self, turn: Turn) -> str:
        text = AssistantText()
        for placed in turn.blocks:
            block = placed.block
            if isinstance(block, DocumentBlock):
                text.add(block, self._assistant_document(block, placed.path))
            else:
                text.add(block, block_text(block))
        return text.take()

    def _assistant_document(self, block: DocumentBlock, path: str) -> str:
        texts: list[str] = []
        for part in self._document(block, path):
            if isinstance(part, TextPart):
                texts.append(part.text)
            else:
                self._losses.lose(path, "assistant messages take text only; left out")
        return "\n".join(texts)

    def _call(self, block: ToolUseBlock, path: str) -> ToolCall:
        function = FunctionCall(upstream_name(block.name), call_arguments(block, path))
        return ToolCall(id=self._id(block.id), type="function", function=function)

    def _id(self, call_id: str) -> str:
        return upstream_id(call_id, short=self._quirks.short_ids)

    def _replay_reasoning(self, turn: Turn, message: ChatMessage) -> None:
        """Gives the upstream the reasoning back that came from such a server; that of others is of no use to it."""
        quirks = self._quirks
        if quirks.reasoning_history == "none" and not quirks.reasoning_details:
            return
        texts: list[str] = []
        details: list[Raw] = []
        for placed in turn.blocks:
            block = placed.block
            carrier = decode_carrier(block.signature or "") if isinstance(block, ThinkingBlock) else None
            if carrier is None or carrier.vendor != "c" or not isinstance(block, ThinkingBlock):
                continue
            texts.append(block.thinking)
            if carrier.provider == self._provider:
                details.extend(carrier.items)
        text = "\n".join(filter(None, texts))
        if quirks.reasoning_history == "reasoning_content":
            message.reasoning_content = text or _NO_REASONING
        elif quirks.reasoning_history == "reasoning" and text:
            message.reasoning = text
        if quirks.reasoning_details and details:
            message.reasoning_details = details


def merge_roles(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Joins neighbours of one role, for chat templates that demand alternation."""
    merged: list[ChatMessage] = []
    for message in messages:
        last = merged[-1] if merged else None
        if last is None or last.role != message.role or message.role not in ("user", "assistant") or last.tool_calls:
            merged.append(message)
            continue
        last.content = _merge(last.content, message.content)
        last.tool_calls = message.tool_calls
        # A placeholder for absent reasoning is shorter than any reasoning.
        last.reasoning_content = max(
            last.reasoning_content, message.reasoning_content, key=lambda text: len(text or "")
        )
        last.reasoning = last.reasoning or message.reasoning
        last.reasoning_details = [*(last.reasoning_details or ()), *(message.reasoning_details or ())] or None
    return merged


def _merge(one: Content | UnsetType | None, other: Content | UnsetType | None) -> Content | None:
    first = None if one is UNSET else one
    second = None if other is UNSET else other
    if not first or not second:
        return first or second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_as_parts(first), *_as_parts(second)]


def _as_parts(content: Content) -> list[Part]:
    return [TextPart(content)] if isinstance(content, str) else content
