"""Where HTTP/1.1 could be read in two ways: decided strictly, since a server on the way may have read the other."""

from __future__ import annotations

import urllib.parse
from functools import lru_cache
from typing import Protocol

import httptools
from starlette.types import Scope

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.http.body import CLOSE, Found


class Body(Protocol):
    """A request that takes its body in pieces."""

    more_body: bool

    def feed(self, piece: bytes) -> None: ...

    def complete(self) -> None: ...


class _BodyReader:
    """Hears of one body alone; whatever follows it is nobody's."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def on_body(self, piece: bytes) -> None:
        if self._body.more_body:
            self._body.feed(piece)

    def on_message_complete(self) -> None:
        self._body.complete()


def make_parser(reader: object) -> httptools.HttpRequestParser:
    """A parser of requests, which calls `reader` back."""
    parser = httptools.HttpRequestParser(reader)
    # A client that says close may have sent more: its first request is answered all the same.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def make_body_parser(body: Body, found: Found) -> httptools.HttpRequestParser:
    """A parser in the middle of a request: its head, of which `found` tells the framing, has been read."""
    parser = make_parser(_BodyReader(body))
    name = b"content-length" if b"content-length" in found else b"transfer-encoding"
    parser.feed_data(b"POST / HTTP/1.1\r\n%b: %b\r\n\r\n" % (name, found[name]))
    return parser


def bytes_of_head(so_far: int, data: bytes) -> int:
    """How many bytes belong to the head being read, at the most: those up to the end of another do not."""
    _, ended, behind = data.rpartition(b"\r\n\r\n")
    return min(so_far, len(behind)) if ended else so_far


def check_coding(scope: Scope) -> None:
    """Raises ClientError where a body in chunks is more than that, or older than chunks."""
    codings = [value.strip().lower() for name, value in scope["headers"] if name == b"transfer-encoding"]
    if codings != [b"chunked"] or scope["http_version"] == "1.0":
        raise ClientError("the only transfer-encoding is chunked, said once, in HTTP/1.1", headers=CLOSE)


def check_authority(url: bytes, headers: Headers) -> None:
    """Raises ClientError where a target names another host than the Host header, which is the one that is checked."""
    _, absolute, rest = url.partition(b"://")
    if not absolute:
        return
    authority = rest.partition(b"/")[0].partition(b"?")[0].lower()
    if any(value.lower() != authority for name, value in headers if name == b"host"):
        raise ClientError("the request's target and its Host header name different hosts", headers=CLOSE)


@lru_cache(maxsize=64)
def split_target(url: bytes) -> tuple[str, bytes, bytes]:
    """Decoded path, raw path and query. Raises ClientError."""
    try:
        parsed = httptools.parse_url(url)
        raw_path = parsed.path or b""
        return urllib.parse.unquote(raw_path.decode("ascii")), raw_path, parsed.query or b""
    except (httptools.HttpParserError, UnicodeDecodeError) as error:
        raise ClientError("the request's target is malformed") from error
