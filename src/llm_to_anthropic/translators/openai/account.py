"""What OpenAI's APIs are told about the account of a request rather than its answer."""

from __future__ import annotations

from collections.abc import Iterable

from llm_to_anthropic.translators.digest import digest
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.wire.anthropic import MessagesRequest

_TIERS = {"auto": "auto", "standard_only": "default"}


def service_tier(request: MessagesRequest, losses: LossReport, *, known: bool) -> str | None:
    """The tier to ask for; `known`: the upstream has tiers."""
    if known:
        return _TIERS.get(request.service_tier or "")
    if request.service_tier not in (None, "auto"):
        losses.lose("service_tier", "not known to this upstream; left out")
    return None


def safety_identifier(request: MessagesRequest) -> str | None:
    """The client's user, told from others but not told who it is."""
    user = request.metadata.user_id if request.metadata else None
    return digest(user) if user else None


def cache_key(session_id: str, system: Iterable[str], tools: Iterable[str]) -> str:
    """The same for requests that begin alike: of a session, else of the system prompt's texts and the tools' names."""
    return digest(session_id or "\n".join(["".join(system), *tools]))
