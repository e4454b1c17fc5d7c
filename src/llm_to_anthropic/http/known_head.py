"""The head of a connection's last request: a client that stays sends the same again, but for the body's length.

What the same bytes mean is known by then: they are neither parsed nor checked again. A connection keeps one head at
most, and only where each of its requests comes whole, in one read.
"""

from __future__ import annotations

from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.http.body import Found

MAX_HEAD_BYTES = 1024
"""Larger heads are not kept: thousands of connections may be open."""
MAX_DIGITS = 9
"""The most digits of a body's length."""

_LENGTH = b"content-length"
_UNUSUAL = (b"transfer-encoding", b"upgrade", b"expect")
"""Headers that ask for more than an answer."""


class KnownHead:
    """A head as it was sent last, and how it reads for a body of another length."""

    __slots__ = ("_head", "_length_at", "_size", "length")

    def __init__(self, head: bytes, length: bytes, length_at: int, size: int) -> None:
        self._head = head
        self.length = length
        """The length of the body, as the head tells it."""
        self._length_at = length_at
        self._size = size
        """Bytes of the whole request."""

    def body_of(self, data: bytes) -> bytes | None:
        """The body of one whole request with this head; None for whatever else has come."""
        size = len(data)
        if size != self._size and not self._adapt(size):
            return None
        body = data.removeprefix(self._head)
        return None if len(body) == size else body

    def _adapt(self, size: int) -> bool:
        """Writes the length of the body into the head, for a request of `size` bytes; False where none would fit."""
        head, at, former = self._head, self._length_at, self.length
        left = size - len(head) + len(former)
        digits = len(b"%d" % left)
        length = b"%d" % (left - digits)
        if left <= digits or len(length) != digits:
            return False
        self._head = head[:at] + length + head[at + len(former) :]
        self.length, self._size = length, size
        return True


def known_head(data: bytes, body_bytes: int, headers: Headers, found: Found) -> KnownHead | None:
    """Made of a read that was one whole request; None where the same head may mean something else the next time."""
    at = len(data) - body_bytes
    length = found.get(_LENGTH, b"")
    if at > MAX_HEAD_BYTES or length != b"%d" % body_bytes or len(found) != len(headers):
        return None
    if any(name in found for name in _UNUSUAL) or data.find(b"\r\n\r\n") + 4 != at:
        return None
    head = data[:at]
    # A line begins with a name: the parser takes none that goes on in the next line.
    start = head.lower().find(b"\r\n%b:" % _LENGTH)
    value = head.find(length, start + len(_LENGTH) + 3)
    if head[start + len(_LENGTH) + 3 : value].strip(b" \t") or not head.startswith(b"\r\n", value + len(length)):
        return None
    return KnownHead(head, length, value, len(data))


def with_length(headers: Headers, length: bytes) -> Headers:
    """The headers of a body of another length."""
    return [(_LENGTH, length) if header[0] == _LENGTH else header for header in headers]
