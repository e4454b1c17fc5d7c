"""Schemas of tools repaired at the root and cleaned, for upstreams that take most of JSON Schema.

A schema that needs no change travels as the client's own bytes.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.schemas.merging import required_by_all
from llm_to_anthropic.translators.schemas.schema import (
    COMBINED,
    NOT_AT_ROOT,
    Schema,
    has_type,
    is_schema,
    listed_in,
    names_in,
    object_schema,
    properties_of,
    resolve,
    rewrite,
    without,
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
    if changed.get("type") != "object" or not is_schema(changed.get("properties")):
        changed = {**changed, "type": "object", "properties": properties_of(changed)}
    return Prepared(raw if changed is schema else raw_json(changed), weakened)


def _is_plain(root: _Root) -> bool:
    odd = (root.any_of, root.one_of, root.all_of, root.enum, root.negation, root.reference)
    return root.type == "object" and bytes(root.properties).startswith(b"{") and not any(bytes(raw) for raw in odd)


def _clean_node(node: Schema) -> Schema:
    if _ANNOTATIONS.isdisjoint(node):
        return node
    return without(node, *_ANNOTATIONS)


def _with_items(node: Schema) -> Schema:
    # api.openai.com: "array schema missing items".
    return {**node, "items": {}} if has_type(node, "array") and "items" not in node else node


def _with_own_root(schema: Schema) -> Schema:
    """OpenAI wants the object itself at the root, where generators of schemas like to refer to a definition."""
    if "$ref" not in schema:
        return schema
    resolved = resolve(schema, schema)
    merged = without(resolved | schema, "$ref")
    if is_schema(inherited := resolved.get("properties")):
        merged["properties"] = inherited | properties_of(schema)
    return merged


def _merge_root(schema: Schema) -> Schema:
    """OpenAI takes no union at the root: one object with the properties of all branches."""
    merged = without(schema, *NOT_AT_ROOT)
    properties = properties_of(schema).copy()
    required = names_in(schema.get("required"))
    for key in COMBINED:
        resolved = [resolve(branch, schema) for branch in listed_in(schema, key)]
        for branch in resolved:
            for name, value in properties_of(branch).items():
                properties.setdefault(name, value)
        if key == "allOf":
            required += [name for branch in resolved for name in names_in(branch.get("required"))]
        else:
            required += required_by_all(resolved)
    merged |= {"type": "object", "properties": properties}
    if required:
        merged["required"] = list(dict.fromkeys(name for name in required if name in properties))
    return merged
