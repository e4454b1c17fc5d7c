"""How much a Chat server is asked to reason, in its own words, and what of that wish is lost."""

from __future__ import annotations

import msgspec
import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from tests.translators.chat_requests import HI, REASONING, Json, encoded, lost, tool, upstream

EFFORTS: list[tuple[str, Json, tuple[str, ...], str | None]] = [
    ("absent", {}, ("low", "medium", "high"), None),
    ("adaptive", {"thinking": {"type": "adaptive"}}, ("low", "medium", "high"), None),
    ("effort", {"output_config": {"effort": "low"}}, ("low", "medium", "high"), "low"),
    ("max is clamped", {"output_config": {"effort": "max"}}, ("low", "medium", "high"), "high"),
    ("max is known", {"output_config": {"effort": "max"}}, ("low", "high", "max"), "max"),
    ("low has no equal", {"output_config": {"effort": "low"}}, ("none", "high"), "high"),
    ("small budget", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, ("low", "medium", "high"), "low"),
    ("budget", {"thinking": {"type": "enabled", "budget_tokens": 20000}}, ("low", "medium", "high"), "high"),
    ("huge budget", {"thinking": {"type": "enabled", "budget_tokens": 40000}}, ("low", "high", "xhigh"), "xhigh"),
    ("off", {"thinking": {"type": "disabled"}}, ("none", "low", "medium"), "none"),
    ("off is minimal", {"thinking": {"type": "between_tools"}}, ("minimal", "low"), "minimal"),
    ("off is low", {"thinking": {"type": "disabled"}}, ("low", "high"), "low"),
    ("off wins", {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, ("none", "max"), "none"),
    ("no reasoning model", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, (), None),
]


@pytest.mark.parametrize(
    ("request_", "efforts", "sent"), [row[1:] for row in EFFORTS], ids=[row[0].replace(" ", "-") for row in EFFORTS]
)
def test_effort_is_the_nearest_that_the_model_takes(request_: Json, efforts: tuple[str, ...], sent: str | None) -> None:
    """Thinking and effort become the model's nearest reasoning effort, never a higher one than asked if it has less."""
    assert upstream(request_, ChatQuirks(efforts=efforts)).get("reasoning_effort") == sent


def test_a_system_message_changes_the_effort() -> None:
    """The last system message with an effort wins over the request's."""
    later = {"role": "system", "output_config": {"effort": "low"}}
    request = {"output_config": {"effort": "high"}, "messages": [*HI, later]}
    assert upstream(request, REASONING)["reasoning_effort"] == "low"


STYLES: list[tuple[str, Json, Json, Json]] = [
    ("enable_thinking", {"thinking": {"type": "disabled"}}, "chat_template_kwargs", {"enable_thinking": False}),
    ("enable_thinking", {"thinking": {"type": "adaptive"}}, "chat_template_kwargs", {"enable_thinking": True}),
    ("enable_thinking_field", {"thinking": {"type": "disabled"}}, "enable_thinking", False),
    ("enable_thinking_field", {"output_config": {"effort": "low"}}, "enable_thinking", True),
    ("thinking", {"thinking": {"type": "disabled"}}, "thinking", {"type": "disabled"}),
    ("thinking", {"output_config": {"effort": "high"}}, "thinking", {"type": "enabled"}),
    ("openrouter", {"thinking": {"type": "disabled"}}, "reasoning", {"enabled": False}),
    ("openrouter", {"thinking": {"type": "adaptive"}}, "reasoning", {"enabled": True}),
    ("openrouter", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, "reasoning", {"max_tokens": 2048}),
    ("openrouter", {"output_config": {"effort": "max"}}, "reasoning", {"effort": "xhigh"}),
]


@pytest.mark.parametrize(
    ("style", "request_", "field", "sent"), STYLES, ids=[f"{row[0]}-{n}" for n, row in enumerate(STYLES)]
)
def test_servers_are_asked_for_reasoning_in_their_own_way(style: Json, request_: Json, field: str, sent: Json) -> None:
    """Each vendor's spelling of reasoning is a quirk; without a wish of the client nothing is sent."""
    assert upstream(request_, ChatQuirks(reasoning=style))[field] == sent
    assert field not in upstream({}, ChatQuirks(reasoning=style))


@pytest.mark.parametrize(
    ("request_", "switch", "effort"),
    [
        ({"output_config": {"effort": "low"}}, "enabled", "low"),
        ({"output_config": {"effort": "max"}}, "enabled", "max"),
        ({"thinking": {"type": "adaptive"}}, "enabled", None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, "disabled", None),
        ({"output_config": {"effort": "low"}, "tools": [tool()], "tool_choice": {"type": "any"}}, "disabled", None),
    ],
)
def test_a_switch_stands_beside_an_effort(request_: Json, switch: str, effort: str | None) -> None:
    """DeepSeek has a switch, and levels of what it switches on."""
    sent = upstream(request_, ChatQuirks(reasoning="thinking", efforts=("low", "high", "max")))
    assert (sent["thinking"], sent.get("reasoning_effort")) == ({"type": switch}, effort)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "look"}], ids=["any", "one"])
@pytest.mark.parametrize(
    ("style", "field", "off"),
    [
        ("thinking", "thinking", {"type": "disabled"}),
        ("enable_thinking", "chat_template_kwargs", {"enable_thinking": False}),
        ("enable_thinking_field", "enable_thinking", False),
    ],
    ids=["thinking", "template", "field"],
)
def test_a_tool_that_must_be_called_turns_thinking_off(style: Json, field: str, off: Json, choice: Json) -> None:
    """Kimi, DeepSeek and Qwen think unless told otherwise, and refuse to be forced to a tool while they do."""
    quirks, request = ChatQuirks(reasoning=style), {"tools": [tool()], "tool_choice": choice}
    assert upstream(request, quirks)[field] == off
    assert lost(encoded(request | {"thinking": {"type": "adaptive"}}, quirks)) == []
    done = encoded(request | {"thinking": {"type": "enabled", "budget_tokens": 1024}}, quirks)
    assert (msgspec.json.decode(done.body)[field], lost(done)) == (off, ["thinking"])
    assert field not in upstream(request | {"tool_choice": {"type": "auto"}}, quirks)


def test_tools_turn_reasoning_off_where_both_are_refused() -> None:
    """Models that take tools only without reasoning get none, which is told if the client wanted some."""
    quirks = ChatQuirks(tools_need_no_reasoning=True, efforts=("none", "high"))
    done = encoded({"tools": [tool()], "output_config": {"effort": "high"}}, quirks)
    assert msgspec.json.decode(done.body)["reasoning_effort"] == "none"
    assert lost(done) == ["thinking"]
    assert "reasoning_effort" not in upstream({}, quirks)


@pytest.mark.parametrize(
    ("thinking", "off", "asked"),
    [(None, False, False), ("adaptive", False, True), ("enabled", False, True), ("disabled", True, False)],
)
def test_the_wish_for_thinking_is_remembered(thinking: str | None, *, off: bool, asked: bool) -> None:
    """The way back needs to know whether the client wants to see thinking."""
    done = encoded({"thinking": {"type": thinking} if thinking else None})
    assert (done.encoding.reasoning_off, done.encoding.thinking_asked) == (off, asked)


def test_no_reasoning_effort_allows_sampling() -> None:
    """Reasoning models take sampling parameters once they do not reason."""
    quirks = ChatQuirks(sampling=False, efforts=("none", "high"))
    assert upstream({"temperature": 0, "thinking": {"type": "disabled"}}, quirks)["temperature"] == 0


def test_reasoning_that_cannot_be_turned_off_is_reported() -> None:
    """A model that always reasons is asked for nothing, and the client is told."""
    done = encoded({"thinking": {"type": "disabled"}}, ChatQuirks(efforts=("medium", "high")))
    assert lost(done) == ["thinking"]


OFF: Json = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("request_", "quirks", "sent"),
    [
        pytest.param(OFF, ChatQuirks(efforts=("low", "high")), 4096, id="no level is off"),
        pytest.param(OFF, ChatQuirks(efforts=("none", "low")), 64, id="off"),
        pytest.param(OFF, ChatQuirks(think_tags=True), 64, id="may do so, in tags"),
        pytest.param(OFF, ChatQuirks(think_tags=True, reasoning="none"), 4096, id="does so, and is not to be asked"),
        pytest.param(OFF, ChatQuirks(reasons=True), 4096, id="known to"),
        pytest.param(OFF, ChatQuirks(reasons=True, reasoning="thinking"), 4096, id="cannot be switched off"),
        pytest.param(OFF, ChatQuirks(think_tags=True, reasoning="enable_thinking"), 64, id="switched off"),
        pytest.param(OFF, ChatQuirks(reasons=True, max_output=1000), 1000, id="a server's limit"),
        pytest.param(OFF | {"max_tokens": 5000}, ChatQuirks(reasons=True), 5000, id="there is room"),
        pytest.param(OFF, ChatQuirks(), 64, id="does not reason"),
        pytest.param({}, ChatQuirks(efforts=("low", "high")), 64, id="no word of it"),
        pytest.param({"output_config": {"effort": "low"}}, ChatQuirks(efforts=("low",)), 64, id="an effort is wanted"),
        pytest.param({"thinking": {"type": "adaptive"}}, ChatQuirks(efforts=("low",)), 64, id="thoughts are wanted"),
    ],
)
def test_reasoning_that_nobody_wants_does_not_use_up_the_text(request_: Json, quirks: ChatQuirks, sent: int) -> None:
    """A model that reasons though its client said no has room for that beside the text, which stays as short."""
    done = encoded({"max_tokens": 64} | request_, quirks)
    assert msgspec.json.decode(done.body)["max_tokens"] == sent
    wanted = request_.get("max_tokens", 64)
    assert done.encoding.most_visible == (wanted if sent > wanted else 0)


def test_openrouter_is_not_asked_to_stop_reasoning_that_it_insists_on() -> None:
    """OpenRouter refuses to turn off what its model cannot but do: it is asked for a little, and the client is told."""
    done = encoded(OFF, ChatQuirks(reasoning="openrouter", efforts=("none", "minimal", "low", "high"), reasons=True))
    assert msgspec.json.decode(done.body)["reasoning"] == {"effort": "low"}
    assert lost(done) == ["thinking"]


@pytest.mark.parametrize("kind", ["adaptive", "disabled", "between_tools", "enabled"])
def test_any_thinking_is_fine_for_a_model_that_has_none(kind: str) -> None:
    """Claude Code sends `thinking` for every model: one that does not reason is asked for nothing."""
    thinking = {"type": kind, "display": "omitted"} | ({"budget_tokens": 2048} if kind == "enabled" else {})
    done = encoded({"thinking": thinking})
    assert not {"reasoning_effort", "reasoning", "thinking"} & set(msgspec.json.decode(done.body))
    assert lost(done) == (["thinking"] if kind == "enabled" else [])
