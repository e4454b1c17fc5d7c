"""Anthropic request -> body of a generateContent request.

Pure: the same request gives the same bytes. Deviations of models and servers are quirks of the target; what cannot be
carried over is reported.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.exchange import Loss
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.translator import ClientRequest
from llm_to_anthropic.wire.anthropic import MessagesRequest


class GeminiEncoding(msgspec.Struct, frozen=True, kw_only=True):
    """A generateContent request, and what the way back needs to know of it."""

    body: bytes
    losses: tuple[Loss, ...]
    tool_names: Mapping[str, str]
    """Upstream name -> client's name, only where they differ."""
    written_as_text: Mapping[str, object]
    """Client's tool name -> its own schema, decoded, where numbers or truth values of an `enum` were declared as
    strings (legacy `parameters` only): `restore_values(schema, arguments)` of gemini_schemas turns them back."""
    stop_sequences: tuple[str, ...]
    """All of them, to be matched in the answer: none is sent."""
    single_call: bool
    """Only the first call may reach the client."""
    reasoning_off: bool
    """The client said that it wants no thinking."""
    thinking_asked: bool
    """Thoughts are to be shown: `includeThoughts` was sent."""
    prefill: str
    """Text of a trailing assistant message, which the answer may repeat."""
    input_bytes: int
    """Text of the request, without images and files: what an estimate of its tokens goes by."""
    web_search: bool = False
    """Google search was asked for: what the answer rests on is known only at its end."""
    web_fetch: bool = False
    """`urlContext` was asked for."""
    code_execution: bool = False
    """`codeExecution` was asked for."""
    allowed_domains: tuple[str, ...] = ()
    """Search results of other domains are left out of the answer; empty: all may stay."""
    blocked_domains: tuple[str, ...] = ()
    """Search results of these domains are left out of the answer."""
    max_tokens: int | None = None
    """The most tokens of the whole answer, thoughts included; None: the model's own limit."""


def encode_gemini(
    request: MessagesRequest, client: ClientRequest, target: Target, *, bypass_signatures: bool = False
) -> GeminiEncoding:
    """The request for this target. Raises ClientError (400) for what it cannot carry.

    `bypass_signatures`: the upstream refused the signatures that it was given; it is asked to do without.
    """
    raise NotImplementedError


def encode_gemini_count(request: MessagesRequest, client: ClientRequest, target: Target) -> bytes:
    """The body of countTokens for this target. Raises ClientError (400) for what it cannot carry."""
    raise NotImplementedError
