"""Schemas closed for strict decoding, and the way back of values that were made for them."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.schemas.schema import (
    NOT_AT_ROOT,
    Schema,
    has_type,
    is_schema,
    listed_in,
    names_in,
    resolve,
    without,
)

MAX_LEVELS = 10
"""OpenAI's strict decoding takes schemas up to this depth."""
MAX_PROPERTIES = 5000
"""How many properties it takes in all."""

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


def close_schema(raw: Raw, *, optional: bool = True) -> Raw | None:
    """The schema closed for strict decoding, or None where that would change its meaning.

    Every object gets `additionalProperties: false` and requires all of its properties; those that were optional
    accept null as well. `optional=False`: a schema with optional properties is not closed.
    """
    try:
        schema = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number beyond all floats, in a part that nobody looked into
        return None
    if not is_schema(schema) or schema.get("type") != "object" or not NOT_AT_ROOT.isdisjoint(schema):
        return None
    try:
        closer = _Closer(optional=optional)
        closed = closer.close({"properties": {}, **schema}, 1)
    except _NotClosableError:
        return None
    return raw_json(closed)


def remove_optional_nulls(schema: object, value: object) -> object:
    """A value that an upstream made for the closed schema, as the client's own schema means it.

    Null is taken out where the client's schema has an optional property that is not nullable.
    """
    root = schema if is_schema(schema) else {}
    return _without_nulls(root, value, root)


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
        closed = without(node, *_NOT_SENT_CLOSED)
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
    schema = resolve(node, root)
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
        if item is not None or key in required or _is_nullable(resolve(properties.get(key), root))
    }


def _fitting(branches: list[object], value: object, root: Schema) -> Schema | None:
    """The branch that a value was made for: closed branches name exactly the value's properties."""
    resolved = [resolve(branch, root) for branch in branches]
    if isinstance(value, dict):
        for branch in resolved:
            if is_schema(properties := branch.get("properties")) and properties.keys() == value.keys():
                return branch
    if isinstance(value, list):
        return next((branch for branch in resolved if "items" in branch), None)
    return None
