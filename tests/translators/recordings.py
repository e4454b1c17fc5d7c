"""Recorded answers of real servers, which lie beside this project and are no part of it.

Without them the tests that read them are skipped, visibly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TRAFFIC = (Path(__file__).resolve().parents[2] / "../shared/traffic").resolve()
_COUNTS = ("input_tokens", "countTokens")
"""Parts of the paths at which tokens are counted: no answers of a model."""


def recorded(api: str, *, stream: bool | None = None, failed: bool = False) -> list[Any]:
    """The files of an API's answers as parameters of a test."""
    found = []
    for path in sorted((TRAFFIC / api).glob("*.json")):
        exchange = json.loads(path.read_bytes())
        response, asked = exchange["response"], (exchange["request"] or {}).get("path") or ""
        counted = any(part in asked for part in _COUNTS)
        if (response["status"] >= 400) == failed and stream in (None, "sse" in response) and not counted:
            found.append(pytest.param(path, id=path.stem))
    skip = pytest.mark.skip(reason=f"no recordings of {api}")
    return found or [pytest.param(None, id="no recordings", marks=skip)]


def answer(path: Path) -> bytes:
    """The body of an answer, as it came."""
    response = json.loads(path.read_bytes())["response"]
    if "sse" in response:
        return str(response["sse"]).encode()
    body = response["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()


def headers(path: Path) -> dict[str, str]:
    """Its headers, by lower-case names."""
    response = json.loads(path.read_bytes())["response"]
    return {name.lower(): value for name, value in (response.get("headers") or {}).items()}
