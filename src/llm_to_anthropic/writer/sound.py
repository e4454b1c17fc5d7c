"""Text that JSON can carry."""

from __future__ import annotations


def sound(text: str) -> str:
    """The text with the halves of surrogate pairs joined, and lone ones replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
