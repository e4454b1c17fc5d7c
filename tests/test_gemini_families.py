"""What is known of Gemini's models."""

from __future__ import annotations

import pytest

from llm_to_anthropic.providers.catalog import limits_for
from llm_to_anthropic.providers.gemini_families import gemini_quirks_for
from llm_to_anthropic.providers.provider import Backend, Credential, Provider
from llm_to_anthropic.providers.quirks import GeminiQuirks
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings


def a_provider(backend: Backend = "dev", **quirks: object) -> Provider:
    return Provider(
        name="gemini",
        protocol="gemini",
        base_url="http://gemini.test/v1beta",
        credential=Credential(client=True),
        backend=backend,
        quirks=tuple(quirks.items()),
    )


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-1.5-pro", "none"),
        ("gemini-2.0-flash-lite", "none"),
        ("gemini-2.5-flash-image", "none"),
        ("gemini-2.5-flash-preview-09-2025", "budget"),
        ("gemini-2.5-pro", "budget"),
        ("gemini-3-pro-preview", "level"),
        ("gemini-3.1-flash-lite", "level"),
        ("gemini-4-argon", "level"),
        ("gemini-pro-latest", "level"),
        ("publishers/google/models/Gemini-2.5-Pro", "budget"),
    ],
)
def test_each_family_is_asked_for_thinking_in_its_own_way(model: str, thinking: str) -> None:
    """A level for the newest and for names that nobody knows, a budget for 2.5, nothing for what came before."""
    assert gemini_quirks_for(a_provider(), model).thinking == thinking


@pytest.mark.parametrize(
    ("model", "budgets"),
    [
        ("gemini-2.5-pro", (128, 32768, False)),
        ("gemini-2.5-flash", (1, 24576, True)),
        ("gemini-2.5-flash-lite", (512, 24576, True)),
    ],
)
def test_thinking_budgets_have_the_models_range(model: str, budgets: tuple[int, int, bool]) -> None:
    """Each model of 2.5 has its own range, and Pro cannot be switched off."""
    quirks = gemini_quirks_for(a_provider(), model)
    assert (quirks.min_budget, quirks.max_budget, quirks.zero_budget) == budgets


@pytest.mark.parametrize(
    ("model", "lowest"),
    [
        ("gemini-3-pro-preview", "LOW"),
        ("gemini-3-flash-preview", "MINIMAL"),
        ("gemini-3.7-flash", "LOW"),
        ("gemini-4-argon", "LOW"),
    ],
)
def test_levels_begin_with_the_models_lowest(model: str, lowest: str) -> None:
    """Only some Flash models know a level below LOW."""
    assert gemini_quirks_for(a_provider(), model).levels[0] == lowest


@pytest.mark.parametrize(("model", "takes"), [("gemma-3-27b-it", False), ("gemma-3n-e4b-it", False), ("gemma-4", True)])
def test_gemma_3_takes_no_system_instruction(model: str, takes: bool) -> None:
    """Google answers 400 to one beside a conversation with Gemma 3."""
    assert gemini_quirks_for(a_provider(), model).system_instruction == takes


def test_an_unknown_model_is_a_new_one() -> None:
    """The standard is the newest model, so a name without a row has no deviations."""
    assert gemini_quirks_for(a_provider(), "gemini-9-neon") == GeminiQuirks()


def test_vertex_is_told_apart() -> None:
    """On Vertex AI calls have no ids, and Google's own tools stand alone."""
    quirks = gemini_quirks_for(a_provider("vertex"), "gemini-3-pro")
    assert (quirks.backend, quirks.call_ids, quirks.mixed_tools, quirks.signatures) == ("vertex", False, False, True)


def test_configured_quirks_come_last() -> None:
    """What the configuration says of a provider holds for all its models."""
    quirks = gemini_quirks_for(a_provider(safety_threshold="OFF", thinking="none"), "gemini-3-pro")
    assert (quirks.safety_threshold, quirks.thinking) == ("OFF", "none")


def test_targets_carry_the_quirks_of_their_protocol() -> None:
    """A target of a Gemini provider holds what is known of its model, configured quirks included."""
    settings = Settings(providers={"gemini": a_provider(sampling=False)}, aliases={})
    target = Router(settings).resolve("gemini/gemini-2.5-pro").targets[0]
    assert (target.gemini.thinking, target.gemini.sampling) == ("budget", False)


@pytest.mark.parametrize(
    ("model", "most"),
    [("gemini-2.0-flash-lite", 8192), ("gemini-2.5-pro", 65536), ("gemini-4-argon", 65536), ("gemini-9", None)],
)
def test_the_most_tokens_of_an_answer_are_known(model: str, most: int | None) -> None:
    """max_tokens is lowered to the model's most, where that is known."""
    assert limits_for(model).max_output == most
