"""Recorded requests to Anthropic become requests that OpenAI takes.

The recordings, and a server that is as strict as OpenAI's own, lie beside this project and are no part of it: without
them these tests are skipped.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.openai_responses.request import encode_count, encode_known, encode_responses
from llm_to_anthropic.translators.request import decode_fields
from llm_to_anthropic.translators.translator import Learned
from tests.translators.responses_requests import LOCAL, OFFICIAL, Json, a_client, target

SHARED = (Path(__file__).resolve().parents[2] / "../shared").resolve()
REFUSED = (
    "file ids are not supported",
    "container_upload blocks in user messages are not supported",
    "is not supported for model",
    "takes no documents by URL",
    "Input should be 'object'",
    "temperature: Input should be greater than or equal to 0",
)
"""What the model behind could not do, or Anthropic refused as well."""
TARGETS = [("gpt-5.1", OFFICIAL), ("gpt-6.1-sol", OFFICIAL), ("gpt-4.1", OFFICIAL), ("qwen3", LOCAL)]


def recorded() -> list[Any]:
    found = []
    for path in sorted((SHARED / "traffic/anthropic").glob("*.json")):
        request = json.loads(path.read_bytes())["request"]
        if isinstance(request["body"], dict) and "messages" in request["body"]:
            found.append(pytest.param(path, id=path.stem[:40]))
    skip = pytest.mark.skip(reason="no recordings beside this checkout")
    return found or [pytest.param(None, id="no recordings", marks=skip)]


@lru_cache(maxsize=1)
def strict_server() -> Callable[[Json], None]:
    """Raises what OpenAI answers to a body that it does not take."""
    path = SHARED / "clients/fake_upstreams.py"
    if not path.exists():
        pytest.skip("no strict server beside this checkout")
    sys.path.append(str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location("strict_server", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    check: Callable[[Json], None] = module.check_responses
    return check


@lru_cache(maxsize=2)
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_by_sdk(kind: Any, body: bytes) -> None:
    """Raises unless the official SDK's types take the body; lists are only checked as they are walked through."""
    drain(adapter(kind).validate_python(json.loads(body)))


def drain(value: object) -> None:
    if isinstance(value, dict):
        for member in value.values():
            drain(member)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for item in value:
            drain(item)


def encoded(path: Path, model: str, base_url: str) -> tuple[bytes, bytes] | str:
    """The body of the request and of its count, or why neither can be made."""
    client = a_client(json.loads(path.read_bytes())["request"]["body"])
    to = target(model, base_url)
    try:
        request = decode_fields(client.body)
        made = encode_responses(request, client, to)
    except ClientError as error:
        return error.message
    assert encode_responses(request, client, to) == made
    assert encode_known(client, to, Learned()) in (None, made)
    return made.body, encode_count(decode_fields(client.body, counting=True), client, to)


@pytest.mark.parametrize(("model", "base_url"), TARGETS, ids=[model for model, _ in TARGETS])
@pytest.mark.parametrize("path", recorded())
def test_recorded_requests_become_openais(path: Path, model: str, base_url: str) -> None:
    """Each is encoded the same each time, by the types of the official SDK, and as a strict server wants it."""
    made = encoded(path, model, base_url)
    if isinstance(made, str):
        assert any(reason in made for reason in REFUSED)
        return
    body, count = made
    sent = msgspec.json.decode(body)
    read_by_sdk(ResponseCreateParamsStreaming if sent.get("stream") else ResponseCreateParamsNonStreaming, body)
    read_by_sdk(InputTokenCountParams, count)
    strict_server()(sent)
