"""What OpenAI Responses answers, as it travels: the fields that we read.

A stream's event is read in two steps: `Delta` from every one of them, then the Struct of those that are none. Items
are read by their type in the same way, since both get new types with every release. What servers spell in more than
one way stays raw.
Source: the types of the openai Python SDK 3.54 (`types/responses`) and the recorded answers of a dozen vendors.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.wire.anthropic import NO_RAW


class Delta(msgspec.Struct, gc=False):
    """An event of a stream that brings a piece of text; of all others no more than the type."""

    type: str = ""
    output_index: int | None = None
    content_index: int | None = None
    delta: str | None = None
    summary_index: int | None = None


class ItemEvent(msgspec.Struct):
    """`response.output_item.added` and `.done`; of the others that belong to an item, whose."""

    type: str = ""
    output_index: int | None = None
    item_id: str | None = None
    item: Raw = NO_RAW


class Annotation(msgspec.Struct):
    """What a text rests on; read of `url_citation` alone."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class AnnotationEvent(msgspec.Struct):
    content_index: int | None = None
    annotation: Annotation | None = None


class ErrorEvent(msgspec.Struct):
    """`error`: an object of that name, or its members right in the event."""

    error: Raw = NO_RAW
    message: str | None = None
    """With no type beside it: an error too."""


class IncompleteDetails(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    """The whole answer, and the end of a stream."""

    status: str | None = None
    output: list[Raw] | None = None
    error: Raw = NO_RAW
    incomplete_details: IncompleteDetails | None = None
    usage: Raw = NO_RAW
    service_tier: str | None = None


class ResponseEvent(msgspec.Struct):
    response: Response | None = None


class ItemHead(msgspec.Struct):
    """What every item has."""

    type: str = ""
    id: str | None = None
    role: str | None = None
    phase: str | None = None
    call_id: str | None = None
    name: str | None = None


class Part(msgspec.Struct):
    """A part of a message or of reasoning."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None


class PartEvent(msgspec.Struct):
    """A part of an item is complete: a text, a refusal, a summary, or the arguments of a call."""

    content_index: int | None = None
    summary_index: int | None = None
    text: str | None = None
    refusal: str | None = None
    name: str | None = None
    arguments: Raw = NO_RAW
    part: Part | None = None
    """The same once more, of a text or a refusal."""


class MessageItem(msgspec.Struct):
    content: str | list[Part] | None = None


class TextPart(msgspec.Struct):
    """A part of a message whose text only travels."""

    type: str = ""
    text: Raw = NO_RAW
    refusal: str | None = None
    annotations: list[Raw] | None = None


class TextItem(msgspec.Struct):
    """A message of such parts."""

    type: str = ""
    role: str | None = None
    content: list[TextPart] | None = None


class ReasoningItem(msgspec.Struct):
    summary: list[Part] | None = None
    content: list[Part] | None = None
    encrypted_content: str | None = None


class KeptReasoning(msgspec.Struct, omit_defaults=True):
    """What goes back of a reasoning item with the conversation, its values untouched."""

    type: Raw = NO_RAW
    id: Raw = NO_RAW
    summary: Raw = NO_RAW
    encrypted_content: Raw = NO_RAW
    content: Raw = NO_RAW


class FunctionCallItem(msgspec.Struct):
    call_id: str | None = None
    name: str | None = None
    arguments: Raw = NO_RAW
    """JSON in a string; some servers send the object itself."""
    status: str | None = None


class Source(msgspec.Struct):
    url: str | None = None
    title: str | None = None


class SearchAction(msgspec.Struct):
    type: str = "search"
    query: str | None = None
    queries: list[str] | None = None
    url: str | None = None
    sources: list[Source] | None = None


class WebSearchItem(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    action: SearchAction | None = None


class CodeOutput(msgspec.Struct):
    type: str = ""
    logs: str | None = None


class CodeInterpreterItem(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    code: str | None = None
    container_id: str | None = None
    outputs: list[CodeOutput] | None = None


class McpCallItem(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    name: str | None = None
    server_label: str | None = None
    arguments: Raw = NO_RAW
    output: str | None = None
    error: Raw = NO_RAW


class InputTokens(msgspec.Struct):
    """The answer of `POST /responses/input_tokens`."""

    input_tokens: int | None = None
