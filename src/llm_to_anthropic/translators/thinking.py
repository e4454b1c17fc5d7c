"""How much a client wants its model to think, and the nearest that an upstream offers."""

from __future__ import annotations

from typing import Literal

from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.wire.anthropic import MessagesRequest, OutputConfig, Thinking

Level = Literal["off", "low", "medium", "high", "xhigh", "max"]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every known `reasoning_effort`, ascending."""

_LEVELS: dict[str, Level] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_BUDGETS: tuple[tuple[int, Level], ...] = ((4096, "low"), (16384, "medium"), (32768, "high"))
_OFF = frozenset({"disabled", "between_tools"})
_TYPES = _OFF | {"adaptive", "enabled"}


def is_off(thinking: Thinking | None) -> bool:
    """Whether the client said that it wants no thinking."""
    return thinking is not None and thinking.type in _OFF


def is_on(thinking: Thinking | None) -> bool:
    """Whether the client asked for thinking."""
    return thinking is not None and thinking.type not in _OFF


def wanted_effort(request: MessagesRequest, later: str | None) -> str | None:
    """The effort that a later system message set, else the request's."""
    return later or (request.output_config.effort if request.output_config else None)


def wanted_level(request: MessagesRequest, effort: str | None) -> Level | None:
    """The amount of thinking that the request asks for; None: the model's own default.

    `effort` is the request's, or what a later system message set.
    """
    if is_off(request.thinking):
        return "off"
    if effort in _LEVELS:
        return _LEVELS[effort]
    budget = request.thinking.budget_tokens if request.thinking else None
    if budget is None:
        return None
    return next((level for limit, level in _BUDGETS if budget < limit), "xhigh")


def known_effort(config: OutputConfig | None, path: str, losses: LossReport) -> str | None:
    """The effort that the configuration at `path` sets. A level that is newer, or another vendor's, is lost."""
    effort = config.effort if config else None
    if effort is None or effort in _LEVELS:
        return effort
    losses.lose(f"{path}.effort", f"the level '{effort[:64]}' is not known here; left out")
    return None


def report_unknown_thinking(thinking: Thinking | None, losses: LossReport) -> None:
    """Reports a type of thinking that is newer than this version."""
    if thinking is not None and thinking.type not in _TYPES:
        losses.lose("thinking", f"the type '{thinking.type[:64]}' is not known here; taken for adaptive")


def report_no_thinking(request: MessagesRequest, effort: str | None, losses: LossReport) -> None:
    """Reports what a request asks of a model that does not think.

    `adaptive` and effort `high` ask for nothing beyond the default: no loss.
    """
    if request.thinking is not None and request.thinking.type == "enabled":
        losses.lose("thinking", "this model does not think, or not on demand")
    elif not is_off(request.thinking) and effort in _LEVELS and effort != "high":
        losses.lose("output_config.effort", "this model has no levels of effort")


def nearest_effort(level: Level, efforts: tuple[str, ...]) -> str | None:
    """The value among `efforts` (ascending) that comes nearest to a level, never above it if there is a lower one.

    `off` is the lowest of none, minimal and low; None: there is no such value.
    """
    if level == "off":
        return next((effort for effort in ("none", "minimal", "low") if effort in efforts), None)
    thinking = [effort for effort in efforts if effort != "none" and effort in EFFORTS]
    lower = [effort for effort in thinking if EFFORTS.index(effort) <= EFFORTS.index(level)]
    return lower[-1] if lower else next(iter(thinking), None)
