"""How many, how large and how deep schemas may be: they come from clients, and reading them holds up all others.

The limits lie far above what any model's context holds. Knows JSON Schema and no upstream.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.request import dotted
from llm_to_anthropic.translators.schemas.schema import NAMED, Schema

MAX_DEPTH = 64
"""Schemas within schemas."""
MAX_BYTES = 1024 * 1024
"""The most of all schemas of a request together."""
MAX_PARTS = 8_000
"""Objects, lists and truth values in all of them: any may be a schema, and reading one takes some 5 us."""

_PARTS = (b"{", b"[", b"true", b"false")


class SchemaLimits:
    """What the schemas of one request have used up so far."""

    def __init__(self) -> None:
        self._bytes = 0
        self._parts = 0

    def check(self, raw: Raw, path: str) -> None:
        """Counts one more schema, which stands at `path` (`tools[0].input_schema`). Raises ClientError (400)."""
        data = bytes(raw)
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise _refused(path, f"schemas of more than {MAX_BYTES >> 20} MiB in all")
        # Those in texts count as well: a bound, and quickly had.
        parts = sum(map(data.count, _PARTS))
        self._parts += parts
        if self._parts > MAX_PARTS:
            raise _refused(path, f"schemas of more than {MAX_PARTS} parts in all")
        if parts > MAX_DEPTH and _is_too_deep(data):
            raise _refused(path, f"schemas nested more than {MAX_DEPTH} deep")


def _refused(path: str, what: str) -> ClientError:
    return ClientError(f"{dotted(path)}: {what} are not supported")


def _is_too_deep(data: bytes) -> bool:
    try:
        root = msgspec.json.decode(data)
    except RecursionError:
        return True
    except msgspec.DecodeError:
        return False  # a number beyond all floats: told where the schema is read
    level: list[Schema] = [root] if isinstance(root, dict) else []
    for _ in range(MAX_DEPTH):
        level = [inner for node in level for inner in _within(node)]
        if not level:
            return False
    return True


def _within(node: Schema) -> Iterable[Schema]:
    """The objects within an object; what merely names schemas is no level of its own."""
    for key, value in node.items():
        if isinstance(value, dict):
            if key in NAMED:
                yield from [each for each in value.values() if isinstance(each, dict)]
            else:
                yield value
        elif isinstance(value, list):
            yield from [each for each in value if isinstance(each, dict)]
