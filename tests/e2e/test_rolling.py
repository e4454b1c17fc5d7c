"""A rolling restart behind a load balancer: replicas are exchanged one by one, and no client notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.replicas import HAPROXY, REQUESTS_PER_S, rolled


@pytest.mark.skipif(HAPROXY is None, reason="needs haproxy (Debian's package)")
async def test_restarting_replicas_in_turn_fails_no_request(tmp_path: Path) -> None:
    """Two replicas are restarted in turn at 20 streams per second: every one is answered to its end."""
    statuses, restarts = await rolled(tmp_path)
    assert restarts == 2
    assert statuses == {200: statuses.total()}
    assert statuses.total() >= REQUESTS_PER_S
