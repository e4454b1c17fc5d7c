"""What the encoders of all protocols do alike: a whole request, or all of one but its conversation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic

import msgspec
from msgspec import Raw

from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.checks import check_request
from llm_to_anthropic.translators.encoding import AnyEncoding, Encoded
from llm_to_anthropic.translators.history import History, read_history
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.memory.alone import TurnRenderer
from llm_to_anthropic.translators.memory.known_messages import Frame
from llm_to_anthropic.translators.request import bounded_depth
from llm_to_anthropic.translators.tools import deferred_tools
from llm_to_anthropic.translators.translator import ClientRequest
from llm_to_anthropic.wire.anthropic import MessagesRequest

_PLACE = Raw(b'{"messages":"stand here"}')
"""Stands for the conversation in a frame. Before it come names and texts at most, which hold no such object."""


class RequestEncoder(ABC, Generic[AnyEncoding]):
    """The state of one encoding. Pure: the same request gives the same bytes."""

    def __init__(self, request: MessagesRequest, client: ClientRequest, target: Target) -> None:
        self._request = request
        self._client = client
        self._target = target
        self._losses = LossReport(strict=client.strict, model=client.model)

    def encode(self) -> Encoded[AnyEncoding]:
        """The request for this target. Raises ClientError (400) for what it cannot carry."""
        with bounded_depth():
            self._check()
            return self._encode(self._history())

    def frame(self, used_tools: frozenset[str]) -> Frame[AnyEncoding]:
        """All of the request but its conversation, which is rendered already and uses the tools of these names."""
        self._check()
        whole = self._encode(History(used_tools=used_tools), _PLACE)
        head, _, tail = whole.body.partition(bytes(_PLACE))
        return Frame(head, tail, whole.encoding, deferred_tools(self._request.tools))

    def _check(self) -> None:
        """Raises ClientError for what no translated upstream takes."""
        check_request(self._request, self._client, self._losses)

    def _history(self) -> History:
        return read_history(self._request, self._losses, api_version=self._client.api_version)

    @abstractmethod
    def _encode(self, history: History, rendered: Raw | None = None) -> Encoded[AnyEncoding]:
        """The request with the conversation of `history`, or with `rendered` in its place."""


def encoded(made: object, encoding: AnyEncoding, history: History, content: TurnRenderer) -> Encoded[AnyEncoding]:
    """The request as it goes upstream, with what `content` has rendered of its conversation."""
    body = msgspec.json.encode(made)
    input_bytes = max(len(body) - content.documents.media_bytes, 0)
    replayed = content.replayed or history.compacted is not None
    return Encoded(body, input_bytes, replayed, encoding, history.call_ids)
