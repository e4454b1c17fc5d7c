"""Schemas as upstreams take them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.schemas.closing import close_schema, remove_optional_nulls
from llm_to_anthropic.translators.schemas.preparing import prepare_schema

Json = Any


def prepared(schema: Json, *, clean: bool = False) -> Json:
    return msgspec.json.decode(
        prepare_schema(Raw(msgspec.json.encode(schema)), "tools.0.input_schema", clean=clean).schema
    )


def closed(schema: Json, *, optional: bool = True) -> Json:
    done = close_schema(Raw(msgspec.json.encode(schema)), optional=optional)
    return None if done is None else msgspec.json.decode(done)


def an_object(properties: Json, *required: str, **rest: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)} | rest


@pytest.mark.parametrize(
    "raw",
    [
        b'{ "type": "object", "properties": {"a": {"maximum": 1000000000000000000000000000000}} }',
        b'{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}}, "$schema":"x"}',
    ],
    ids=["no arrays", "arrays with items"],
)
def test_a_sound_schema_travels_as_its_own_bytes(raw: bytes) -> None:
    """A schema that needs no change keeps its bytes, numbers and spaces included."""
    assert bytes(prepare_schema(Raw(raw), "x").schema) == raw


@pytest.mark.parametrize(
    "schema",
    [{"type": "object"}, {}, {"type": "object", "properties": None}, {"type": ["object", "null"]}],
    ids=["no properties", "empty", "null", "nullable"],
)
def test_an_object_without_properties_gets_some(schema: Json) -> None:
    """OpenAI refuses an object schema without `properties`."""
    assert prepared(schema) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"$ref": "#/$defs/A"}, id="a definition"),
        pytest.param({"$ref": "#/$defs/B"}, id="a definition of a definition"),
        pytest.param({"type": "object", "properties": {}, "$ref": "#/$defs/A"}, id="beside empty properties"),
    ],
)
def test_a_root_that_refers_elsewhere_is_written_out(schema: Json) -> None:
    """OpenAI wants the object itself at the root: its properties would be lost behind a reference."""
    definitions = {"A": an_object({"x": {"type": "string"}}, "x"), "B": {"$ref": "#/$defs/A"}}
    assert prepared(schema | {"$defs": definitions}) == {**definitions["A"], "$defs": definitions}


@pytest.mark.parametrize("reference", ["#", "#/$defs/none", "https://example.test/schema"])
def test_a_root_that_refers_nowhere_is_an_object(reference: str) -> None:
    """A reference that cannot be followed leaves an object without properties."""
    assert prepared({"$ref": reference}) == {"type": "object", "properties": {}}


def test_an_array_without_items_gets_some() -> None:
    """OpenAI refuses an array schema without `items`, however deep."""
    schema = an_object({"a": {"anyOf": [{"type": "array"}, {"type": ["array", "null"]}]}, "items": {"type": "string"}})
    branches = prepared(schema)["properties"]["a"]["anyOf"]
    assert branches == [{"type": "array", "items": {}}, {"type": ["array", "null"], "items": {}}]


def test_changes_keep_huge_integers() -> None:
    """A schema that has to be changed keeps integers of any size exact."""
    raw = b'{"type":"object","properties":{"a":{"type":"array"},"b":{"maximum":1000000000000000000000000000000}}}'
    assert b"1000000000000000000000000000000}" in bytes(prepare_schema(Raw(raw), "x").schema)


def test_a_choice_at_the_root_becomes_one_object() -> None:
    """A union at the root is merged: all properties, required only what every branch requires."""
    schema = {
        "anyOf": [an_object({"a": {}, "b": {}}, "a", "b"), {"$ref": "#/$defs/other"}],
        "$defs": {"other": an_object({"a": {}, "c": {}}, "a")},
    }
    done = prepared(schema)
    assert "anyOf" not in done
    assert (sorted(done["properties"]), done["required"], done["type"]) == (["a", "b", "c"], ["a"], "object")


def test_all_of_at_the_root_requires_what_any_part_requires() -> None:
    """The parts of allOf all hold, so what one requires is required."""
    done = prepared({"type": "object", "allOf": [an_object({"a": {}}, "a"), an_object({"b": {}}, "b")]})
    assert done["required"] == ["a", "b"]


def test_a_merged_schema_says_that_it_was_weakened() -> None:
    """Merging a union loses the choice between its branches, which is to be reported."""
    assert prepare_schema(Raw(b'{"type":"object","properties":{},"oneOf":[]}'), "x").weakened


def test_endless_references_end() -> None:
    """A reference to itself is followed no further than a few hops."""
    assert prepared({"anyOf": [{"$ref": "#/anyOf/0"}]})["properties"] == {}


@pytest.mark.parametrize("schema", [{"type": "string"}, {"type": ["string", "null"]}, 5], ids=["string", "list", "no"])
def test_a_schema_that_is_no_object_is_refused(schema: Json) -> None:
    """The input of a tool is always an object; another type is the client's mistake."""
    with pytest.raises(ClientError, match=r"tools\.0\.input_schema"):
        prepared(schema)


def test_cleaning_takes_annotations_but_no_property_of_their_name() -> None:
    """Annotations go, a property that is called like one stays."""
    schema = an_object(
        {"format": {"type": "string", "format": "uri"}, "l": {"items": {"$id": "x"}}}, **{"$schema": "x"}
    )
    done = prepared(schema, clean=True)
    assert done["properties"] == {"format": {"type": "string"}, "l": {"items": {}}}
    assert "$schema" not in done


def test_closing_requires_all_and_makes_the_optional_nullable() -> None:
    """A closed schema names every property as required and allows nothing else."""
    done = closed(an_object({"a": {"type": "string"}, "b": {"type": "integer"}}, "a"))
    assert done == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }


def test_closing_reaches_nested_objects() -> None:
    """Objects within properties, arrays, unions and definitions are closed as well."""
    inner = an_object({"x": {"type": "string"}}, "x")
    schema = an_object(
        {
            "a": inner,
            "b": {"type": "array", "items": inner},
            "c": {"anyOf": [inner, {"type": "null"}]},
            "d": {"$ref": "#/$defs/d"},
        },
        *"abcd",
        **{"$defs": {"d": inner}},
    )
    done = closed(schema)
    places = [done["properties"]["a"], done["properties"]["b"]["items"], done["properties"]["c"]["anyOf"][0]]
    assert [place["additionalProperties"] for place in [*places, done["$defs"]["d"]]] == [False] * 4


NOT_CLOSABLE: list[tuple[str, Json]] = [
    ("additionalProperties true", an_object({}, additionalProperties=True)),
    ("a map", an_object({}, additionalProperties={"type": "string"})),
    ("a free object", an_object({"a": {"type": "object"}}, "a")),
    ("allOf", an_object({"a": {"allOf": [{"type": "string"}]}}, "a")),
    ("oneOf", an_object({"a": {"oneOf": [{"type": "string"}]}}, "a")),
    ("minLength", an_object({"a": {"type": "string", "minLength": 1}}, "a")),
    ("default", an_object({"a": {"type": "string", "default": "x"}}, "a")),
    ("any value", an_object({"a": {"description": "anything"}}, "a")),
    ("boolean schema", an_object({"a": True}, "a")),
    ("array without items", an_object({"a": {"type": "array"}}, "a")),
    ("no object", {"type": "string"}),
    ("union at the root", {"type": "object", "anyOf": []}),
    ("too many properties", an_object({f"p{n}": {"type": "string"} for n in range(5001)})),
]


@pytest.mark.parametrize("schema", [row[1] for row in NOT_CLOSABLE], ids=[row[0] for row in NOT_CLOSABLE])
def test_what_would_change_its_meaning_is_not_closed(schema: Json) -> None:
    """A schema that strict decoding cannot express stays as it is."""
    assert closed(schema) is None


def test_too_deep_a_schema_is_not_closed() -> None:
    """Strict decoding has a limit on nesting."""
    schema: Json = {"type": "string"}
    for _ in range(12):
        schema = an_object({"a": schema}, "a")
    assert closed(schema) is None


def test_optional_properties_can_be_kept_from_closing() -> None:
    """Where nulls cannot be taken out of the answer, only schemas without optional properties are closed."""
    assert closed(an_object({"a": {"type": "string"}}), optional=False) is None
    assert closed(an_object({"a": {"type": "string"}}, "a"), optional=False) is not None


def test_nulls_of_absent_properties_are_taken_out() -> None:
    """What closing made null is absent again, nested objects and arrays included."""
    inner = an_object({"x": {"type": "string"}, "y": {"type": "string"}}, "x")
    schema = an_object({"a": {"type": "string"}, "b": inner, "c": {"type": "array", "items": {"$ref": "#/$defs/i"}}})
    schema["$defs"] = {"i": inner}
    value = {"a": None, "b": {"x": "1", "y": None}, "c": [{"x": "2", "y": None}]}
    assert remove_optional_nulls(schema, value) == {"b": {"x": "1"}, "c": [{"x": "2"}]}


def test_nulls_that_the_client_allows_stay() -> None:
    """Null stays where the client's schema requires the property or takes null for it."""
    schema = an_object({"a": {"type": ["string", "null"]}, "b": {"anyOf": [{"type": "null"}]}, "c": {}}, "c")
    value = {"a": None, "b": None, "c": None}
    assert remove_optional_nulls(schema, value) == value


def test_the_branch_of_a_union_is_found_by_its_properties() -> None:
    """In a union the branch with the value's properties says which of them were optional."""
    first = an_object({"x": {"type": "string"}, "y": {"type": "string"}}, "x")
    second = an_object({"z": {"type": "string"}})
    schema = an_object({"a": {"anyOf": [first, second]}}, "a")
    assert remove_optional_nulls(schema, {"a": {"x": "1", "y": None}}) == {"a": {"x": "1"}}
    assert remove_optional_nulls(schema, {"a": {"z": None}}) == {"a": {}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "$ref", "required", "enum", "$defs", "a", "object"]
            ),
            inner | st.sampled_from(["object", "array", "#", "#/$defs/a"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(schema=JSON, value=JSON)
def test_no_schema_breaks_the_code(schema: Json, value: Json) -> None:
    """Any JSON in place of a schema is taken or refused as a client's mistake, nothing else."""
    raw = Raw(msgspec.json.encode(schema))
    try:
        done = prepare_schema(raw, "x", clean=True).schema
    except ClientError:
        return
    close_schema(done)
    remove_optional_nulls(schema, value)
    root = msgspec.json.decode(done)
    assert root["type"] == "object"
    assert isinstance(root["properties"], dict)
