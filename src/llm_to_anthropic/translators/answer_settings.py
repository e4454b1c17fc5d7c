"""What a request asks of its answer: its length, its form, how it is sampled. Read the same for every upstream."""

from __future__ import annotations

from msgspec import Raw

from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.raw import given
from llm_to_anthropic.translators.schemas.limits import SchemaLimits
from llm_to_anthropic.translators.thinking import is_off
from llm_to_anthropic.wire.anthropic import MessagesRequest

REASONING_ROOM = 4096
"""The least to ask for where a model reasons though the client wants no thoughts: mostly enough for both."""

_JSON_PROMPT = "Answer with one JSON object that fits this JSON schema, and with nothing else:"


def most_tokens(request: MessagesRequest, losses: LossReport, *limits: int | None, reasons: bool) -> int | None:
    """How many tokens to ask for, at the most: no more than any of the limits. None: nothing is asked.

    `reasons`: the model reasons whatever it is told. A client that turned thinking off limits the visible output alone
    (see `most_visible`), but upstreams count the reasoning, too.
    """
    wanted, highest = request.max_tokens, min(filter(None, limits), default=0)
    if wanted and reasons and is_off(request.thinking):
        # No loss: the client's limit holds for what the client gets.
        wanted = max(wanted, min(REASONING_ROOM, highest or REASONING_ROOM))
    if wanted and highest and wanted > highest:
        losses.mention("max_tokens", f"lowered to {highest}, the most that this model gives")
        return highest
    return wanted or None


def most_visible(request: MessagesRequest, asked: int | None) -> int:
    """How many tokens of text the client may get, where the upstream was asked for more; 0: it keeps to that itself."""
    wanted = request.max_tokens or 0
    return wanted if asked and asked > wanted else 0


def wanted_schema(request: MessagesRequest, losses: LossReport) -> tuple[Raw, str] | None:
    """The schema of structured output, and the path of the format that holds it; None where there is none.

    Raises ClientError where it is larger or deeper than is read.
    """
    nested = request.output_config.format if request.output_config else None
    wanted = nested or request.output_format
    if wanted is None:
        return None
    path = "output_config.format" if nested else "output_format"
    if wanted.type == "json_schema" and given(wanted.schema):
        SchemaLimits().check(wanted.schema, f"{path}.schema")
        return wanted.schema, path
    losses.lose(path, f"the format '{wanted.type}' is not known here; left out")
    return None


def schema_prompt(schema: Raw) -> str:
    """Asks for structured output in words, of an upstream that has no field for a schema."""
    return f"{_JSON_PROMPT}\n{bytes(schema).decode()}"


def lose_sampling(request: MessagesRequest, losses: LossReport) -> None:
    """A temperature or top_p for a model that chooses them itself; 1 is what it would choose."""
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value not in (None, 1):
            losses.lose(name, "this model chooses it itself; left out")
