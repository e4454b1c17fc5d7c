"""Text that JSON can carry, and blocks of a message."""

from __future__ import annotations

import msgspec
from msgspec import Raw

BLANK_BEGINNINGS = b'" \\\xc2\xe1\xe2\xe3'
"""What follows the first quote of every JSON string that is empty or blank, and of few others."""
_BACKSLASH = ord("\\")


def sound(text: str) -> str:
    """The text with the halves of surrogate pairs joined, and lone ones replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def block_text(value: Raw) -> bytes:
    """A JSON string as it came, of which a text block can be made as it is; nothing where it has to be looked into.

    It is UTF-8, no escape of it is half a surrogate pair, and there is more to it than white space.
    """
    text = bytes(value)
    if not text.startswith(b'"'):
        return b""
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            return b""
    # One byte is found several times as fast as two; `in` raises and catches an exception where it is asked for bytes.
    if _BACKSLASH in text and text.find(b"\\u") >= 0 and (text.find(b"\\ud") >= 0 or text.find(b"\\uD") >= 0):
        return b""
    return b"" if text[1] in BLANK_BEGINNINGS and not msgspec.json.decode(text, type=str).strip() else text
