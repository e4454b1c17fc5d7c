"""Turns of a conversation as Gemini's contents."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.as_text import other_text, reference_text, server_call_text
from llm_to_anthropic.translators.documents import Documents
from llm_to_anthropic.translators.gemini.replay import Replay, read_replay
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.media_urls import UrlNotTaken, check_url, data_of_url, url_extension
from llm_to_anthropic.translators.pairing import Placed, Result, Turn
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.request import block_type, dotted
from llm_to_anthropic.translators.tools import input_text, upstream_name
from llm_to_anthropic.wire.anthropic import (
    Base64Source,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    OtherBlock,
    SearchResultBlock,
    ServerToolUseBlock,
    TextBlock,
    TextSource,
    ToolReferenceBlock,
    ToolUseBlock,
    UrlSource,
)
from llm_to_anthropic.wire.gemini import (
    BYPASS,
    Blob,
    Content,
    FileData,
    FunctionCall,
    FunctionResponse,
    FunctionResponsePart,
    Part,
)

_PDF = "application/pdf"
_IMAGE_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
}
_REFUSED_TYPES = frozenset({"image/gif"})


_ROLES = {"user": "user", "assistant": "model", "system": "user", "": ""}
_BEGIN = b'{"parts":['
_ENDS = {"user": b'],"role":"user"}', "model": b'],"role":"model"}'}


def seam(before: str, after: str) -> bytes:
    """What stands between the parts of messages of two roles, as JSON; an empty one: the beginning, or the end.

    Begins with the user, and no two neighbours are of one role, as `GeminiContent.contents`.
    """
    last, following = _ROLES[before], _ROLES[after]
    if last and last == following:
        return b","
    if not following:
        return _ENDS[last]
    if not last:
        return _BEGIN if following == "user" else seam("", "user") + b'{"text":" "}' + seam("user", after)
    return _ENDS[last] + b"," + _BEGIN


class GeminiContent:
    """Renders the turns of one request. Documents are numbered throughout it."""

    def __init__(self, target: Target, losses: LossReport, *, unsigned: bool = False) -> None:
        """`unsigned`: no signature of the history is sent, as the upstream refused them."""
        self._target = target
        self._quirks = target.gemini
        self._losses = losses
        self._unsigned = unsigned
        self.call_ids: dict[str, str] = {}
        """The upstream's ids of the calls so far, by the client's; results repeat them."""
        self.replayed = False
        """Not needed: a request without signatures is rendered anew."""
        self.documents = Documents(losses)

    def render(self, turn: Turn) -> list[Part | Raw]:
        """The parts of a turn in the middle of a conversation; `seam` stands around and between them."""
        content = Content(self._parts_of(turn))
        self._sign(content)
        return content.parts

    def contents(self, turns: list[Turn]) -> list[Content]:
        """The whole conversation: begins with the user, and no two neighbours are of one role."""
        contents: list[Content] = []
        for turn in turns:
            role = _ROLES[turn.role]
            parts = self._parts_of(turn)
            if not parts:
                continue
            if contents and contents[-1].role == role:
                contents[-1].parts.extend(parts)
            else:
                contents.append(Content(parts, role=role))
        if contents and contents[0].role == "model":
            contents.insert(0, Content([Part(text=" ")], role="user"))
        for content in contents:
            self._sign(content)
        return contents

    def _parts_of(self, turn: Turn) -> list[Part | Raw]:
        match turn.role:
            case "user":
                return self._user(turn)
            case "assistant":
                return self._assistant(turn)
            case "system":
                texts = [placed.block.text for placed in turn.blocks if isinstance(placed.block, TextBlock)]
                joined = "\n\n".join(texts)
                return [Part(text=f"<system-reminder>\n{joined}\n</system-reminder>")] if joined else []

    def _user(self, turn: Turn) -> list[Part | Raw]:
        beside: list[Part] = []
        parts: list[Part | Raw] = [self._response(result, beside) for result in turn.results]
        parts.extend(beside)
        for placed in turn.blocks:
            parts.extend(self._parts(placed))
        return parts

    def _response(self, result: Result, beside: list[Part]) -> Part:
        """A result as an object; media that it cannot hold is added to `beside`."""
        texts: list[str] = []
        within: list[FunctionResponsePart] = []
        for placed in result.content:
            for part in self._parts(placed):
                if part.text is not None:
                    texts.append(part.text)
                elif self._quirks.result_media and part.inline_data is not None:
                    within.append(FunctionResponsePart(part.inline_data))
                else:
                    texts.append("[image attached]" if isinstance(placed.block, ImageBlock) else "[document attached]")
                    beside.append(part)
        field = "error" if result.is_error else "output"
        response = raw_json({field: "\n".join(texts)})
        name = upstream_name(result.call.name, lead="_")
        call_id = self.call_ids.get(result.call.id)
        return Part(function_response=FunctionResponse(call_id, name, response, within or None))

    def _parts(self, placed: Placed) -> list[Part]:
        """One block of a user message or a tool result."""
        match placed.block:
            case TextBlock(text=text):
                return [Part(text=text)]
            case ImageBlock() as image:
                return [self._image(image, placed.path)]
            case DocumentBlock() as document:
                return self._document(document, placed.path)
            case SearchResultBlock() as found:
                return [Part(text=self.documents.search_result(found, placed.path))]
            case ToolReferenceBlock(tool_name=name):
                return [Part(text=reference_text(upstream_name(name, lead="_")))]
            case block:
                raise ClientError(f"{dotted(placed.path)}: {block_type(block)} blocks are not supported here")

    def _image(self, block: ImageBlock, path: str) -> Part:
        match block.source:
            case Base64Source(media_type=media_type, data=data):
                return self._inline(media_type, data, path)
            case UrlSource(url=url):
                return self._by_url(url, _IMAGE_TYPES.get(url_extension(url)), path)
            case FileSource():
                raise self.documents.no_files(path)

    def _document(self, block: DocumentBlock, path: str) -> list[Part]:
        self.documents.report_citations(block.citations, path)
        match block.source:
            case Base64Source(media_type=media_type, data=data):
                self.documents.check_pdf(media_type, path)
                return [*_about(block), self._inline(media_type, data, path)]
            case UrlSource(url=url):
                # Anthropic's API takes PDFs alone by URL, whatever the path ends in.
                return [*_about(block), self._by_url(url, _PDF, path)]
            case TextSource(data=data):
                return [Part(text=self.documents.text(block, data))]
            case ContentSource() as source:
                text, images = self.documents.content(block, source, path)
                return [Part(text=text), *(part for image in images for part in self._parts(image))]
            case FileSource():
                raise self.documents.no_files(path)

    def _inline(self, media_type: str, data: str, path: str) -> Part:
        self._check_type(media_type, path)
        self.documents.media_bytes += len(data)
        return Part(inline_data=Blob(media_type, data))

    def _by_url(self, url: str, media_type: str | None, path: str) -> Part:
        check_url(url, path)
        if (inline := data_of_url(url)) is not None:
            return self._inline(*inline, path)
        if media_type is None:
            reason = f"the kind of image cannot be told from the URL, and model '{self._losses.model}' must be told it"
            raise UrlNotTaken(url, path, "image", reason)
        self._check_type(media_type, path)
        return Part(file_data=FileData(media_type, url))

    def _check_type(self, media_type: str, path: str) -> None:
        if media_type in _REFUSED_TYPES:
            raise ClientError(
                f"{dotted(path)}.source: {media_type} is not supported for model '{self._losses.model}'; "
                "send it as image/png, image/jpeg or image/webp"
            )

    def _assistant(self, turn: Turn) -> list[Part | Raw]:
        parts: list[Part | Raw] = []
        # Messages in a row may have become one turn; the numbers in carriers are those of the messages.
        for _, group in groupby(turn.blocks, key=lambda placed: placed.path.partition(".")[0]):
            blocks = list(group)
            replay = Replay() if self._unsigned else read_replay(blocks, self._target)
            for placed in blocks:
                parts.extend(self._model_parts(placed, replay))
        return parts

    def _model_parts(self, placed: Placed, replay: Replay) -> Iterator[Part | Raw]:
        match placed.block:
            case TextBlock(text=text):
                yield Part(text=text, thought_signature=replay.next_text())
            case ToolUseBlock() as call:
                yield self._call(call, placed.path, replay)
            case ServerToolUseBlock() as server_call:
                yield replay.next_raw_call(server_call.name) or Part(text=server_call_text(server_call))
            case OtherBlock() as other:
                raw = replay.next_raw_result(other.type) if other.type.endswith("_tool_result") else None
                if raw is not None:
                    yield raw
                elif text := other_text(other):
                    yield Part(text=text)
            case DocumentBlock() as document:
                yield from self._own_document(document, placed.path)
            case _:
                return

    def _own_document(self, block: DocumentBlock, path: str) -> Iterator[Part]:
        for part in self._document(block, path):
            if part.text is not None:
                yield part
            else:
                self._losses.lose(path, "assistant messages take text only; left out")

    def _call(self, block: ToolUseBlock, path: str, replay: Replay) -> Part:
        call_id, signature = replay.next_call()
        if call_id and self._quirks.call_ids:
            self.call_ids[block.id] = call_id
        name = upstream_name(block.name, lead="_")
        call = FunctionCall(self.call_ids.get(block.id), name, Raw(input_text(block, path).encode()))
        return Part(function_call=call, thought_signature=signature)

    def _sign(self, content: Content) -> None:
        """Only the first of parallel calls has a signature, and newer models insist on it."""
        if not self._quirks.signatures:
            return
        calls = (part for part in content.parts if isinstance(part, Part) and part.function_call is not None)
        first = next(calls, None)
        if first is not None and not first.thought_signature:
            first.thought_signature = BYPASS


def _about(block: DocumentBlock) -> list[Part]:
    """What the client says of a file, which has no name of its own here."""
    named = f'Document "{block.title}":' if block.title else "Document:" if block.context else ""
    told = f"{named}\nContext: {block.context}" if block.context else named
    return [Part(text=told)] if told else []
