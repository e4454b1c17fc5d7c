"""A request as it goes upstream, and what the way back needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Generic, TypeVar

import msgspec

from llm_to_anthropic.exchange import Loss
from llm_to_anthropic.translators.carrier import Carrier
from llm_to_anthropic.translators.upstream_errors import ErrorContext


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """What the way back needs to know of a request."""

    losses: tuple[Loss, ...]
    tool_names: Mapping[str, str]
    """Upstream name -> client's name, of all tools that are declared."""
    stop_sequences: tuple[str, ...]
    """To be matched in the answer, whether they were sent or not."""
    most_visible: int
    """How many tokens of text may reach the client, as the upstream was given room to reason, too; 0: any number."""
    prefill: str
    """Text of a trailing assistant message, which the answer may repeat."""
    single_call: bool
    """Only the first call may reach the client."""
    wants_nothing: bool
    """`max_tokens: 0`: the client warms a cache, and no upstream need be asked."""

    @property
    def filters_text(self) -> bool:
        """Not all of the answer's text may reach the client."""
        return bool(self.prefill or self.stop_sequences or self.most_visible)


AnyEncoding = TypeVar("AnyEncoding", bound=Encoding)


class AnswerOptions(msgspec.Struct, Generic[AnyEncoding], frozen=True, kw_only=True):
    """What decides how an answer is read: parts of the request, and of the target."""

    context: ErrorContext
    carrier: Carrier
    """Bound to the upstream, without items."""
    seed: str
    """Made-up ids derive from it."""
    encoding: AnyEncoding
    input_bytes: int
    """Bytes of the request's text."""
    call_ids: Set[str]
    """Of all calls in the conversation so far, as the client knows them."""


class Encoded(msgspec.Struct, Generic[AnyEncoding], frozen=True):
    """A request as it goes upstream."""

    body: bytes
    input_bytes: int
    """Its text, without images and files: what an estimate of its tokens goes by."""
    replayed: bool
    """It holds what only the upstream that made it can read, and may refuse."""
    encoding: AnyEncoding
    call_ids: Set[str]
    """Of all calls in it, as the client knows them."""
