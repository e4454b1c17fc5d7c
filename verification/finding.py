"""What one measurement found."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """`told` is what was measured, in a line; `problems` what did not hold."""

    name: str
    told: str
    problems: tuple[str, ...] = ()

    @classmethod
    def judged(cls, name: str, told: str, **held: bool) -> Finding:
        """`held`: each promise, and whether it was kept."""
        return cls(name, told, tuple(promise.replace("_", " ") for promise, kept in held.items() if not kept))
