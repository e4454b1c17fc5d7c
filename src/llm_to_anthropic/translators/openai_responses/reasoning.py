"""How much reasoning a request asks for, and whether a summary of it is to be seen."""

from __future__ import annotations

from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.openai_responses.encoding import Wanted
from llm_to_anthropic.translators.thinking import Level, is_off, nearest_effort, report_no_thinking, wanted_level
from llm_to_anthropic.wire.anthropic import MessagesRequest, Thinking
from llm_to_anthropic.wire.openai_responses import Reasoning


def wanted_thinking(thinking: Thinking | None) -> Wanted:
    """What the client says of thinking."""
    if thinking is None:
        return "default"
    if is_off(thinking):
        return "off"
    return "omitted" if thinking.display == "omitted" else "on"


def reasoning(
    request: MessagesRequest, effort: str | None, quirks: ResponsesQuirks, losses: LossReport, *, hosted: bool
) -> Reasoning | None:
    """What to send; None: nothing, and the model reasons by default.

    `effort` is the request's, or what a later system message set; `hosted`: the upstream runs tools itself.
    """
    if not quirks.efforts:
        report_no_thinking(request, effort, losses)
        return None
    # With "minimal" the tools that OpenAI runs are refused.
    efforts = tuple(each for each in quirks.efforts if not (hosted and each == "minimal"))
    made = Reasoning(effort=_effort(wanted_level(request, effort), efforts, losses))
    if wanted_thinking(request.thinking) == "on":
        if quirks.summaries:
            made.summary = "auto"
        else:
            losses.mention("thinking", "no summary of the reasoning can be asked for")
    return made if made != Reasoning() else None


def _effort(level: Level | None, efforts: tuple[str, ...], losses: LossReport) -> str | None:
    if level is None:
        return None
    nearest = nearest_effort(level, efforts)
    if level == "off" and nearest is None:
        losses.lose("thinking", "this model's reasoning cannot be turned off")
    elif level == "off" and nearest != "none":
        losses.mention("thinking", "cannot be switched off on this model; asked for the least")
    return nearest
