"""One upstream account for each protocol, all on one server, and what that server answers to a greeting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from llm_to_anthropic.http.server import running
from llm_to_anthropic.providers.provider import Credential, Protocol, Provider, Secret
from llm_to_anthropic.scripted import Answer, Request, whole
from llm_to_anthropic.settings import Retries, Settings
from tests.http.fake import FakeGateway, Front

MODELS: Mapping[str, str] = {
    "openai_chat": "chat/some-model",
    "openai_responses": "responses/gpt-5",
    "gemini": "gemini/gemini-2.5-pro",
    "anthropic": "anthropic/claude-x",
}
"""Protocol -> a model's name for the client."""
TRANSLATED = tuple(protocol for protocol in MODELS if protocol != "anthropic")

_PATHS: Mapping[str, str] = {"openai_chat": "/v1", "openai_responses": "/v1", "gemini": "/v1beta", "anthropic": ""}
_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "some-model",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
_RESPONSES = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
}
_GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
    "modelVersion": "gemini-2.5-pro",
    "responseId": "r1",
}
_ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
ANSWERS: Mapping[str, dict[str, Any]] = {
    "openai_chat": _CHAT,
    "openai_responses": _RESPONSES,
    "gemini": _GEMINI,
    "anthropic": _ANTHROPIC,
}


def greeting(request: Request) -> Answer:
    """A whole answer in the protocol that a request's path belongs to."""
    for end, protocol in (
        ("/chat/completions", "openai_chat"),
        ("/responses", "openai_responses"),
        ("/messages", "anthropic"),
    ):
        if request.path.endswith(end):
            return whole(ANSWERS[protocol])
    if request.path.endswith("ountTokens") or request.path.endswith("_tokens"):
        return whole({"totalTokens": 3, "input_tokens": 3})
    return whole(ANSWERS["gemini"])


def providers(url: str, key: str = "upstream-key") -> dict[str, Provider]:
    """The accounts at a server, by name."""
    protocols: tuple[Protocol, ...] = ("openai_chat", "openai_responses", "gemini", "anthropic")
    names = {protocol: MODELS[protocol].partition("/")[0] for protocol in protocols}
    return {
        names[protocol]: Provider(
            name=names[protocol],
            protocol=protocol,
            base_url=url + _PATHS[protocol],
            credential=Credential(key=Secret(key), variable="TEST_KEY"),
        )
        for protocol in protocols
    }


def settings(url: str, **changes: Any) -> Settings:
    """Settings with the four accounts and without retries."""
    known: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "aliases": {}, "retries": Retries(max_retries=0)}
    return Settings(**(known | {"providers": providers(url)} | changes))


@asynccontextmanager
async def proxied(url: str, **changes: Any) -> AsyncIterator[Front]:
    """The whole proxy in front of the server at `url`."""
    async with running(settings(url, **changes)) as base_url:
        yield Front(base_url, FakeGateway())


def ask(protocol: str, **fields: Any) -> dict[str, Any]:
    """A small request for a model of a protocol."""
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": MODELS[protocol], "max_tokens": 50, "messages": messages} | fields
