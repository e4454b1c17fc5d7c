"""A bar chart as SVG, drawn by hand: no library is worth a dependency for four rows of bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

Row = tuple[str, float]
"""What a bar stands for, and its value."""

WIDTH = 760
LABEL = 190
BAR = 18
ROW = 26
TITLE = 34
MARGIN = 16


def bars(title: str, groups: Sequence[tuple[str, Sequence[Row]]], unit: str) -> str:
    """Groups of bars on one logarithmic scale, since the values lie orders of magnitude apart."""
    values = [value for _, rows in groups for _, value in rows if value > 0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    scale = (WIDTH - LABEL - 110) / max(1, high - low)
    y = MARGIN + 20
    parts = [f'<text x="{MARGIN}" y="{y}" class="title">{escape(title)}</text>']
    for name, rows in groups:
        y += TITLE
        parts.append(f'<text x="{MARGIN}" y="{y}" class="group">{escape(name)}</text>')
        y += 8
        for at, (label, value) in enumerate(rows):
            length = max(2.0, (math.log10(value) - low) * scale) if value > 0 else 0.0
            parts.append(_bar(label, f"{_short(value)} {unit}", y, length, at))
            y += ROW
    height = y + MARGIN
    style = (
        "text{font:13px sans-serif;fill:#24292f}.title{font-size:15px;font-weight:bold}.group{font-weight:bold}"
        ".value{fill:#57606a}.b0{fill:#8c959f}.b1{fill:#1f6feb}.b2{fill:#bf8700}.b3{fill:#a475f9}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{style}</style>", ground, *parts, "</svg>", ""])


def _bar(label: str, value: str, y: float, length: float, at: int) -> str:
    middle = y + BAR - 4
    return (
        f'<text x="{LABEL - 8}" y="{middle:.0f}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{LABEL}" y="{y:.0f}" width="{length:.1f}" height="{BAR}" class="b{at % 4}"/>'
        f'<text x="{LABEL + length + 6:.1f}" y="{middle:.0f}" class="value">{escape(value)}</text>'
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
