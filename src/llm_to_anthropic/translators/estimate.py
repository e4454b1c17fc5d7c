"""Token estimates for upstreams that send no usage. A client counts on usage above zero: it compacts by it."""

from __future__ import annotations


def estimate_tokens(size: int) -> int:
    """Tokens in `size` bytes of text: 3.5 bytes each, rounded up, at least one."""
    return max(1, -(-size * 2 // 7))


def text_bytes(text: str) -> int:
    """The text's length in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
