"""How much thinking a request asks of a Gemini model: by budget, by level, or not at all."""

from __future__ import annotations

from llm_to_anthropic.providers.quirks import GeminiQuirks
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.thinking import Level, is_off, is_on, report_no_thinking, wanted_level
from llm_to_anthropic.wire.anthropic import MessagesRequest
from llm_to_anthropic.wire.gemini import ThinkingConfig

MIN_ROOM = 256
"""With fewer tokens for the whole answer, thoughts alone would use them up: a billed answer without content."""
MODEL_DECIDES = -1

_ALL_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_WANTED_LEVELS: dict[Level, str] = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH", "max": "XHIGH"}
_LEVELS_OF_BUDGETS: tuple[tuple[int, str], ...] = ((2048, "LOW"), (16384, "MEDIUM"))
_BUDGETS: dict[Level, int] = {"low": 1024, "medium": 8192, "high": 24576}


def thinking_config(
    request: MessagesRequest, effort: str | None, quirks: GeminiQuirks, losses: LossReport
) -> ThinkingConfig | None:
    """What to send; None: nothing, and the model thinks by default.

    `effort` is the request's, or what a later system message set.
    """
    thinking = request.thinking
    level = wanted_level(request, effort)
    if quirks.thinking == "none":
        report_no_thinking(request, effort, losses)
        return None
    config = ThinkingConfig(include_thoughts=True if _shows(request) else None)
    # A budget says more than an effort, but only where budgets are what the model takes.
    budget = thinking.budget_tokens if thinking and thinking.type == "enabled" else None
    if level != "off" and request.max_tokens is not None and request.max_tokens < MIN_ROOM:
        if is_on(thinking):
            losses.mention("thinking", f"the least, as max_tokens below {MIN_ROOM} leaves no room for more")
        level, budget = "off", None
    if quirks.thinking == "budget":
        config.thinking_budget = _budget(level, budget, quirks, asked=is_on(thinking))
        lowest = config.thinking_budget != 0
    else:
        by_budget = budget if effort is None else None
        config.thinking_level = _level(level, by_budget, quirks.levels)
        lowest = True
    if is_off(thinking) and lowest:
        losses.mention("thinking", "cannot be switched off on this model; asked for the least")
    return config if config != ThinkingConfig() else None


def _shows(request: MessagesRequest) -> bool:
    """Whether the client wants to see thoughts."""
    thinking = request.thinking
    return thinking is not None and is_on(thinking) and thinking.display != "omitted"


def _budget(level: Level | None, budget: int | None, quirks: GeminiQuirks, *, asked: bool) -> int | None:
    if level == "off":
        return 0 if quirks.zero_budget else quirks.min_budget
    if budget is not None:
        return max(quirks.min_budget, min(budget, quirks.max_budget))
    if level is None:
        return MODEL_DECIDES if asked else None
    if level == "high" and quirks.max_budget > _BUDGETS["high"]:
        return quirks.max_budget
    return min(_BUDGETS.get(level, quirks.max_budget), quirks.max_budget)


def _level(level: Level | None, budget: int | None, levels: tuple[str, ...]) -> str | None:
    if not levels or (level is None and budget is None):
        return None
    if level == "off":
        return levels[0]
    if budget is not None:
        wanted = next((name for limit, name in _LEVELS_OF_BUDGETS if budget < limit), "HIGH")
    else:
        wanted = _WANTED_LEVELS[level] if level else "HIGH"
    return _nearest(wanted, levels)


def _nearest(wanted: str, levels: tuple[str, ...]) -> str:
    """The level, else the next above it, else the highest: half the thinking is worse than twice of it."""
    at_least = [name for name in levels if _rank(name) >= _rank(wanted)]
    return at_least[0] if at_least else levels[-1]


def _rank(level: str) -> int:
    return _ALL_LEVELS.index(level) if level in _ALL_LEVELS else len(_ALL_LEVELS)
