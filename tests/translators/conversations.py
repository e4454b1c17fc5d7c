"""Conversations of all kinds, sound and broken, for tests that compare two ways of encoding them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.translators import gemini_requests
from tests.translators.responses_requests import carried, reasoning_item, target

Json = Any

CARRIERS = [
    carried(reasoning_item(), phases=["commentary", "final_answer"])["signature"],
    carried(to=target())["signature"],
    carried(reasoning_item("rs_2"), to=target(base_url="http://else.test/v1"))["signature"],
    gemini_requests.carried(
        {"k": "fc", "n": 0, "id": "own-1", "sig": "c2lnbmVk"},
        {"k": "fc", "n": 1, "id": "own-2"},
        {"k": "tx", "n": 0, "sig": "dGV4dA=="},
    )["signature"],
]
"""Of an OpenAI Responses target, without items, and of another account; of a Gemini model."""

COMPACTED = carried({"type": "compaction", "encrypted_content": "gAAAA"})["signature"]

TEXTS = st.sampled_from(["", " ", "a", "two\nlines", "\u00e9\U0001f600", "<document>"])
NAMES = st.sampled_from(["f", "g" * 80])
IDS = st.sampled_from(["toolu_1", "toolu_2", "call.3", "x" * 70])
MARK = {"cache_control": st.just({"type": "ephemeral"})}
TEXT = st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}, optional=MARK)
IMAGE = st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}})
DOCUMENT = st.just({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}})
THINKING = st.sampled_from(
    [{"type": "thinking", "thinking": "t", "signature": signature} for signature in ("EqoB", "", *CARRIERS)]
)
COMPACTION = st.sampled_from(
    [
        {"type": "compaction", "content": content, "encrypted_content": sealed}
        for content in (None, "sum")
        for sealed in (None, CARRIERS[0], COMPACTED)
    ]
)
CALL = st.fixed_dictionaries(
    {"type": st.just("tool_use"), "id": IDS, "name": NAMES, "input": st.just({"a": 1})}, optional=MARK
)
RESULT = st.fixed_dictionaries(
    {
        "type": st.just("tool_result"),
        "tool_use_id": IDS,
        "content": TEXTS
        | st.lists(TEXT | IMAGE | st.just({"type": "tool_reference", "tool_name": "later"}), max_size=2),
        "is_error": st.booleans(),
    },
    optional=MARK,
)
USER = st.fixed_dictionaries(
    {"role": st.just("user"), "content": TEXTS | st.lists(TEXT | IMAGE | DOCUMENT | RESULT, max_size=3)}
)
ASSISTANT = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": TEXTS | st.lists(TEXT | THINKING | CALL | COMPACTION, max_size=3)}
)
SYSTEM = st.fixed_dictionaries(
    {
        "role": st.just("system"),
        "content": TEXTS | st.none() | st.just([{"type": "tool_addition", "tool": {"name": "later"}}]),
    },
    optional={"clear_at": st.sampled_from(["next_user_message", "never", None])},
)
TOOLS = [
    {"name": name, "input_schema": {"type": "object"}, "defer_loading": name == "later"} for name in ("f", "later")
]


@st.composite
def rounds(draw: st.DrawFn) -> list[Json]:
    """A conversation as agents have it: calls and their results, in order."""
    messages: list[Json] = [{"role": "user", "content": draw(TEXTS.filter(str.strip))}]
    for number in range(draw(st.integers(0, 4))):
        ids = [f"toolu_{number}_{call}" for call in range(draw(st.integers(1, 3)))]
        calls = [{"type": "tool_use", "id": id, "name": draw(NAMES), "input": {"n": number}} for id in ids]
        results = [{**draw(RESULT), "tool_use_id": id} for id in draw(st.just(ids) | st.permutations(ids))]
        messages.append({"role": "assistant", "content": [*draw(st.lists(TEXT | THINKING, max_size=2)), *calls]})
        messages.append({"role": "user", "content": [*results, *draw(st.lists(TEXT | IMAGE, max_size=1))]})
    return messages


CONVERSATION = rounds() | st.lists(USER | ASSISTANT | SYSTEM, min_size=1, max_size=6)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "system": TEXTS | st.lists(TEXT, max_size=2),
        "top_k": st.just(5),
        "stop_sequences": st.just(["x"]),
        "thinking": st.just({"type": "enabled", "budget_tokens": 1024}),
        "max_tokens": st.sampled_from([0, 9, 10**9]),
        "output_format": st.just({"type": "json_schema", "schema": {"type": "object"}}),
        "context_management": st.just({"edits": [{"type": "compact_20260112", "instructions": "i"}]}),
        "messages_": st.just([]),
    },
)
