"""Web searches of other upstreams on their way to Anthropic, which reads none but its own.

Their results and citations are sealed with a carrier where Anthropic has encrypted content; it refuses the request then
(`Invalid encrypted_content in search_result block`). The searches become text, as towards every other upstream.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.as_text import other_text, server_call_text
from llm_to_anthropic.translators.carrier import is_carrier
from llm_to_anthropic.translators.raw import raw_json, with_member
from llm_to_anthropic.translators.request import decode_blocks
from llm_to_anthropic.wire.anthropic import OtherBlock, ServerToolUseBlock

_RESULT = "web_search_tool_result"


class _Sealed(msgspec.Struct):
    encrypted_content: str | None = None
    encrypted_index: str | None = None


class _Found(msgspec.Struct, tag=_RESULT):
    content: list[_Sealed]


class _Cited(msgspec.Struct, tag="text"):
    citations: list[Raw]


def without_own_searches(blocks: list[Raw]) -> list[Raw]:
    """The blocks of a message with such searches as text, and without citations of them; all others as they are."""
    if any(map(_is_own_search, blocks)):
        blocks = [_search_as_text(block) for block in blocks]
    return [_without_own_citations(block) for block in blocks]


def _is_own_search(block: Raw) -> bool:
    """Whether a block is the result of a search that another upstream made."""
    try:
        found = msgspec.json.decode(block, type=_Found)
    except msgspec.MsgspecError:
        return False
    return any(is_carrier(result.encrypted_content or "") for result in found.content)


def _search_as_text(block: Raw) -> Raw:
    """A search or its result as a text block; any other block as it is."""
    try:
        read = decode_blocks([block], "")[0]
    except ClientError:
        return block
    if isinstance(read, ServerToolUseBlock) and read.name == "web_search":
        return _text(server_call_text(read))
    if isinstance(read, OtherBlock) and read.type == _RESULT:
        return _text(other_text(read))
    return block


def _without_own_citations(block: Raw) -> Raw:
    """A text without citations of such searches; any other block as it is."""
    try:
        cited = msgspec.json.decode(block, type=_Cited).citations
    except msgspec.MsgspecError:
        return block
    kept = [citation for citation in cited if not _is_own(citation)]
    if len(kept) == len(cited):
        return block
    return with_member(block, "citations", kept or None)


def _is_own(citation: Raw) -> bool:
    try:
        return is_carrier(msgspec.json.decode(citation, type=_Sealed).encrypted_index or "")
    except msgspec.MsgspecError:
        return False


def _text(text: str) -> Raw:
    return raw_json({"type": "text", "text": text})
