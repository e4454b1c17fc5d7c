"""Two replicas behind a load balancer, exchanged one by one under load."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from llm_to_anthropic.scripted import Conversation, ScriptedUpstream
from tests.e2e.raw import posted, request
from tests.running import RunningProxy, running_proxy

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
REQUESTS_PER_S = 20
BALANCER = """
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{front}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /health/ready
  default-server check inter 100ms fall 1 rise 1
  server a 127.0.0.1:{a}
  server b 127.0.0.1:{b}
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Replica:
    """One proxy behind the load balancer, on a port of its own."""

    def __init__(self, folder: Path, env: dict[str, str], port: int) -> None:
        self._folder = folder
        self._env = env
        self._port = port
        self._stack = AsyncExitStack()
        self._proxy: RunningProxy | None = None

    async def start(self) -> None:
        proxy = running_proxy(cwd=self._folder, env=self._env, port=self._port)
        self._proxy = await self._stack.enter_async_context(proxy)

    async def restart(self) -> None:
        """Stops as an orchestrator does, and starts again once the old process has ended."""
        assert self._proxy is not None
        self._proxy.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self._proxy.process.wait(), 10) == 0
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def balancer(folder: Path, ports: list[int]) -> AsyncIterator[str]:
    """haproxy in front of both; gives its URL once it has found them."""
    front, first, second = ports
    assert HAPROXY is not None
    (folder / "haproxy.cfg").write_text(BALANCER.format(front=front, a=first, b=second))
    process = await asyncio.create_subprocess_exec(HAPROXY, "-db", "-q", "-f", str(folder / "haproxy.cfg"))
    try:
        url = f"http://127.0.0.1:{front}"
        async with asyncio.timeout(10):
            while await status_of(url) != 200:  # noqa: ASYNC110  haproxy tells nobody when it is ready
                await asyncio.sleep(0.05)
        yield url
    finally:
        process.kill()
        await process.wait()


async def status_of(url: str) -> int:
    """The status of a streamed answer that came to its end; 0 where there was none."""
    try:
        async with posted(url, request(stream=True)) as (reader, _):
            answer = await asyncio.wait_for(reader.read(), 20)
    except OSError:
        return 0
    status = int(answer.split()[1]) if answer else 0
    return 0 if status == 200 and b"event: message_stop" not in answer else status


async def rolled(folder: Path, for_s: float = 0.0) -> tuple[Counter[int], int]:
    """The statuses of 20 streams per second, and how often a replica was restarted: each at least once."""
    (folder / "llm-to-anthropic.toml").write_text("[timeouts]\npre_stop_s = 0.5\n")
    ports = free_ports(3)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream(Conversation(pace_s=0.02)))
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        replicas = [Replica(folder, env, port) for port in ports[1:]]
        for replica in replicas:
            stack.push_async_callback(replica.stop)
            await replica.start()
        url = await stack.enter_async_context(balancer(folder, ports))
        restarting = asyncio.create_task(restart_in_turn(replicas, for_s))
        asked: list[asyncio.Task[int]] = []
        while not restarting.done():
            asked.append(asyncio.create_task(status_of(url)))
            await asyncio.sleep(1 / REQUESTS_PER_S)
        return Counter([await each for each in asked]), await restarting


async def restart_in_turn(replicas: list[Replica], for_s: float) -> int:
    clock = asyncio.get_running_loop().time
    until, restarts = clock() + for_s, 0
    while not restarts or clock() < until:
        for replica in replicas:
            await replica.restart()
            restarts += 1
            await asyncio.sleep(0.3)  # so long an orchestrator waits at least before the next
    return restarts
