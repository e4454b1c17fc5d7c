"""Which of OpenAI's two APIs a model is reached by: by its name, the address and the setting."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from llm_to_anthropic.providers.openai_apis import SERVED, served_by
from llm_to_anthropic.providers.provider import Credential, Provider, ProviderProtocol, Target
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.api_choice import fitting_target
from tests.configuring import KEY, Place

SHARED = (Path(__file__).resolve().parents[1] / "../shared").resolve()
CHAT: Final = "openai_chat"
RESPONSES: Final = "openai_responses"
OFFICIAL = "https://api.openai.com/v1"

# What OpenAI has offered by name; the names with "alone" exist on that API only.
BEST: dict[str, tuple[str, ...]] = {
    CHAT: (
        *("gpt-3.5-turbo", "gpt-3.5-turbo-0125", "gpt-3.5-turbo-16k"),
        *("gpt-4", "gpt-4-0613", "gpt-4-turbo", "gpt-4-turbo-2024-04-09", "gpt-4-32k", "gpt-4.5-preview"),
        *("gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        *("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4.1-2025-04-14", "ft:gpt-4.1-mini-2025-04-14:acme::id"),
        *("chatgpt-4o-latest", "gpt-oss-120b", "openai/gpt-oss-20b"),
        *("gpt-4-does-not-exist-12345", "invalid-model", "my-own-deployment"),
        *("deepseek-r1-0528", "deepseek-v3.1", "grok-4-1-fast-non-reasoning", "mai-ds-r1"),
    ),
    f"{CHAT} alone": (
        *("gpt-4o-search-preview", "gpt-4o-mini-search-preview", "gpt-5-search-api"),
        *("gpt-audio", "gpt-audio-mini", "gpt-4o-audio-preview", "gpt-4o-mini-audio-preview"),
    ),
    RESPONSES: (
        *("o1", "o1-mini", "o1-preview", "o1-2024-12-17", "o3", "o3-mini", "o4-mini", "o4-mini-2025-04-16"),
        "ft:o4-mini-2025-04-16:acme::id",
        *("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-2025-08-07", "gpt-5-mini-2025-08-07", "gpt-5-nano-2025-08-07"),
        *("gpt-5-chat-latest", "gpt-5.1", "gpt-5.1-2025-11-13", "gpt-5.1-chat-latest", "openai/GPT-5-mini"),
        *("gpt-5.2", "gpt-5.2-2025-12-11", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.5"),
        *("gpt-5.6", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-6", "gpt-6-sol", "gpt-6-luna", "gpt-6-astra"),
        *("gpt-6.1-sol", "gpt-6.2"),
    ),
    f"{RESPONSES} alone": (
        *("o1-pro", "o1-pro-2025-03-19", "o3-pro", "gpt-5-pro", "gpt-5.2-pro", "gpt-5.4-pro"),
        *("gpt-5-codex", "gpt-5.1-codex", "gpt-5.1-codex-mini", "gpt-5.1-codex-max", "gpt-5.2-codex", "gpt-5.3-codex"),
        *("codex-mini", "codex-mini-latest", "computer-use-preview", "computer-use-preview-2025-03-11"),
        *("o3-deep-research", "o4-mini-deep-research", "o3-deep-research-2025-06-26"),
    ),
}
MODELS = [(model, best.partition(" ")[0], "alone" in best) for best, models in BEST.items() for model in models]
_NAME = re.compile(r"\b(?:gpt-\d(?!\.x)[\w.-]*\w|o[134](?:-[a-z][\w-]*)?|chatgpt-[\w-]+|codex-mini[\w-]*)(?![\w.*-])")

AZURE = '[providers.azure]\npreset = "azure-openai"\napi_key = "env:AZ"\nbase_url = "https://acme.openai.azure.com/openai/v1"\n'
LOCAL = '[providers.local]\nprotocol = "{}"\nbase_url = "http://127.0.0.1:9/v1"\n'


def target_of(settings: Settings, provider: str, model: str) -> Target:
    return Router(settings).resolve(f"{provider}/{model}").targets[0]


def load(folder: Path, toml: str = "", **environ: str) -> Settings:
    return Place(folder).toml(toml).load({**KEY, "AZ": "test-key", **environ})


def expected(best: str, setting: str, *, knows_both: bool) -> str:
    """The documented rule, said once more."""
    if setting != "auto":
        return {"chat": CHAT, "responses": RESPONSES}[setting]
    return best if knows_both else CHAT


@pytest.mark.parametrize("setting", ["auto", "chat", "responses"])
@pytest.mark.parametrize(
    ("base_url", "knows_both"),
    [
        ("", True),
        ("https://api.openai.com", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://acme.openai.azure.com/openai/v1", True),
        ("http://127.0.0.1:9/v1", False),
        ("https://openrouter.ai/api/v1", False),
        ("https://generativelanguage.googleapis.com/v1beta/openai", False),
    ],
)
def test_each_model_is_reached_by_the_api_that_serves_it_best(
    tmp_path: Path, base_url: str, setting: str, *, knows_both: bool
) -> None:
    """Every known name, at every kind of address and with every setting, goes to the documented API."""
    settings = load(tmp_path, OPENAI_BASE_URL=base_url, OPENAI_API=setting)
    reached = {model: target_of(settings, "openai", model).protocol for model, _, _ in MODELS}
    assert reached == {model: expected(best, setting, knows_both=knows_both) for model, best, _ in MODELS}


@pytest.mark.parametrize(("setting", "api"), [("auto", RESPONSES), ("chat", CHAT), ("responses", RESPONSES)])
def test_setting_holds_for_azure_too(tmp_path: Path, setting: str, api: str) -> None:
    """OPENAI_API means every account that is known to have both APIs."""
    assert target_of(load(tmp_path, AZURE, OPENAI_API=setting), "azure", "gpt-5").protocol == api


@pytest.mark.parametrize("setting", ["auto", "chat", "responses"])
@pytest.mark.parametrize("protocol", [CHAT, RESPONSES])
def test_protocol_of_an_account_stands_above_the_setting(tmp_path: Path, protocol: str, setting: str) -> None:
    """`protocol` in a provider's table decides for all of its models, wherever the server is."""
    settings = load(tmp_path, LOCAL.format(protocol), OPENAI_API=setting)
    assert {target_of(settings, "local", model).protocol for model, _, _ in MODELS} == {protocol}


def test_setting_leaves_other_vendors_alone(tmp_path: Path) -> None:
    """OPENAI_API=responses does not reach the accounts of vendors that have Chat Completions alone."""
    settings = load(tmp_path, '[providers.groq]\napi_key = "env:AZ"\n', OPENAI_API="responses")
    assert target_of(settings, "groq", "openai/gpt-oss-120b").protocol == CHAT


def test_gateway_may_be_said_to_have_both(tmp_path: Path) -> None:
    """`protocol = "openai"` has a server of one's own reached as OpenAI itself is."""
    settings = load(tmp_path, LOCAL.format("openai"))
    assert {target_of(settings, "local", model).protocol for model in ("gpt-5", "gpt-4.1")} == {CHAT, RESPONSES}


@pytest.mark.parametrize(("model", "best", "alone"), MODELS)
def test_rows_know_who_serves_a_model(model: str, best: str, *, alone: bool) -> None:
    """The rows name the best API of each known model, and whether the other has it at all."""
    served = served_by(model)
    assert (served.api, served.alone) == (best, alone)


def test_every_row_is_used() -> None:
    """No row is there that no known model needs."""
    names = [model for model, _, _ in MODELS]
    for row in SERVED:
        without = [other for other in SERVED if other is not row]
        assert any(served_by(name) != served_by(name, without) for name in names), row


def asked(model: str, tools: list[object], protocol: ProviderProtocol = "openai", **fields: object) -> str:
    """The API that a request with these tools goes to."""
    provider = Provider(name="acme", protocol=protocol, base_url=OFFICIAL, credential=Credential())
    router = Router(Settings(providers={"acme": provider}, aliases={}))
    request = {"model": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "tools": tools, **fields}
    return fitting_target(router.resolve(f"acme/{model}").targets[0], json.dumps(request).encode()).protocol


SERVER_TOOLS = (
    {"type": "web_search_20250305", "name": "web_search"},
    {"type": "web_fetch_20250910", "name": "web_fetch"},
    {"type": "code_execution_20250825", "name": "code_execution"},
    {"type": "mcp_toolset", "mcp_server_name": "files"},
)


@pytest.mark.parametrize("tool", SERVER_TOOLS, ids=lambda tool: str(tool["type"]))
def test_tools_that_run_on_the_server_go_where_they_run(tool: object) -> None:
    """A model that Chat Completions serves best is asked by Responses where the request has a hosted tool."""
    assert asked("gpt-4.1", [tool]) == RESPONSES


def test_mcp_servers_go_where_they_are_called() -> None:
    """A request that brings MCP servers goes to Responses."""
    assert asked("gpt-4.1", [], mcp_servers=[{"type": "url", "url": "https://a.test", "name": "a"}]) == RESPONSES


@pytest.mark.parametrize(
    ("model", "protocol", "api"),
    [("gpt-4o-search-preview", "openai", CHAT), ("gpt-4.1", CHAT, CHAT), ("gpt-5", "openai", RESPONSES)],
)
def test_hosted_tools_move_no_request_that_has_nowhere_else_to_go(
    model: str, protocol: ProviderProtocol, api: str
) -> None:
    """A model of one API alone, and an account that is set to one, stay there."""
    assert asked(model, [SERVER_TOOLS[0]], protocol) == api


def test_words_about_hosted_tools_move_nothing() -> None:
    """A conversation that only speaks of hosted tools stays with the model's best API."""
    tools: list[object] = [{"name": "web_search_20250305", "input_schema": {"type": "object"}}]
    assert asked("gpt-4.1", tools, system='send {"type": "web_search_20250305"} and "mcp_servers"') == CHAT


def names_of_the_protocol() -> Iterator[str]:
    for page in (SHARED / "protocol").glob("openai-*.md"):
        yield from _NAME.findall(page.read_text(encoding="utf-8"))


def test_names_of_the_protocols_description_are_known() -> None:
    """Each model that the protocols' description names stands in the table above."""
    if not (SHARED / "protocol").is_dir():
        pytest.skip("the description of the protocols is not here (../shared)")
    found = set(names_of_the_protocol())
    assert len(found) > 10
    assert found <= {model for model, _, _ in MODELS}


def test_recorded_models_were_answered_by_the_api_that_they_get() -> None:
    """No model that OpenAI or Azure was recorded to serve on one API is said to be on the other alone."""
    index = SHARED / "traffic/index.tsv"
    if not index.is_file():
        pytest.skip("the recorded traffic is not here (../shared)")
    with index.open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["vendor"] in {"openai", "azure"}]
    recorded = {(row["model"], row["api"]) for row in rows if row["api"] in {CHAT, RESPONSES} and row["model"]}
    served = {(row["model"], row["api"]) for row in rows if row["api"] in {CHAT, RESPONSES} and row["status"] == "200"}
    assert {model for model, _ in recorded} <= {model for model, _, _ in MODELS}
    assert len(served) > 20
    assert [(model, api) for model, api in served if served_by(model).alone and served_by(model).api != api] == []


def test_account_of_both_apis_takes_the_quirks_of_both(tmp_path: Path) -> None:
    """Overrides of either API are accepted where both are spoken, and each reaches the targets that know it."""
    quirks = "[providers.local.quirks]\ntools_need_no_reasoning = true\nsummaries = false\nmax_tools = 7\n"
    settings = load(tmp_path, LOCAL.format("openai") + quirks)
    chat, responses = target_of(settings, "local", "gpt-4.1").chat, target_of(settings, "local", "gpt-5").responses
    assert (chat.tools_need_no_reasoning, chat.max_tools, responses.summaries, responses.max_tools) == (
        True,
        7,
        False,
        7,
    )
