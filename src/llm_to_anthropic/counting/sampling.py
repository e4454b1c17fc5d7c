"""Pieces of a request's bytes as text, for requests that take too long to read as a whole.

A string is decoded in one go, in which no other thread runs. Full of escapes, or of other letters than ASCII's, 32 MiB
take up to 200 ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from math import ceil

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.request import decode_fields
from llm_to_anthropic.wire.anthropic import MessagesRequest

LARGE_BYTES = 8 * 1024 * 1024
ESCAPED_SHARE = 64
"""A large body is counted by its pieces where it has an escape in this many bytes, or more often."""

_MARK = b'{"role":"user","content":"a text that is counted apart"}'
_WITHOUT_TEXT = Raw(b'{"role":"user","content":""}')
# No string can hold this much of a message with its quotes as they are: where it stands, a message begins.
_HEAD = re.compile(rb'\{\s*+"role"\s*+:\s*+"user"\s*+,\s*+"content"\s*+:\s*+"\Z')
_TAIL = re.compile(rb'"\s*+\}')
_LONGEST_HEAD = 128
_NOT_PLAIN = bytes(range(0x20)) + b"\\"
_SLICE = 1024 * 1024
_LONGEST_ESCAPE = 12
_PROBE = 1024
_PROBES = 64
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_-]{1024,}+")
_BARE = re.compile(rb'(?<!\\)["\x00-\x1f]')
# A backslash behind another may be the second half of an escape; a low surrogate is the second half of a pair.
_BEGINNING = re.compile(rb"(?<!\\)\\(?!u[dD][c-fC-F])")
# Whole escapes and what stands between them; an escape that is cut at the end stays outside.
_WHOLE = re.compile(rb"(?:[^\\]++|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u(?=[^dD]|[dD][^89a-fA-F])....|\\[^u])*+")


def is_slow_to_read(body: bytes) -> bool:
    """Whether reading a body would hold up other threads."""
    if len(body) <= LARGE_BYTES:
        return False
    probes = [body[start : start + _PROBE] for start in range(0, len(body), len(body) // _PROBES)]
    if sum(not probe.isascii() for probe in probes) > _PROBES // 4:
        return True
    slices = (body.count(b"\\", start, start + _SLICE) for start in range(0, len(body), _SLICE))
    return sum(slices) > len(body) // ESCAPED_SHARE


def decode_apart(body: bytes) -> tuple[MessagesRequest, list[str]]:
    """A request to count, and in pieces the long texts of its messages that these lack. Raises ClientError.

    Read as a whole, 32 MiB would hold up other threads for as long as that takes.
    """
    lean, texts = _take_out_texts(body) if len(body) > LARGE_BYTES else (body, [])
    if texts:
        with suppress(ClientError):  # told below, in words that count the bytes of the whole
            request = decode_fields(lean, counting=True)
            taken = [bytes(message) == _MARK for message in request.messages]
            if sum(taken) == lean.count(_MARK) == len(texts):  # else one stands elsewhere, in a tool for instance
                pairs = zip(request.messages, taken, strict=True)
                request.messages = [_WITHOUT_TEXT if gone else message for message, gone in pairs]
                return request, [*chain.from_iterable(texts)]
    return decode_fields(body, counting=True), []


def _take_out_texts(body: bytes) -> tuple[bytes, list[list[str]]]:
    """A body with marks in place of the messages that are one long string without escapes, and these texts."""
    kept: list[bytes] = []
    texts: list[list[str]] = []
    place = seen = 0
    for start in range(0, len(body) - _SLICE, _SLICE):
        if start < seen or body.find(b'"', start, start + _SLICE) >= 0:
            continue
        begun, seen = body.rfind(b'"', place, start) + 1, body.find(b'"', start)
        if seen < 0:
            break
        head, tail = _HEAD.search(body, max(place, begun - _LONGEST_HEAD), begun), _TAIL.match(body, seen)
        pieces = _plain_pieces(body, begun, seen) if head and tail else None
        if head and tail and pieces:
            kept += body[place : head.start()], _MARK
            texts.append(pieces)
            place = seen = tail.end()
    return b"".join((*kept, body[place:])), texts


def _plain_pieces(body: bytes, start: int, end: int) -> list[str] | None:
    """What stands between the quotes of a JSON string; None where that is no plain ASCII."""
    texts: list[str] = []
    for begin in range(start, end, _SLICE):
        piece = body[begin : min(begin + _SLICE, end)]
        if not piece.isascii() or len(piece.translate(None, _NOT_PLAIN)) < len(piece):
            return None
        texts.append(piece.decode("ascii"))
    return texts


def sampled_texts(body: bytes, piece: int) -> Iterator[tuple[str, int]]:
    """Texts of pieces spread evenly over a body, LARGE_BYTES of them in all, and how many bytes each was.

    What looks like an upload is passed over: it costs by its kind, which is little beside so much text.
    """
    stride = ceil(len(body) / LARGE_BYTES) * piece
    for start in range(0, len(body), stride):
        yield _text(body, start, piece), min(piece, len(body) - start)


def _text(body: bytes, start: int, size: int) -> str:
    """A piece of a body as text, without the quotes around strings."""
    begun = _BEGINNING.search(body, start, start + 2 * _LONGEST_ESCAPE)
    whole = _WHOLE.match(body, begun.start() if begun else start, start + size)
    data = _BASE64.sub(b"", whole[0] if whole else b"")
    plain = _BARE.sub(b" ", data).decode("utf-8", "ignore")
    try:
        return msgspec.json.decode(f'"{plain}"', type=str)
    except msgspec.DecodeError:
        return plain
