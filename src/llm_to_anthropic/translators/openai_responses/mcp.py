"""MCP servers of a request, which OpenAI calls itself."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.raw import given
from llm_to_anthropic.translators.request import describe, dotted
from llm_to_anthropic.translators.tools import OfferedTool, upstream_name
from llm_to_anthropic.wire.anthropic import MessagesRequest
from llm_to_anthropic.wire.openai_responses import McpTool

TOOLSET = "mcp_toolset"

_Kind = TypeVar("_Kind")


class _Configuration(msgspec.Struct):
    enabled: bool | None = None
    allowed_tools: list[str] | None = None


class _Server(msgspec.Struct):
    name: str
    url: str
    authorization_token: str | None = None
    tool_configuration: _Configuration | None = None
    """What the older API version has in place of toolsets."""


class _Config(msgspec.Struct):
    enabled: bool | None = None


def mcp_tools(request: MessagesRequest, toolsets: list[OfferedTool], losses: LossReport) -> dict[str, McpTool]:
    """Name of each server that the model may call -> the tool to send.

    Raises ClientError (400) for what the upstream could not keep to.
    """
    servers = {server.name: server for server in _servers(request)}
    if not toolsets:
        return {name: tool for name, server in servers.items() if (tool := _whole(server)) is not None}
    chosen: dict[str, McpTool] = {}
    for each in toolsets:
        name = each.tool.mcp_server_name or ""
        if name not in servers:
            raise ClientError(f"{dotted(each.path)}.mcp_server_name: server '{name}' not found in mcp_servers")
        chosen[name] = _tool(servers[name], _enabled(each, losses.model))
    for name in servers.keys() - chosen.keys():
        losses.lose("mcp_servers", f"no toolset names the server '{name}'; left out")
    return chosen


def _servers(request: MessagesRequest) -> list[_Server]:
    if not given(request.mcp_servers):
        return []
    try:
        return msgspec.json.decode(request.mcp_servers, type=list[_Server])
    except msgspec.ValidationError as error:
        raise ClientError(describe(error, "mcp_servers")) from error


def _whole(server: _Server) -> McpTool | None:
    configuration = server.tool_configuration or _Configuration()
    return None if configuration.enabled is False else _tool(server, configuration.allowed_tools)


def _enabled(toolset: OfferedTool, model: str) -> list[str] | None:
    """The tools that a toolset enables by name; None: all of them."""
    default = _decode(toolset, "default_config", toolset.tool.default_config, _Config) or _Config()
    configs = _decode(toolset, "configs", toolset.tool.configs, dict[str, _Config]) or {}
    if default.enabled is False:
        return [name for name, config in configs.items() if config.enabled]
    if any(config.enabled is False for config in configs.values()):
        # To name all the others would take the list of the server's tools.
        raise ClientError(f"mcp_toolset with per-tool disabling is not supported for model '{model}'")
    return None


def _decode(toolset: OfferedTool, field: str, raw: Raw, kind: type[_Kind]) -> _Kind | None:
    if not given(raw):
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise ClientError(describe(error, f"{toolset.path}.{field}")) from error


def _tool(server: _Server, allowed: list[str] | None) -> McpTool:
    return McpTool(
        server_label=upstream_name(server.name, lead="_"),
        server_url=server.url,
        authorization=server.authorization_token,
        allowed_tools=allowed,
        require_approval="never",
    )
