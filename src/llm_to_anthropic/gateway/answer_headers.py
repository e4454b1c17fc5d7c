"""Headers of answers: where they came from, what was lost, which of an upstream's headers travel on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.gateway.progress import Progress
from llm_to_anthropic.translators.rate_limits import RATE_LIMITS
from llm_to_anthropic.translators.translator import Translator
from llm_to_anthropic.upstream import UpstreamCall

JSON_HEADERS: Headers = [(b"content-type", b"application/json")]

STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

MAX_LOSSES_BYTES = 4096
"""A header longer than this is refused by common reverse proxies; the rest is left out."""

MAX_ID_BYTES = 128

_FORWARDED = frozenset(
    {
        b"request-id",
        b"retry-after",
        b"retry-after-ms",
        b"content-type",
        b"content-disposition",
        b"x-should-retry",
        b"etag",
        b"last-modified",
    }
)


def provenance(progress: Progress) -> Headers:
    """x-upstream-provider, -model, -attempts, -request-id, x-proxy-losses and the upstream's limits of one answer."""
    headers: Headers = list(progress.answer_headers)
    if progress.target is not None:
        headers += _target_headers(progress.target.provider.name, progress.target.model, progress.attempts)
    elif progress.attempts:
        if progress.provider is not None:
            headers.append((b"x-upstream-provider", header_value(progress.provider.name)))
        headers.append((b"x-upstream-attempts", b"%d" % progress.attempts))
    if _is_id(progress.upstream_request_id):
        headers.append((b"x-upstream-request-id", progress.upstream_request_id))
    if progress.losses:
        headers.append((b"x-proxy-losses", header_value(_joined([loss.path for loss in progress.losses]))))
    return headers


@lru_cache(maxsize=1024)
def _target_headers(provider: str, model: str, attempts: int) -> tuple[tuple[bytes, bytes], ...]:
    target = (b"x-upstream-provider", header_value(provider)), (b"x-upstream-model", header_value(model))
    return (*target, (b"x-upstream-attempts", b"%d" % attempts)) if attempts else target


def forwarded(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Those headers of an Anthropic upstream that its client may see: an allow-list."""
    return [
        header
        for header in headers
        if (header[0] in _FORWARDED or header[0].startswith(b"anthropic-"))
        and (header[0] != b"request-id" or _is_id(header[1]))
    ]


def rate_limits(translator: Translator, upstream: UpstreamCall) -> Sequence[tuple[bytes, bytes]]:
    """What a client is told of the head of a translated upstream's good answer: nothing else of it travels on."""
    limits = upstream.headers_like(RATE_LIMITS)
    return header_list(translator.answer_headers(limits)) if limits else ()


def header_map(upstream: UpstreamCall) -> dict[str, str]:
    """An answer's headers by lower-case name; the first of repeated ones."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(upstream.headers)}


def _is_id(value: bytes) -> bool:
    """Whether it is an id and not prose, in which a broken server may repeat what it was sent."""
    return 0 < len(value) <= MAX_ID_BYTES and value.find(b" ") < 0


def header_list(texts: Mapping[str, str]) -> Headers:
    """Headers as they are sent, of names that are legal and any texts."""
    return [(name.encode("latin-1"), header_value(value)) for name, value in texts.items()]


def header_value(text: str) -> bytes:
    """Any text as a legal header value: printable ASCII, the rest as `?`."""
    data = text.encode("ascii", "replace")
    return data if text.isprintable() else bytes(code if 32 <= code < 127 else 63 for code in data)


def _joined(paths: list[str]) -> str:
    text = ", ".join(dict.fromkeys(paths))
    if len(text) <= MAX_LOSSES_BYTES:
        return text
    shown = text[:MAX_LOSSES_BYTES].rsplit(", ", 1)[0]
    return f"{shown}, ..."
