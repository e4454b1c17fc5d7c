"""JSON schemas without what makes them hard to read: references, constants, tuples, truth values for schemas.

Bounded in time and size however a schema refers to itself. Knows JSON Schema (draft 2020-12 and its forerunners)
and no upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

import msgspec

from llm_to_anthropic.translators.schemas.merging import both, distinct, with_note
from llm_to_anthropic.translators.schemas.schema import COMBINED, TYPES, Schema, is_leaf, is_schema, names_in, without

MAX_REPEATS = 5
"""How often a definition is written out within itself."""
MAX_LEVELS = 60
"""How deep the schema may be that comes out, which is far below the limits of Python and most readers of JSON."""
SPARINGLY = 10
MAX_INLINED = 1000
"""Once this many schemas were written out again, each definition is only where it was not yet written at all."""
MAX_INLINED_EVER = 12_000
MAX_REMEMBERED_BYTES = 32 * 1024
"""Agents send the same tools each turn; longer schemas are written out anew each time."""
MAX_GROWTH = 4
"""How many times its own size a document may grow by; a small one may by 1 KiB for each schema of MAX_INLINED."""
MAX_FOLDED = 100
"""Longer lists of schemas that must all hold stay lists: to merge them one by one takes too long."""
NOTHING = "No value is allowed here: leave it out."

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_LEFT_OUT = frozenset(
    (
        *_REFERENCES,
        "$schema",
        "$id",
        "id",
        "$comment",
        *_ANCHORS,
        "$recursiveAnchor",
        "$vocabulary",
        "$defs",
        "definitions",
        "const",
        "prefixItems",
        "additionalItems",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "items",
    )
)
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas"})
_SINGLE = frozenset(("not", "if", "then", "else", "contains", "propertyNames", "contentSchema"))
_BOOLEAN_TOO = frozenset({"additionalProperties", "unevaluatedProperties", "unevaluatedItems"})
_LISTS = frozenset(COMBINED)
_WRITTEN_OUT = frozenset((*_MAPS, *_LISTS, *_SINGLE, *_BOOLEAN_TOO, "required"))
_CHANGED = frozenset(
    (*_REFERENCES, "const", "items", "prefixItems", "exclusiveMinimum", "exclusiveMaximum", "allOf", "required")
)
_SHOWN_BYTES = 300

_IMPOSSIBLE: Schema = {"description": NOTHING}


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_SOUND: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(("description", "title", "format", "pattern"), _is_text),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_size),
    **dict.fromkeys(("minimum", "maximum"), _is_number),
    "enum": lambda value: isinstance(value, list) and bool(value),
    "type": lambda value: (
        value in TYPES
        if isinstance(value, str)
        else isinstance(value, list) and 0 < len(value) <= len(TYPES) and TYPES.issuperset(map(str, value))
    ),
    "uniqueItems": lambda value: isinstance(value, bool),
    "nullable": lambda value: isinstance(value, bool),
}


class Inliner:
    """Writes out one schema document."""

    def __init__(self, root: Schema, *, most: int = MAX_INLINED) -> None:
        self.cut = False
        """Something was too deep, or referred to itself, and was not written out to its end."""
        self._root = root
        self._anchors: dict[str, object] | None = None
        self.inlined = 0
        """How many schemas that others referred to were written out; each KiB of them counts as one more."""
        self._most = most
        self._inlined_kib = 0
        self._sizes_kib: dict[int, int] = {}
        self._written: set[int] = set()

    def plain(self) -> Schema:
        """The whole document as one schema."""
        return self._plain(self._root, 0, ())

    def _plain(self, node: object, level: int, chain: tuple[int, ...]) -> Schema:
        """`chain`: the definitions that are being written out around this node."""
        if not is_schema(node):
            return _IMPOSSIBLE.copy() if node is False else {}
        if level > MAX_LEVELS:
            self.cut = True
            return {"description": f"Any value that fits: {_shown(node)}"}
        self.inlined += 1 if chain else 0
        if is_leaf(node):
            return node.copy()
        result: Schema = {}
        for key, value in node.items():
            if key in _WRITTEN_OUT:
                self._write_out(result, key, value, level, chain)
            elif key not in _LEFT_OUT and _SOUND.get(key, _anything)(value):
                result[key] = value
        return result if _CHANGED.isdisjoint(node) else self._changed(result, node, level, chain)

    def _changed(self, result: Schema, node: Schema, level: int, chain: tuple[int, ...]) -> Schema:
        """What another keyword says, in keywords that all know."""
        if "const" in node:
            result["enum"] = [node["const"]]
        result = self._with_items(result, node, level, chain)
        result = _with_all(_without_impossible(_with_bounds(result, node)))
        for reference in _REFERENCES:
            if isinstance(name := node.get(reference), str):
                result = self._followed(result, name, level, chain)
        return result

    def _write_out(self, result: Schema, key: str, value: object, level: int, chain: tuple[int, ...]) -> None:
        if key in _MAPS:
            if is_schema(value):
                result[key] = {name: self._plain(inner, level + 1, chain) for name, inner in value.items()}
        elif key in _LISTS:
            branches = [branch for branch in value if branch is not False] if isinstance(value, list) else []
            if branches:
                result[key] = [self._plain(branch, level + 1, chain) for branch in branches]
        elif key == "required":
            if isinstance(value, list):
                result[key] = names_in(value)
        elif key in _BOOLEAN_TOO and isinstance(value, bool):
            result[key] = value
        else:
            result[key] = self._plain(value, level + 1, chain)

    def _with_items(self, result: Schema, node: Schema, level: int, chain: tuple[int, ...]) -> Schema:
        """Items of one kind, whatever their place: few upstreams know tuples."""
        items, places = node.get("items"), node.get("prefixItems")
        rest = items
        if isinstance(items, list):
            places, rest = items, node.get("additionalItems")
        if not isinstance(places, list) or not places:
            if is_schema(items):
                result["items"] = self._plain(items, level + 1, chain)
            elif items is False:
                result["maxItems"] = 0
            return result
        every = [*places, *([rest] if is_schema(rest) else ())]
        kinds = distinct(self._plain(place, level + 1, chain) for place in every if place is not False)
        if kinds:
            result["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        if rest is False:
            result.setdefault("maxItems", len(places))
        return with_note(result, f"The first {len(places)} items each have their place, in the order given.")

    def _followed(self, near: Schema, name: str, level: int, chain: tuple[int, ...]) -> Schema:
        """What stands beside a reference, and what it refers to."""
        target = self._resolve(name)
        if not isinstance(target, dict | bool):
            return with_note(near, f"Defined by {name[:_SHOWN_BYTES]}.")
        if not self._may_follow(target, chain):
            self.cut = True
            kind = target.get("type") if isinstance(target, dict) else None
            known: Schema = {"type": kind} if isinstance(kind, str) and kind in TYPES else {}
            return both(with_note(near, f"Another {name.rsplit('/', 1)[-1]}, as above."), known)
        self._written.add(id(target))
        self._inlined_kib += self._size_kib(target)
        self.inlined += self._size_kib(target)
        far = self._plain(target, level, (*chain, id(target)))
        return both(near, far)

    def _size_kib(self, target: object) -> int:
        known = self._sizes_kib.get(id(target))
        if known is None:
            known = self._sizes_kib[id(target)] = len(msgspec.json.encode(target)) >> 10
        return known

    def _may_follow(self, target: object, chain: tuple[int, ...]) -> bool:
        if len(chain) > MAX_LEVELS or self.inlined > MAX_INLINED_EVER:
            return False
        if self._inlined_kib > self._most + MAX_GROWTH * self._size_kib(self._root):
            return False
        if self.inlined > self._most:
            return id(target) not in self._written
        return chain.count(id(target)) < MAX_REPEATS

    def _resolve(self, name: str) -> object:
        """What a reference within the document points to; None: nothing, or another document."""
        base = self._root.get("$id")
        if isinstance(base, str) and base and name.startswith(base):
            name = name[len(base) :] or "#"
        if not name.startswith("#"):
            return None
        pointer = unquote(name[1:])
        if pointer and not pointer.startswith("/"):
            return self._anchored(pointer)
        found: object = self._root
        for part in pointer.split("/")[1:]:
            found = _member(found, part.replace("~1", "/").replace("~0", "~"))
        return found

    def _anchored(self, name: str) -> object:
        if self._anchors is None:
            self._anchors = _anchors_in(self._root)
        return self._anchors.get(name)


def _anchors_in(root: Schema) -> dict[str, object]:
    """The schemas of a document that have a name of their own, by that name; of several with the same name one."""
    anchors: dict[str, object] = {}
    waiting: list[object] = [root]
    while waiting:
        node = waiting.pop()
        if is_schema(node):
            for name in [name for key in _ANCHORS if isinstance(name := node.get(key), str)]:
                anchors.setdefault(name, node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return anchors


def _anything(_: object) -> bool:
    return True


def _member(found: object, part: str) -> object:
    if is_schema(found):
        return found.get(part)
    if isinstance(found, list) and part.isascii() and part.isdigit() and len(part) < 7 and int(part) < len(found):
        return found[int(part)]
    return None


def _with_bounds(result: Schema, node: Schema) -> Schema:
    """Exclusive bounds as inclusive ones; of integers the next, of others with a word about it.

    In drafts before 6 they are truth values about `minimum` and `maximum`.
    """
    for key, plain, step, word in (
        ("exclusiveMinimum", "minimum", 1, "above"),
        ("exclusiveMaximum", "maximum", -1, "below"),
    ):
        bound = node.get(plain) if node.get(key) is True else node.get(key)
        if not isinstance(bound, int | float) or isinstance(bound, bool):
            continue
        if isinstance(bound, int) and node.get("type") == "integer":
            result = both(result, {plain: bound + step})
        else:
            result = with_note(both(result, {plain: bound}), f"Must be {word} {bound}.")
    return result


def _without_impossible(node: Schema) -> Schema:
    """Properties that allow no value are not required either."""
    properties, required = node.get("properties"), node.get("required")
    if not is_schema(properties) or not isinstance(required, list):
        return node
    impossible = {name for name, value in properties.items() if value == _IMPOSSIBLE}
    if impossible.isdisjoint(required):
        return node
    return {**node, "required": [name for name in required if name not in impossible]}


def _with_all(node: Schema) -> Schema:
    """Merges what must hold as well into the schema itself."""
    branches = node.get("allOf")
    if not isinstance(branches, list) or len(branches) > MAX_FOLDED:
        return node
    merged = without(node, "allOf")
    for branch in branches:
        merged = both(merged, branch)
    return merged


def _shown(node: Schema) -> str:
    text = msgspec.json.encode(node)
    return text.decode() if len(text) <= _SHOWN_BYTES else text[:_SHOWN_BYTES].decode("utf-8", "ignore") + "..."
