"""The head of a connection's last request: a client that stays sends it again, but for the length of the body.

What equal bytes mean is known by then, and neither read nor checked once more. A connection keeps one head at most,
and only where its requests come whole, each in one read.
"""

from __future__ import annotations

from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.http.body import Found

MAX_HEAD_BYTES = 1024
"""Larger heads are not kept: thousands of connections may be open."""
MAX_DIGITS = 9
"""Of a body's length."""

_LENGTH = b"content-length"
_UNUSUAL = (b"transfer-encoding", b"upgrade", b"expect")
"""Headers that ask for more than an answer."""


class KnownHead:
    """A head, with the length of its body apart."""

    __slots__ = ("_after", "_before", "length")

    def __init__(self, before: bytes, length: bytes, after: bytes) -> None:
        self._before = before
        self.length = length
        """As it was told last."""
        self._after = after

    def body_at(self, data: bytes) -> int:
        """Where the body begins of one whole request with this head; 0 for whatever else has come."""
        before, after = self._before, self._after
        if not data.startswith(before):
            return 0
        start = len(before)
        end = data.find(b"\r", start, start + MAX_DIGITS + 1)
        length = data[start:end]
        if not length.isdigit() or not data.startswith(after, end):
            return 0
        at = end + len(after)
        if at == len(data) or len(data) - at != int(length):
            return 0
        self.length = length
        return at


def known_head(data: bytes, body_bytes: int, headers: Headers, found: Found) -> KnownHead | None:
    """Of a read that was one whole request; None where a head like it may mean something else the next time."""
    at = len(data) - body_bytes
    length = found.get(_LENGTH, b"")
    if at > MAX_HEAD_BYTES or not length.isdigit() or len(found) != len(headers):
        return None
    if any(name in found for name in _UNUSUAL) or data.find(b"\r\n\r\n") + 4 != at:
        return None
    head = data[:at]
    # A line begins with a name: the parser takes none that goes on in the next line.
    start = head.lower().find(b"\r\n%b:" % _LENGTH)
    value = head.find(length, start + len(_LENGTH) + 3)
    if head[start + len(_LENGTH) + 3 : value].strip(b" \t") or not head.startswith(b"\r\n", value + len(length)):
        return None
    return KnownHead(head[:value], length, head[value + len(length) :])


def with_length(headers: Headers, length: bytes) -> Headers:
    """The headers of a body of another length."""
    return [(_LENGTH, length) if header[0] == _LENGTH else header for header in headers]
