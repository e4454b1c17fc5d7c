"""The head of an answer, as it travelled: most of it nobody reads, so only what is asked for is taken out of it.

A parser has found it in order. Here a head is its lines, the first of which is no header, without the line break and
the empty line at its end; `lowered` is the same in lower case.

What is looked for is cut off with `partition`, of bytes' methods the cheapest to call.
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
    before, found, _ = lowered.partition(b"\n" + name + b":")
    if not found:
        return b""
    return head[len(before) + len(found) :].partition(b"\r")[0].lstrip()


def texts_like(head: bytes, lowered: bytes, prefix: bytes) -> dict[str, str]:
    """The headers whose names begin like this, by their names in lower case; the first of repeated ones."""
    sought, kind = b"\n" + prefix, prefix.decode()
    first = lowered.find(sought)
    if first < 0:
        return {}
    last = lowered.rfind(sought)
    between = head[first + 1 : last + 1] + head[last + 1 :].partition(b"\r")[0]
    found: dict[str, str] = {}
    for line in reversed(between.decode("latin-1").split("\r\n")):
        name, _, value = line.partition(":")
        name = name.lower()
        if name.startswith(kind):
            found[name] = value.lstrip(" \t")
    return found


def headers_of(head: bytes) -> Headers:
    """All headers in order, names in lower case."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return [(name.lower(), value.lstrip()) for name, _, value in lines]


def flaw_of(head: bytes, lowered: bytes) -> str | None:
    """What is wrong with a head that a parser takes, or nothing."""
    if len(head) > MAY_BE_MANY and head.count(b"\n") > MAX_HEADERS:
        return f"it has more than {MAX_HEADERS} headers"
    _, found, rest = lowered.partition(_TRANSFER_CODING)
    coding, _, rest = rest.partition(b"\r")
    if not found or (coding.strip() == b"chunked" and _TRANSFER_CODING not in rest):
        return None
    return "its transfer-encoding is not chunked alone"
