"""What OpenAI's APIs are told about the account of a request rather than its answer."""

from __future__ import annotations

from collections.abc import Iterable

from llm_to_anthropic.providers.quirks import ChatQuirks, ResponsesQuirks
from llm_to_anthropic.translators.digest import digest
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.wire.anthropic import MessagesRequest
from llm_to_anthropic.wire.openai_chat import ChatRequest
from llm_to_anthropic.wire.openai_responses import ResponsesRequest

_TIERS = {"auto": "auto", "standard_only": "default"}


def set_account(
    made: ChatRequest | ResponsesRequest,
    request: MessagesRequest,
    quirks: ChatQuirks | ResponsesQuirks,
    losses: LossReport,
) -> None:
    """Sets what an upstream takes of the tier, of keeping the request, and of the client's user."""
    if quirks.service_tier:
        made.service_tier = _TIERS.get(request.service_tier or "")
    elif request.service_tier not in (None, "auto"):
        losses.lose("service_tier", "not known to this upstream; left out")
    if quirks.store:
        made.store = False
    if quirks.safety_identifier:
        made.safety_identifier = _safety_identifier(request)


def cache_key(session_id: str, system: Iterable[str], tools: Iterable[str]) -> str:
    """The same for requests that begin alike: of a session, else of the system prompt's texts and the tools' names."""
    return digest(session_id or "\n".join(["".join(system), *tools]))


def _safety_identifier(request: MessagesRequest) -> str | None:
    """The client's user, told from others but not told who it is."""
    user = request.metadata.user_id if request.metadata else None
    return digest(user) if user else None
