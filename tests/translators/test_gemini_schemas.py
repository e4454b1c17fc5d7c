"""Schemas as Gemini takes them."""

from __future__ import annotations

import time

import msgspec
import pytest
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.schemas.google import answer_schema
from llm_to_anthropic.translators.schemas.google_subset import restore_values
from tests.translators.gemini_schemas import Json, an_object, full, prop, sub, subset, tooled


def test_an_ordinary_schema_stays() -> None:
    """What Gemini reads is not touched: numbers keep their size, keywords their meaning."""
    schema = an_object(n={"type": "integer", "maximum": 10**30, "default": 3}, s={"type": ["string", "null"]}) | {
        "required": ["n"],
        "additionalProperties": False,
    }
    assert full(schema) == schema


def test_marks_of_documents_are_left_out() -> None:
    """What only names the schema or comments on it is left out, however deep."""
    marks = {"$schema": "s", "$id": "i", "$comment": "c", "$anchor": "a"}
    assert full({"type": "object", "properties": {"a": {"type": "string"} | marks}} | marks) == an_object(
        a={"type": "string"}
    )


def test_properties_may_be_called_like_keywords() -> None:
    """A property's name is no keyword, whatever it is."""
    names = ("$id", "$ref", "$comment", "const", "definitions", "properties", "items", "anyOf", "type", "enum")
    schema = an_object(**{name: {"type": "string"} for name in names})
    assert full(schema) == schema
    assert set(subset(schema)["properties"]) == set(names)


def test_values_are_no_schemas() -> None:
    """What looks like a keyword inside a default or an enum is data."""
    value = {"$ref": "#/x", "const": 1, "$id": "y"}
    assert prop({"default": value, "enum": [value]}) == {"default": value, "enum": [value]}


def test_a_demand_for_what_is_no_property_is_told_in_words() -> None:
    """Google refuses a schema that requires a property which does not stand beside it, and with it the request."""
    schema = an_object(a={"type": "string"}) | {"required": ["a", "ref"]}
    told = an_object(a={"type": "string"}) | {"required": ["a"], "description": "Required: ref."}
    assert full(schema) == told
    assert prop(schema) == told
    assert prop({"type": "array", "items": schema}) == {"type": "array", "items": told}
    assert prop({"type": "object", "required": ["x", "y"]}) == {"type": "object", "description": "Required: x, y."}
    answer = answer_schema(Raw(msgspec.json.encode(schema)), "output_config.format.schema", json_schema=True)
    assert msgspec.json.decode(answer.schema) == told


def test_a_choice_of_demands_is_told_in_words() -> None:
    """The branches name properties that stand outside of them."""
    pair = an_object(a={"type": "string"}, b={"type": "string"})
    assert prop(pair | {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}) == pair | {
        "anyOf": [{"description": "Required: a."}, {"description": "Required: b."}]
    }
    assert prop(pair | {"not": {"required": ["a", "b"]}}) == pair | {"description": "Not so: Required: a, b."}


def test_demands_that_meet_their_properties_stay() -> None:
    """What `allOf` and references bring together is seen as one."""
    parts = [an_object(a={"type": "string"}), {"required": ["a"]}]
    assert prop({"allOf": parts}) == an_object(a={"type": "string"}) | {"required": ["a"]}
    named = an_object(required={"type": "array", "items": {"type": "string"}}) | {"required": ["required"]}
    assert full(named) == named


@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_references_are_written_out(place: str) -> None:
    """A definition stands wherever it is referred to; what stands beside the reference counts more."""
    schema = an_object(home={"$ref": f"#/{place}/Addr", "description": "Where you live."}) | {
        place: {"Addr": an_object(city={"type": "string"}) | {"description": "An address.", "required": ["city"]}}
    }
    home = full(schema)["properties"]["home"]
    assert home == an_object(city={"type": "string"}) | {"description": "Where you live.", "required": ["city"]}
    assert place not in full(schema)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#/properties/b", {"type": "integer"}),
        ("#/$defs/odd~1na~0me", {"type": "number"}),
        ("#/$defs/with%20space", {"type": "boolean"}),
        ("#/properties/c/anyOf/1", {"type": "null"}),
        ("#spot", {"type": "array", "items": {}}),
        ("http://a.test/s#/properties/b", {"type": "integer"}),
        ("#/nowhere", {"description": "Defined by #/nowhere."}),
        ("http://other.test/s", {"description": "Defined by http://other.test/s."}),
    ],
)
def test_references_of_all_kinds_are_followed(reference: str, found: Json) -> None:
    """Pointers with escapes, into lists and properties, anchors, and what cannot be found: that is named."""
    schema = an_object(
        a={"$ref": reference}, b={"type": "integer"}, c={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ) | {
        "$id": "http://a.test/s",
        "$defs": {
            "odd/na~me": {"type": "number"},
            "with space": {"type": "boolean"},
            "x": {"$anchor": "spot", "type": "array", "items": {}},
        },
    }
    assert full(schema)["properties"]["a"] == found


def test_a_cycle_is_written_out_to_a_bound() -> None:
    """A schema that refers to itself ends, and the end says what stands there."""
    node = an_object(name={"type": "string"}, next={"$ref": "#/$defs/Node"})
    done = tooled(an_object(root={"$ref": "#/$defs/Node"}) | {"$defs": {"Node": node}})
    assert done.cut
    assert b"$ref" not in bytes(done.schema)
    assert b'{"description":"Another Node, as above.","type":"object"}' in bytes(done.schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"$ref": "#", "type": "object", "properties": {"a": True}},
        an_object(a={"$ref": "#/properties/a"}),
        an_object(a={"$ref": "#/properties/b"}, b={"$ref": "#/properties/a"}),
        an_object(**{f"p{n}": {"$ref": "#"} for n in range(50)}),
    ],
    ids=["root", "root itself", "itself", "two", "fifty branches"],
)
def test_endless_references_end(schema: Json) -> None:
    """However a schema refers to itself, the result is small and soon there."""
    started = time.monotonic()
    for json_schema in (True, False):
        done = tooled(schema, json_schema=json_schema).schema
        assert done
        assert len(bytes(done)) < 1_000_000
    assert time.monotonic() - started < 10


def test_growing_definitions_stay_bounded() -> None:
    """Definitions that each refer twice to the next would double with each: all names arrive, the size is bounded."""
    definitions = {
        f"d{n}": an_object(**{f"l{n}": {"$ref": f"#/$defs/d{n + 1}"}, f"r{n}": {"$ref": f"#/$defs/d{n + 1}"}})
        for n in range(30)
    } | {"d30": {"type": "string"}}
    done = tooled(an_object(a={"$ref": "#/$defs/d0"}) | {"$defs": definitions}).schema
    assert done
    assert len(bytes(done)) < 500_000
    assert all(f'"{side}{n}"'.encode() in bytes(done) for n in range(30) for side in "lr")


def test_a_reference_at_the_root_is_written_out() -> None:
    """Generators put the whole schema behind a reference."""
    schema = {"$ref": "#/$defs/Args", "$defs": {"Args": an_object(x={"type": "string"})}}
    assert full(schema) == an_object(x={"type": "string"})


def test_a_choice_at_the_root_becomes_one_object() -> None:
    """Gemini takes an object: all branches' properties, required what all require, and a word about the groups."""
    circle = an_object(kind={"const": "circle"}, r={"type": "number"}) | {"required": ["kind", "r"]}
    square = an_object(kind={"const": "square"}, side={"type": "number"}) | {"required": ["kind"]}
    done = tooled({"oneOf": [circle, square]})
    assert done.weakened
    assert full({"oneOf": [circle, square]}) == {
        "type": "object",
        "description": "Give the properties of one of these groups: kind, r; or kind, side.",
        "properties": {
            "kind": {"enum": ["circle", "square"]},
            "r": {"type": "number"},
            "side": {"type": "number"},
        },
        "required": ["kind"],
    }


def test_properties_that_differ_between_branches_stay_a_choice() -> None:
    """Neither branch's meaning of a property is lost."""
    branches = [an_object(a={"type": "string"}), an_object(a=an_object(b={"type": "integer"}))]
    assert full({"anyOf": branches})["properties"]["a"] == {
        "anyOf": [{"type": "string"}, branches[1]["properties"]["a"]]
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": "x", "type": "string"}, {"type": "string", "enum": ["x"]}),
        (True, {}),
        (False, {"description": "No value is allowed here: leave it out."}),
        ({"items": True, "type": "array"}, {"type": "array"}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "exclusiveMaximum": 9, "maximum": 20}, {"type": "integer", "maximum": 8}),
        (
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "number", "minimum": 0, "description": "Must be above 0."},
        ),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, {"type": "integer", "minimum": 4}),
        (
            {"allOf": [{"type": "object", "properties": {"x": {"type": "string"}}}, {"required": ["x"]}]},
            {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
        ),
        ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, {"pattern": "a", "allOf": [{"pattern": "b"}]}),
        ({"anyOf": [{"type": "string"}, False]}, {"anyOf": [{"type": "string"}]}),
        ({"type": "strnig", "minItems": -1, "title": 3}, {}),
        ({"x-vendor": {"$ref": "#"}}, {"x-vendor": {"$ref": "#"}}),
    ],
)
def test_hard_keywords_take_easy_forms(schema: Json, expected: Json) -> None:
    """Constants, truth values, exclusive bounds and conjunctions mean the same in words that Gemini knows."""
    assert prop(schema) == expected


@pytest.mark.parametrize("keyword", ["prefixItems", "items"])
def test_tuples_are_lists_of_their_kinds(keyword: str) -> None:
    """Each place's kind is allowed at any place; the order is told in words."""
    done = prop({"type": "array", keyword: [{"type": "string"}, {"type": "number"}, {"type": "string"}]})
    assert done["items"] == {"anyOf": [{"type": "string"}, {"type": "number"}]}
    assert "3 items" in done["description"]


def test_a_closed_tuple_has_a_length() -> None:
    """A tuple without further items ends with its last place."""
    assert prop({"prefixItems": [{"type": "string"}], "items": False})["maxItems"] == 1


def test_an_impossible_property_is_not_required() -> None:
    """A property that allows no value keeps its name, and need not be given."""
    done = full(an_object(a=False, b=True) | {"required": ["a", "b"]})
    assert (set(done["properties"]), done["required"]) == ({"a", "b"}, ["b"])


def test_an_object_of_any_properties_is_sent() -> None:
    """A schema that names no property but says what they hold is more than nothing."""
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    assert full(schema) == schema
    assert full({"type": "object", "additionalProperties": False}) is None


@pytest.mark.parametrize("schema", ["x", 1, [1], {"type": "string"}, {"type": ["array", "null"]}, None])
def test_what_is_no_object_schema_is_refused(schema: Json) -> None:
    """A tool takes an object; the error names the place."""
    with pytest.raises(ClientError, match=r"tools\.0\.input_schema"):
        tooled(schema)


def test_answers_may_be_of_any_type() -> None:
    """The schema of an answer is written out too, but need not be an object's and keeps its choices."""
    schema = {"anyOf": [{"type": "string"}, {"const": 1}]}
    done = answer_schema(Raw(msgspec.json.encode(schema)), "x", json_schema=True).schema
    assert msgspec.json.decode(done) == {"anyOf": [{"type": "string"}, {"enum": [1]}]}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "integer", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"oneOf": [{"type": "string"}, {"type": "number"}]}, {"anyOf": [{"type": "string"}, {"type": "number"}]}),
        ({"enum": [1, 2, None]}, {"type": "string", "enum": ["1", "2"], "nullable": True}),
        ({"type": "string", "enum": ["", "a"]}, {"type": "string", "enum": ["a"]}),
        ({"type": "boolean", "enum": [True]}, {"type": "boolean", "description": 'JSON schema: {"enum":[true]}'}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        (
            {"type": "string", "format": "uri", "description": "Where."},
            {"type": "string", "description": 'Where. JSON schema: {"format":"uri"}'},
        ),
        ({"type": "object"}, {"type": "string", "description": "A JSON object, written as text."}),
        ({}, {"type": "string", "description": "Any JSON value; an object or a list is written as JSON text."}),
        ({"type": "null"}, {"type": "string", "nullable": True}),
        ({"minimum": 1, "type": "integer"}, {"type": "integer", "minimum": 1}),
        (
            an_object(x={"type": "string"}) | {"required": ["x", "y"], "additionalProperties": False},
            an_object(x={"type": "string"}) | {"required": ["x"]},
        ),
        (
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            {"type": "array", "items": {"type": "string"}, "description": 'JSON schema: {"uniqueItems":true}'},
        ),
        (
            an_object(x={"type": "string"}) | {"anyOf": [an_object(y={"type": "string"}), {"required": ["x"]}]},
            an_object(x={"type": "string"}, y={"type": "string"}),
        ),
    ],
)
def test_the_subset_says_what_it_can(schema: Json, expected: Json) -> None:
    """Older models know few keywords: the rest is told in the description, and each node has a type."""
    assert sub(schema) == expected


@pytest.mark.parametrize(
    ("schema", "answer", "meant"),
    [
        ({"enum": [1, 2]}, "2", 2),
        ({"enum": ["1", 2]}, "1", "1"),
        ({"type": "boolean", "enum": [True]}, True, True),
        ({"type": ["integer", "null"], "enum": [1, None]}, None, None),
        ({}, '{"a": 1}', {"a": 1}),
        ({}, "[broken", "[broken"),
        ({}, "plain", "plain"),
        ({"type": "string"}, '{"a": 1}', '{"a": 1}'),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "array", "items": {"enum": [1.5]}}, ["1.5", "x"], [1.5, "x"]),
        ({"anyOf": [{"enum": [7]}, {"type": "string"}]}, "7", 7),
        (an_object(n={"enum": [3]}), {"n": "3", "other": "3"}, {"n": 3, "other": "3"}),
        ({"anyOf": [an_object(n={"enum": [3]}), an_object(m={"enum": [4]})]}, {"m": "4"}, {"m": 4}),
    ],
)
def test_values_come_back_as_the_client_means_them(schema: Json, answer: Json, meant: Json) -> None:
    """What was asked for as text is read out of it; what is text by itself stays."""
    original = tooled(an_object(a=schema), json_schema=False).original
    assert restore_values(original, {"a": answer}) == {"a": meant}


def test_long_conjunctions_take_no_time() -> None:
    """Thousands of branches are merged in time linear in them."""
    branches = [an_object(**{f"p{n}": {"const": n}, "kind": {"const": f"k{n}"}}) for n in range(5000)]
    for key in ("anyOf", "allOf"):
        started = time.monotonic()
        assert len(full({key: branches})["properties"]) == 5001
        assert len(subset({key: branches})["properties"]) == 5001
        assert time.monotonic() - started < 20
