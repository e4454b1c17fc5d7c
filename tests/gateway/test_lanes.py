"""Several keys and targets: whose turn it is, and what is left alone after which error."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.gateway.lanes import Lane
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.provider import Credential, Provider
from llm_to_anthropic.scripted import Answer, Script, ScriptedUpstream, whole
from llm_to_anthropic.scripted.script import Request
from llm_to_anthropic.settings import Settings
from tests.gateway.answers import bad, good
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.gateway.pacing import FakePace, alone, provider, routed, work

MINUTE, DAY = 60.0, 24 * 3600.0
# Two keys of one provider and two of its models: what becomes of each after an error to (first key, model a).
SCOPES: dict[int, tuple[set[str], float]] = {
    429: ({"0 a"}, 5.0),
    401: ({"0 a", "0 b"}, 10 * DAY),
    403: ({"0 a", "0 b"}, 10 * DAY),
    402: ({"0 a", "0 b"}, 10 * MINUTE),
    404: ({"0 a", "1 a"}, 10 * MINUTE),
    400: (set(), 0.0),
    413: (set(), 0.0),
    422: (set(), 0.0),
    408: (set(), 0.0),
    500: (set(), 0.0),
    529: (set(), 0.0),
}


def two_keys(*models: str) -> Settings:
    one, other = provider("one", "http://127.0.0.1:1", keys=2), provider("two", "http://127.0.0.1:1")
    aliases = {model: (f"one/{model}", "two/spare") for model in models}
    return Settings(providers={"one": one, "two": other}, aliases={"mine": ("one/a",), **aliases})


class Matrix:
    """Asks for models by whichever keys may be used, and fails the first request of all."""

    def __init__(self, pace: FakePace, error: UpstreamError) -> None:
        self.pace = pace
        self.alarms: list[str] = []
        self._error: UpstreamError | None = error
        self._asked: list[str] = []
        self._attempts, _ = alone(pace, settings=two_keys("a", "b"), alarm=self.alarms.append)

    async def ask(self, model: str) -> list[str]:
        """The lanes that were tried for a request: `key model`."""
        self._asked.clear()
        _, route = alone(self.pace, settings=two_keys("a", "b"), model=model)
        await self._attempts.run(work(), route, self._attempt)
        return list(self._asked)

    async def usable(self) -> set[str]:
        """The lanes of the first provider that answer requests now."""
        found: set[str] = set()
        for model in ("a", "b"):
            for _ in range(4):
                found.update(await self.ask(model))
        return found

    async def _attempt(self, work: Work, lane: Lane) -> None:
        work.progress.attempts += 1
        if lane.target.provider.name == "one":
            self._asked.append(f"{lane.key} {lane.target.model}")
        error, self._error = self._error, None
        if error is not None:
            raise error


@pytest.mark.parametrize("status", SCOPES)
async def test_an_error_cools_what_it_is_about(status: int) -> None:
    """A rate limit cools one model by one key, a refused key all of the key, a missing model every key of it."""
    pace = FakePace()
    matrix = Matrix(pace, UpstreamError(status, "no"))
    cooled, lasts_s = SCOPES[status]
    everything = {"0 a", "1 a", "0 b", "1 b"}
    if status in (400, 413, 422):
        with pytest.raises(UpstreamError):
            await matrix.ask("a")
    else:
        assert (await matrix.ask("a"))[0] == "0 a"
    started = pace.at
    assert await matrix.usable() == everything - cooled
    pace.at = started + 0.9 * lasts_s
    assert await matrix.usable() == everything - cooled
    if lasts_s <= DAY:
        pace.at = started + lasts_s + 1.0
        assert await matrix.usable() == everything


async def test_a_rate_limit_cools_for_as_long_as_it_says() -> None:
    """The upstream knows best when it will answer again."""
    pace = FakePace()
    matrix = Matrix(pace, UpstreamError(429, "no", headers={"retry-after": "90"}))
    await matrix.ask("a")
    pace.at += 89.0
    assert "0 a" not in await matrix.usable()
    pace.at += 2.0
    assert "0 a" in await matrix.usable()


@pytest.mark.parametrize(("status", "alarms"), [(401, 1), (403, 1), (402, 0), (429, 0), (500, 0)])
async def test_a_refused_key_sounds_the_alarm(status: int, alarms: int) -> None:
    """A key that a person has to replace is told of once, by its place and never by itself."""
    matrix = Matrix(FakePace(), UpstreamError(status, "no"))
    await matrix.usable()
    assert len(matrix.alarms) == alarms
    for alarm in matrix.alarms:
        assert f"provider one refuses key 1 of 2 ({status})" in alarm
        assert "ONE_KEY" in alarm
        assert "one-key" not in alarm


@pytest.mark.parametrize(
    ("status", "told"),
    [
        pytest.param(400, "Your credit balance is too low to access the Anthropic API.", id="anthropic"),
        pytest.param(403, "用户额度不足, 剩余额度: $0.000000", id="new-api"),
        pytest.param(403, "token quota is not enough, token remain quota: $0.1", id="new-api_key"),
    ],
)
async def test_an_empty_account_cools_the_key(status: int, told: str) -> None:
    """Anthropic says 400 where nothing is left to pay with, and its likes 403: once it is topped up the key is good."""
    matrix = Matrix(FakePace(), UpstreamError(status, told))
    await matrix.ask("a")
    assert await matrix.usable() == {"1 a", "1 b"}
    assert matrix.alarms == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        pytest.param(403, "Provider returned error: Content violates usage guidelines. Team: ***", id="xai"),
        pytest.param(403, 'x requires moderation on OpenAI. Your input was flagged for "x".', id="openrouter"),
        pytest.param(403, "You do not have permission to access the File x or it may not exist.", id="google_file"),
        pytest.param(404, "File not found: file_x", id="file"),
        pytest.param(404, "model: a - upstream (one): No such File object: file-x", id="openai_file"),
        pytest.param(404, "Container x has expired or does not exist.", id="container"),
    ],
)
async def test_what_one_request_says_costs_the_others_neither_key_nor_model(status: int, told: str) -> None:
    """A 403 for content, or a 404 for a file, is that request's: another target may take it, and all is used on."""
    matrix = Matrix(FakePace(), UpstreamError(status, told))
    assert await matrix.ask("a") == ["0 a"]  # and the spare target
    assert await matrix.usable() == {"0 a", "1 a", "0 b", "1 b"}
    assert matrix.alarms == []


@pytest.mark.parametrize(
    ("status", "told", "usable"),
    [
        pytest.param(403, "Your account was flagged for potential abuse. Contact us.", {"1 a", "1 b"}, id="flagged"),
        pytest.param(
            403, "This organization has been disabled for violating our usage policies.", {"1 a", "1 b"}, id="disabled"
        ),
        pytest.param(404, "The model `omni-moderation-latest` does not exist", {"0 b", "1 b"}, id="model"),
        pytest.param(404, "model: a - upstream (one): model 'file' not found", {"0 b", "1 b"}, id="model_like_a_part"),
    ],
)
async def test_words_of_content_about_key_or_model_are_about_these(status: int, told: str, usable: set[str]) -> None:
    """An account that is closed, or a model that is missing, is left alone in whatever words it is told."""
    matrix = Matrix(FakePace(), UpstreamError(status, told))
    await matrix.ask("a")
    assert await matrix.usable() == usable


async def test_a_model_that_a_key_may_not_use_costs_that_key_nothing_else() -> None:
    """OpenAI's projects are allowed some models: a 403 for another is no refusal of the key, and nobody's alarm."""
    pace = FakePace()
    told = "upstream (one): Project `***` does not have access to model `a`"
    matrix = Matrix(pace, UpstreamError(403, told))
    assert await matrix.ask("a") == ["0 a", "1 a"]
    assert await matrix.usable() == {"1 a", "0 b", "1 b"}
    pace.at += 9 * MINUTE
    assert "0 a" not in await matrix.usable()
    pace.at += 2 * MINUTE
    assert "0 a" in await matrix.usable()
    assert not matrix.alarms


async def test_a_clients_own_key_is_its_own_matter() -> None:
    """What happens to one client's key is no reason to leave the target alone for others, or to answer elsewhere."""
    settings = two_keys("a")
    own = Provider(
        name="one", protocol="openai_chat", base_url="http://127.0.0.1:1", credential=Credential(client=True)
    )
    settings = Settings(providers={**settings.providers, "one": own}, aliases=settings.aliases)
    attempts, route = alone(FakePace(), settings=settings, model="a")
    asked: list[str] = []

    async def attempt(work: Work, lane: Lane) -> None:
        asked.append(lane.target.provider.name)
        raise UpstreamError(401, "no")

    for _ in range(3):
        with pytest.raises(UpstreamError):
            await attempts.run(work(), route, attempt)
    assert asked == ["one"] * 3


async def test_a_refused_key_is_not_asked_to_count(
    upstream: ScriptedUpstream, second: ScriptedUpstream, second_script: Script, script: Script, records: Records
) -> None:
    """Tokens are counted where requests go now, not where they went before the key was refused."""
    targets = {"m": provider("one", upstream.url, "anthropic"), "n": provider("two", second.url, "anthropic")}
    script.push(bad("anthropic", 401))
    second_script.push(good("anthropic", streamed=False), whole({"input_tokens": 7}))
    reply = MemoryReply()
    async with routed(targets, FakePace(), records) as gateway:
        await gateway.messages(call(ask("mine")), MemoryReply())
        await gateway.count_tokens(call(ask("mine"), path="/v1/messages/count_tokens"), reply)
    assert reply.json() == {"input_tokens": 7}
    assert len(upstream.requests) == 1


class TestKeys:
    """Keys on the wire."""

    @pytest.fixture
    async def routes(self, upstream: ScriptedUpstream, records: Records) -> AsyncIterator[Gateway]:
        async with routed({"m": provider("one", upstream.url, keys=3)}, FakePace(), records) as gateway:
            yield gateway

    async def test_keys_are_used_in_turn(self, routes: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
        """Requests are spread evenly over the keys."""
        script.push(*[good("openai_chat", streamed=False)] * 6)
        for _ in range(6):
            await routes.messages(call(ask("mine")), MemoryReply())
        assert used(upstream) == [0, 1, 2, 0, 1, 2]

    @pytest.mark.parametrize("status", [429, 401, 402])
    async def test_another_key_is_tried_at_once(
        self, routes: Gateway, script: Script, upstream: ScriptedUpstream, status: int
    ) -> None:
        """A key that is used up or refused costs no pause while there is another."""
        script.push(bad("openai_chat", status), good("openai_chat", streamed=False))
        reply = await reply_to(routes, call(ask("mine")))
        assert (reply.status, used(upstream)) == (200, [0, 1])

    async def test_a_failing_server_is_not_asked_by_another_key_at_once(
        self, routes: Gateway, script: Script, upstream: ScriptedUpstream
    ) -> None:
        """A server that is down is down for every key: the same one is used again, after a pause."""
        script.push(bad("openai_chat", 500), good("openai_chat", streamed=False))
        await routes.messages(call(ask("mine")), MemoryReply())
        assert used(upstream) == [0, 0]

    async def test_no_key_of_them_is_told(self, routes: Gateway, upstream: ScriptedUpstream) -> None:
        """An upstream that repeats keys in its errors does not give them away, whichever it is."""

        def echo(request: Request) -> Answer:
            return bad("openai_chat", 400, f"bad request by {request.headers['authorization']}")

        upstream.respond = echo
        for number in range(3):
            reply = await reply_to(routes, call(ask("mine")))
            assert f"one-key-{number}".encode() not in reply.body


def used(upstream: ScriptedUpstream) -> list[int]:
    """The keys of the requests that arrived, by their number."""
    return [int(request.headers["authorization"].rpartition("-")[2]) for request in upstream.requests]
