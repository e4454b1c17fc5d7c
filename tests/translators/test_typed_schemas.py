"""Schemas as Moonshot takes them: a type in each part, and nothing but words beside a choice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.schemas.typed import typed_schema

Json = Any

KINDS = {"string", "number", "integer", "boolean", "object", "array", "null"}


def typed(schema: Json) -> Json:
    return msgspec.json.decode(typed_schema(msgspec.Raw(msgspec.json.encode(schema)), "x").schema)


def of(schema: Json) -> Json:
    """What becomes of a property."""
    return typed({"type": "object", "properties": {"p": schema}})["properties"]["p"]


def problems(node: Json, path: str = "$") -> list[str]:
    """What Moonshot would refuse."""
    found = [f"{path}: {key}" for key in ("$ref", "$defs", "oneOf", "allOf", "not", "const") if key in node]
    if "anyOf" in node:
        found += [f"{path}: beside anyOf: {key}" for key in node if key not in ("anyOf", "title", "description")]
        for n, branch in enumerate(node["anyOf"]):
            found += problems(branch, f"{path}|{n}")
        return found
    if not isinstance(node.get("type"), str) or node["type"] not in KINDS:
        found.append(f"{path}: no type")
    if isinstance(node.get("default"), list | dict):
        found.append(f"{path}: default")
    if set(node.get("required", ())) - set(node.get("properties", ())):
        found.append(f"{path}: required")
    for name, inner in node.get("properties", {}).items():
        found += problems(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            found += problems(node[key], f"{path}.{key}")
    return found


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "minLength": 1}, {"type": "string", "minLength": 1}),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"const": 3, "description": "d"}, {"type": "integer", "enum": [3], "description": "d"}),
        (
            {"type": ["string", "null"], "pattern": "a"},
            {"anyOf": [{"type": "string", "pattern": "a"}, {"type": "null"}]},
        ),
        (
            {"type": "string", "description": "d", "default": "a", "anyOf": [{"minLength": 2}, {"pattern": "b"}]},
            {
                "description": "d",
                "anyOf": [
                    {"minLength": 2, "type": "string", "default": "a"},
                    {"pattern": "b", "type": "string", "default": "a"},
                ],
            },
        ),
        ({"type": "array", "items": {}}, {"type": "array"}),
        ({"type": "array", "default": []}, {"type": "array"}),
        ({"properties": {"a": True}, "required": ["a", "b"]}, None),
        ({"oneOf": [{"type": "integer"}]}, {"type": "integer"}),
    ],
)
def test_each_part_names_its_type(schema: Json, expected: Json) -> None:
    """The type comes from what a schema says, and moves into the branches of a choice."""
    found = of(schema)
    assert problems(found) == []
    assert expected is None or found == expected


def test_value_of_any_kind_may_be_each() -> None:
    """A property without a type, as the argument of Claude Code's workflows is, may be of every type."""
    found = of({"description": "Any value"})
    assert found["description"] == "Any value"
    assert [branch["type"] for branch in found["anyOf"]] == ["string", "number", "boolean", "object", "array", "null"]


def test_references_are_written_out() -> None:
    """What a reference names stands in its place, with the words beside it."""
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/definitions/A", "description": "mine"}, "b": {"$ref": "#/properties/a"}},
        "definitions": {"A": {"type": "string", "description": "theirs"}},
    }
    assert typed(schema)["properties"] == {
        "a": {"type": "string", "description": "mine"},
        "b": {"type": "string", "description": "mine"},
    }


def test_objects_to_choose_from_become_one() -> None:
    """An object that needs one or the other property keeps both."""
    found = of(
        {"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    )
    assert found["type"] == "object"
    assert sorted(found["properties"]) == ["a", "b"]


def test_recursion_ends() -> None:
    """A schema that refers to itself is written out to a bound."""
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    made = typed_schema(msgspec.Raw(msgspec.json.encode(schema)), "x")
    assert made.cut
    assert problems(msgspec.json.decode(made.schema)) == []


def test_nested_choices_stay_small() -> None:
    """A schema that is a choice within a choice within a choice grows no faster than it is long."""
    schema: Json = {"type": "string"}
    for _ in range(40):
        schema = {"type": "array", "items": schema, "anyOf": [{"minItems": 1}, {"maxItems": 3}]}
    assert len(msgspec.json.encode(of(schema))) < 20_000


words = st.dictionaries(st.sampled_from(["title", "description"]), st.text(max_size=3), max_size=2)
kinds = st.sampled_from(sorted(KINDS))
leaves = st.fixed_dictionaries(
    {},
    optional={
        "type": kinds | st.lists(kinds, max_size=3) | st.just("odd"),
        "enum": st.lists(st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2), max_size=3),
        "default": st.none() | st.just([]) | st.text(max_size=2),
        "minLength": st.just(1),
        "minimum": st.just(1),
        "nullable": st.booleans(),
        "$ref": st.sampled_from(["#", "#/properties/a", "#/nothing"]),
        "format": st.just("date"),
        "not": st.just({"type": "null"}),
        "required": st.just(["a"]),
    },
)


def larger(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.builds(
        lambda base, more, said: {**base, **more, **said},
        leaves,
        st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
                "items": inner,
                "anyOf": some,
                "oneOf": some,
                "allOf": some,
                "additionalProperties": inner | st.booleans(),
                "prefixItems": some,
                "const": st.integers(0, 2),
            },
        ),
        words,
    )


schemas = st.recursive(leaves | st.booleans(), larger, max_leaves=12)


@given(st.dictionaries(st.sampled_from(["a", "b"]), schemas, max_size=2))
def test_any_schema_becomes_one_that_is_taken(properties: Json) -> None:
    """Whatever a tool's author wrote, nothing of it is refused."""
    assert problems(typed({"type": "object", "properties": properties})) == []
