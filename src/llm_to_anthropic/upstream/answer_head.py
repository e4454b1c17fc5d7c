"""The head of an answer, as it travelled: most of it nobody reads, so only what is asked for is taken out of it.

A parser has found it in order. Here a head is its lines with their line breaks, the first of which is no header, and
without the empty line at its end; `lowered` is the same in lower case.
"""

from __future__ import annotations

Headers = list[tuple[bytes, bytes]]

MAX_HEADERS = 256
CODED = b"-encoding:"
"""Where this is not in a head, its body is neither in chunks nor compressed."""

MAY_BE_MANY = MAX_HEADERS * len(b"a:\r\n")
"""A head of fewer bytes has not more headers."""

_TRANSFER_CODING = b"\ntransfer-encoding:"


def value_of(head: bytes, lowered: bytes, name: bytes) -> bytes:
    """The first value of a header, or nothing; `name` in lower case."""
    at = lowered.find(b"\n" + name + b":")
    if at < 0:
        return b""
    at += len(name) + 2
    return head[at : head.find(b"\r", at)].lstrip()


def texts_like(head: bytes, lowered: bytes, prefix: bytes) -> dict[str, str]:
    """The headers whose names begin like this, by their names in lower case; the first of repeated ones."""
    sought, kind = b"\n" + prefix, prefix.decode()
    first = lowered.find(sought)
    if first < 0:
        return {}
    end = head.find(b"\r", lowered.rfind(sought) + 1)
    found: dict[str, str] = {}
    for line in reversed(head[first + 1 : end].decode("latin-1").split("\r\n")):
        name, _, value = line.partition(":")
        name = name.lower()
        if name.startswith(kind):
            found[name] = value.lstrip(" \t")
    return found


def headers_of(head: bytes) -> Headers:
    """All headers in order, names in lower case."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:-1]]
    return [(name.lower(), value.lstrip()) for name, _, value in lines]


def flaw_of(head: bytes, lowered: bytes) -> str | None:
    """What is wrong with a head that a parser takes, or nothing."""
    if len(head) > MAY_BE_MANY and head.count(b"\n") - 1 > MAX_HEADERS:
        return f"it has more than {MAX_HEADERS} headers"
    at = lowered.find(_TRANSFER_CODING)
    if at < 0:
        return None
    end = at + len(_TRANSFER_CODING)
    alone = lowered[end : lowered.find(b"\r", end)].strip() == b"chunked" and lowered.find(_TRANSFER_CODING, end) < 0
    return None if alone else "its transfer-encoding is not chunked alone"
