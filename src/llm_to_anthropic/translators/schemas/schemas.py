"""JSON schemas as upstreams take them: repaired at the root, cleaned, or closed for strict decoding.

A schema that needs no change travels as the client's own bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError

EMPTY_OBJECT = Raw(b'{"type":"object","properties":{}}')
MAX_LEVELS = 10
"""OpenAI's strict decoding takes schemas up to this depth."""
MAX_PROPERTIES = 5000
"""... and with so many properties in all."""

_UNIONS = ("anyOf", "oneOf", "allOf")
_NOT_AT_ROOT = frozenset({*_UNIONS, "enum", "not"})
NAMED = ("properties", "$defs", "definitions", "patternProperties")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_LISTED = (*_UNIONS, "prefixItems")
_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "examples", "format"})
_CLOSABLE = frozenset(
    (
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "const",
        "description",
        "title",
        "$ref",
        "$defs",
        "definitions",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "$schema",
        "$id",
        "$comment",
    )
)
_NOT_SENT_CLOSED = frozenset({"$schema", "$id", "$comment"})
_TYPED_BY = ("type", "anyOf", "$ref", "enum", "const")

Schema = dict[str, object]


class _Root(msgspec.Struct):
    type: object = None
    properties: Raw = Raw()
    any_of: Raw = msgspec.field(default=Raw(), name="anyOf")
    one_of: Raw = msgspec.field(default=Raw(), name="oneOf")
    all_of: Raw = msgspec.field(default=Raw(), name="allOf")
    enum: Raw = Raw()
    negation: Raw = msgspec.field(default=Raw(), name="not")
    reference: Raw = msgspec.field(default=Raw(), name="$ref")


class Prepared(msgspec.Struct, frozen=True):
    """A schema for an upstream; `weakened` where a union at the root had to be merged."""

    schema: Raw
    weakened: bool = False


def prepare_schema(raw: Raw, path: str, *, clean: bool = False, items: bool = True) -> Prepared:
    """An object schema with `properties`, no union at its root and `items` in every array.

    `clean`: annotations that some servers refuse are left out. `items=False`: arrays stay as they are. `path` is for
    the error (`tools.0.input_schema`).
    Raises ClientError if it is no object schema.
    """
    try:
        root = msgspec.json.decode(raw, type=_Root)
    except msgspec.ValidationError as error:
        raise ClientError(f"{path}: {str(error).split(' - at', maxsplit=1)[0]}") from error
    if not clean and _is_plain(root) and not (items and b'"array"' in bytes(raw)):
        return Prepared(raw)
    schema = object_schema(raw, path)
    changed = _with_own_root(schema)
    changed = rewrite(changed, _clean_node) if clean else changed
    changed = rewrite(changed, _with_items) if items else changed
    weakened = not _NOT_AT_ROOT.isdisjoint(changed)
    if weakened:
        changed = _merge_root(changed)
    properties = changed.get("properties")
    if changed.get("type") != "object" or not is_schema(properties):
        changed = {**changed, "type": "object", "properties": properties if is_schema(properties) else {}}
    same = changed is schema
    return Prepared(raw if same else _encode(changed), weakened)


def close_schema(raw: Raw, *, optional: bool = True) -> Raw | None:
    """The schema closed for strict decoding, or None where that would change its meaning.

    Every object gets `additionalProperties: false` and requires all of its properties; those that were optional
    accept null as well. `optional=False`: a schema with optional properties is not closed.
    """
    try:
        schema = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number beyond all floats, in a part that nobody looked into
        return None
    if not is_schema(schema) or schema.get("type") != "object" or not _NOT_AT_ROOT.isdisjoint(schema):
        return None
    try:
        closer = _Closer(optional=optional)
        closed = closer.close({"properties": {}, **schema}, 1)
    except _NotClosableError:
        return None
    return Raw(msgspec.json.encode(closed))


def remove_optional_nulls(schema: object, value: object) -> object:
    """A value that an upstream made for the closed schema, as the client's own schema means it.

    Null is taken out where the client's schema has an optional property that is not nullable.
    """
    root = schema if is_schema(schema) else {}
    return _without_nulls(root, value, root)


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


def _encode(schema: Schema) -> Raw:
    return Raw(msgspec.json.encode(schema))


def _is_plain(root: _Root) -> bool:
    odd = (root.any_of, root.one_of, root.all_of, root.enum, root.negation, root.reference)
    return root.type == "object" and bytes(root.properties).startswith(b"{") and not any(bytes(raw) for raw in odd)


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


def _rewrite_any(value: object, change: Callable[[Schema], Schema]) -> object:
    return rewrite(value, change) if is_schema(value) else value


def _clean_node(node: Schema) -> Schema:
    if _ANNOTATIONS.isdisjoint(node):
        return node
    return {key: value for key, value in node.items() if key not in _ANNOTATIONS}


def _with_items(node: Schema) -> Schema:
    # api.openai.com: "array schema missing items".
    return {**node, "items": {}} if has_type(node, "array") and "items" not in node else node


def _with_own_root(schema: Schema) -> Schema:
    """OpenAI wants the object itself at the root, where generators of schemas like to refer to a definition."""
    if "$ref" not in schema:
        return schema
    resolved = _resolve(schema, schema)
    merged = {key: value for key, value in (resolved | schema).items() if key != "$ref"}
    inherited, own = resolved.get("properties"), schema.get("properties")
    if is_schema(inherited):
        merged["properties"] = inherited | (own if is_schema(own) else {})
    return merged


def _merge_root(schema: Schema) -> Schema:
    """OpenAI takes no union at the root: one object with the properties of all branches."""
    merged = {key: value for key, value in schema.items() if key not in _NOT_AT_ROOT}
    own = schema.get("properties")
    properties: Schema = dict(own) if is_schema(own) else {}
    required = names_in(schema.get("required"))
    for key in _UNIONS:
        resolved = [_resolve(branch, schema) for branch in listed_in(schema, key)]
        for branch in resolved:
            inner = branch.get("properties")
            for name, value in inner.items() if is_schema(inner) else ():
                properties.setdefault(name, value)
        demands = [names_in(branch.get("required")) for branch in resolved]
        required += _demanded(demands, every=key == "allOf")
    merged |= {"type": "object", "properties": properties}
    if required:
        merged["required"] = list(dict.fromkeys(name for name in required if name in properties))
    return merged


def _demanded(demands: list[list[str]], *, every: bool) -> list[str]:
    """What all branches demand (a choice), or any of them (`every` branch holds)."""
    if not demands:
        return []
    if every:
        return [name for names in demands for name in names]
    common = set(demands[0]).intersection(*demands[1:])
    return [name for name in demands[0] if name in common]


def names_in(value: object) -> list[str]:
    """The names in a list such as `required`; whatever is no name is passed over."""
    if not isinstance(value, list):
        return []
    if set(map(type, value)) == {str}:  # as always but for nonsense; a list may be long, and referred to often
        return value.copy()
    return [name for name in value if isinstance(name, str)]


def _resolve(node: object, root: Schema, hops: int = 16) -> Schema:
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
    return _resolve(found, root, hops - 1) if hops else {}


class _NotClosableError(Exception):
    """Closing the schema would change what it accepts."""


class _Closer:
    def __init__(self, *, optional: bool) -> None:
        self._optional = optional
        self._properties = 0

    def close(self, node: object, level: int) -> Schema:
        if not is_schema(node) or not _CLOSABLE.issuperset(node) or level > MAX_LEVELS:
            raise _NotClosableError
        if not any(key in node for key in _TYPED_BY):
            raise _NotClosableError
        closed = {key: value for key, value in node.items() if key not in _NOT_SENT_CLOSED}
        kind = node.get("type")
        if kind == "object" or "properties" in node:
            closed |= self._close_object(node, level)
        elif isinstance(kind, list) and "object" in kind:
            raise _NotClosableError
        if kind == "array" or "items" in node:
            closed["items"] = self.close(node.get("items"), level + 1)
        if isinstance(branches := node.get("anyOf"), list):
            closed["anyOf"] = [self.close(branch, level) for branch in branches]
        for key in ("$defs", "definitions"):
            if is_schema(definitions := node.get(key)):
                closed[key] = {name: self.close(value, 1) for name, value in definitions.items()}
        return closed

    def _close_object(self, node: Schema, level: int) -> Schema:
        properties = node.get("properties")
        if not is_schema(properties) or node.get("additionalProperties", False) is not False:
            raise _NotClosableError
        self._properties += len(properties)
        if self._properties > MAX_PROPERTIES:
            raise _NotClosableError
        required = set(names_in(node.get("required")))
        closed = {
            name: self._property(value, level + 1, required=name in required) for name, value in properties.items()
        }
        return {"properties": closed, "required": list(closed), "additionalProperties": False}

    def _property(self, value: object, level: int, *, required: bool) -> Schema:
        closed = self.close(value, level)
        if required:
            return closed
        if not self._optional:
            raise _NotClosableError
        return closed if _is_nullable(closed) else {"anyOf": [closed, {"type": "null"}]}


def _is_nullable(node: Schema) -> bool:
    return has_type(node, "null") or any(is_schema(each) and _is_nullable(each) for each in listed_in(node, "anyOf"))


def _without_nulls(node: object, value: object, root: Schema) -> object:
    schema = _resolve(node, root)
    if isinstance(branches := schema.get("anyOf"), list):
        schema = _fitting(branches, value, root) or schema
    if isinstance(value, list):
        return [_without_nulls(schema.get("items"), item, root) for item in value]
    properties = schema.get("properties")
    if not isinstance(value, dict) or not is_schema(properties):
        return value
    required = set(names_in(schema.get("required")))
    return {
        key: _without_nulls(properties.get(key), item, root)
        for key, item in value.items()
        if item is not None or key in required or _is_nullable(_resolve(properties.get(key), root))
    }


def _fitting(branches: list[object], value: object, root: Schema) -> Schema | None:
    """The branch that a value was made for: closed branches name exactly the value's properties."""
    resolved = [_resolve(branch, root) for branch in branches]
    if isinstance(value, dict):
        for branch in resolved:
            if is_schema(properties := branch.get("properties")) and properties.keys() == value.keys():
                return branch
    if isinstance(value, list):
        return next((branch for branch in resolved if "items" in branch), None)
    return None
