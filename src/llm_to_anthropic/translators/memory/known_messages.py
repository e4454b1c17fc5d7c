"""Renders a conversation message by message, out of the memory where it can, and puts it into its frame.

The general way (history.py, then a protocol's own content module) is the reference: whatever does not read the same
wherever it stands is left to it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.encoding import AnyEncoding, Encoded
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.memory.alone import Alone, TurnRenderer
from llm_to_anthropic.translators.memory.conversation import (
    KEPT_BACK,
    NAME_BYTES,
    NOTHING_YET,
    SHORT_BYTES,
    Conversation,
    Seam,
    comma,
    rest_of,
)
from llm_to_anthropic.translators.memory.memory import UNFIT, Called, Remembered, cut_out
from llm_to_anthropic.translators.memory.surroundings import MIN_BYTES, MoreThanMessages, name_of
from llm_to_anthropic.translators.request import bounded_depth, check_text, decode_fields
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.anthropic import Envelope, MessagesRequest

_ENDS = b"}]}"
"""How the last block, the content and the message end."""
_MARKS = tuple(
    b',"cache_control":{%b}%b' % (mark, _ENDS) for mark in (b'"type":"ephemeral"', b'"type":"ephemeral","ttl":"1h"')
)
_RAW_LIST = msgspec.json.Decoder(list[Raw])


class _Conversation(msgspec.Struct):
    messages: Raw


_CONVERSATION = msgspec.json.Decoder(_Conversation)
_ENVELOPE = msgspec.json.Decoder(Envelope)


class Frame(msgspec.Struct, Generic[AnyEncoding], frozen=True):
    """All of an encoding but its messages: what stands before and after them."""

    head: bytes
    tail: bytes
    encoding: AnyEncoding
    deferred: frozenset[str] = frozenset()
    """Names of the tools that are declared once they are used: it depends on their use, and on no other tool's."""


class FrameEncoder(Protocol[AnyEncoding]):
    """Encodes a request without its conversation."""

    def frame(self, used_tools: frozenset[str]) -> Frame[AnyEncoding]:
        """The frame of a conversation that uses the tools of these names."""
        ...


class _Framed(msgspec.Struct, frozen=True):
    """What stood around the messages of a request, and the frame that was made of it."""

    outside: bytes
    used: frozenset[str]
    """Those of its deferred tools that were used."""
    frame: Frame[Any]

    def fits(self, outside: bytes, used_tools: frozenset[str]) -> bool:
        """Whether it is the frame of a conversation with these surroundings that uses the tools of these names."""
        return self.outside == outside and self.frame.deferred & used_tools == self.used


def fill_frame(
    client: ClientRequest,
    target: Target,
    learned: Learned,
    new_renderer: Callable[[Target, LossReport], TurnRenderer],
    new_encoder: Callable[[MessagesRequest, ClientRequest, Target], FrameEncoder[AnyEncoding]],
    *,
    seam: Seam = comma,
) -> Encoded[AnyEncoding] | None:
    """A client's request as encoded before, as far as it was; None: the general way has to see it.

    `seam` is what joins messages. Raises ClientError (400) as the encoder does.
    """
    parts = _parts(client)
    if parts is None:
        return None
    data, (start, end), outside, name = parts
    # Everything that a rendered message depends on.
    rendered_for = (client.api_version, target.protocol, target.provider.name, target.model, learned.scope)
    scope = learned.messages.scope(rendered_for)
    known = _Reading(learned, scope, client, partial(new_renderer, target), seam).read(data, start, end)
    if known is None:
        return None
    frame_scope = (scope, client.session_id, client.strict, client.stream)
    found = learned.frames.get(frame_scope, name)
    frame: Frame[AnyEncoding]
    if isinstance(found, _Framed) and found.fits(outside, known.used_tools):
        frame = found.frame
        if client.surroundings is None and len(client.body) > MIN_BYTES:
            learned.surroundings.learn(client.body, client.session_id, found.outside)
    else:
        _check_part(outside, client)
        with bounded_depth():
            frame = new_encoder(decode_fields(client.body), client, target).frame(known.used_tools)
        size = len(outside) + len(frame.head) + len(frame.tail)
        used = frame.deferred & known.used_tools
        learned.frames.put(frame_scope, name, _Framed(outside, used, frame), size)
    whole = b"".join((frame.head, *known.rendered, seam(known.shown_role, ""), frame.tail))
    return Encoded(whole, max(len(whole) - known.media_bytes, 0), known.replayed, frame.encoding, known.ids)


def _parts(client: ClientRequest) -> tuple[bytes, tuple[int, int], bytes, bytes] | None:
    """What holds the messages, where in it they stand, what stands around them, and its name; None: no request.

    Raises ClientError (400) for what is no text.
    """
    around = client.surroundings
    if around is not None:
        return client.body, around.place_in(client.body), around.outside, around.name
    try:
        data = bytes(client.messages or _CONVERSATION.decode(client.body).messages)
    except (msgspec.DecodeError, RecursionError):
        check_text(client.body)
        return None
    outside = cut_out(client.body, data)
    return data, (0, len(data)), outside, name_of(outside)


def read_fields(client: ClientRequest) -> MessagesRequest:
    """The request the general way, its messages not looked into.

    Raises ClientError, and MoreThanMessages where it asks for something else than its surroundings alone.
    """
    try:
        request = decode_fields(client.body)
    except ClientError:
        # Whose it is to refuse has to be known first.
        with suppress(*UNREADABLE):
            _check_asked(_ENVELOPE.decode(client.body), client)
        raise
    _check_asked(request, client)
    return request


def _check_asked(asked: MessagesRequest | Envelope, client: ClientRequest) -> None:
    around = client.surroundings
    if around is not None and (asked.model, asked.stream is True) != (around.model, client.stream):
        raise MoreThanMessages


class _Reading:
    """One request's messages, as far as they are known and beyond."""

    def __init__(
        self,
        learned: Learned,
        scope: int,
        client: ClientRequest,
        new_renderer: Callable[[LossReport], TurnRenderer],
        seam: Seam,
    ) -> None:
        self._learned = learned
        self._scope = scope
        self._client = client
        self._new_renderer = new_renderer
        self._alone: Alone | None = None
        """What rendered the last new message, where it can render another."""
        self._seam = seam

    def read(self, data: bytes, start: int, end: int) -> Conversation | None:
        """All messages of the list that stands there rendered, or None where the general way has to see the request.

        Raises ClientError (400) for messages whose text is not sound; what is remembered was checked when it was new.
        """
        if end - start > SHORT_BYTES:
            return self._read_long(data, start, end)
        try:
            messages = _RAW_LIST.decode(data[start:end])
        except (msgspec.DecodeError, RecursionError):
            return None
        whole = NOTHING_YET.followed_by(self._found(messages, NOTHING_YET), self._seam)
        return whole if whole and whole.complete else None

    def _read_long(self, data: bytes, start: int, end: int) -> Conversation | None:
        name = data[start : start + NAME_BYTES]
        begun, rest = self._beginning(name, data, start, end)
        try:
            messages = _RAW_LIST.decode(rest)
        except (msgspec.DecodeError, RecursionError):
            return None
        if begun.count and not messages:
            return None  # a comma behind the last message
        found = self._found(messages, begun)
        kept = begun.followed_by(found[:-KEPT_BACK], self._seam) if len(found) > KEPT_BACK else begun
        known = kept and kept.followed_by(found[-KEPT_BACK:], self._seam)
        if kept is None or known is None:
            return None
        if kept.count > begun.count:
            ended, size = kept.ending_before(data[start:end], messages[-KEPT_BACK:])
            self._learned.conversations.put((self._scope, self._client.session_id), name, ended, size)
        return known if known.complete else None

    def _beginning(self, name: bytes, data: bytes, start: int, end: int) -> tuple[Conversation, bytes]:
        """The conversation that the list goes on with, and what follows it."""
        known = self._learned.conversations.get((self._scope, self._client.session_id), name)
        rest = rest_of(known.raw, data, start, end) if known else None
        return (NOTHING_YET, data[start:end]) if known is None or rest is None else (known, rest)

    def _found(self, messages: list[Raw], begun: Conversation) -> list[Remembered]:
        """The messages that follow a conversation, those that are new rendered now."""
        known, scope = self._learned.messages, self._scope
        found: list[Remembered] = []
        called = begun.called
        for raw in messages:
            data = bytes(raw)
            message = known.get((scope, called) if called else scope, data)
            if message is None:
                message = self._new(data, raw, begun.count + len(found), called)
            found.append(message)
            called = message.called
        return found

    def _new(self, data: bytes, raw: Raw, index: int, called: tuple[Called, ...]) -> Remembered:
        _check_part(data, self._client)
        made = self._render(raw, index, called)
        scope = (self._scope, called) if called else self._scope
        bare = _without_mark(data)
        if bare is not data and made.fit and b"cache_control" not in made.rendered:
            data = bare  # its mark is not passed on, and in the next turn it stands on another message
        self._learned.messages.put(scope, data, made, len(made.rendered))
        return made

    def _render(self, raw: Raw, index: int, called: tuple[Called, ...]) -> Remembered:
        alone, self._alone = self._alone or Alone(self._client, self._new_renderer), None
        try:
            made = alone.render(raw, index, called)
        except ClientError:
            return UNFIT  # the general way says what is wrong, and where
        if alone.spotless:
            self._alone = alone
        return made


def _without_mark(message: bytes) -> bytes:
    """A message without the cache mark on its last block, where clients set it."""
    for mark in _MARKS:
        if message.endswith(mark):
            return message[: -len(mark)] + _ENDS
    return message


def _check_part(part: bytes, client: ClientRequest) -> None:
    """Raises ClientError unless the part is sound text."""
    try:
        check_text(part)
    except ClientError:
        check_text(client.body)  # which tells the place in the whole
        raise
