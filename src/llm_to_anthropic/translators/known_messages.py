"""Renders a conversation message by message, out of the memory where it can, and puts it into its frame.

The general way (history.py, then a protocol's own content module) is the reference: whatever does not read the same
wherever it stands is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.history import TurnReader, drop_empty
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.memory import UNFIT, Memory, Remembered, cut_out, fit_together
from llm_to_anthropic.translators.pairing import Pairing, Placed, Turn
from llm_to_anthropic.translators.request import check_text, decode_message
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from llm_to_anthropic.wire.anthropic import ToolReferenceBlock, ToolResultBlock, ToolUseBlock

_NOTHING: frozenset[str] = frozenset()
_RAW_LIST = msgspec.json.Decoder(list[Raw])


class _Conversation(msgspec.Struct):
    messages: Raw


_CONVERSATION = msgspec.json.Decoder(_Conversation)

Encoding = TypeVar("Encoding")


class MediaCount(Protocol):
    """What a renderer made of content so far."""

    @property
    def media_bytes(self) -> int:
        """Base64 of images and files."""
        ...

    @property
    def documents(self) -> int:
        """Documents: each is numbered, so that a message with one depends on its place."""
        ...


class TurnRenderer(Protocol):
    """Renders turns of one request, as it does for a request that is not remembered."""

    @property
    def parts(self) -> MediaCount:
        """What was made of its content."""
        ...

    @property
    def replayed(self) -> bool:
        """Whether something was rendered that only the upstream that made it can read."""
        ...

    def render(self, turn: Turn) -> Sequence[object]:
        """What the upstream is sent for a turn in the middle of a conversation."""
        ...


class KnownMessages(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a request, rendered; none depends on its place."""

    rendered: bytes
    used_tools: frozenset[str]
    media_bytes: int
    replayed: bool


class Frame(msgspec.Struct, Generic[Encoding], frozen=True):
    """All of an encoding but its messages: what stands before and after them."""

    head: bytes
    tail: bytes
    encoding: Encoding


class Filled(msgspec.Struct, Generic[Encoding], frozen=True):
    """A request put together out of what was rendered before."""

    body: bytes
    input_bytes: int
    """Without images and files."""
    replayed: bool
    encoding: Encoding
    """That of its frame, which has no body."""


def fill_frame(
    client: ClientRequest,
    learned: Learned,
    scope: Hashable,
    new_renderer: Callable[[LossReport], TurnRenderer],
    new_frame: Callable[[frozenset[str]], Frame[Encoding]],
) -> Filled[Encoding] | None:
    """A client's request as encoded before, as far as it was; None: the general way has to see it.

    `scope` tells apart what is rendered differently: protocol, target, and what was learned of it. `new_frame` makes
    the frame of a conversation that uses the tools of these names. Raises ClientError (400) as it does.
    """
    body = client.body
    check_text(body)
    try:
        part = _CONVERSATION.decode(body).messages
        messages = _RAW_LIST.decode(part)
    except (msgspec.DecodeError, RecursionError):
        return None
    scope = (client.api_version, scope)
    known = render_known(messages, learned.messages, scope, client, new_renderer)
    if known is None:
        return None
    frame_scope = (scope, client.session_id, client.strict, client.stream, known.used_tools)
    outside = cut_out(body, part)
    found = learned.frames.get(frame_scope, outside)
    frame: Frame[Encoding]
    if isinstance(found, Frame):
        frame = found
    else:
        frame = new_frame(known.used_tools)
        learned.frames.put(frame_scope, outside, frame, len(frame.head) + len(frame.tail))
    whole = b"".join((frame.head, known.rendered, frame.tail))
    return Filled(whole, max(len(whole) - known.media_bytes, 0), known.replayed, frame.encoding)


def render_known(
    messages: list[Raw],
    memory: Memory[Remembered],
    scope: Hashable,
    client: ClientRequest,
    new_renderer: Callable[[LossReport], TurnRenderer],
) -> KnownMessages | None:
    """All messages rendered, or None where the general way has to see the request."""
    if not messages:
        return None
    known: list[Remembered] = []
    rendered: list[bytes] = []
    used_tools = _NOTHING
    media_bytes = 0
    for index, raw in enumerate(messages):
        data = bytes(raw)
        found = memory.get(scope, data)
        if found is None:
            found = _render_alone(raw, index, client, new_renderer)
            memory.put(scope, data, found, len(found.rendered))
        if not found.fit:
            return None
        known.append(found)
        if found.rendered:
            rendered.append(found.rendered)
        if found.used_tools:
            used_tools |= found.used_tools
        media_bytes += found.media_bytes
    if not rendered or not fit_together(known):
        return None
    return KnownMessages(
        rendered=b",".join(rendered),
        used_tools=used_tools,
        media_bytes=media_bytes,
        replayed=any(each.replayed for each in known),
    )


def _render_alone(
    raw: Raw, index: int, client: ClientRequest, new_renderer: Callable[[LossReport], TurnRenderer]
) -> Remembered:
    losses = LossReport(strict=False)
    content = new_renderer(losses)
    try:
        reader = TurnReader(losses, model=client.model, api_version=client.api_version)
        turn = reader.read(index, decode_message(raw, index))
        drop_empty(turn, losses, silently=False)
        if reader.compacted or reader.changes or reader.effort:
            return UNFIT
        return _render_turn(turn, content, losses, reader.searched)
    except ClientError:
        return UNFIT  # the general way says what is wrong, and where


def _render_turn(turn: Turn, content: TurnRenderer, losses: LossReport, searched: set[str]) -> Remembered:
    results = [block for placed in turn.blocks if isinstance(block := placed.block, ToolResultBlock)]
    calls = [block for placed in turn.blocks if isinstance(block := placed.block, ToolUseBlock)]
    used = searched | {call.name for call in calls}
    if results:
        turn = _answered(turn, results, losses)
        inner = [placed.block for result in turn.results for placed in result.content]
        used |= {block.tool_name for block in inner if isinstance(block, ToolReferenceBlock)}
    rendered = [msgspec.json.encode(message) for message in content.render(turn)]
    if losses.losses or content.parts.documents:
        return UNFIT
    return Remembered(
        role=turn.role,
        rendered=b",".join(rendered),
        calls=tuple(call.id for call in calls),
        results=tuple(result.tool_use_id for result in results),
        used_tools=frozenset(used),
        media_bytes=content.parts.media_bytes,
        replayed=content.replayed,
    )


def _answered(turn: Turn, results: list[ToolResultBlock], losses: LossReport) -> Turn:
    """The turn with its results paired, as if just these calls had been made in this order."""
    made = [Placed(ToolUseBlock(id=result.tool_use_id, name=""), turn.path) for result in results]
    pairing = Pairing(losses, model="")
    pairing.add(Turn(role="assistant", path=turn.path, blocks=made))
    pairing.add(turn)
    pairing.close()
    return pairing.turns[-1]
