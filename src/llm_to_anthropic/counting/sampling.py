"""Pieces of a request's bytes as text, for requests that take too long to read as a whole.

A string is decoded in one go, in which no other thread runs. Full of escapes, or of other letters than ASCII's, 32 MiB
take up to 200 ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import ceil

import msgspec

LARGE_BYTES = 8 * 1024 * 1024
ESCAPED_SHARE = 64
"""A large body with an escape for so many bytes, or more, is counted by its pieces."""

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
