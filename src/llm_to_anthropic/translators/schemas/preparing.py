"""Schemas of tools repaired at the root and cleaned, for upstreams that take most of JSON Schema.

A schema that needs no change travels as the client's own bytes.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.schemas.schema import (
    COMBINED,
    NOT_AT_ROOT,
    Schema,
    has_type,
    is_schema,
    listed_in,
    names_in,
    object_schema,
    resolve,
    rewrite,
)

_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "examples", "format"})


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
    weakened = not NOT_AT_ROOT.isdisjoint(changed)
    if weakened:
        changed = _merge_root(changed)
    properties = changed.get("properties")
    if changed.get("type") != "object" or not is_schema(properties):
        changed = {**changed, "type": "object", "properties": properties if is_schema(properties) else {}}
    return Prepared(raw if changed is schema else raw_json(changed), weakened)


def _is_plain(root: _Root) -> bool:
    odd = (root.any_of, root.one_of, root.all_of, root.enum, root.negation, root.reference)
    return root.type == "object" and bytes(root.properties).startswith(b"{") and not any(bytes(raw) for raw in odd)


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
    resolved = resolve(schema, schema)
    merged = {key: value for key, value in (resolved | schema).items() if key != "$ref"}
    inherited, own = resolved.get("properties"), schema.get("properties")
    if is_schema(inherited):
        merged["properties"] = inherited | (own if is_schema(own) else {})
    return merged


def _merge_root(schema: Schema) -> Schema:
    """OpenAI takes no union at the root: one object with the properties of all branches."""
    merged = {key: value for key, value in schema.items() if key not in NOT_AT_ROOT}
    own = schema.get("properties")
    properties: Schema = dict(own) if is_schema(own) else {}
    required = names_in(schema.get("required"))
    for key in COMBINED:
        resolved = [resolve(branch, schema) for branch in listed_in(schema, key)]
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
