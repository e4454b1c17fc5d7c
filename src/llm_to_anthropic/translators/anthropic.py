"""Anthropic upstreams: nothing is translated. The few edits that bytes may suffer, as pure functions.

Bodies stay as they came but for the value of `model` and for what this proxy made in the name of other upstreams and
Anthropic could not verify (a signature or seal that begins with `px1.`): thinking, compaction, and web searches.
Source: platform.claude.com on thinking signatures; edits happen in place because number formats and
escapes inside signed blocks must survive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import is_

import msgspec
from msgspec import Raw

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.carrier import is_carrier
from llm_to_anthropic.translators.memory.surroundings import PLACE, Surroundings
from llm_to_anthropic.translators.own_searches import without_own_searches
from llm_to_anthropic.translators.raw import raw_json, with_member
from llm_to_anthropic.translators.request import check_utf8
from llm_to_anthropic.wire import UNREADABLE

_MODEL = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[{}\[\]]')
VERTEX_VERSION = "vertex-2023-10-16"
"""The one value of `anthropic_version` that Vertex AI knows (platform.claude.com, Claude on Vertex AI)."""
_VERTEX_MEMBER = b'"anthropic_version":"' + VERTEX_VERSION.encode() + b'"'
_CARRIER_MARK = b'"px1.'


EditBlocks = Callable[[list[Raw]], list[Raw]]
"""The blocks of a message as they are to be; those that stay are the same objects."""


class _Model(msgspec.Struct):
    model: str


_MODEL_OF = msgspec.json.Decoder(_Model)


class _VertexBody(msgspec.Struct):
    model: Raw | msgspec.UnsetType = msgspec.UNSET
    anthropic_version: object = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[Raw]


class _Sealed(msgspec.Struct):
    type: str | None = None
    signature: str | None = None
    encrypted_content: str | None = None


def replace_model(body: bytes, model: str, was: str | None = None) -> bytes:
    """The same JSON object with the value of its top-level `model` exchanged, every other byte kept.

    `was`: its present value, where that is known already.
    """
    if model == (_MODEL_OF.decode(body).model if was is None else was):
        return body
    new = msgspec.json.encode(model)
    if match := _MODEL.search(body):
        edited = body[: match.start(1)] + new + body[match.end(1) :]
        if _MODEL_OF.decode(edited).model == model:
            return edited
    span = _top_level_model(body)  # a nested "model" stands before the top-level one
    return body if span is None else body[: span[0]] + new + body[span[1] :]


def replace_known_model(body: bytes, known: Surroundings, model: str) -> bytes:
    """`replace_model` for a body whose surroundings are known: what it does to them is remembered."""
    ends = known.renamed.get(model)
    if ends is None:
        ends = known.renamed[model] = _renamed(known, model)
    start, end = known.place_in(body)
    return b"".join((ends[0], memoryview(body)[start:end], ends[1]))


def _renamed(known: Surroundings, model: str) -> tuple[bytes, bytes]:
    before = PLACE.join((known.head, known.tail))
    edited = replace_model(before, model, was=known.model)
    if not edited.endswith(PLACE + known.tail):
        return known.head, edited[len(known.head) + len(PLACE) :]
    return edited[: len(known.head) + len(edited) - len(before)], known.tail


def for_vertex(body: bytes) -> bytes:
    """The same JSON object as Vertex AI takes it: without `model`, which its path names, and with `anthropic_version`.

    The one member stands in the other's place, so that every other byte is kept; where that cannot be
    (a body that names a version already, or its model twice), the members keep their bytes. Raises ClientError.
    """
    check_utf8(body)
    match = _MODEL.search(body)
    if match is not None:
        edited = body[: match.start()] + _VERTEX_MEMBER + body[match.end() :]
        told = msgspec.json.decode(edited, type=_VertexBody)
        if told.model is msgspec.UNSET and told.anthropic_version == VERTEX_VERSION and _names_once(edited):
            return edited
    return _with_version(body, drop_model=True)


def for_vertex_counting(body: bytes) -> bytes:
    """The same JSON object as Vertex AI's token counting takes it: with `model` and with `anthropic_version`.

    Raises ClientError.
    """
    check_utf8(body)
    return _with_version(body, drop_model=False)


def _names_once(body: bytes) -> bool:
    return body.count(b'"anthropic_version"') == 1


def _with_version(body: bytes, *, drop_model: bool) -> bytes:
    members = msgspec.json.decode(body, type=dict[str, Raw])
    if drop_model:
        members.pop("model", None)
    members.setdefault("anthropic_version", raw_json(VERTEX_VERSION))
    return msgspec.json.encode(members)


def replace_served_model(event: bytes, model: str) -> bytes:
    """A message_start event with the first `model` in it exchanged: the name that the client sent."""
    match = _MODEL.search(event)
    return event if match is None else _exchanged(event, match.span(1), model)


def replace_answered_model(answer: bytes, model: str) -> bytes:
    """The same for a whole message: its top-level `model`, before which a call's input may name another."""
    match = _MODEL.search(answer)
    if match is None:
        return answer
    nested = answer.find(b"{", 1, match.start()) >= 0
    span = _top_level_model(answer) if nested else match.span(1)
    return answer if span is None else _exchanged(answer, span, model)


def _exchanged(data: bytes, span: tuple[int, int], model: str) -> bytes:
    return data[: span[0]] + msgspec.json.encode(model) + data[span[1] :]


def _top_level_model(body: bytes) -> tuple[int, int] | None:
    depth = 0
    found: tuple[int, int] | None = None
    for match in _TOKEN.finditer(body):
        token = match.group()
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == 1 and token == b'"model"' and (value := _MODEL.match(body, match.start())):
            found = value.span(1)  # of duplicate keys the last one counts
    return found


def may_hold_carriers(data: bytes) -> bool:
    """Whether there may be something in it that this proxy has made; False: there is nothing."""
    return _CARRIER_MARK in data


def drop_carriers(body: bytes) -> bytes:
    """The same request without what this proxy sealed for other upstreams, and with their searches as text.

    Members that are not touched keep their bytes. Raises ClientError.
    """
    return edit_blocks(body, _without_carriers, mark=_CARRIER_MARK) if may_hold_carriers(body) else body


def edit_blocks(body: bytes, edit: EditBlocks, *, mark: bytes) -> bytes:
    """The same request with the blocks of its messages as `edit` gives them; messages without the mark stay.

    One that is left empty goes, and its neighbours of the same role become one. Raises ClientError.
    """
    return edit_messages(body, lambda messages: _merge(list(_edited_messages(messages, edit, mark))))


def edit_messages(body: bytes, edit: Callable[[list[Raw]], list[Raw]]) -> bytes:
    """The same request with its messages as `edit` gives them; those that stay are the same objects.

    Raises ClientError.
    """
    check_utf8(body)
    request = msgspec.json.decode(body, type=dict[str, Raw])
    try:
        messages = msgspec.json.decode(request["messages"], type=list[Raw])
    except (KeyError, msgspec.MsgspecError):
        return body
    kept = edit(messages)
    if len(kept) == len(messages) and all(map(is_, kept, messages)):
        return body
    request["messages"] = raw_json(kept)
    return msgspec.json.encode(request)


def _edited_messages(messages: list[Raw], edit: EditBlocks, mark: bytes) -> Iterator[tuple[Raw, bool]]:
    """Each message that stays, and whether a message just before it was dropped."""
    dropped = False
    for raw in messages:
        edited = _edited(raw, edit) if mark in bytes(raw) else raw
        if edited is None:
            dropped = True
            continue
        yield edited, dropped
        dropped = False


def _edited(raw: Raw, edit: EditBlocks) -> Raw | None:
    message = _read(raw)
    if message is None or isinstance(message.content, str):
        return raw
    content = message.content
    kept = edit(content)
    if len(kept) == len(content) and all(map(is_, kept, content)):
        return raw
    return with_member(raw, "content", kept) if kept else None


def _without_carriers(blocks: list[Raw]) -> list[Raw]:
    kept = [block for block in blocks if not _made_here(block)]
    return without_own_searches(kept) if any(_CARRIER_MARK in bytes(block) for block in kept) else kept


def _made_here(block: Raw) -> bool:
    try:
        sealed = msgspec.json.decode(block, type=_Sealed)
    except msgspec.ValidationError:
        return False
    match sealed.type:
        case "thinking":
            return is_carrier(sealed.signature or "")
        case "compaction":
            return is_carrier(sealed.encrypted_content or "")
    return False


def _merge(messages: list[tuple[Raw, bool]]) -> list[Raw]:
    groups: list[list[Raw]] = []
    for raw, after_gap in messages:
        if after_gap and groups:
            groups[-1].append(raw)
        else:
            groups.append([raw])
    return [raw for group in groups for raw in (_joined(group) if len(group) > 1 else group)]


def _joined(group: list[Raw]) -> Iterator[Raw]:
    """Messages that stood apart by dropped ones alone: neighbours of one role as one; what cannot be read stays."""
    for role, run in groupby(zip(map(_read, group), group, strict=True), key=_role_of):
        read = list(run)
        if role is None or len(read) == 1:
            yield from (raw for _, raw in read)
        else:
            blocks = [block for message, _ in read if message for block in _as_blocks(message.content)]
            yield with_member(read[0][1], "content", blocks)


def _read(raw: Raw) -> _Message | None:
    try:
        return msgspec.json.decode(raw, type=_Message)
    except msgspec.ValidationError:
        return None


def _role_of(read: tuple[_Message | None, Raw]) -> str | None:
    return read[0].role if read[0] is not None else None


def _as_blocks(content: str | list[Raw]) -> list[Raw]:
    if isinstance(content, list):
        return content
    return [raw_json({"type": "text", "text": content})]


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _WireUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None


class _Delta(msgspec.Struct):
    stop_reason: str | None = None


class _Told(msgspec.Struct):
    """Whatever of an answer or event tells of usage and end."""

    type: str | None = None
    usage: _WireUsage | None = None
    stop_reason: str | None = None
    delta: _Delta | None = None
    message: _Told | None = None


_TOLD = msgspec.json.Decoder(_Told)
_NO_USAGE = Usage()


class UsageReader:
    """Reads usage and stop reason out of answers that pass through, for the exchange record."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.stop_reason: str | None = None

    def read(self, data: bytes) -> bool:
        """A whole message or the data of one event. False for what it does not understand, and leaves alone."""
        try:
            told = _TOLD.decode(data)
        except UNREADABLE:
            return False
        message = told.message or told
        if message.usage is not None:
            self._update(message.usage)
        self.stop_reason = message.stop_reason or (told.delta and told.delta.stop_reason) or self.stop_reason
        return True

    def _update(self, wire: _WireUsage) -> None:
        old = self.usage or _NO_USAGE
        asked, said = wire.input_tokens, wire.output_tokens
        read, written = wire.cache_read_input_tokens, wire.cache_creation_input_tokens
        thought = wire.output_tokens_details.thinking_tokens if wire.output_tokens_details else None
        self.usage = Usage(
            input_tokens=old.input_tokens if asked is None else asked,
            output_tokens=old.output_tokens if said is None else said,
            cache_read_input_tokens=old.cache_read_input_tokens if read is None else read,
            cache_creation_input_tokens=old.cache_creation_input_tokens if written is None else written,
            thinking_tokens=old.thinking_tokens if thought is None else thought,
            service_tier=wire.service_tier or old.service_tier,
        )
