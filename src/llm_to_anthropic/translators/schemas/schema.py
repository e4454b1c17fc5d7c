"""A decoded JSON schema, and what all that change one ask of it. Pure; knows no upstream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.raw import raw_json

Schema = dict[str, object]

EMPTY_OBJECT = Raw(b'{"type":"object","properties":{}}')
UNIONS = ("anyOf", "oneOf")
COMBINED = (*UNIONS, "allOf")
NOT_AT_ROOT = frozenset({*COMBINED, "enum", "not"})
"""What hardly an upstream takes there of a tool."""
NAMED = ("properties", "$defs", "definitions", "patternProperties")
"""What names schemas, and is none."""
TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_LEAF = frozenset({"type", "title", "description"})
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_LISTED = (*COMBINED, "prefixItems")


def object_schema(raw: Raw, path: str) -> Schema:
    """A schema, decoded. Raises ClientError if it is none, or none of objects."""
    schema = decoded_schema(raw, path)
    if schema.get("type") is not None and not has_type(schema, "object"):
        raise ClientError(f"{path}.type: Input should be 'object'")
    return schema


def decoded_schema(raw: Raw, path: str) -> Schema:
    """A schema, decoded. Raises ClientError if it is none, or holds a number beyond all floats."""
    try:
        schema = msgspec.json.decode(raw)
    except msgspec.ValidationError as error:
        raise ClientError(f"{path}: {str(error).split(' - at', maxsplit=1)[0]}") from error
    if not is_schema(schema):
        raise ClientError(f"{path}: Input should be a valid object")
    return schema


def is_schema(value: object) -> TypeGuard[Schema]:
    """Whether a decoded JSON value is an object."""
    return isinstance(value, dict)


def has_type(node: Schema, kind: str) -> bool:
    """Whether a schema names a type, alone or among others."""
    named = node.get("type")
    return named == kind or (isinstance(named, list) and kind in named)


def is_leaf(node: Schema) -> bool:
    """Whether a schema is a type with words about it, as most within a tool's are: a form of its own has it already."""
    if not _LEAF.issuperset(node):
        return False
    kind, said, title = node.get("type"), node.get("description", ""), node.get("title", "")
    return isinstance(kind, str) and kind in TYPES and isinstance(said, str) and isinstance(title, str)


def type_of(value: object) -> str:
    """The type that JSON schemas call a value's."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def listed_in(node: Schema, key: str) -> list[object]:
    """The list that a keyword holds; an empty one where it holds none."""
    found = node.get(key)
    return found if isinstance(found, list) else []


def properties_of(node: Schema) -> Schema:
    """The properties that a schema names; none where it names none, or not soundly."""
    found = node.get("properties")
    return found if is_schema(found) else {}


def without(node: Schema, *keys: str) -> Schema:
    """The schema without some of its keywords."""
    return {key: value for key, value in node.items() if key not in keys}


def rewrite(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Applies `change` to a schema and all schemas within; what needs no change stays the same object."""
    changes: Schema = {}
    for key in NAMED:
        if is_schema(named := schema.get(key)):
            inner = {name: _rewrite_any(value, change) for name, value in named.items()}
            if any(inner[name] is not value for name, value in named.items()):
                changes[key] = inner
    for key in _SINGLE:
        if is_schema(single := schema.get(key)) and (rewritten := rewrite(single, change)) is not single:
            changes[key] = rewritten
    for key in _LISTED:
        if isinstance(listed := schema.get(key), list):
            items = [_rewrite_any(value, change) for value in listed]
            if any(new is not old for new, old in zip(items, listed, strict=True)):
                changes[key] = items
    return change({**schema, **changes} if changes else schema)


def rewritten(raw: Raw, change: Callable[[Schema], Schema]) -> Raw:
    """The same for one that is not decoded yet; what needs no change, or cannot be read, stays as it came."""
    try:
        schema = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number beyond all floats
        return raw
    if not is_schema(schema):
        return raw
    changed = rewrite(schema, change)
    return raw if changed is schema else raw_json(changed)


def _rewrite_any(value: object, change: Callable[[Schema], Schema]) -> object:
    return rewrite(value, change) if is_schema(value) else value


def names_in(value: object) -> list[str]:
    """The names in a list such as `required`; whatever is no name is passed over."""
    if not isinstance(value, list):
        return []
    try:  # far quicker than asking each: a list may be long, and referred to often
        return msgspec.convert(value, list[str])
    except msgspec.ValidationError:
        return [name for name in value if isinstance(name, str)]


def those_in(names: list[str], known: Schema) -> list[str]:
    """The names that are known, in their order."""
    if known.keys().isdisjoint(names):  # of a long list of others, quickly had
        return []
    return [name for name in names if name in known]


def resolve(node: object, root: Schema, hops: int = 16) -> Schema:
    """Follows a local `$ref`; an unknown or endless one is an empty schema."""
    if not is_schema(node):
        return {}
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return node
    found: object = root
    for part in reference.removeprefix("#").strip("/").split("/") if reference.startswith("#") else ["?"]:
        if part:
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if is_schema(found) else None
    return resolve(found, root, hops - 1) if hops else {}
