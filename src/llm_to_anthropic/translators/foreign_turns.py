"""What servers of Anthropic's protocol refuse of turns that others took, and what mends it for this one request.

Anthropic takes no ids as some servers give them, and reads no thought that another server of its protocol signed. With
manual thinking (`enabled`) it refuses calls and results at the end of a conversation unless a thinking block that it
signed stands before them: what a fallback called without one could never be gone on with. It says itself what helps:
not to think until the turn is over. DeepSeek and Kimi want some thought before each call, whatever it is. Many know no
system messages within a conversation, in words that Claude Code does not know; Anthropic's own it heeds by itself.
Relays do not know all of Anthropic's fields, and Claude Code sends what it would send to Anthropic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.exchange import Loss
from llm_to_anthropic.providers.presets import PRESETS, find_preset
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.translators.anthropic import edit_blocks
from llm_to_anthropic.translators.foreign_ids import SoundIds
from llm_to_anthropic.translators.raw import type_in, with_member
from llm_to_anthropic.translators.reminders import as_reminders
from llm_to_anthropic.translators.unknown_fields import (
    with_little_thinking,
    with_plain_marks,
    without_adaptive,
    without_effort,
    without_marks,
    without_tools,
    without_top,
)
from llm_to_anthropic.wire import UNREADABLE

_THINKING = frozenset({"thinking", "redacted_thinking"})
_NO_THOUGHT = Raw(b'{"type":"thinking","thinking":" ","signature":""}')
_DISABLED = Raw(b'{"type":"disabled"}')
_CLEARING = "clear_thinking_20251015"


MENDED = frozenset({400, 422, 500})
"""What refuses a request for its form: FastAPI's status, too, and llama.cpp's for a template that takes none."""


class Mend(msgspec.Struct, frozen=True):
    """One way to ask again."""

    words: re.Pattern[str]
    """What the refusal says."""
    edit: Callable[[bytes], bytes]
    """The request as it may be accepted; the same object where it is not what was refused."""
    loss: Loss | None
    lasts: bool = True
    """The conversation needs it from then on, and not for the present turn alone."""


def mend_for(error: ApiError, provider: Provider) -> Mend | None:
    """What mends a request that is refused in these words. Fields that Anthropic itself refuses are the client's."""
    if error.status not in MENDED:
        return None
    mends = _MENDS if find_preset("", provider.base_url) is PRESETS["anthropic"] else (*_MENDS, *_OF_FIELDS)
    return next((mend for mend in mends if mend.words.search(error.message)), None)


def _without_thoughts(body: bytes) -> bytes:
    return edit_blocks(body, _not_thought, mark=b"thinking")


def _not_thought(blocks: list[Raw]) -> list[Raw]:
    return [block for block in blocks if type_in(block) not in _THINKING]


def _with_thoughts(body: bytes) -> bytes:
    return edit_blocks(body, _thought_before_calls, mark=b'"tool_use"')


def _thought_before_calls(blocks: list[Raw]) -> list[Raw]:
    kinds = set(map(type_in, blocks))
    return blocks if "tool_use" not in kinds or kinds & _THINKING else [_NO_THOUGHT, *blocks]


def _with_sound_ids(body: bytes) -> bytes:
    return edit_blocks(body, SoundIds().blocks, mark=b'"tool_')


def _without_thinking(body: bytes) -> bytes:
    """Without manual thinking; members that stay keep their bytes."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Raw])
        if type_in(members["thinking"]) != "enabled":
            return body
        if "context_management" in members:
            members["context_management"] = _without_clearing(members["context_management"])
    except (KeyError, *UNREADABLE):
        return body
    return msgspec.json.encode(members | {"thinking": _DISABLED})


def _without_clearing(management: Raw) -> Raw:
    """Without the edit that is refused where nothing is thought."""
    members = msgspec.json.decode(management, type=dict[str, Raw] | None)
    if not members or "edits" not in members:
        return management
    edits = msgspec.json.decode(members["edits"], type=list[Raw])
    return with_member(management, "edits", [edit for edit in edits if type_in(edit) != _CLEARING])


_MENDS = (
    Mend(
        re.compile(
            r"content\[\]\.thinking.{0,3} in the thinking mode must be passed back|reasoning_content is missing"
        ),
        _with_thoughts,
        None,
    ),
    Mend(
        re.compile(
            r"[Ii]nvalid .?(?:signature|data).? in .?(?:redacted_)?thinking.? block"
            r"|Input should be 'text'.{0,80}'input': '(?:redacted_)?thinking'"
        ),
        _without_thoughts,
        Loss("messages", "thoughts among them that the upstream cannot read; all were left out"),
    ),
    Mend(
        re.compile(r"tool_use(?:_id|\.id).{0,40}should match pattern|tool_use.? ids must be unique", re.IGNORECASE),
        _with_sound_ids,
        None,
    ),
    Mend(
        re.compile(r"must start with a thinking block"),
        _without_thinking,
        Loss("thinking", "this turn was begun by another model, without a thought that Claude could go on with; off"),
        lasts=False,
    ),
    Mend(
        re.compile(
            r"unknown variant .system.|(?:role must be either|Input should be|Expected) .user.(?: or | \| ).assistant."
            r"|invalid message role: system|\breceived\W{1,6}system\b|system message must be at the beginning",
            re.IGNORECASE,
        ),
        as_reminders,
        None,
    ),
)


def _of_fields() -> Iterator[Mend]:
    unknown = ": Extra inputs are not permitted"
    yield Mend(
        re.compile(rf"cache_control(?:\.\w+)?\.(?:ttl|scope)(?:{unknown}|\b.{{0,20}} is not supported)"),
        with_plain_marks,
        None,
    )
    yield Mend(re.compile(rf"\.cache_control{unknown}"), without_marks, None)
    yield Mend(re.compile(rf"\bcache_control{unknown}"), without_top("cache_control"), None)
    yield Mend(
        re.compile(rf"\bcontext_management{unknown}"),
        without_top("context_management"),
        Loss("context_management", "the upstream knows no such field; left out"),
    )
    yield Mend(
        re.compile(rf"\boutput_config(?:\.effort)?{unknown}"),
        without_effort,
        Loss("output_config.effort", "the upstream knows no such field; left out"),
    )
    yield Mend(
        re.compile(r"always engages in thinking and cannot be disabled|不支持关闭思考|only type=enabled is allowed"),
        with_little_thinking,
        Loss("thinking", "this model always thinks; asked for little"),
    )
    yield Mend(
        re.compile(r"thinking\.type.? must be .?enabled.? or .?disabled"),
        without_adaptive,
        Loss("thinking", "the upstream has the client decide on it; left out"),
    )
    for field in ("defer_loading", "input_examples", "eager_input_streaming", "strict", "allowed_callers"):
        yield Mend(
            re.compile(rf"\btools\.\d+(?:\.\w+)?\.{field}{unknown}"),
            without_tools(field),
            Loss(f"tools[].{field}", "the upstream knows no such field; left out"),
        )


_OF_FIELDS = tuple(_of_fields())
"""What relays and other servers refuse of the fields that Claude Code sends them as it would Anthropic."""
