"""Tools that are made to cost time: every one is answered or refused within a fraction of a second."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.registry import make_translator
from llm_to_anthropic.translators.translator import ClientRequest, Learned

Json = dict[str, object]
WITHIN_S = 0.2
KEY = Credential(key=Secret("test-key"), variable="TEST_KEY")
ROUTER = Router(
    Settings(
        providers={
            "openai": Provider(
                name="openai", protocol="openai_chat", base_url="https://api.openai.com/v1", credential=KEY
            ),
            "local": Provider(name="local", protocol="openai_chat", base_url="http://localhost:1/v1", credential=KEY),
            "gemini": Provider(
                name="gemini",
                protocol="gemini",
                base_url="https://generativelanguage.googleapis.com/v1beta",
                credential=KEY,
            ),
        },
        aliases={},
    )
)
MODELS = ("openai/gpt-4o", "local/any", "gemini/gemini-2.5-pro", "gemini/gemini-2.0-flash")


def tree() -> Json:
    """A definition that refers to itself three times."""
    node = {"type": "object", "properties": {name: {"$ref": "#/$defs/node"} for name in ("left", "right", "next")}}
    return {"type": "object", "properties": {"root": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}


def doubling(levels: int, width: int = 2) -> Json:
    """Each definition refers to the next so many times: written out it has `width ** levels` leaves."""
    defs: Json = {
        f"d{n}": {"type": "object", "properties": {f"p{k}": {"$ref": f"#/$defs/d{n + 1}"} for k in range(width)}}
        for n in range(levels)
    }
    defs[f"d{levels}"] = {"type": "string"}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs}


def chain(length: int) -> Json:
    defs: Json = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(length)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs}


def deep(levels: int) -> Json:
    schema: Json = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def choices(levels: int) -> Json:
    schema: Json = {"type": "string"}
    for _ in range(levels):
        schema = {"anyOf": [schema, {"allOf": [schema, {"oneOf": [schema]}]}]}
    return {"type": "object", "properties": {"a": schema}}


def wide(count: int) -> Json:
    return {"type": "object", "properties": {f"a{n}": {"type": "string", "pattern": "^(a+)+$"} for n in range(count)}}


def tools(schema: Json, count: int = 1) -> list[Json]:
    return [{"name": f"tool_{n}", "description": "d", "input_schema": schema} for n in range(count)]


LOOP: Json = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
BOMBS: dict[str, list[Json]] = {
    "refers_to_itself": tools({"$ref": "#"}),
    "refers_in_a_circle": tools({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": LOOP}),
    "refers_into_itself": tools({"type": "object", "properties": {"a": {"$ref": "#/properties/a/properties/b"}}}),
    "tree": tools(tree()),
    "100_trees": tools(tree(), 100),
    "doubles_30_times": tools(doubling(30)),
    "grows_eightfold_12_times": tools(doubling(12, 8)),
    "50_doublings": tools(doubling(30), 50),
    "long_chain": tools(chain(5000)),
    "long_pointer": tools({"type": "object", "properties": {"a": {"$ref": "#/" + "a/" * 50_000}}}),
    "deep_60": tools(deep(60)),
    "deep_250": tools(deep(250)),
    "deep_450": tools(deep(450)),
    "choices_of_choices": tools(choices(7)),
    "wide": tools(wide(3000)),
    "512_tools": tools(wide(2), 512),
    "10_000_tools": tools(wide(1), 10_000),
    "long_enum": tools({"type": "object", "properties": {"a": {"enum": [str(n) for n in range(50_000)]}}}),
    "long_name": [{"name": "t" * 100_000, "description": "d", "input_schema": tree()}],
}


def encoder(model: str, declared: list[Json]) -> Callable[[], bytes]:
    """Encodes a request with these tools, afresh each time."""
    given = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "tools": declared}
    body = msgspec.json.encode(given)
    target = ROUTER.resolve(model).targets[0]
    request = ClientRequest(body=body, model=model, stream=False, request_id="req_1", message_id="msg_1")
    return lambda: make_translator(request, target, Learned()).encode().body


def outcome(encode: Callable[[], bytes]) -> bytes | ClientError:
    try:
        return encode()
    except ClientError as error:
        return error


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("declared", BOMBS.values(), ids=BOMBS)
def test_tools_cost_no_more_than_a_moment(declared: list[Json], model: str) -> None:
    """Whatever schemas refer to, and however many there are: a request or a 400 within 200 ms, of bounded size."""
    encode = encoder(model, declared)
    took = []
    for _ in range(3):
        began = time.process_time()
        result = outcome(encode)
        took.append(time.process_time() - began)
    assert min(took) < WITHIN_S
    if isinstance(result, ClientError):
        assert result.status == 400
    else:
        assert len(result) < 2 * 1024 * 1024


def test_amount_that_no_model_takes_is_refused_by_name() -> None:
    """More tools, or larger schemas, than any model's context holds are a 400 that says so."""
    with pytest.raises(ClientError, match="at most 512 tools"):
        encoder("gemini/gemini-2.5-pro", BOMBS["10_000_tools"])()
    with pytest.raises(ClientError, match=r"tools\.\d+\.input_schema: schemas of more than 1 MiB"):
        encoder("gemini/gemini-2.5-pro", tools(wide(3000), 10))()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strict", [False, True])
def test_number_beyond_all_floats_is_no_crash(model: str, strict: bool) -> None:
    """A schema with 1e400 in it is passed on as it is, or is a 400 at its place."""
    encode = encoder(model, [{"name": "t", "strict": strict, "input_schema": {"type": "object", "properties": {}}}])
    assert encode()
    declared = b'[{"name":"t","strict":%b,"input_schema":{"type":"object","properties":{"a":{"maximum":1e400}}}}]'
    given = b'{"model":"x","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"tools":' + declared + b"}"
    body = given % (b"true" if strict else b"false")
    request = ClientRequest(body=body, model=model, stream=False, request_id="req_1", message_id="msg_1")
    translator = make_translator(request, ROUTER.resolve(model).targets[0], Learned())
    result = outcome(lambda: translator.encode().body)
    if isinstance(result, ClientError):
        assert result.message.startswith("tools.0.input_schema: ")
    else:
        assert b"1e400" in result
