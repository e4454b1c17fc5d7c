"""Schemas in the subset that Gemini's `parameters` and `responseSchema` know, and the way back of values.

Takes schemas that are written out (schemas/inlining.py). What the subset cannot say is said in the description; what it
cannot hold (numbers to choose from, objects of any shape) is asked for as text and read back out of it.
Source: ai.google.dev/api/caching#Schema.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.translators.schemas.inlining import MAX_LEVELS, NOTHING
from llm_to_anthropic.translators.schemas.merging import any_of, as_one_object, both, branches_of, with_note
from llm_to_anthropic.translators.schemas.schema import (
    COMBINED,
    UNIONS,
    Schema,
    has_type,
    is_leaf,
    is_schema,
    listed_in,
    names_in,
    properties_of,
    those_in,
    type_of,
    without,
)
from llm_to_anthropic.wire import UNREADABLE

ANY_VALUE = "Any JSON value; an object or a list is written as JSON text."
ANY_OBJECT = "A JSON object, written as text."
MAX_NOTE_CHARS = 4000

_ANNOTATIONS = ("title", "description", "default", "example")
_FORMATS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"enum", "date-time"}),
    "number": frozenset({"float", "double"}),
    "integer": frozenset({"int32", "int64"}),
}
_OF_TYPE: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
    "boolean": (),
}
_KNOWN = frozenset(
    (
        *_ANNOTATIONS,
        *(key for keys in _OF_TYPE.values() for key in keys),
        *UNIONS,
        *("type", "nullable", "enum", "format", "items", "properties", "required", "propertyOrdering"),
    )
)
_MAY_ALLOW_NULL = frozenset({"nullable", "enum", *UNIONS})
_UNTOLD = frozenset({"examples", "deprecated", "readOnly", "writeOnly", "$defs", "unevaluatedProperties"})
_STRUCTURAL = ("properties", "items", "enum")
_SAID = _KNOWN - {*_STRUCTURAL, *UNIONS, "format"}
_COMBINED = frozenset(COMBINED)
_EVERYTHING = frozenset((*_STRUCTURAL, *UNIONS))


def subset(node: Schema) -> Schema:
    """The schema as the subset has it: every node has one type, or is a choice."""
    return _subset(node, 0)


def restore_values(schema: object, value: object) -> object:
    """A value that was asked for by `subset(schema)`, as the schema itself means it."""
    return _restored(schema, value, 0)


def restore_text(schema: object, text: str) -> str:
    """The same of a JSON text."""
    try:
        value: object = msgspec.json.decode(text)
    except UNREADABLE:
        return text
    return msgspec.json.encode(restore_values(schema, value)).decode()


def _subset(node: Schema, level: int) -> Schema:
    if level > MAX_LEVELS:
        return with_note(_annotated({"type": "string"}, node), ANY_VALUE)
    if is_leaf(node) and node["type"] != "null":
        return _annotated(_typed(node, level)[0], node)
    nullable, node = _without_null(_unfolded(node))
    result, used = _choice(node, level) or _typed(node, level)
    result = with_note(_annotated(result, node), *_notes(node, result, used))
    return {**result, "nullable": True} if nullable else result


def _unfolded(node: Schema) -> Schema:
    """Brings choices to one form: an object with all properties, or `anyOf` beside nothing that counts."""
    if _COMBINED.isdisjoint(node):
        return node
    has_all = isinstance(node.get("allOf"), list)
    has_union = has_all or any(isinstance(node.get(key), list) for key in UNIONS)
    if has_union and (has_all or "properties" in node):
        return {**as_one_object(node), **_kept(node)} if "type" not in node or has_type(node, "object") else node
    return node


def _kept(node: Schema) -> Schema:
    return {"nullable": True} if _accepts_null(node) else {}


def _accepts_null(node: Schema) -> bool:
    if has_type(node, "null"):
        return True
    if _MAY_ALLOW_NULL.isdisjoint(node):
        return False
    if node.get("nullable") is True or None in listed_in(node, "enum"):
        return True
    return any(_is_null(branch) for key in UNIONS for branch in listed_in(node, key))


def _is_null(node: object) -> bool:
    """Whether a schema allows null and speaks of nothing else."""
    if not is_schema(node) or any(key in node for key in ("properties", "items", *UNIONS)):
        return False
    return node.get("type") == "null" or node.get("enum") == [None]


def _without_null(node: Schema) -> tuple[bool, Schema]:
    """Whether null fits, and the schema of all else."""
    if not _accepts_null(node):
        return False, node
    rest = without(node, "nullable")
    kind = rest.get("type")
    if isinstance(kind, list):
        rest["type"] = [each for each in kind if each != "null"]
    if isinstance(values := rest.get("enum"), list):
        rest["enum"] = [value for value in values if value is not None]
    for key in UNIONS:
        if key in rest:
            rest[key] = [branch for branch in listed_in(rest, key) if not _is_null(branch)]
    return True, {key: value for key, value in rest.items() if value != []}


def _choice(node: Schema, level: int) -> tuple[Schema, frozenset[str]] | None:
    """The schema as a choice between schemas if it is one, and the keywords that went into it."""
    branches = branches_of(node)
    if not branches or any(key in node for key in _STRUCTURAL):
        return _choice_of_types(node, level)
    common = {"type": node["type"]} if isinstance(node.get("type"), str) else {}
    chosen = any_of([{**common, **branch} for branch in branches])
    if not is_schema(chosen):
        return None
    listed = chosen.get("anyOf")
    if not isinstance(listed, list) or len(chosen) > 1:
        return _subset(both(_without_choices(node), chosen), level + 1), _EVERYTHING
    return {"anyOf": [_subset(branch, level + 1) for branch in listed if is_schema(branch)]}, _EVERYTHING


def _choice_of_types(node: Schema, level: int) -> tuple[Schema, frozenset[str]] | None:
    kinds = node.get("type")
    if not isinstance(kinds, list) or len(kinds) < 2:
        return None
    branches = [_of_type(node, kind) for kind in kinds if isinstance(kind, str)]
    used = {"properties" if kind == "object" else "items" if kind == "array" else "enum" for kind in kinds}
    return {"anyOf": [_subset(branch, level + 1) for branch in branches]}, frozenset(used)


def _without_choices(node: Schema) -> Schema:
    return without(node, *UNIONS, *_ANNOTATIONS, "type")


def _of_type(node: Schema, kind: str) -> Schema:
    """What a schema of several types says of one of them."""
    own: Schema = {"type": kind}
    wanted = {"array": ("items",), "object": ("properties", "required", "additionalProperties")}.get(kind, ("format",))
    for key in (*wanted, *_OF_TYPE.get(kind, ())):
        if key in node:
            own[key] = node[key]
    values = [value for value in listed_in(node, "enum") if type_of(value) == kind]
    return {**own, "enum": values} if values else own


def _typed(node: Schema, level: int) -> tuple[Schema, frozenset[str]]:
    """The schema of one type, and the keywords that went into it; without a type, by what its keywords speak of."""
    kind = node.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    values = listed_in(node, "enum")
    if values:
        return _enum(values, kind), frozenset({"enum"} if kind != "boolean" else ())
    if kind == "object" or (kind is None and "properties" in node):
        return _object(node, level), frozenset({"properties"})
    if kind == "array" or (kind is None and "items" in node):
        items = node.get("items")
        inner = _subset(items, level + 1) if is_schema(items) and items else {"type": "string"}
        return {"type": "array", "items": inner, **_bounds_of(node, "array")}, frozenset({"items"})
    if isinstance(kind, str) and kind in _OF_TYPE:
        wanted = node.get("format")
        form = {"format": wanted} if wanted in _FORMATS.get(kind, ()) else {}
        return {"type": kind, **form, **_bounds_of(node, kind)}, frozenset()
    if kind == "null":
        return {"type": "string", "nullable": True}, frozenset()
    told = node.get("description") == NOTHING
    return {"type": "string"} if told else with_note({"type": "string"}, ANY_VALUE), frozenset()


def _bounds_of(node: Schema, kind: str) -> Schema:
    return {key: node[key] for key in _OF_TYPE[kind] if key in node}


def _enum(values: list[object], kind: object) -> Schema:
    if kind == "boolean" and all(isinstance(value, bool) for value in values):
        return {"type": "boolean"}
    # Google refuses an empty text among them.
    texts = list(dict.fromkeys(text for value in values if (text := _text(value))))
    return {"type": "string", "enum": texts} if texts else {"type": "string"}


def _object(node: Schema, level: int) -> Schema:
    properties = properties_of(node)
    if not properties:
        return with_note({"type": "string"}, ANY_OBJECT)
    inner = {name: _subset(value if is_schema(value) else {}, level + 1) for name, value in properties.items()}
    result: Schema = {"type": "object", "properties": inner, **_bounds_of(node, "object")}
    required = list(dict.fromkeys(those_in(names_in(node.get("required")), properties)))
    return {**result, "required": required} if required else result


def _annotated(result: Schema, node: Schema) -> Schema:
    said = {key: node[key] for key in _ANNOTATIONS if node.get(key) is not None}
    notes = result.get("description")
    merged = {**result, **said}
    return with_note(merged, notes) if isinstance(notes, str) else merged


def _notes(node: Schema, result: Schema, used: frozenset[str]) -> list[str]:
    """What the subset has no keyword for, as JSON."""
    if _SAID.issuperset(node):
        return []
    rest = {
        key: value
        for key, value in node.items()
        if key not in _KNOWN and key not in _UNTOLD and not (key == "additionalProperties" and isinstance(value, bool))
    }
    rest |= {key: node[key] for key in _EVERYTHING if node.get(key) and key not in used}
    if "format" in node and "format" not in result and "anyOf" not in result:
        rest["format"] = node["format"]
    if not rest:
        return []
    text = msgspec.json.encode(rest, order="sorted").decode()
    return [f"JSON schema: {text if len(text) <= MAX_NOTE_CHARS else text[:MAX_NOTE_CHARS] + '...'}"]


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _restored(schema: object, value: object, level: int) -> object:
    if not is_schema(schema) or level > MAX_LEVELS:
        return value
    _, node = _without_null(_unfolded(schema))
    if isinstance(value, str):
        return _restored_text(node, value)
    branches = [branch for key in UNIONS for branch in listed_in(node, key)]
    if isinstance(value, list):
        items = _first_with(node, branches, "items")
        return [_restored(items, item, level + 1) for item in value]
    if isinstance(value, dict):
        known = _first_with(node, branches, "properties", frozenset(value))
        return {
            name: _restored(known.get(name) if is_schema(known) else None, item, level + 1)
            for name, item in value.items()
        }
    return value


def _first_with(node: Schema, branches: list[object], key: str, names: frozenset[str] = frozenset()) -> object:
    """The keyword's value in a schema, or in the branch of it that fits best."""
    if key in node:
        return node[key]
    found = [branch[key] for branch in branches if is_schema(branch) and key in branch]
    return max(found, key=lambda each: len(names & set(each)) if is_schema(each) else 0, default=None)


def _restored_text(node: Schema, text: str) -> object:
    """The value that a text stands for."""
    schemas = [node, *branches_of(node)]
    values = [value for schema in schemas for value in listed_in(schema, "enum")]
    if text in values:
        return text
    for value in values:
        if not isinstance(value, str) and _text(value) == text:
            return value
    if not text.lstrip().startswith(("{", "[")) or not any(_was_any(schema) for schema in schemas):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _was_any(node: Schema) -> bool:
    """Whether a schema was asked for as text because it says too little."""
    if has_type(node, "object"):
        return not node.get("properties")
    return node.get("type") is None and not any(key in node for key in (*_STRUCTURAL, *UNIONS))
