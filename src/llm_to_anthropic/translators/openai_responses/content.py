"""Turns of a conversation as input items of OpenAI Responses."""

from __future__ import annotations

from msgspec import Raw

from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.translators.as_text import error_text
from llm_to_anthropic.translators.assistant_text import text_for
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.openai.content_parts import ContentParts, Takes
from llm_to_anthropic.translators.openai_responses.carrier import read_replay
from llm_to_anthropic.translators.openai_responses.said import Said
from llm_to_anthropic.translators.pairing import Result, Turn
from llm_to_anthropic.translators.tools import input_text, upstream_id, upstream_name
from llm_to_anthropic.wire.anthropic import (
    CacheControl,
    DocumentBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
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


class ResponsesParts(ContentParts[InputPart]):
    """Parts of OpenAI Responses."""

    def __init__(self, quirks: ResponsesQuirks, losses: LossReport) -> None:
        takes = Takes(
            images=quirks.images, image_urls=quirks.image_urls, files=quirks.files, file_urls=quirks.file_urls
        )
        super().__init__(takes, losses)

    def text(self, text: str, cache: CacheControl | None = None) -> InputText:  # noqa: ARG002  it caches by itself
        return InputText(text)

    def text_of(self, part: InputPart) -> str | None:
        return part.text if isinstance(part, InputText) else None

    def image(self, url: str) -> InputPart:
        return InputImage(url)

    def file(self, name: str, url: str) -> InputPart:
        return InputFile(filename=name, file_data=url)

    def file_at(self, url: str) -> InputPart:
        return InputFile(file_url=url)

    def is_image(self, part: InputPart) -> bool:
        return isinstance(part, InputImage)


class ResponsesContent:
    """Renders the turns of one request. Documents are numbered throughout it."""

    call_ids: None = None
    """Results name their calls by the client's ids."""

    def __init__(self, target: Target, losses: LossReport, *, unsigned: bool = False) -> None:
        """`unsigned`: no reasoning of the history is sent, as the upstream refused it."""
        self._parts = ResponsesParts(target.responses, losses)
        self.documents = self._parts.documents
        self._target = target
        self._quirks = target.responses
        self._unsigned = unsigned
        self.replayed = False
        """There is reasoning of earlier answers among the items."""

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
            parts.extend(self._parts.of(placed))
        return [*items, self._message("user", parts)] if parts else items

    def _output(self, result: Result, attached: list[InputPart]) -> OutputItem:
        """A result; images and files that it cannot hold are added to `attached`, for the message that follows."""
        call_id = upstream_id(result.call.id, limit=MAX_CALL_ID)
        if not self._quirks.result_media:
            return _output_of(call_id, self._parts.texts_of(result, attached, call_id), result)
        parts = [part for placed in result.content for part in self._parts.of(placed)]
        texts = [part.text for part in parts if isinstance(part, InputText)]
        if len(texts) == len(parts):
            return _output_of(call_id, texts, result)
        return OutputItem(call_id=call_id, output=_failed(parts) if result.is_error else parts)

    def _assistant(self, turn: Turn) -> list[InputItem]:
        said = Said()
        for placed in turn.blocks:
            match placed.block:
                case ThinkingBlock() as thinking:
                    self._replay(thinking, said)
                case ToolUseBlock() as call:
                    said.item(self._call(call, placed.path))
                case DocumentBlock() as document:
                    said.text(document, self._parts.of_assistant(document, placed.path))
                case block:
                    said.text(block, text_for(block))
        items = said.close()
        self.replayed = self.replayed or any(isinstance(item, Raw) for item in items)
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
            arguments=input_text(block, path),
        )


def _output_of(call_id: str, texts: list[str], result: Result) -> OutputItem:
    text = "\n".join(texts)
    return OutputItem(call_id=call_id, output=error_text(text) if result.is_error else text)


def _failed(parts: list[InputPart]) -> list[InputPart]:
    """The parts of a result that is an error: its first text says so."""
    first = next((part for part in parts if isinstance(part, InputText)), None)
    if first is None:
        return [InputText(error_text("see below")), *parts]
    return [InputText(error_text(part.text)) if part is first else part for part in parts]
