"""Conversations of very many small parts: what they cost grows with their number, and not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.anthropic import drop_carriers
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.foreign_ids import SoundIds
from llm_to_anthropic.translators.registry import make_translator
from llm_to_anthropic.translators.translator import ClientRequest, Learned

Json = dict[str, object]
WITHIN_S = 5.0
"""Several times what it takes, and a part of what the square would."""
MANY = 20_000
KEY = Credential(key=Secret("test-key"), variable="TEST_KEY")
ROUTER = Router(
    Settings(
        providers={
            "openai": Provider(name="openai", protocol="openai_chat", base_url="https://openai.test", credential=KEY),
            "gemini": Provider(name="gemini", protocol="gemini", base_url="https://google.test", credential=KEY),
        },
        aliases={},
    )
)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def spoken(*blocks: list[Json]) -> list[Json]:
    """Messages of the assistant and the user in turn."""
    return [{"role": ("assistant", "user")[at % 2], "content": each} for at, each in enumerate(blocks)]


def call(number: int, name: str = "f") -> Json:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}


def result(number: int, content: object = "") -> Json:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": content}


def turns() -> list[Json]:
    """One call after the other, each of another tool."""
    return [message for n in range(MANY) for message in spoken([call(n, f"tool_{n}")], [result(n)])]


def one_id() -> list[Json]:
    """The same id for each of them, as of servers that count the calls of a turn."""
    return spoken([call(1)], [result(1)]) * MANY


def images() -> list[Json]:
    """An image for each of many calls at once."""
    return spoken([call(n) for n in range(MANY)], [result(n, [IMAGE]) for n in range(MANY)])


@pytest.mark.parametrize("model", ["openai/gpt-4.1", "gemini/gemini-3-pro"])
@pytest.mark.parametrize("messages", [turns, one_id, images])
def test_many_calls_cost_their_number(model: str, messages: Callable[[], list[Json]]) -> None:
    """A body may hold a hundred thousand calls, and while one is translated nobody else is served."""
    asked = [{"role": "user", "content": "a"}, *messages()]
    body = msgspec.json.encode({"model": model, "max_tokens": 9, "messages": asked})
    request = ClientRequest(body=body, model=model, stream=False, request_id="req_1", message_id="msg_1")
    translator = make_translator(request, ROUTER.resolve(model).targets[0], Learned())
    began = time.process_time()
    translator.encode()
    assert time.process_time() - began < WITHIN_S


def test_many_dropped_messages_cost_their_number() -> None:
    """Towards Anthropic go messages of thoughts that others had: the user's words around all of them become one."""
    signature = encode_carrier(Carrier(vendor="c", provider="openai", model="m", route="r", items=[]))
    thought = {"type": "thinking", "thinking": "", "signature": signature}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [thought]}] * MANY
    body = msgspec.json.encode({"model": "m", "messages": messages})
    began = time.process_time()
    (message,) = msgspec.json.decode(drop_carriers(body))["messages"]
    assert time.process_time() - began < WITHIN_S
    assert message == {"role": "user", "content": [{"type": "text", "text": "a"}] * MANY}


def test_many_calls_under_one_id_cost_their_number() -> None:
    """Anthropic refuses them, and they are sent once more with other ids, in the order of their results."""
    ids, many = SoundIds(), MANY * 15
    began = time.process_time()
    calls = ids.blocks([msgspec.Raw(b'{"type":"tool_use","id":"a"}')] * many)
    results = ids.blocks([msgspec.Raw(b'{"type":"tool_result","tool_use_id":"a"}')] * many)
    assert time.process_time() - began < WITHIN_S
    called, answered = ([*map(msgspec.json.decode, blocks)] for blocks in (calls, results))
    assert [block["id"] for block in called] == [block["tool_use_id"] for block in answered]
