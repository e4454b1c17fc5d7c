"""Token costs of images and PDFs, read off their headers: base64 is never tokenised.

Formula: OpenAI, Images and vision (512-pixel tiles after fitting). Dimensions: the file formats' own headers.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterable
from math import ceil

UNKNOWN_IMAGE = 1500
"""Tokens of an image whose size cannot be told: a URL, a file id, an unknown format."""
PDF_PAGE = 1500
"""Tokens of a PDF page: its text and its picture."""

_SLICE = 256 * 1024
"""Base64 characters that are decoded at once; enough to find a JPEG's size behind its metadata."""
_OVERLAP = 64
"""Bytes of a slice that are looked at again with the next: longer than any name that is sought."""
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PAGE_COUNT = re.compile(rb"/Count\s+(\d{1,5})\b")
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xfe])")


def image_tokens(data: str) -> int:
    """Tokens of a base64 image."""
    size = image_size(_decode(data[:_SLICE]))
    return tile_tokens(*size) if size else UNKNOWN_IMAGE


def pdf_tokens(data: str) -> int:
    """Tokens of a base64 PDF; at least one page."""
    whole = "".join(data.split())
    # In slices, so that other threads get their turns while a large upload is read.
    slices = (_decode(whole[start : start + _SLICE]) for start in range(0, len(whole), _SLICE))
    return PDF_PAGE * pdf_pages(slices)


def tile_tokens(width: int, height: int) -> int:
    """85 tokens, and 170 per 512-pixel tile once the image fits into 2048 x 2048 with a short side of 768."""
    scale = min(1.0, 2048 / max(width, height), 768 / min(width, height))
    return 85 + 170 * ceil(width * scale / 512) * ceil(height * scale / 512)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the head of a PNG, GIF, WEBP or JPEG; None where they cannot be read."""
    try:
        size = _read_size(data)
    except (struct.error, IndexError):
        return None
    return size if size and min(size) > 0 else None


def pdf_pages(slices: Iterable[bytes]) -> int:
    """Pages of a PDF: page objects, or the page tree's count where these are compressed. At least one."""
    pages, counts, rest = 0, [1], b""
    for piece in slices:
        data = rest + piece
        end = 0
        for match in _PAGE.finditer(data):
            pages, end = pages + 1, match.end()
        counts += [int(count) for count in _PAGE_COUNT.findall(data)]
        rest = data[max(end, len(data) - _OVERLAP) :]
    return pages or max(counts)


def _read_size(data: bytes) -> tuple[int, int] | None:
    if data.startswith(b"\x89PNG"):
        return _pair(">II", data, 16)
    if data.startswith(b"GIF8"):
        return _pair("<HH", data, 6)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8 ":
            width, height = _pair("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case _:
            return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while marker := _JPEG_MARKER.match(data, at):
        code = marker[1][0]
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            height, width = _pair(">HH", data, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
    return None


def _pair(layout: str, data: bytes, offset: int) -> tuple[int, int]:
    first, second = struct.unpack_from(layout, data, offset)
    return first, second


def _decode(data: str) -> bytes:
    # A broken upload is the upstream's to refuse; here it only has an unknown size.
    text = data[: len(data) // 4 * 4]
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""
