"""An upstream that fetches images and documents is sent to no address of its own network."""

from __future__ import annotations

import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.media_urls import check_url


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0xa9fea9fe", "0", "user@127.1"),
        *("localhost.", "169.254.169.254.", "127.1.", "metadata.google.internal.", "LOCALHOST."),
        *("①②⑦.0.0.1", "127。0。0。1", "é" * 64 + ".test"),
        *("[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fe80::1%25eth0]", ".", ""),
    ],
)
def test_private_address_is_refused_however_it_is_spelled(host: str) -> None:
    """Resolvers read more spellings of an address than the usual one, and an upstream at home may well fetch it."""
    for url in (f"http://{host}/x.png", f"HTTPS://{host}:8443/x.png"):
        with pytest.raises(ClientError, match="public http or https URL"):
            check_url(url, "messages[0].content[0]")


@pytest.mark.parametrize("host", ["8.8.8.8", "a.test", "a.test.", "0x.test", "münchen.example", "日本.test"])
def test_public_address_passes(host: str) -> None:
    """Names of the internet and public addresses are the upstream's to fetch."""
    check_url(f"https://{host}/x.png", "messages[0].content[0]")
