"""Addresses of images and documents, which the upstream fetches: it may stand where the client cannot reach."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.request import dotted

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


class UrlNotTaken(ClientError):
    """An address that the upstream does not fetch by itself; the proxy may, where that is switched on.

    `path` is written like `messages[0].content[1]`.
    """

    def __init__(self, url: str, path: str, kind: Literal["image", "document"], reason: str) -> None:
        super().__init__(
            f"{dotted(path)}.source.url: {reason}; send the {kind} itself as base64, "
            "or let the proxy fetch it (FETCH_URLS=true in its configuration)"
        )
        self.url = url
        self.path = path
        self.kind = kind


def check_url(url: str, path: str) -> None:
    """Raises ClientError unless it is a public http or https URL, or holds the data itself (`data:`)."""
    parts = _split(url)
    if parts is not None and parts[0] == "data":
        return
    if parts is None or parts[0] not in ("http", "https") or _is_private(parts[1]):
        raise ClientError(f"{dotted(path)}.source.url: Input should be a public http or https URL")


def url_extension(url: str) -> str:
    """What a URL's path ends in, in lower case: `png`; empty where it tells nothing."""
    parts = _split(url)
    name = parts[2].rsplit("/", 1)[-1] if parts else ""
    return name.rpartition(".")[2].lower() if "." in name else ""


def data_of_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a `data:` URL; None: it is none, or not in base64."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head.removeprefix("data:").split(";", 1)[0], data


def _split(url: str) -> tuple[str, str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme, parts.hostname or "", parts.path


def _is_private(host: str) -> bool:
    host = _spelled_out(host)
    if host in ("", "localhost") or host.endswith((".localhost", ".internal", ".local")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        # No name ends in a number: whoever connects reads `127.1` and `2130706433` as addresses.
        return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _spelled_out(host: str) -> str:
    """A host as it is looked up: in ASCII, and without the dot of the root. Nothing where it cannot be."""
    try:
        return (host if host.isascii() else host.encode("idna").decode()).removesuffix(".")
    except UnicodeError:
        return ""
