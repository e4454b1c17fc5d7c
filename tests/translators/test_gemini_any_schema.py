"""Whatever a client's schema holds, what Gemini gets of it is a schema that it reads."""

from __future__ import annotations

import importlib
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_to_anthropic.translators.schemas.google_subset import restore_values
from tests.translators.gemini_schemas import Json, full, subset, tooled

SUBSET_KEYS = {
    *("type", "format", "title", "description", "default", "example", "nullable", "enum", "anyOf"),
    *("items", "minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum"),
    *("properties", "required", "minProperties", "maxProperties", "propertyOrdering"),
}
# Any schema: of all the keywords of draft 2020-12, sound or not, with references to anywhere.
_NAMES = st.sampled_from(["a", "b", "c", "$ref", "items", "type", "Ünï"])
_REFERENCES = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/properties/b/items", "#x", "other"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1e9, 1e9) | st.text("ab{[", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=2),
    max_leaves=4,
)


_TYPES = st.sampled_from(["string", "number", "integer", "boolean", "object", "array", "null"])


def _keywords(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    named = st.dictionaries(_NAMES, inner, max_size=3)
    listed = st.lists(inner, min_size=1, max_size=3)
    size = st.integers(0, 9)
    known: Json = {
        **dict.fromkeys(("properties", "$defs", "patternProperties", "dependentSchemas"), named),
        **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), listed),
        **dict.fromkeys(
            ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"), inner
        ),
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), size),
        **dict.fromkeys(
            ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), st.integers(-9, 9) | st.floats(-9, 9)
        ),
        **dict.fromkeys(("description", "title", "pattern", "$comment", "$anchor"), st.text("xy", max_size=2)),
        **dict.fromkeys(("default", "const"), _VALUES),
        "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(_VALUES, min_size=1, max_size=3),
        "examples": st.lists(_VALUES, max_size=2),
        "required": st.lists(_NAMES, max_size=3),
        "format": st.sampled_from(["date-time", "uri", "int32", "x"]),
        "uniqueItems": st.booleans(),
        "$ref": _REFERENCES,
        "$dynamicRef": _REFERENCES,
    }
    keys = st.lists(st.sampled_from(sorted(known)), max_size=4, unique=True)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries({key: known[key] for key in chosen}))


_SCHEMAS = st.recursive(st.booleans() | _keywords(st.booleans() | st.just({})), _keywords, max_leaves=12)


_OBJECTS = st.builds(
    lambda rest, properties, definitions: rest | {"type": "object", "properties": properties, "$defs": definitions},
    _keywords(_SCHEMAS),
    st.dictionaries(_NAMES, _SCHEMAS, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from("ab"), _SCHEMAS, max_size=2),
)


def names_of(schema: Json) -> set[str]:
    """The properties that a schema names where a value can have them."""
    if not isinstance(schema, dict):
        return set()
    properties = schema.get("properties")
    found: set[str] = set(properties) if isinstance(properties, dict) else set()
    inner: list[Json] = [*(properties.values() if isinstance(properties, dict) else ())]
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        inner.extend(schema.get(key) or ())
    if isinstance(schema.get("items"), dict):
        inner.append(schema["items"])
    return found.union(*(names_of(each) for each in inner))


LOST = {
    "a list among the choices of an object": {"anyOf": [{"items": {"properties": {"a": {}}}}]},
    "a tuple among them": {"oneOf": [{"prefixItems": [{"properties": {"a": {}}}]}]},
    "a list in a choice within a choice": {"anyOf": [{"oneOf": [{"items": {"properties": {"a": {}}}}]}]},
    "an object that may only be null": {"oneOf": [{"properties": {"a": {}}, "const": None}]},
}


@pytest.mark.parametrize("choices", LOST.values(), ids=LOST)
def test_names_in_careless_choices_were_lost(choices: Json) -> None:
    """What a branch names is still told where the branch contradicts the schema around it."""
    inner = {"b": choices, "c": {"properties": {"d": {}}} | choices}
    schema = {"type": "object", "properties": inner} | choices
    assert names_of(schema) == names_of(full(schema)) == {"a", "b", "c", "d"}
    told = subset(schema)
    for each in (told, *(told["properties"][name] for name in "bc")):
        assert '"a"' in msgspec.json.encode(each).decode().replace('\\"', '"')


def depth(value: Json) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


@settings(max_examples=300)
@given(schema=_OBJECTS)
def test_any_schema_becomes_one_without_references(schema: Json) -> None:
    """In bounded time, size and depth, with all properties' names, and the same each time."""
    started = time.monotonic()
    done = tooled(schema)
    assert time.monotonic() - started < 5
    plain = msgspec.json.decode(done.schema)
    assert plain["type"] == "object"
    assert names_of(schema) <= names_of(plain)
    assert depth(plain) < 300
    assert tooled(schema) == done


def check_subset(node: Json) -> None:
    """Asserts that a schema is what Google's own type of a schema allows."""
    assert isinstance(node, dict)
    assert node.keys() <= SUBSET_KEYS
    if "anyOf" in node:
        assert node["anyOf"]
        for branch in node["anyOf"]:
            check_subset(branch)
        return
    match node.get("type"):
        case "object":
            assert node["properties"]
            assert set(node.get("required", ())) <= node["properties"].keys()
            for inner in node["properties"].values():
                check_subset(inner)
        case "array":
            check_subset(node["items"])
        case "string":
            assert all(isinstance(value, str) and value for value in node.get("enum", ["x"]))
        case kind:
            assert kind in ("number", "integer", "boolean")
            assert "enum" not in node


@settings(max_examples=300)
@given(schema=_OBJECTS)
def test_any_schema_has_its_subset(schema: Json) -> None:
    """Older models get nothing but what they know, with all properties' names, at any depth."""
    done = subset(schema)
    check_subset(done)
    text = msgspec.json.encode(done).decode().replace('\\"', '"')
    # What cannot be said is shown in descriptions, up to a bound.
    assert "..." in text or all(f'"{name}"' in text for name in names_of(schema))


@settings(max_examples=200)
@given(schema=_OBJECTS)
def test_googles_own_types_accept_any_schema(schema: Json) -> None:
    """The types of Google's SDK take both forms of any schema."""
    types = importlib.import_module("google.genai.types")  # takes a second, which no other test needs
    types.Schema.model_validate(subset(schema))
    types.FunctionDeclaration.model_validate({"name": "x", "parametersJsonSchema": full(schema)})


@given(schema=_OBJECTS, value=_VALUES)
def test_restoring_takes_any_value(schema: Json, value: Json) -> None:
    """An answer that does not fit its schema is no reason to fail."""
    restore_values(tooled(schema, json_schema=False).original, {"a": value, "b": [value]})
