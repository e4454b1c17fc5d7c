"""Behind haproxy and nginx every request stays the one request that they saw: none can be hidden in another.

Each proxy marks what passes it. A request that reaches us without a mark of its own was smuggled in; and a client that
comes next, on the connection to us that the attack went through, must get its own answer.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_to_anthropic.gateway.call import Call, Reply
from tests.http.fake import FakeGateway, Front, front

PATH = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin"
HIDDEN = b"POST /v1/hidden HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
CODINGS = {
    "chunked": b"Transfer-Encoding: chunked\r\n",
    "upper": b"TRANSFER-ENCODING: CHUNKED\r\n",
    "tab": b"Transfer-Encoding:\tchunked\r\n",
    "tab_after": b"Transfer-Encoding: chunked\t\r\n",
    "vertical_tab": b"Transfer-Encoding:\x0bchunked\r\n",
    "vertical_tab_after": b"Transfer-Encoding: chunked\x0b\r\n",
    "xchunked": b"Transfer-Encoding: xchunked\r\n",
    "quoted": b'Transfer-Encoding: "chunked"\r\n',
    "blank_before_colon": b"Transfer-Encoding : chunked\r\n",
    "folded": b"Transfer-Encoding:\r\n chunked\r\n",
    "nul": b"Transfer-Encoding: chunked\x00\r\n",
    "underscore": b"Transfer_Encoding: chunked\r\n",
    "identity_first": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "identity_last": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "list": b"Transfer-Encoding: identity, chunked\r\n",
    "gzip": b"Transfer-Encoding: gzip, chunked\r\n",
    "after_bare_lf": b"X: y\nTransfer-Encoding: chunked\r\n",
    "named_in_connection": b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
}


def _post(headers: bytes, body: bytes, first: bytes = b"POST /v1/messages HTTP/1.1") -> bytes:
    return first + b"\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n" + body


def _by_length(coding: bytes) -> bytes:
    """Hides a request behind the last chunk, for a reader that goes by length."""
    body = b"0\r\n\r\n" + HIDDEN
    return _post(b"Content-Length: %d\r\n" % len(body) + coding, body)


def _by_chunks(coding: bytes) -> bytes:
    """Hides a request in a chunk, for a reader that goes by chunks."""
    size = b"%x\r\n" % len(HIDDEN)
    return _post(b"Content-Length: %d\r\n" % len(size) + coding, size + HIDDEN + b"\r\n0\r\n\r\n")


def _in_chunks(body: bytes, first: bytes = b"POST /v1/messages HTTP/1.1") -> bytes:
    return _post(b"Transfer-Encoding: chunked\r\n", body, first)


ATTACKS = (
    {f"length_{name}": _by_length(coding) for name, coding in CODINGS.items()}
    | {f"chunks_{name}": _by_chunks(coding) for name, coding in CODINGS.items()}
    | {
        "two_lengths": _post(b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
        "two_lengths_turned": _post(b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(HIDDEN), HIDDEN),
        "list_of_lengths": _post(b"Content-Length: 0, %d\r\n" % len(HIDDEN), HIDDEN),
        "length_with_sign": _post(b"Content-Length: +%d\r\n" % len(HIDDEN), HIDDEN),
        "length_named_in_connection": _post(
            b"Connection: Content-Length\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN
        ),
        "body_of_a_get": _post(b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN, b"GET /health HTTP/1.1"),
        "body_of_an_upgrade": _post(
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
            b"Content-Length: %d\r\n" % len(HIDDEN),
            HIDDEN,
        ),
        "expectation": _post(b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
        "chunks_in_http_1_0": _in_chunks(b"0\r\n\r\n" + HIDDEN, b"POST /v1/messages HTTP/1.0"),
        "lf_in_chunk_extension": _in_chunks(b"2;\n" + b"x\r\n" + b"45\r\n0\r\n\r\n" + HIDDEN),
        "lf_after_chunk": _in_chunks(b"2\r\n{}\n0\r\n\r\n" + HIDDEN),
        "endless_chunk": _in_chunks(b"10000000000000000\r\n" + HIDDEN),
        "chunk_size_with_prefix": _in_chunks(b"0x0\r\n\r\n" + HIDDEN),
        "trailer": _in_chunks(b"0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN),
        "line_break_in_target": _post(b"", b"", b"GET /v1/messages\rX HTTP/1.1"),
    }
)

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  http-reuse always
frontend in
  bind 127.0.0.1:{port}
  http-request set-header x-mark %[uuid]
  default_backend proxy
backend proxy
  server one 127.0.0.1:{upstream}
"""
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream proxy {{ server 127.0.0.1:{upstream}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://proxy;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Mark $request_id;
    }}
  }}
}}
"""
SERVERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "haproxy": (HAPROXY, ("-db", "-q", "-f")),
    "nginx": (NGINX, ("-c",)),
}


async def _tell_path(call: Call, reply: Reply) -> None:
    await reply.whole(200, [], b'{"told":"%b"}' % call.header(b"x-told").encode())


class Marks(FakeGateway):
    """Answers every path, and keeps what came."""

    async def forward(self, call: Call, reply: Reply) -> None:
        await self.messages(call, reply)


@asynccontextmanager
async def _in_front(name: str, server: Front, folder: Path) -> AsyncIterator[Front]:
    """The named server as a process between us and the clients."""
    command = shutil.which(name, path=PATH)
    if command is None:
        pytest.skip(f"{name} is not installed")
    template, arguments = SERVERS[name]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "server.conf"
    config.write_text(template.format(port=port, upstream=server.port, folder=folder))
    process = await asyncio.create_subprocess_exec(command, *arguments, str(config))
    try:
        await _accepting(port)
        yield Front(f"http://127.0.0.1:{port}", server.gateway)
    finally:
        process.kill()
        await process.wait()


async def _accepting(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def _attack(proxy: Front, data: bytes) -> None:
    """Sends the bytes, and leaves when nothing more is answered."""
    async with proxy.connect() as client:
        client.writer.write(data)
        try:
            async with asyncio.timeout(0.1):
                while await client.reader.read(65536):
                    pass
        except (TimeoutError, ConnectionError):
            pass


@pytest.mark.parametrize("name", SERVERS)
async def test_no_request_hides_in_another(name: str, tmp_path: Path) -> None:
    """Of 50 ways to hide a request none gets past the proxy unseen, and the next client gets its own answer."""
    gateway = Marks(_tell_path)
    async with front(gateway) as server, _in_front(name, server, tmp_path) as proxy:
        for attack, data in ATTACKS.items():
            await _attack(proxy, data)
            for turn in ("first", "second"):
                answer = await proxy.post({"x-told": f"{attack}-{turn}"})
                assert (answer.status, answer.json()) == (200, {"told": f"{attack}-{turn}"}), attack
    marks = [[value for key, value in call.headers if key == b"x-mark"] for call in gateway.calls]
    assert len(ATTACKS) == 50
    assert [len(found) for found in marks] == [1] * len(marks), "a request came that the proxy had not seen"
    assert len({found[0] for found in marks}) == len(marks)
    assert len(gateway.calls) >= 2 * len(ATTACKS)
