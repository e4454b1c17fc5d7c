"""Requests that break HTTP or our limits: a clear 4xx in the envelope, nothing for the gateway, no harm done."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.settings import Limits, Timeouts
from tests.http.fake import CHUNKED, HOST, POST, FakeGateway, Front, front, left

BODY = b"Content-Length: 2\r\n\r\n{}"
END = b"2\r\n{}\r\n0\r\n\r\n"
MIB = 1024 * 1024


async def assert_unharmed(server: Front) -> None:
    assert server.gateway.calls == []
    assert (await server.post()).status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(POST + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", id="two_lengths"),
        pytest.param(POST + HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", id="same_length_twice"),
        pytest.param(POST + HOST + b"Content-Length: +2\r\n\r\n{}", id="length_with_sign"),
        pytest.param(POST + HOST + b"Content-Length: -2\r\n\r\n{}", id="negative_length"),
        pytest.param(POST + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n{}", id="endless_length"),
        pytest.param(
            POST + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length_and_chunked"
        ),
        pytest.param(
            POST + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", id="chunked_and_length"
        ),
        pytest.param(POST + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown_transfer_encoding"),
        pytest.param(POST + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", id="space_before_colon"),
        pytest.param(POST.replace(b"\r", b"") + b"Host: 127.0.0.1\nContent-Length: 2\n\n{}", id="bare_lf"),
        pytest.param(POST + HOST + b"X: a\r\n b\r\n" + BODY, id="folded_header"),
        pytest.param(POST + HOST + b"X: a\x00b\r\n" + BODY, id="nul_in_header"),
        pytest.param(POST + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n", id="bad_chunk_size"),
        pytest.param(POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", id="bad_chunk_end"),
        pytest.param(POST + HOST + CHUNKED + b"2\n{}\r\n0\r\n\r\n", id="bare_lf_after_chunk_size"),
        pytest.param(POST + HOST + CHUNKED + b"2;a\nb\r\n{}\r\n0\r\n\r\n", id="bare_lf_in_chunk_extension"),
        pytest.param(POST + HOST + CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", id="chunk_size_with_prefix"),
        pytest.param(POST + HOST + CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n", id="chunk_size_with_sign"),
        pytest.param(POST + HOST + CHUNKED + b"ffffffffffffffff2\r\n{}\r\n0\r\n\r\n", id="endless_chunk"),
        pytest.param(POST + HOST + CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n", id="length_in_trailer"),
        pytest.param(POST + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END, id="chunked_twice"),
        pytest.param(POST + HOST + b"Transfer-Encoding: chunked\r\n" + CHUNKED + END, id="chunked_in_two_headers"),
        pytest.param(POST + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END, id="compressed_in_chunks"),
        pytest.param(POST + HOST + b"Transfer-Encoding: identity\r\n" + CHUNKED + END, id="identity_then_chunked"),
        pytest.param(POST + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + END, id="chunked_after_a_control"),
        pytest.param(b"POST /v1/messages HTTP/1.0\r\n" + HOST + CHUNKED + END, id="chunks_in_http_1_0"),
        pytest.param(POST + HOST + b"Content-Length: 2, 2\r\n\r\n{}", id="list_of_lengths"),
        pytest.param(POST + HOST + b"Content-Length: 0x2\r\n\r\n{}", id="hexadecimal_length"),
        pytest.param(POST + HOST + b"Content-Length:\r\n\r\n{}", id="empty_length"),
        pytest.param(POST + HOST + b"X: a\rb\r\n" + BODY, id="bare_cr"),
        pytest.param(POST + b" " + HOST + BODY, id="blank_before_first_header"),
        pytest.param(POST + HOST + b"X Y: a\r\n" + BODY, id="blank_in_header_name"),
        pytest.param(b"POST http://evil.example/v1/messages HTTP/1.1\r\n" + HOST + BODY, id="target_of_another_host"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http_2_preface"),
        pytest.param(POST + BODY, id="no_host"),
        pytest.param(POST + HOST + b"Host: localhost\r\n" + BODY, id="two_hosts"),
        pytest.param(POST + b"Host: localhost:4000/#@evil.example\r\n" + BODY, id="host_with_path"),
        pytest.param(b"POST /v1/mess\xc3\xa4ges HTTP/1.1\r\n" + HOST + BODY, id="raw_bytes_in_target"),
        pytest.param(b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", id="connect"),
        pytest.param(b"BREW /v1/messages HTTP/1.1\r\n" + HOST + b"\r\n", id="unknown_method"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="tls_hello"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="unknown_version"),
    ],
)
async def test_malformed_request_is_refused_and_the_connection_closed(request_bytes: bytes) -> None:
    """What could be read in two ways, or in none, gets a 400 in the envelope and no second chance."""
    async with front() as server:
        async with server.connect() as client:
            await client.send(request_bytes)
            answer = await client.response()
            assert await client.closed()
        assert answer.error == (400, "invalid_request_error")
        assert answer.header("connection") == "close"
        assert [record.status for record in server.gateway.exchanges] == [400]
        await assert_unharmed(server)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"".join(b"X-%d: y\r\n" % number for number in range(99)), id="101_headers"),
        pytest.param(b"".join(b"X-%d: y\r\n" % number for number in range(5000)), id="5000_headers"),
        pytest.param(b"X: " + b"y" * 17 * 1024 + b"\r\n", id="17_kib_header"),
        pytest.param(b"X: " + b"y" * 65 * 1024 + b"\r\n", id="65_kib_header"),
        pytest.param(b"X: " + b"y" * MIB + b"\r\n", id="1_mib_header"),
        pytest.param(b"".join(b"X-%d: " % n + b"y" * 8192 + b"\r\n" for n in range(9)), id="72_kib_in_9_headers"),
    ],
)
async def test_large_head_is_431(headers: bytes) -> None:
    """More headers, or larger ones, than anybody needs are refused, and the connection closed."""
    async with front() as server:
        async with server.connect() as client:
            await client.send(POST + HOST + headers + BODY)
            answer = await client.response()
            assert await client.closed()
        assert answer.error == (431, "invalid_request_error")
        await assert_unharmed(server)


async def test_headers_within_the_limits_are_read() -> None:
    """A hundred headers, and one of 15 KiB, are nothing unusual."""
    headers = b"".join(b"X-%d: y\r\n" % number for number in range(96)) + b"X: " + b"y" * 15 * 1024 + b"\r\n"
    async with front() as server:
        answer = await server.raw(POST + HOST + headers + BODY)
    assert answer.status == 200


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"y" * 1024, id="one"),
        pytest.param(b"y\r\nX: " * 200, id="many"),
    ],
)
@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/metrics"])
async def test_headers_behind_a_body_have_the_same_limit(path: bytes, endless: bytes) -> None:
    """What trails a body is not kept, or read, without end: whether the request was answered before or waits for it."""
    async with front(limits=Limits(max_header_bytes=2048)) as server, server.connect() as client:
        await client.send(POST.replace(b"/v1/messages", path) + HOST + CHUNKED + b"2\r\n{}\r\n0\r\nX: ")
        if path == b"/v1/metrics":
            assert (await client.response()).status == 200
        for _ in range(8):
            await client.send(endless)
            await asyncio.sleep(0)
        assert (await client.response()).error == (431, "invalid_request_error")
        assert await client.closed()


async def test_small_chunks_are_not_large_headers() -> None:
    """The lines that begin chunks may be more than their bytes: that is no matter while a body comes."""
    async with front(limits=Limits(max_header_bytes=1024)) as server, server.connect() as client:
        await client.send(POST + HOST + CHUNKED)
        for _ in range(100):
            await client.send(b"1;why=because\r\n \r\n" * 10)
        await client.send(b"0\r\nX: y\r\n\r\n")
        assert (await client.response()).status == 200


async def test_large_body_with_small_head_is_not_a_large_head() -> None:
    """The bytes of a body that come together with the head do not count as headers."""
    async with front(limits=Limits(max_header_bytes=1024)) as server:
        answer = await server.post(body=b" " * 100_000)
    assert answer.status == 200


async def test_large_body_behind_a_wish_for_another_protocol_is_not_a_large_head() -> None:
    """Java's client asks for HTTP/2 by an upgrade: the body that comes with that is as any other."""
    wish = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEAAEAAAAIAAAABAAMAAABk"}
    async with front(limits=Limits(max_header_bytes=1024)) as server:
        answer = await server.post(wish, body=b" " * 20_000)
    assert answer.status == 200


async def test_head_that_begins_behind_a_large_body_is_not_a_large_head() -> None:
    """A client that sends its next request at once loses none of them, wherever the read ends."""
    async with front(limits=Limits(max_header_bytes=1024)) as server, server.connect() as client:
        request = server.encode("POST", "/v1/messages", body=b" " * 20_000)
        await client.send(request + request[:30])
        assert (await client.response()).status == 200
        await client.send(request[30:])
        assert (await client.response()).status == 200


@pytest.mark.parametrize("last", [b"", POST + HOST + b"Content-Length: 2\r\n\r\n"], ids=["in_a_head", "before_a_body"])
async def test_many_small_heads_are_not_a_large_head(last: bytes) -> None:
    """Requests without bodies that come in a row are each as small as they are, wherever the read ends."""
    get = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    beginning, end = (last, b"{}") if last else (get[:30], get[30:])
    async with front(limits=Limits(max_header_bytes=1024)) as server, server.connect() as client:
        for _ in range(2):
            await client.send(get * 30 + beginning)
            for _ in range(30):
                assert (await client.response()).status == 200
            await client.send(end)
            assert (await client.response()).status == 200


async def test_large_head_behind_small_ones_is_431() -> None:
    """Whoever sends small requests before it wins no room for a head without end."""
    get = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    async with front(limits=Limits(max_header_bytes=1024)) as server, server.connect() as client:
        await client.send(get * 30 + get[:-2] + b"X: ")
        for _ in range(30):
            assert (await client.response()).status == 200
        await client.send(b"y" * 2048)
        assert (await client.response()).error == (431, "invalid_request_error")
        assert await client.closed()


async def test_tls_on_the_plain_port_is_told_as_such() -> None:
    """The log tells of a client whose base URL begins with https:// by what it did, and what to write instead."""
    async with front() as server:
        answer = await server.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        (record,) = server.gateway.exchanges
    assert answer.error == (400, "invalid_request_error")
    assert "TLS" in record.error
    assert "http://" in record.error


async def test_long_target_is_refused() -> None:
    """A target as long as a body is a 4xx, too."""
    async with front() as server:
        answer = await server.raw(b"GET /" + b"a" * MIB + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        await assert_unharmed(server)
    assert answer.error == (431, "invalid_request_error")


@pytest.mark.parametrize("sent", [pytest.param(b"", id="nothing"), pytest.param(POST + HOST[:5], id="half_a_head")])
async def test_slow_head_is_cut_off(sent: bytes) -> None:
    """A connection whose request does not come in time is closed, with a 408 where there is a request to answer."""
    async with front(timeouts=Timeouts(header_s=0.2)) as server, server.connect() as client:
        await client.send(sent)
        if sent:
            assert (await client.response()).error == (408, "timeout_error")
        assert await client.closed(within_s=3.0)


async def test_dripped_head_has_one_deadline() -> None:
    """Bytes that trickle in do not win time."""
    async with front(timeouts=Timeouts(header_s=0.3)) as server, server.connect() as client:

        async def drip() -> None:
            for byte in POST + HOST * 100:
                await client.send(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        answer = await client.response()
        dripping.cancel()
    assert answer.error == (408, "timeout_error")


async def test_second_head_on_a_connection_has_a_deadline_too() -> None:
    """Keeping a connection alive does not lift the deadline of the next head."""
    async with front(timeouts=Timeouts(header_s=0.2)) as server, server.connect() as client:
        await client.send(server.encode("GET", "/health"))
        assert (await client.response()).status == 200
        await client.send(POST)
        assert (await client.response()).error == (408, "timeout_error")


async def test_stalled_body_is_408() -> None:
    """A body that stops coming ends the request with a timeout_error."""
    async with front(timeouts=Timeouts(body_s=0.2)) as server:
        answer = await server.raw(POST + HOST + b"Content-Length: 10\r\n\r\n{")
        await assert_unharmed(server)
    assert answer.error == (408, "timeout_error")
    assert answer.json()["error"]["details"] == {"error_code": "request_body_timeout"}


async def test_trickling_body_is_408() -> None:
    """Bytes that come too slowly to matter do not hold a connection open."""
    async with front(timeouts=Timeouts(body_s=0.3)) as server, server.connect() as client:
        await client.send(POST + HOST + b"Content-Length: 100000\r\n\r\n")

        async def drip() -> None:
            while True:
                await client.send(b" ")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        answer = await client.response()
        dripping.cancel()
    assert answer.error == (408, "timeout_error")


async def test_large_body_earns_its_time() -> None:
    """A body that keeps coming at the pace of a slow line is taken, however long that is."""
    pieces = 12
    async with front(timeouts=Timeouts(body_s=0.3)) as server, server.connect() as client:
        await client.send(POST + HOST + b"Content-Length: %d\r\n\r\n" % (pieces * 4096))
        for _ in range(pieces):
            await client.send(b" " * 4096)
            await asyncio.sleep(0.05)
        assert (await client.response()).status == 200


async def test_declared_33_mib_are_refused_before_they_are_read() -> None:
    """A content-length over the limit is a 413 as soon as the head is there."""
    async with front() as server:
        answer = await server.raw(POST + HOST + b"Content-Length: %d\r\n\r\n" % (33 * MIB))
        await assert_unharmed(server)
    assert answer.error == (413, "request_too_large")


async def test_client_that_sends_on_can_read_its_413() -> None:
    """A client in the middle of its 33 MiB does not lose the refusal to a connection reset."""
    async with front() as server:
        async with server.connect() as client:
            client.writer.write(POST + HOST + b"Content-Length: %d\r\n\r\n" % (33 * MIB))
            client.writer.write(b" " * (33 * MIB))
            answer = await client.response()
        await assert_unharmed(server)
    assert answer.error == (413, "request_too_large")


async def test_chunked_33_mib_are_cut_at_the_limit() -> None:
    """A chunked body is counted while it comes."""
    async with front() as server:
        async with server.connect() as client:
            client.writer.write(POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
            chunk = b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
            client.writer.writelines([chunk] * 33 + [b"0\r\n\r\n"])
            answer = await client.response()
        await assert_unharmed(server)
    assert answer.error == (413, "request_too_large")


async def test_chunked_body_is_refused_before_its_end() -> None:
    """A body in chunks is over once it is over the limit, whatever more of it is still to come."""
    async with front(limits=Limits(max_body_bytes=10)) as server, server.connect() as client:
        await client.send(POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        await client.send(b"b\r\n" + b" " * 11 + b"\r\n")
        assert (await client.response()).error == (413, "request_too_large")


async def test_chunked_body_that_comes_at_once_is_counted_too() -> None:
    """A body in chunks that is over the limit is refused though all of it is there already."""
    async with front(limits=Limits(max_body_bytes=10)) as server:
        answer = await server.raw(
            POST + HOST + b"Transfer-Encoding: chunked\r\n\r\nb\r\n" + b" " * 11 + b"\r\n0\r\n\r\n"
        )
    assert answer.error == (413, "request_too_large")


async def test_large_body_costs_twice_its_size_at_most() -> None:
    """A body of 32 MiB in chunks is put together once, and held no third time."""
    size = 32 * MIB
    chunk = b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
    async with front() as server, server.connect() as client:
        tracemalloc.start()
        try:
            await client.send(POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(size // MIB):
                await client.send(chunk)
            await client.send(b"0\r\n\r\n")
            answer = await client.response()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.status == 200
    assert peak < 2 * size + 4 * MIB


async def test_body_of_exactly_the_limit_is_taken() -> None:
    """The limit itself is allowed, by length and chunked."""
    async with front(limits=Limits(max_body_bytes=100_000)) as server:
        whole = await server.post(body=b" " * 100_000)
        chunked = await server.raw(
            POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"186A0\r\n" + b" " * 100_000 + b"\r\n0\r\n\r\n"
        )
        bodies = [len(call.body) for call in server.gateway.calls]
    assert (whole.status, chunked.status, bodies) == (200, 200, [100_000, 100_000])


@pytest.mark.parametrize("given", ["text/plain", "multipart/form-data; boundary=x", "application/jsonp", ""])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_wrong_content_type_is_415(given: str, path: str) -> None:
    """A body that does not say it is JSON is refused."""
    async with front() as server:
        answer = await server.request("POST", path, {"content-type": given}, b"{}")
        await assert_unharmed(server)
    assert answer.error == (415, "invalid_request_error")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"Content-Type: application/json; charset=utf-8\r\n", id="charset"),
        pytest.param(b"Content-Type: Application/JSON\r\n", id="upper_case"),
        pytest.param(b"Content-Type: application/vnd.api+json\r\n", id="json_suffix"),
    ],
)
async def test_json_content_types_are_taken(header: bytes) -> None:
    """JSON in any of its names, or no name at all, is fine."""
    async with front() as server:
        answer = await server.raw(POST + HOST + header + BODY)
    assert answer.status == 200


async def test_compressed_body_is_refused_with_its_code() -> None:
    """A content-encoding is a 415 that says what to do, with Anthropic's error code."""
    async with front() as server:
        answer = await server.post({"content-encoding": "gzip"})
        await assert_unharmed(server)
    assert answer.error == (415, "invalid_request_error")
    assert "send the body uncompressed" in answer.json()["error"]["message"]
    assert answer.json()["error"]["details"]["error_code"] == "request_body_encoding_unsupported"


async def test_client_that_leaves_amid_its_body_is_recorded() -> None:
    """A request that never became complete ends quietly, as 499."""
    recorded = asyncio.Event()

    class Gateway(FakeGateway):
        def record(self, exchange: Exchange) -> None:
            super().record(exchange)
            recorded.set()

    async with front(Gateway()) as server:
        async with server.connect() as client:
            await client.send(POST + HOST + b"Content-Length: 10\r\n\r\n{")
        async with asyncio.timeout(5):
            await recorded.wait()
    record = server.gateway.exchanges[0]
    assert (record.status, record.outcome) == (499, "client_disconnected")


async def test_asterisk_is_no_path() -> None:
    """`OPTIONS *`, which load balancers send, is a 404 like any other path that is not there."""
    async with front() as server:
        answer = await server.raw(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.error == (404, "not_found_error")


async def test_garbage_after_a_running_request_writes_nothing_into_its_answer() -> None:
    """An answer under way is never mixed with the refusal of what follows it."""

    async def wait(call: Call, reply: Reply) -> None:
        await left(reply)

    async with front(FakeGateway(wait)) as server, server.connect() as client:
        await client.send(server.encode("POST", "/v1/messages", body=b"{}"))
        await client.send(b"\x00\x01 garbage\r\n\r\n")
        assert await client.closed()
