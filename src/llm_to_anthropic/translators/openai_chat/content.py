"""Turns of a conversation as messages of Chat Completions."""

from __future__ import annotations

import msgspec

from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.as_text import error_text
from llm_to_anthropic.translators.assistant_text import AssistantText, text_for
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.openai.content_parts import ContentParts, Takes
from llm_to_anthropic.translators.openai_chat.replay import Replay, read_replay
from llm_to_anthropic.translators.pairing import Result, Turn
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.tools import input_text, upstream_id, upstream_name
from llm_to_anthropic.wire.anthropic import (
    CacheControl,
    DocumentBlock,
    TextBlock,
    ToolUseBlock,
)
from llm_to_anthropic.wire.gemini import BYPASS
from llm_to_anthropic.wire.openai_chat import (
    ChatMessage,
    DocumentUrlPart,
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

_GO_ON = "OK"
"""What the assistant says between a tool's result and the user, where one may not follow the other."""
_BEFORE = "(continued)"
"""What the user says before a conversation that begins midway, where the assistant may not speak first."""
_NO_REASONING = " "
"""Stands for reasoning that is no longer known: DeepSeek refuses an assistant message without the field."""

_NO_SIGNATURE = raw_json({"google": {"thought_signature": BYPASS}})
_SEALED = b'"reasoning.encrypted"'


class ChatParts(ContentParts[Part]):
    """Parts of Chat Completions."""

    def __init__(self, quirks: ChatQuirks, losses: LossReport) -> None:
        urls = quirks.document_urls
        takes = Takes(images=quirks.images, image_urls=quirks.image_urls, files=quirks.files, file_urls=urls)
        super().__init__(takes, losses)
        self.lead = "t_" if quirks.letter_names else ""
        self._keeps_marks = quirks.cache_control
        self._document_urls = urls

    def text(self, text: str, cache: CacheControl | None = None) -> TextPart:
        """A text, with a cache breakpoint where the server takes one."""
        if cache is None or not self._keeps_marks:
            return TextPart(text)
        mark = {"type": cache.type, "ttl": cache.ttl} if cache.ttl else {"type": cache.type}
        return TextPart(text, raw_json(mark))

    def text_of(self, part: Part) -> str | None:
        return part.text if isinstance(part, TextPart) else None

    def image(self, url: str) -> Part:
        return ImagePart(ImageUrl(url))

    def file(self, name: str, url: str) -> Part:
        return DocumentUrlPart(url) if self._document_urls else FilePart(File(name, url))

    def file_at(self, url: str) -> Part:
        """A PDF at a public address, which only servers of `document_urls` are asked to read."""
        return DocumentUrlPart(url)

    def is_image(self, part: Part) -> bool:
        return isinstance(part, ImagePart)


class ChatContent:
    """Renders the turns of one request. Documents are numbered throughout it."""

    call_ids: None = None
    """Results name their calls by the client's ids."""

    def __init__(self, target: Target, losses: LossReport, *, unsigned: bool = False) -> None:
        """`unsigned`: no opaque reasoning of the history is sent, as the upstream refused it."""
        self.parts = ChatParts(target.chat, losses)
        self.documents = self.parts.documents
        self._maker = (target.provider.name, target.model)
        self._quirks = target.chat
        self._unsigned = unsigned
        self.replayed = False
        """There is something in the messages that only who made it can read; mostly reasoning is plain text."""

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
        return self._joined([self.parts.text(block.text, block.cache_control) for block in blocks])

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
            parts.extend(self.parts.of(placed))
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
        text = "\n".join(self.parts.texts_of(result, attached, call_id))
        if result.is_error:
            text = error_text(text)
        content: Content = text or self._quirks.empty_tool_result
        if text and result.cache:
            content = self._joined([self.parts.text(text, result.cache)])
        return ChatMessage(role="tool", tool_call_id=call_id, content=content)

    def _joined(self, parts: list[Part]) -> Content:
        """One string where all is text, as that is what every server takes; else parts."""
        texts = [part.text for part in parts if isinstance(part, TextPart) and part.cache_control is None]
        return "\n\n".join(texts) if len(texts) == len(parts) else parts

    def _assistant(self, turn: Turn) -> list[ChatMessage]:
        replay = read_replay(turn.blocks, self._maker)
        calls = [
            self._call(each.block, each.path, replay) for each in turn.blocks if isinstance(each.block, ToolUseBlock)
        ]
        text = self._assistant_text(turn, calls)
        if not calls and not text.strip():
            return []
        content = text or (None if self._quirks.null_content else "")
        message = ChatMessage(role="assistant", content=content, tool_calls=calls or None)
        self._replay_reasoning(replay, message)
        if calls:
            _sign(message, calls[0], self._quirks)
        return [message]

    def _assistant_text(self, turn: Turn, calls: list[ToolCall]) -> str:
        first = turn.blocks[0].block if turn.blocks else None
        if isinstance(first, TextBlock) and len(turn.blocks) == len(calls) + 1:
            return first.text  # nothing else is said, as mostly
        text = AssistantText()
        for placed in turn.blocks:
            block = placed.block
            if isinstance(block, DocumentBlock):
                text.add(block, self.parts.of_assistant(block, placed.path))
            else:
                text.add(block, text_for(block))
        return text.take()

    def _call(self, block: ToolUseBlock, path: str, replay: Replay) -> ToolCall:
        function = FunctionCall(upstream_name(block.name, lead=self.parts.lead), input_text(block, path))
        call = ToolCall(id=self._id(block.id), type="function", function=function)
        if not self._unsigned and (extra := replay.extras.get(block.id)):
            call.extra_content = extra
            self.replayed = True
        return call

    def _id(self, call_id: str) -> str:
        return upstream_id(call_id, short=self._quirks.short_ids)

    def _replay_reasoning(self, replay: Replay, message: ChatMessage) -> None:
        """Gives the upstream the reasoning back that came from such a server; that of others is of no use to it."""
        quirks = self._quirks
        text = "\n".join(filter(None, replay.texts))
        if quirks.reasoning_history == "reasoning_content":
            message.reasoning_content = text or _NO_REASONING
        elif quirks.reasoning_history == "reasoning" and text:
            message.reasoning = text
        if quirks.reasoning_details and replay.details and not self._unsigned:
            message.reasoning_details = replay.details
            self.replayed = True


def _sign(message: ChatMessage, first: ToolCall, quirks: ChatQuirks) -> None:
    """Gives the first of parallel calls a stand-in for its signature, where the model insists on one."""
    if quirks.call_signatures == "extra_content":
        first.extra_content = first.extra_content or _NO_SIGNATURE
    elif quirks.call_signatures == "reasoning_details":
        details = message.reasoning_details or []
        if not any(_SEALED in bytes(detail) for detail in details):
            stand_in = {"type": "reasoning.encrypted", "data": BYPASS, "id": first.id}
            detail = raw_json(stand_in | {"format": "google-gemini-v1", "index": 0})
            message.reasoning_details = [*details, detail]


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


def call_by_call(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Parts messages of several calls: each call stands in one of its own, with its result right behind it."""
    groups: list[list[ChatMessage]] = []
    by_call: dict[str | None, list[ChatMessage]] = {}
    for message in messages:
        if message.role == "tool" and message.tool_call_id in by_call:
            by_call[message.tool_call_id].append(message)
            continue
        for one in _apart(message):
            groups.append([one])
            if one.tool_calls:
                by_call[one.tool_calls[0].id] = groups[-1]
    return [message for group in groups for message in group]


def _apart(message: ChatMessage) -> list[ChatMessage]:
    """A message for each of its calls; what else it says comes with the first."""
    first, *others = message.tool_calls or (None,)
    if first is None or not others:
        return [message]
    content = "" if message.content else message.content
    alone = [ChatMessage(role="assistant", content=content, tool_calls=[call]) for call in others]
    return [msgspec.structs.replace(message, tool_calls=[first]), *alone]


def part_from_tools(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Puts a word of the assistant before each user message that follows a tool's."""
    parted: list[ChatMessage] = []
    for message in messages:
        if message.role == "user" and parted and parted[-1].role == "tool":
            parted.append(ChatMessage(role="assistant", content=_GO_ON))
        parted.append(message)
    return parted


def begun_by_user(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Puts a word of the user before a conversation that begins with the assistant's."""
    place = next((place for place, message in enumerate(messages) if message.role in ("user", "assistant")), 0)
    if messages[place].role != "assistant":
        return messages
    return [*messages[:place], ChatMessage(role="user", content=_BEFORE), *messages[place:]]


def _merge(first: Content | None, second: Content | None) -> Content | None:
    if not first or not second:
        return first or second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_as_parts(first), *_as_parts(second)]


def _as_parts(content: Content) -> list[Part]:
    return [TextPart(content)] if isinstance(content, str) else content
