"""What goes out: the request, its origin, and the bytes of its head."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import msgspec

from llm_to_anthropic.errors import UpstreamUnreachable
from llm_to_anthropic.providers.timeouts import Begins, CallTimeouts

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OURS = frozenset({b"host", b"content-length", b"transfer-encoding"})
_TARGET_SAFE = "!#$%&'()*+,/:;=?@[]~"


class OutgoingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `url` is absolute; host, content-length and transfer-encoding are set here."""

    method: str
    url: str
    headers: list[tuple[bytes, bytes]] | tuple[tuple[bytes, bytes], ...]
    """A tuple: the same for many requests, so that it is checked and written once.

    Those that authenticate the request are not among them.
    """
    request_id: str = ""
    """Letters and digits; goes out as x-client-request-id."""
    body: bytes = b""
    timeouts: CallTimeouts | None = None
    """None: the client's."""
    begins: Begins = "head"
    """What `first_event_s`, or `whole_s`, is the limit of."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Scheme, host (IPv6 without brackets) and port of an upstream."""

    scheme: str
    host: str
    port: int

    @property
    def name(self) -> str:
        """`host:port`, as messages and CONNECT name it."""
        return join_host_port(self.host, self.port)

    @property
    def host_header(self) -> str:
        """The Host header: without the scheme's default port."""
        return self.name.rpartition(":")[0] if self.port == _DEFAULT_PORTS[self.scheme] else self.name


def join_host_port(host: str, port: int) -> str:
    """`host:port`, with IPv6 literals in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_url(url: str) -> tuple[str, str]:
    """An absolute URL -> (scheme and authority, request target)."""
    start = url.find("://") + 3
    ends = [at for at in (url.find("/", start), url.find("?", start)) if at >= 0]
    if not ends:
        return url, "/"
    target = url[min(ends) :]
    return url[: min(ends)], target if target[0] == "/" else "/" + target


def parse_origin(prefix: str) -> Origin:
    """The origin of `scheme://authority`. Raises UpstreamUnreachable, without showing credentials."""
    try:
        parts = urlsplit(prefix)
        host, port = parts.hostname, parts.port
        host = _ascii_host(host or "")
    except ValueError:
        raise UpstreamUnreachable(
            "The upstream's base URL is not a valid URL: check host and port.", lasting=True
        ) from None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise UpstreamUnreachable(
            "The upstream's base URL must start with http:// or https:// and name a host.", lasting=True
        )
    if "@" in parts.netloc:
        raise UpstreamUnreachable(
            f"The base URL of {host} holds a user name or password: take it out and set the provider's key instead.",
            lasting=True,
        )
    return Origin(scheme=parts.scheme, host=host, port=port or _DEFAULT_PORTS[parts.scheme])


def request_line(target: str, host_header: str, extra: list[bytes]) -> bytes:
    """What follows the method: ` TARGET HTTP/1.1`, the Host header and `extra`, complete header lines of ours."""
    return b"\r\n".join([f" {_clean_target(target)} HTTP/1.1\r\nhost: {host_header}".encode(), *extra])


def standing_head(method: str, line: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """What the head of a request begins with, and of others like it; `line` comes from `request_line`.

    Raises UpstreamUnreachable where a header holds what would end it.
    """
    return method.encode("ascii") + line + _fields(headers)


def finish_head(standing: bytes, request: OutgoingRequest) -> bytes:
    """The whole head: `standing`, and what is the request's own."""
    size, request_id = len(request.body), request.request_id
    if size and request_id:
        return standing + f"\r\nx-client-request-id: {request_id}\r\ncontent-length: {size}\r\n\r\n".encode()
    own = f"\r\nx-client-request-id: {request_id}" if request_id else ""
    length = f"\r\ncontent-length: {size}" if size or request.method in _WITH_BODY else ""
    return standing + f"{own}{length}\r\n\r\n".encode()


def _fields(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Header lines, each behind a line break. Raises UpstreamUnreachable."""
    names = {name.lower() for name, _ in headers}
    if not _OURS.isdisjoint(names):
        headers = [pair for pair in headers if pair[0].lower() not in _OURS]
    fields = b"\r\n".join([b"", *map(b": ".join, headers)])
    if fields.count(b"\n") != len(headers) or fields.count(b"\r") != len(headers) or b"\0" in fields:
        raise UpstreamUnreachable(_bad_header(headers), lasting=True)
    return fields if b"accept-encoding" in names else fields + b"\r\naccept-encoding: identity"


def _clean_target(target: str) -> str:
    if target.isascii() and target.isprintable() and " " not in target:
        return target
    return quote(target, safe=_TARGET_SAFE)


def _bad_header(headers: list[tuple[bytes, bytes]]) -> str:
    bad = next(name for name, value in headers if any(char in name + value for char in (b"\r", b"\n", b"\0")))
    shown = bad.decode("latin-1").partition("\r")[0].partition("\n")[0]
    return (
        f"The header {shown!r} cannot be sent upstream: it holds a line break or a NUL. "
        "Check the setting it comes from, an API key for example."
    )


def _ascii_host(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")
