"""What a model family's chat template adds around the text, and how it writes tools.

All rows count with the o200k vocabulary; what other tokenisers make of the same text differs by a few
percent, what their templates add differs by hundreds of tokens. The numbers are fitted to `prompt_tokens`
that providers reported.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that a chat template adds."""

    models: str = ""
    """A regular expression that finds the family in a lower-case model name."""
    priming: int = 3
    """Once, for the answer's beginning."""
    preamble: int = 0
    """Once, for a system text that the template brings along."""
    message: int = 4
    """Per message, a tool's result included."""
    thinking: int = 0
    """Once, when thinking is asked for."""
    recalls: bool = False
    """The thinking of earlier turns is part of the prompt."""
    tools: int = 0
    """Once, when there are tools."""
    tool: int = 0
    """Per tool, beside its text."""
    tool_text: Literal["typescript", "json"] = "json"
    call: int = 4
    """Per tool call, beside its name and input."""
    forced_tool: int = 0
    """When one tool is forced by name, beside the name."""


OPENAI = Template(tools=12, tool=-3, tool_text="typescript", forced_tool=12)
"""gpt-4o, gpt-4.1, the o-series."""

TEMPLATES = (
    Template(models=r"gpt-oss", preamble=61, recalls=True, tools=24, tool=3, tool_text="typescript", call=16),
    Template(models=r"gpt-[5-9]|codex", priming=2, tools=15, tool=-3, tool_text="typescript", forced_tool=12),
    Template(models=r"gpt-3|gpt-4($|-\d|-turbo)", tools=20, tool=-3, tool_text="typescript", forced_tool=12),
    Template(models=r"claude-(3|(sonnet|opus)-4(-20|$|[^-.\d]))", tools=355, tool=5, call=40),
    Template(models=r"claude", thinking=28, tools=540, tool=5, call=40),
    Template(models=r"deepseek-(r1|v3)", priming=0, message=3, tools=105, tool=8, call=15),
    Template(models=r"deepseek", priming=0, message=3, recalls=True, tools=230, tool=8, call=15),
    Template(models=r"glm", recalls=True, tools=110, tool=10, call=20),
    Template(models=r"grok-[4-9]", preamble=178, tools=100, tool=5, call=20),
    Template(models=r"kimi", recalls=True, tools=35, tool=10, call=15),
    Template(models=r"llama-?[34](?!.*sonar)", preamble=25, tools=95, tool=10, call=10),
    Template(models=r"minimax", preamble=34, recalls=True, tools=5, tool=5, call=10),
    Template(models=r"mistral|mixtral|ministral|magistral|devstral|codestral", priming=1, message=2, tools=18, tool=16),
    Template(models=r"qwen|qwq", tools=100, tool=12, call=20),
)
"""First match wins."""


def template_of(model: str) -> Template:
    """That of an upstream model; OpenAI's where the name tells nothing."""
    name = model.lower()
    return next((template for template in TEMPLATES if re.search(template.models, name)), OPENAI)
