"""Pieces of a request's bytes as text, for requests that take too long to read as a whole.

A string is decoded in one go, in which no other thread runs. Full of escapes, or of other letters than ASCII's, 32 MiB
take up to 200 ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import ceil

import msgspec
from msgspec import Raw

LARGE_BYTES = 8 * 1024 * 1024
ESCAPED_SHARE = 64
"""A large body is counted by its pieces where it has an escape in this many bytes, or more often."""

_QUOTE, _BACKSLASH = b'"\\'
_WITHOUT_TEXT = Raw(b'{"role":"user","content":""}')
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


class _Bare(msgspec.Struct):
    role: str
    content: Raw


_BARE_MESSAGE = msgspec.json.Decoder(_Bare)


def take_out_texts(messages: list[Raw]) -> tuple[list[Raw], list[str]]:
    """Messages without the texts of those that are one large string without escapes, and these texts in pieces.

    Read as a whole such a string holds up other threads for as long as it takes.
    """
    rest, taken = [], []
    for message in messages:
        texts = _plain_texts(message) if len(memoryview(message)) > LARGE_BYTES else None
        rest.append(message if texts is None else _WITHOUT_TEXT)
        taken += texts or []
    return rest, taken


def _plain_texts(message: Raw) -> list[str] | None:
    try:
        bare = _BARE_MESSAGE.decode(message)
    except msgspec.MsgspecError:
        return None
    content = memoryview(bare.content)
    if bare.role != "user" or content[0] != _QUOTE:
        return None
    texts: list[str] = []
    for start in range(1, len(content) - 1, _SLICE):
        piece = bytes(content[start : min(start + _SLICE, len(content) - 1)])
        if _BACKSLASH in piece or not piece.isascii():
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
