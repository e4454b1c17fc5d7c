"""Carriers: an upstream's opaque reasoning state, riding in the `signature` of a thinking block.

The text form is `px1.<vendor>.<base64url of zlib of JSON>`: only letters, digits, `-`, `_` and dots, so that it passes
for a signature wherever one is checked. A carrier comes back from a client and is not to be trusted: decoding is
bounded in time and memory, and a broken one is as good as none.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Raw

PREFIX = "px1."
MAX_TEXT_BYTES = 6 * 1024 * 1024
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_SENT_BYTES = 1024 * 1024
"""A larger carrier costs more on every later turn than the reasoning is worth: it is sent without its items."""

Vendor = Literal["o", "g", "c"]
"""OpenAI Responses, Gemini, and servers that speak Chat Completions."""

_FORM = re.compile(r"px1\.([ogc])\.([A-Za-z0-9_-]+)")
_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)


class Carrier(msgspec.Struct, frozen=True, kw_only=True):
    """Reasoning items exactly as an upstream sent them, bound to that upstream."""

    vendor: Vendor
    provider: str = ""
    model: str = ""
    route: str = ""
    """Tells accounts apart where the items can only be read by the one that made them; never made from a key."""
    items: list[Raw] = msgspec.field(default_factory=list)


class _Content(msgspec.Struct, omit_defaults=True):
    v: int
    p: str = ""
    m: str = ""
    r: str = ""
    i: list[Raw] = msgspec.field(default_factory=list)


def is_carrier(signature: str) -> bool:
    """Whether a proxy made this signature; whether it can be decoded is another question."""
    return signature.startswith(PREFIX)


def encode_carrier(carrier: Carrier) -> str:
    """The signature that carries these items."""
    if not carrier.items:
        return _empty(carrier.vendor, carrier.provider, carrier.model, carrier.route)
    if sum(len(bytes(item)) for item in carrier.items) > MAX_JSON_BYTES // 2:
        return _encode(carrier, [])
    text = _encode(carrier, carrier.items)
    return text if len(text) <= MAX_SENT_BYTES else _encode(carrier, [])


def decode_carrier(signature: str) -> Carrier | None:
    """What a signature carries, or None where it is not a sound carrier."""
    form = _FORM.fullmatch(signature) if len(signature) <= MAX_TEXT_BYTES else None
    if form is None:
        return None
    data = _inflate(form[2])
    if data is None or _too_deep(data):
        return None
    try:
        content = msgspec.json.decode(data, type=_Content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if content.v != 1:
        return None
    vendor: Vendor = "o" if form[1] == "o" else "g" if form[1] == "g" else "c"
    # Raw values are views into `data`; a copy lets go of the rest.
    items = [item.copy() for item in content.i]
    return Carrier(vendor=vendor, provider=content.p, model=content.m, route=content.r, items=items)


@lru_cache(maxsize=1024)
def _empty(vendor: Vendor, provider: str, model: str, route: str) -> str:
    # Nearly every answer wants one, and there are as many as there are targets.
    return _encode(Carrier(vendor=vendor, provider=provider, model=model, route=route), [])


def _encode(carrier: Carrier, items: list[Raw]) -> str:
    content = _Content(v=1, p=carrier.provider, m=carrier.model, r=carrier.route, i=items)
    packed = base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(content), 1))
    return f"{PREFIX}{carrier.vendor}.{packed.rstrip(b'=').decode('ascii')}"


def _inflate(text: str) -> bytes | None:
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        inflater = zlib.decompressobj()
        data = inflater.decompress(packed, MAX_JSON_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error):
        return None
    if len(data) > MAX_JSON_BYTES or not inflater.eof or inflater.unused_data:
        return None
    return data


def _too_deep(data: bytes) -> bool:
    # Raw items are not decoded here, yet whoever encodes or decodes them later must not recurse without end.
    depth = 0
    for byte in _QUOTED.sub(b"", data):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False
