"""Puts files in place of their addresses, for a target that takes no addresses."""

from __future__ import annotations

import base64

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.media_urls import UrlNotTaken
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.registry import make_translator
from llm_to_anthropic.translators.request import dotted
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from llm_to_anthropic.upstream import Fetched, Fetcher, NotFetched
from llm_to_anthropic.wire.anthropic import NO_RAW

MAX_URLS = 20
"""The most in one request: each may take its ten seconds."""
_PDF = "application/pdf"


async def with_fetched(request: ClientRequest, target: Target, fetcher: Fetcher) -> ClientRequest:
    """The request with everything as data that its target does not take by URL. Raises ClientError."""
    if b'"url"' not in request.body:
        return request
    fetched = 0
    while (refusal := _first_refused(request, target)) is not None:
        if fetched >= MAX_URLS:
            raise ClientError(f"{dotted(refusal.path)}.source.url: more than {MAX_URLS} URLs are not fetched at once")
        fetched += 1
        file = await _fetch(refusal, fetcher)
        body = _put(request.body, refusal.url, file)
        request = msgspec.structs.replace(request, body=body, messages=NO_RAW, surroundings=None)
    return request


def _first_refused(request: ClientRequest, target: Target) -> UrlNotTaken | None:
    try:
        make_translator(request, target, Learned()).encode()
    except UrlNotTaken as refusal:
        return refusal
    return None


async def _fetch(refusal: UrlNotTaken, fetcher: Fetcher) -> Fetched:
    where = f"{dotted(refusal.path)}.source.url"
    try:
        file = await fetcher.fetch(refusal.url)
    except NotFetched as error:
        raise ClientError(f"{where}: {error.message}") from error
    if (file.media_type == _PDF) != (refusal.kind == "document"):
        raise ClientError(f"{where}: leads to {file.media_type}, which is no {refusal.kind}")
    return file


def _put(body: bytes, url: str, file: Fetched) -> bytes:
    """The body with the file wherever the URL was a source; everything else keeps its bytes."""
    data = {"type": "base64", "media_type": file.media_type, "data": base64.b64encode(file.data).decode("ascii")}
    source = raw_json(data)
    fields = msgspec.json.decode(body, type=dict[str, Raw])
    messages = msgspec.json.decode(fields["messages"], type=list[Raw])
    fields["messages"] = raw_json([_with_source(message, url, source) for message in messages])
    return msgspec.json.encode(fields)


def _with_source(raw: Raw, url: str, source: Raw) -> Raw:
    """A message or a block with the URL replaced in its content, or as its source."""
    if b'"url"' not in bytes(raw):
        return raw
    fields = msgspec.json.decode(raw, type=dict[str, Raw])
    given = fields.get("source", Raw(b"null"))
    if bytes(given).lstrip().startswith(b"{"):
        named = msgspec.json.decode(given, type=dict[str, object])
        fields["source"] = source if named.get("url") == url else _with_source(given, url, source)
    content = fields.get("content", Raw(b"null"))
    if bytes(content).lstrip().startswith(b"["):
        blocks = msgspec.json.decode(content, type=list[Raw])
        fields["content"] = raw_json([_with_source(block, url, source) for block in blocks])
    return raw_json(fields)
