"""Who is served: client keys, loopback, host names, web origins."""

from __future__ import annotations

import hashlib
import time

import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.http.access import Access
from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.settings import ClientKey
from tests.http.fake import front, settings

KEYS = tuple(ClientKey(secret=Secret(key)) for key in ("client-key", "client-kéy-2"))
HASH = hashlib.sha256(b"hashed-key").hexdigest()
HASHED_KEY = ClientKey(secret=Secret("sha256:" + HASH), name="alice")
PAGE = "https://page.example"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-api-key": "client-key"}, id="x_api_key"),
        pytest.param(bearer("client-key"), id="bearer"),
        pytest.param({"authorization": "bearer  client-key "}, id="lower_case_bearer"),
        pytest.param({"x-api-key": "wrong"} | bearer("client-key"), id="bearer_right_key_wrong"),
        pytest.param({"x-api-key": "client-key"} | bearer("wrong"), id="key_right_bearer_wrong"),
        pytest.param({"x-api-key": "client-key"} | bearer("client-key"), id="both_right"),
        pytest.param({"x-api-key": "client-kéy-2".encode().decode("latin-1")}, id="second_key_in_utf8"),
    ],
)
async def test_one_valid_key_is_enough(headers: dict[str, str]) -> None:
    """Either header with a valid key opens the door, and that header is not passed on."""
    async with front(client_keys=KEYS) as server:
        answer = await server.post(headers)
        call = server.gateway.calls[0]
    left = {name: value for name, value in headers.items() if "wrong" in value}
    assert answer.status == 200
    assert {name: call.header(name.encode()) for name in left} == left
    assert len([name for name, _ in call.headers if name in (b"x-api-key", b"authorization")]) == len(left)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"x-api-key": ""}, id="empty"),
        pytest.param({"x-api-key": "wrong"}, id="wrong"),
        pytest.param({"x-api-key": "wrong"} | bearer("also wrong"), id="both_wrong"),
        pytest.param({"x-api-key": "cliënt-key"}, id="not_ascii"),
        pytest.param({"x-api-key": "client-ke"}, id="prefix"),
        pytest.param({"x-api-key": "client-key" * 1500}, id="15_kb"),
        pytest.param({"x-api-key": HASH}, id="hash_of_a_key"),
        pytest.param({"x-api-key": "sha256:" + HASH}, id="hash_as_configured"),
        pytest.param({"x-api-key": "sha256:"}, id="no_hash"),
        pytest.param({"authorization": "Basic client-key"}, id="basic"),
        pytest.param({"authorization": "client-key"}, id="no_scheme"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/files", "/v1/models/x", "/other"])
async def test_without_a_valid_key_nothing_is_served(headers: dict[str, str], path: str) -> None:
    """No path tells anything without a key: a 401 that is not worth a retry and says what to set."""
    async with front(client_keys=KEYS) as server:
        answer = await server.request("POST", path, headers, b"{}")
        record = server.gateway.exchanges[0]
    assert answer.error == (401, "authentication_error")
    assert answer.header("x-should-retry") == "false"
    assert "PROXY_API_KEYS" in answer.json()["error"]["message"]
    assert (record.status, server.gateway.calls) == (401, [])


async def test_key_whose_hash_begins_alike_opens_nothing() -> None:
    """Keys are found by the first bytes of their hash, and told apart by all of it."""
    alike = ClientKey(secret=Secret("sha256:" + HASH[:-1] + ("0" if HASH[-1] != "0" else "1")))
    async with front(client_keys=(alike,)) as server:
        answer = await server.post({"x-api-key": "hashed-key"})
    assert answer.error == (401, "authentication_error")


async def test_key_of_which_only_the_hash_is_known_opens_the_door() -> None:
    """A configuration that holds no key serves whoever has the key, and the log calls them by its name."""
    async with front(client_keys=(*KEYS, HASHED_KEY)) as server:
        answer = await server.post({"x-api-key": "hashed-key"})
        await server.request("GET", "/v1/models", {"x-api-key": "hashed-key"})
        call, record = server.gateway.calls[0], server.gateway.exchanges[0]
    assert answer.status == 200
    assert (call.client_key, record.client_key) == ("alice", "alice")
    assert call.header(b"x-api-key") == "hashed-key"
    assert (b"x-api-key", b"hashed-key") not in call.headers


@pytest.mark.parametrize(
    ("key", "status"),
    [
        pytest.param(b"", 401, id="empty"),
        pytest.param(b"\xff\xfe\x80", 401, id="no_text"),
        pytest.param("клюю́ч".encode(), 401, id="not_ascii"),
        pytest.param(b"k" * 15_000, 401, id="15_kb"),
        pytest.param(b"k" * 60_000, 431, id="60_kb"),
        pytest.param(b"k" * 1_000_000, 431, id="1_mb"),
        pytest.param(b"client-key\0", 400, id="nul"),
    ],
)
async def test_odd_keys_are_refused_quickly(key: bytes, status: int) -> None:
    """Whatever is sent as a key gets its 4xx within milliseconds, never a 500."""
    request = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: %b\r\ncontent-length: 2\r\n\r\n{}" % key
    async with front(client_keys=(*KEYS, HASHED_KEY)) as server:
        took = []
        for _ in range(5):
            async with server.connect() as client:
                began = time.perf_counter()
                await client.send(request)
                answer = await client.response()
                took.append(time.perf_counter() - began)
    assert answer.error[0] == status
    assert min(took) < 0.005


@pytest.mark.parametrize(
    "path", ["//v1/messages", "/./v1/messages", "/health/../v1/messages", "/v1/models/..%2f..", "/HEALTH", "/health/"]
)
async def test_disguised_paths_need_a_key_too(path: str) -> None:
    """Only the open paths themselves are open, not what resembles them."""
    async with front(client_keys=KEYS) as server:
        answer = await server.request("GET", path)
    assert answer.error == (401, "authentication_error")


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/", "/api/hello"])
async def test_open_paths_need_no_key(path: str) -> None:
    """Probes come without credentials."""
    async with front(client_keys=KEYS) as server:
        answer = await server.request("GET", path)
    assert answer.status == 200


async def test_loopback_needs_no_key_where_none_is_configured() -> None:
    """A user's own machine works without any key, and the client's credential stays with the call."""
    async with front() as server:
        answer = await server.post({"x-api-key": "any-value"})
        call = server.gateway.calls[0]
    assert answer.status == 200
    assert call.header(b"x-api-key") == "any-value"


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-proto"])
async def test_forwarding_header_makes_a_request_remote(header: str) -> None:
    """Behind another server everybody seems to be loopback, so nobody is taken for it."""
    async with front() as server:
        answer = await server.post({header: "127.0.0.1"})
    message = answer.json()["error"]["message"]
    assert answer.error == (401, "authentication_error")
    assert "PROXY_API_KEYS" in message
    assert "ALLOW_UNAUTHENTICATED=true" in message


async def test_open_access_is_possible() -> None:
    """ALLOW_UNAUTHENTICATED serves remote clients without a key."""
    async with front(allow_unauthenticated=True) as server:
        answer = await server.post({"x-forwarded-for": "192.0.2.1"})
    assert answer.status == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_served(address: str) -> None:
    """Any address of loopback is this machine."""
    assert Access(settings()).authenticate({"client": (address, 50000)}, {}) == ((), "")


@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "10.127.0.1"])
def test_other_addresses_are_refused(address: str) -> None:
    """Without client keys nobody else is served."""
    with pytest.raises(ClientError) as refusal:
        Access(settings()).authenticate({"client": (address, 50000)}, {})
    assert refusal.value.status == 401


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8082",
        "localhost.",
        "app.localhost:1",
        "127.0.0.1:8082",
        "[::1]:8082",
        "192.0.2.7",
        "proxy.example",
        "a.wild.example",
        "b.c.dotted.example:80",
    ],
)
async def test_known_host_is_served(host: str) -> None:
    """Loopback names, bare addresses and the configured names are ours, twice over."""
    async with front(allowed_hosts=("Proxy.example", "*.wild.example", ".dotted.example")) as server:
        answers = [await server.post({"host": host}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "xwild.example", "1.2.3"]
)
@pytest.mark.parametrize("path", ["/v1/messages", "/health", "/"])
async def test_foreign_host_is_refused_on_every_path(host: str, path: str) -> None:
    """A name that somebody else may own is a 403 that says which setting allows it."""
    async with front(allowed_hosts=("*.wild.example",)) as server:
        answer = await server.request("GET", path, {"host": host})
    assert answer.error == (403, "permission_error")
    assert "ALLOWED_HOSTS" in answer.json()["error"]["message"]


async def test_any_host_is_fine_once_a_key_is_needed() -> None:
    """Behind a load balancer teams use names of their own; a rebound page has no client key."""
    async with front(client_keys=KEYS) as server:
        answer = await server.post({"host": "llm.team.example", "x-api-key": "client-key"})
    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"origin": "https://evil.example"}, id="foreign"),
        pytest.param({"origin": "null"}, id="null"),
        pytest.param({"origin": "http://localhost:1"}, id="other_port"),
        pytest.param({"origin": PAGE + ".evil.example"}, id="longer_than_allowed"),
        pytest.param({"sec-fetch-site": "cross-site"}, id="cross_site_without_origin"),
        pytest.param({"sec-fetch-site": "same-site"}, id="other_port_without_origin"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
async def test_foreign_web_page_is_refused(headers: dict[str, str], method: str) -> None:
    """A page that is not configured can neither read nor trigger anything, whatever key it has."""
    async with front(allowed_origins=(PAGE,), client_keys=KEYS) as server:
        answer = await server.request(method, "/v1/messages", headers | {"x-api-key": "client-key"}, b"{}")
    assert answer.error == (403, "permission_error")
    assert answer.header("access-control-allow-origin") == ""
    assert server.gateway.calls == []


async def test_own_page_may_call() -> None:
    """A page that we served ourselves has our host as its origin."""
    async with front() as server:
        host = f"127.0.0.1:{server.port}"
        answer = await server.post({"origin": f"http://{host}", "host": host, "sec-fetch-site": "same-origin"})
    assert answer.status == 200


async def test_configured_page_may_call_and_read() -> None:
    """An allowed origin gets the headers that let its page read the answer, also an error."""
    async with front(allowed_origins=(PAGE,)) as server:
        answers = [
            await server.post({"origin": PAGE, "sec-fetch-site": "cross-site"}),
            await server.request("GET", "/nothing", {"origin": PAGE}),
            await server.request("GET", "/v1/models", {"origin": PAGE}),
        ]
    assert [answer.status for answer in answers] == [200, 404, 200]
    assert {answer.header("access-control-allow-origin") for answer in answers} == {PAGE}
    assert all("request-id" in answer.header("access-control-expose-headers") for answer in answers)


async def test_preflight_of_a_configured_page_is_answered_without_a_key() -> None:
    """Browsers ask first, and send no credentials with the question."""
    headers = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key,anthropic-dangerous-direct-browser-access",
    }
    async with front(allowed_origins=(PAGE,), client_keys=KEYS) as server:
        answer = await server.request("OPTIONS", "/v1/messages", headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("access-control-allow-origin") == PAGE
    assert "POST" in answer.header("access-control-allow-methods")
    assert "anthropic-dangerous-direct-browser-access" in answer.header("access-control-allow-headers")
