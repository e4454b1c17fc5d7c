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
TRIES = 10
"""Who else uses the machine only ever adds to a time."""
KEY = Credential(key=Secret("test-key"), variable="TEST_KEY")
ROUTER = Router(
    Settings(
        providers={
            "openai": Provider(
                name="openai", protocol="openai_chat", base_url="https://api.openai.com/v1", credential=KEY
            ),
            "responses": Provider(
                name="responses", protocol="openai_responses", base_url="https://api.openai.com/v1", credential=KEY
            ),
            "local": Provider(name="local", protocol="openai_chat", base_url="http://localhost:1/v1", credential=KEY),
            "kimi": Provider(
                name="kimi", protocol="openai_chat", base_url="https://api.moonshot.ai/v1", credential=KEY
            ),
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
MODELS = (
    "openai/gpt-4o",
    "responses/gpt-5",
    "local/any",
    "kimi/kimi-k3",
    "gemini/gemini-2.5-pro",
    "gemini/gemini-2.0-flash",
)


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


def lists(count: int) -> Json:
    return {"type": "object", "properties": {f"a{n}": {"type": "array"} for n in range(count)}}


def branches(key: str, count: int) -> Json:
    """An object that is a choice of objects, or all of them at once."""
    branch = [
        {"type": "object", "required": [f"a{n}"], "properties": {f"a{n}": {"type": "array"}}} for n in range(count)
    ]
    return {"type": "object", key: branch}


def demanding(count: int) -> Json:
    """It requires far more properties than it has."""
    wanted = [f"r{n}" for n in range(count * 8)]
    return {"type": "object", "required": wanted, "properties": {f"a{n}": {"type": "array"} for n in range(count)}}


def repeated(times: int, names: int) -> Json:
    """A long definition that is referred to so many times."""
    long = {"type": "object", "required": [f"{n}" for n in range(names)]}
    named = {f"a{n}": {"$ref": "#/$defs/long"} for n in range(times)}
    return {"type": "object", "properties": named, "$defs": {"long": long}}


def nested_references(levels: int, names: int) -> Json:
    """References to each level of a definition, at whose end stands a long list."""
    inner: Json = {"type": "object", "required": [f"{n}" for n in range(names)]}
    for _ in range(levels):
        inner = {"type": "object", "properties": {"a": inner}}
    named = {f"p{n}": {"$ref": "#/$defs/x" + "/properties/a" * n} for n in range(levels)}
    return {"type": "object", "properties": named, "$defs": {"x": inner}}


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
    "3_long": tools(wide(2600), 3),
    "3_of_arrays": tools(lists(1500), 3),
    "all_of_many": tools(branches("allOf", 1900)),
    "any_of_many": tools(branches("anyOf", 1900)),
    "requires_thousands": tools(demanding(2600), 3),
    "truth_values": tools({"type": "object", "properties": {f"{n}": True for n in range(90_000)}}),
    "long_type": tools({"type": "object", "properties": {"a": {"type": ["string"] * 80_000}}}),
    "lists_of_lists": tools({"type": "object", "properties": {"a": {"type": "array", "default": [[]] * 300_000}}}),
    "long_definition": tools(repeated(900, 80_000)),
    "nested_references": tools(nested_references(55, 40_000), 3),
    "closed_3_times": [{**tool, "strict": True} for tool in tools(lists(1500), 3)],
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
    for _ in range(TRIES):
        began = time.thread_time()
        result = outcome(encode)
        took = time.thread_time() - began
        if took < WITHIN_S:
            break
    assert took < WITHIN_S
    if isinstance(result, ClientError):
        assert result.status == 400
    else:
        assert len(result) < 8 * 1024 * 1024


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("declared", "message"),
    [
        pytest.param(tools(wide(1), 513), "tools: at most (512|128) tools are supported", id="tools"),
        pytest.param(
            tools(demanding(7000), 2), r"tools\.\d+\.input_schema: schemas of more than 1 MiB in all", id="bytes"
        ),
        pytest.param(
            tools(lists(3000), 4), r"tools\.2\.input_schema: schemas of more than 8000 parts in all", id="parts"
        ),
        pytest.param(tools(deep(64)), r"tools\.0\.input_schema: schemas nested more than 64 deep", id="depth"),
    ],
)
def test_amount_that_no_model_takes_is_refused_by_name(declared: list[Json], message: str, model: str) -> None:
    """More tools, or larger or deeper schemas, than any model's context holds are a 400 that names the limit."""
    with pytest.raises(ClientError, match=message) as raised:
        encoder(model, declared)()
    assert raised.value.status == 400


@pytest.mark.parametrize("model", MODELS)
def test_what_is_at_the_limits_is_taken(model: str) -> None:
    """A schema 64 deep is taken everywhere; 512 tools are wherever the upstream has no limit of its own."""
    assert encoder(model, tools(deep(63)))()
    if not model.startswith(("openai", "responses")):
        assert encoder(model, tools(wide(2), 512))()


def test_answers_schema_has_the_same_limits() -> None:
    """A schema of structured output is refused like one of a tool, at its place."""
    wanted = {"format": {"type": "json_schema", "schema": deep(64)}}
    given = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "output_config": wanted}
    for model in MODELS:
        body = msgspec.json.encode(given)
        request = ClientRequest(body=body, model=model, stream=False, request_id="req_1", message_id="msg_1")
        translator = make_translator(request, ROUTER.resolve(model).targets[0], Learned())
        with pytest.raises(ClientError, match=r"output_config\.format\.schema: schemas nested more than 64 deep"):
            translator.encode()


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
