"""Model names resolve to targets by the documented rules."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from llm_to_anthropic.errors import ApiError, ClientError
from llm_to_anthropic.providers.provider import Credential, Protocol, Provider, Secret
from llm_to_anthropic.routing import MAX_NAME, Router
from llm_to_anthropic.settings import PreferredProvider, Settings

KEY = Secret("test-key")
BUILT_IN: tuple[tuple[str, Protocol, str], ...] = (
    ("openai", "openai_chat", "https://api.openai.com/v1"),
    ("gemini", "gemini", "https://generativelanguage.googleapis.com"),
    ("anthropic", "anthropic", "https://api.anthropic.com"),
)


def built_in(*, keys: tuple[str, ...] = ("openai", "gemini", "anthropic")) -> dict[str, Provider]:
    return {
        name: Provider(
            name=name,
            protocol=protocol,
            base_url=url,
            preset=name,
            credential=Credential(key=KEY if name in keys else None, variable=f"{name.upper()}_API_KEY"),
        )
        for name, protocol, url in BUILT_IN
    }


def local(name: str, *models: str) -> Provider:
    return Provider(
        name=name,
        protocol="openai_chat",
        base_url="http://127.0.0.1:9/v1",
        credential=Credential(),
        models=models,
    )


def router(
    preferred: PreferredProvider = "openai",
    big: str = "",
    small: str = "",
    aliases: Mapping[str, tuple[str, ...]] | None = None,
    providers: dict[str, Provider] | None = None,
    *,
    strict: bool = False,
) -> Router:
    return Router(
        Settings(
            preferred_provider=preferred,
            big_model=big,
            small_model=small,
            aliases=aliases or {},
            providers=providers or {**built_in(), "local": local("local", "llama3")},
            strict=strict,
        )
    )


def where(route_to: Router, model: str) -> list[str]:
    return [f"{target.provider.name}/{target.model}" for target in route_to.resolve(model).targets]


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("haiku", "openai/gpt-4.1-mini"),
        ("sonnet", "openai/gpt-4.1"),
        ("opus", "openai/gpt-4.1"),
        ("fable", "openai/gpt-4.1"),
        ("claude-sonnet-4-5-20250929", "openai/gpt-4.1"),
        ("claude-haiku-5-5[1m]", "openai/gpt-4.1-mini"),
        ("Claude-Opus-5", "openai/gpt-4.1"),
        ("claude-3-5-haiku-latest", "openai/gpt-4.1-mini"),
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("OpenAI/gpt-4o[1m]", "openai/gpt-4o"),
        ("openai/claude-sonnet-x", "openai/claude-sonnet-x"),
        ("openai/moonshotai/kimi-k2", "openai/moonshotai/kimi-k2"),
        ("gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("google/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("models/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("gemini/models/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("local/qwen3:8b", "local/qwen3:8b"),
        ("gpt-4o", "openai/gpt-4o"),
        ("chatgpt-4o-latest", "openai/chatgpt-4o-latest"),
        ("o3-mini", "openai/o3-mini"),
        ("gemini-2.5-flash", "gemini/gemini-2.5-flash"),
        ("claude-2.1", "anthropic/claude-2.1"),
        ("llama3", "local/llama3"),
        ("anthropic-local-llama3", "local/llama3"),
        ("anthropic-openai-gpt-4o", "openai/gpt-4o"),
        ("anthropic-local-claude-opus", "local/claude-opus"),
    ],
)
def test_name_finds_its_target(model: str, target: str) -> None:
    """Lines, prefixes, known families, listed models and picker names each find their provider."""
    assert where(router(), model) == [target]


@pytest.mark.parametrize(
    ("preferred", "model", "target"),
    [
        ("google", "claude-sonnet-5-5", "gemini/gemini-2.5-pro"),
        ("google", "haiku", "gemini/gemini-2.5-flash"),
        ("anthropic", "claude-sonnet-5-5", "anthropic/claude-sonnet-5-5"),
        ("anthropic", "claude-haiku-5-5[1m]", "anthropic/claude-haiku-5-5"),
    ],
)
def test_lines_follow_the_preferred_provider(preferred: PreferredProvider, model: str, target: str) -> None:
    """Each preferred provider has its own defaults, and Anthropic keeps the name."""
    assert where(router(preferred), model) == [target]


@pytest.mark.parametrize(
    ("big", "target"),
    [
        ("gpt-5.1", "openai/gpt-5.1"),
        ("local/llama3", "local/llama3"),
        ("moonshotai/kimi-k2", "openai/moonshotai/kimi-k2"),
    ],
    ids=["plain", "with a provider", "slash of the model's own"],
)
def test_big_model_may_name_a_provider(big: str, target: str) -> None:
    """BIG_MODEL goes to the preferred provider unless it begins with another's name."""
    assert where(router(big=big), "opus") == [target]


def test_set_models_replace_the_names_of_anthropic() -> None:
    """With Anthropic preferred, BIG_MODEL still replaces the client's name where it is set."""
    assert where(router("anthropic", big="claude-opus-5-5"), "claude-sonnet-4-5") == ["anthropic/claude-opus-5-5"]


def test_name_of_big_model_is_known() -> None:
    """The configured models answer to their own bare names too."""
    assert where(router(big="qwen3-coder"), "qwen3-coder") == ["openai/qwen3-coder"]


def test_alias_comes_first() -> None:
    """An alias wins over the lines, and its targets keep their order."""
    own = router(aliases={"claude-sonnet-5-5": ("local/llama3", "openai/gpt-4o")})
    assert where(own, "claude-sonnet-5-5[1m]") == ["local/llama3", "openai/gpt-4o"]


@pytest.mark.parametrize(
    ("model", "target"),
    [("claude-opus-4-1", "local/one"), ("claude-opus-5", "local/two"), ("claude-haiku", "local/three")],
    ids=["exact", "narrow wildcard", "wide wildcard"],
)
def test_most_specific_alias_wins(model: str, target: str) -> None:
    """Exact aliases come before wildcards, and wildcards with more literal characters before others."""
    aliases = {
        "claude-*": ("local/three",),
        "claude-opus-*": ("local/two",),
        "claude-opus-4-1": ("local/one",),
    }
    assert where(router(aliases=aliases), model) == [target]


def test_fallback_without_a_key_is_left_out() -> None:
    """Of an alias's targets only those with a credential are tried."""
    providers = {**built_in(keys=("anthropic",)), "local": local("local")}
    own = router(aliases={"x": ("openai/gpt-4o", "local/llama3")}, providers=providers)
    assert where(own, "x") == ["local/llama3"]


@pytest.mark.parametrize("model", ["nonsense", "", "[1m]", "nobody/gpt-4o", "octopus", "local/"])
def test_unknown_name_is_not_found(model: str) -> None:
    """A name that no rule knows is refused with 404 not_found_error."""
    with pytest.raises(ClientError) as refused:
        router().resolve(model)
    assert (refused.value.status, refused.value.type) == (404, "not_found_error")


def test_refusal_names_the_model_and_some_that_exist() -> None:
    """The refusal says which name was asked for and offers some that would have worked."""
    with pytest.raises(ClientError, match=r"'lama3'.*local/llama3"):
        router().resolve("lama3")


def test_refusal_of_an_endless_name_stays_short() -> None:
    """A name of any length makes a message of bounded length."""
    with pytest.raises(ClientError) as refused:
        router().resolve("x" * MAX_NAME)
    assert len(refused.value.message) < 1000


@pytest.mark.parametrize("name", ["xy", "openai/x", "claude-opus-x"])
def test_endless_name_is_no_name(name: str) -> None:
    """A name that no model has is refused whoever would be asked, and remembered nowhere."""
    with pytest.raises(ClientError, match=r"model: has more than 1024 characters") as refused:
        router().resolve(name * MAX_NAME)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("opus", "OPENAI_API_KEY"),
        ("openai/gpt-4o", "OPENAI_API_KEY"),
        ("gemini-2.5-pro", "GEMINI_API_KEY"),
        ("claude-2.1", "ANTHROPIC_API_KEY"),
    ],
)
def test_missing_key_is_named(model: str, variable: str) -> None:
    """Where a provider has no key, the refusal is a 503 that names the variable and is not retried."""
    with pytest.raises(ApiError, match=f"set {variable}") as refused:
        router(providers=built_in(keys=())).resolve(model)
    assert (refused.value.status, refused.value.headers) == (503, {"x-should-retry": "false"})


@pytest.mark.parametrize(("key", "word"), [("gemini", "google"), ("anthropic", "anthropic")])
def test_provider_that_has_a_key_is_proposed(key: str, word: str) -> None:
    """Who has set another provider's key alone is told how to prefer that one, where this would help."""
    providers = built_in(keys=(key,))
    with pytest.raises(ApiError, match=f"set OPENAI_API_KEY, or PREFERRED_PROVIDER={word}, where"):
        router(providers=providers).resolve("claude-sonnet-5-5")
    for own, model in ((router(providers=providers), "gpt-4o"), (router(providers=providers, big="o3"), "opus")):
        with pytest.raises(ApiError, match="set OPENAI_API_KEY where"):
            own.resolve(model)


def test_route_keeps_the_requested_name_and_strictness() -> None:
    """A route carries the name as the client sent it, suffix and all, and the strict setting."""
    route = router(strict=True).resolve("claude-haiku-5-5[1m]")
    assert (route.requested, route.strict) == ("claude-haiku-5-5[1m]", True)


def test_target_knows_its_quirks_and_limits() -> None:
    """A target comes with what is known of its provider and model."""
    target = router().resolve("openai/o3").targets[0]
    assert (target.chat.sampling, target.limits.max_output) == (False, 100_000)


def test_resolved_names_are_remembered_within_bounds() -> None:
    """The same name gives the same route again, however many others were asked for in between."""
    own = router()
    assert own.resolve("haiku") is own.resolve("haiku")
    for number in range(3000):
        own.resolve(f"openai/m{number}")
    assert where(own, "haiku") == ["openai/gpt-4.1-mini"]


def test_list_begins_with_names_that_claude_code_shows() -> None:
    """The list has Claude's current names with what stands behind them, even while no key is set."""
    entries = {entry.id: entry for entry in router(providers=built_in(keys=())).models()}
    assert entries["claude-sonnet-5-5"].display_name == "gpt-4.1 (via openai)"
    assert {entry.line for entry in entries.values()} == {"opus", "sonnet", "haiku", "fable"}


def test_list_offers_every_model_to_the_picker() -> None:
    """Each model that is no Claude has a second name that begins with anthropic, and both resolve alike."""
    own = router(aliases={"fast": ("local/llama3",), "x-*": ("local/llama3",)})
    ids = [entry.id for entry in own.models()]
    assert "fast" in ids
    assert "x-*" not in ids
    assert where(own, "anthropic-local-llama3") == where(own, "local/llama3")
    assert {"local/llama3", "anthropic-local-llama3", "openai/gpt-4.1", "anthropic-openai-gpt-4.1"} <= set(ids)


def test_every_listed_model_resolves() -> None:
    """Whatever the list offers can be asked for, and no id stands twice."""
    own = router(aliases={"fast": ("local/llama3",)})
    ids = [entry.id for entry in own.models()]
    assert len(set(ids)) == len(ids)
    for name in ids:
        assert own.resolve(name).targets


def test_list_leaves_out_providers_without_a_key() -> None:
    """Models of a provider that cannot be used are not offered."""
    own = router(providers=built_in(keys=("openai",)))
    assert not [entry.id for entry in own.models() if entry.id.startswith(("gemini/", "anthropic/"))]


def test_list_tells_of_the_target_that_answers() -> None:
    """An alias is listed as the first of its targets that can be used, which is the one that answers."""
    aliases = {"fast": ("openai/gpt-4o", "gemini/gemini-2.5-flash"), "claude-opus-*": ("openai/gpt-4o", "local/llama3")}
    own = router(aliases=aliases, providers={**built_in(keys=("gemini",)), "local": local("local")})
    entries = {entry.id: entry for entry in own.models()}
    assert entries["fast"].display_name == "gemini-2.5-flash (via gemini)"
    assert entries["claude-opus-5-5"].display_name == "llama3 (via local)"
    assert entries["claude-opus-5-5"].max_input_tokens is None


def test_entry_carries_limits() -> None:
    """A listed model tells its limits where they are known."""
    entry = router().entry("openai/gpt-4o")
    assert (entry.max_input_tokens, entry.max_tokens, entry.line) == (128_000, 16_384, None)


def test_entry_of_an_unlisted_model() -> None:
    """A model that resolves but is not listed can be looked up too."""
    assert router().entry("openai/brand-new/one").display_name == "brand-new/one (via openai)"


def test_ready_tells_what_each_provider_misses() -> None:
    """Readiness names every provider and the variable it misses, and no secret."""
    ready, info = router(providers=built_in(keys=("openai",))).ready()
    assert ready
    assert info == {
        "providers": {
            "openai": "ok",
            "gemini": "no key: set GEMINI_API_KEY",
            "anthropic": "no key: set ANTHROPIC_API_KEY",
        }
    }


def test_not_ready_without_any_credential() -> None:
    """Without any usable provider the server is not ready."""
    assert router(providers=built_in(keys=())).ready()[0] is False


def test_client_credential_is_usable() -> None:
    """A provider that forwards the client's key needs none of its own."""
    providers = built_in(keys=())
    providers["anthropic"] = Provider(
        name="anthropic",
        protocol="anthropic",
        base_url="https://api.anthropic.com",
        credential=Credential(client=True, variable="ANTHROPIC_API_KEY"),
    )
    assert where(router("anthropic", providers=providers), "opus") == ["anthropic/opus"]


@pytest.mark.parametrize(
    ("model", "first_event_s"),
    [
        ("openai/gpt-4.1", 120.0),
        ("openai/o3", 300.0),
        ("local/llama3", 120.0),
        ("local/qwen3-coder", 300.0),
        ("gemini/gemini-2.5-pro", 300.0),
        ("anthropic/claude-sonnet-5-5", 300.0),
    ],
)
def test_models_that_reason_may_begin_later(model: str, first_event_s: float) -> None:
    """A model that thinks before it speaks has longer for its first event."""
    assert router().resolve(model).targets[0].timeouts.first_event_s == first_event_s
