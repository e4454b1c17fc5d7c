"""Text that JSON can carry, and blocks of a message."""

from __future__ import annotations

import msgspec

BLANK_BEGINNINGS = b'" \\\xc2\xe1\xe2\xe3'
"""With one of these begins, behind its quote, each JSON string for which `is_blank` holds, and few others."""
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


def is_sound(text: bytes) -> bool:
    """Whether a JSON string as it came can be passed on: it is UTF-8, and no escape of it is half a surrogate pair."""
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            return False
    # One byte is found several times as fast as two; `in` raises and catches an exception where it is asked for bytes.
    return _BACKSLASH not in text or text.find(b"\\u") < 0 or (text.find(b"\\ud") < 0 and text.find(b"\\uD") < 0)


def is_blank(text: bytes) -> bool:
    """Whether a sound JSON string as it came is white space alone, or nothing: no block is made of it."""
    return not msgspec.json.decode(text, type=str).strip()
