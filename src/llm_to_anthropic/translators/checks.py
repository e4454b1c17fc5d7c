"""What no translated upstream can do, refused before anything is sent.

The sentences name the field at fault; clients react to some of them (a refused thread makes Anthropic's SDK go on
without it, a refused `safeguards` makes Claude Code run the check itself).
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.raw import given, lists_any
from llm_to_anthropic.translators.thinking import known_effort, report_unknown_thinking
from llm_to_anthropic.translators.translator import ClientRequest
from llm_to_anthropic.wire.anthropic import MessagesRequest

NEW_VERSION = "2026-10-21"
"""The API version without sampling parameters, documents of the assistant and citations of the user."""

_NOT_MISSED = frozenset(
    {"diagnostics", "inference_geo", "tags", "billing_policy", "fallback_credit_token", "user_profile_id"}
)
"""Fields about the account or Anthropic's own servers: leaving them out changes no answer."""
_KNOWN = _NOT_MISSED.union(MessagesRequest.__struct_fields__)

COMPACTS = "compact_20260112"
"""The edit that has the upstream sum up a conversation that grows long."""

_CHOICES = frozenset({"auto", "any", "tool", "none"})


class _Container(msgspec.Struct):
    skills: list[Raw] | None = None


class _Edit(msgspec.Struct):
    type: str = ""


class _ContextManagement(msgspec.Struct):
    edits: list[_Edit] | None = None


def names_mcp_servers(request: MessagesRequest) -> bool:
    """Whether the request brings MCP servers."""
    return lists_any(request.mcp_servers)


def check_request(
    request: MessagesRequest,
    client: ClientRequest,
    losses: LossReport,
    *,
    runs_mcp: bool = False,
    runs_code: bool = False,
    compacts: bool = False,
) -> None:
    """Raises ClientError for what cannot be translated at all, and reports fields that no translated upstream takes.

    `runs_mcp`: the upstream calls MCP servers itself. `runs_code`: the request has code executed, in a container of the
    upstream. `compacts`: the upstream is asked to sum up the conversation once it is long.
    """
    _check_state(request, client.model)
    if not runs_mcp and names_mcp_servers(request):
        raise ClientError(f"mcp_servers is not supported for model '{client.model}' on this provider")
    if client.strict:
        _check_version(request, client.api_version)
    _check_prewarm(request)
    _check_tools(request)
    if any(not stop for stop in request.stop_sequences or ()):
        raise ClientError("stop_sequences: each stop sequence must be non-empty")
    _report_unsupported(request, losses, runs_code=runs_code, compacts=compacts)
    _report_unknown(client.body, losses)


def _report_unsupported(request: MessagesRequest, losses: LossReport, *, runs_code: bool, compacts: bool) -> None:
    """Reports the fields whose absence may change the answer."""
    if _edits_context(request.context_management, compacts=compacts):
        losses.lose("context_management", "the upstream does not edit its context; left out")
    report_unknown_thinking(request.thinking, losses)
    known_effort(request.output_config, "output_config", losses)
    if request.output_config and given(request.output_config.task_budget):
        losses.lose("output_config.task_budget", "left out")
    if given(request.container) and not runs_code:
        losses.lose("container", "there is no code execution container; left out")
    if request.speed == "fast":
        losses.lose("speed", "answered at the normal speed")


def _report_unknown(body: bytes, losses: LossReport) -> None:
    """Reports the fields of a request body that this version does not know: clients add some with every release."""
    for name, value in msgspec.json.decode(body, type=dict[str, Raw]).items():
        if name not in _KNOWN and given(value):
            losses.mention(name[:64], "not known here; left out")


def _check_state(request: MessagesRequest, model: str) -> None:
    if given(request.thread):
        raise ClientError(
            f"thread: threads are not supported for model '{model}'; send the whole conversation in messages",
            details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
        )
    if given(request.safeguards):
        raise ClientError(f"safeguards is not supported for model '{model}'")
    if given(request.compaction):
        raise ClientError(f"compaction is not supported for model '{model}'")
    if _has_skills(request.container):
        raise ClientError(f"container.skills: skills are not supported for model '{model}'")


def _has_skills(container: Raw) -> bool:
    if not container or not bytes(container).lstrip().startswith(b"{"):
        return False
    try:
        return bool(msgspec.json.decode(container, type=_Container).skills)
    except msgspec.ValidationError:
        return True


def _edits_context(context_management: Raw, *, compacts: bool) -> bool:
    """Whether it asks for more than is done.

    Old thinking need not be cleared, as it does not travel to other vendors anyway.
    """
    if not given(context_management):
        return False
    try:
        edits = msgspec.json.decode(context_management, type=_ContextManagement).edits or []
    except msgspec.ValidationError:
        return True
    types = {edit.type for edit in edits if not edit.type.startswith("clear_thinking")}
    return bool(types - {COMPACTS} if compacts else types)


def _check_version(request: MessagesRequest, api_version: str) -> None:
    """Sampling parameters left the API with its newer version.

    The SDKs of that version still let users send them, and most upstreams take them: only strict mode refuses.
    """
    if api_version != NEW_VERSION:
        return
    sampling = (("temperature", request.temperature), ("top_p", request.top_p), ("top_k", request.top_k))
    for name, value in sampling:
        if value is not None:
            raise ClientError(f"{name}: not part of API version {NEW_VERSION}; leave it out or send 2023-06-01")


def _check_prewarm(request: MessagesRequest) -> None:
    if request.max_tokens != 0:
        return
    output = request.output_config
    conflicts = (
        ("stream", request.stream),
        ("thinking", request.thinking is not None and request.thinking.type == "enabled"),
        ("output_config.format", request.output_format or (output and output.format)),
        ("tool_choice", request.tool_choice is not None and request.tool_choice.type in ("any", "tool")),
    )
    for name, present in conflicts:
        if present:
            raise ClientError(f"max_tokens: 0 cannot be combined with {name}")


def _check_tools(request: MessagesRequest) -> None:
    names = [tool.name for tool in request.tools or () if tool.name]
    if len(names) != len(set(names)):
        raise ClientError("tools: Tool names must be unique.")
    choice = request.tool_choice
    if choice is None:
        return
    if choice.type not in _CHOICES:
        raise ClientError("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if not request.tools and not _adds_tools(request):
        raise ClientError("tool_choice may only be specified while providing tools.")
    if choice.type == "tool" and not choice.name:
        raise ClientError("tool_choice.name: Field required")
    if choice.type == "tool" and choice.name not in names and not _adds_tools(request):
        raise ClientError(f"tool_choice.name: tool '{choice.name}' not found in tools")


def _adds_tools(request: MessagesRequest) -> bool:
    """Whether system messages may bring tools with them: which, only the history tells (see `request_tools`)."""
    return any(b'"tool_addition"' in bytes(raw) for raw in request.messages)
