"""Carriers travel through clients and come back intact, or do no harm."""

from __future__ import annotations

import base64
import random
import re
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llm_to_anthropic.translators.carrier import Carrier, decode_carrier, encode_carrier, is_carrier

SAMPLE = Carrier(
    vendor="c",
    provider="openrouter",
    model="some/model",
    route="0a1b2c3d",
    items=[Raw(b'{"type":"reasoning.encrypted","data":"q83v","index":0}')],
)


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(data)).rstrip(b"=").decode()


def test_carrier_survives_the_round_trip() -> None:
    """What is encoded is decoded again, items byte for byte."""
    found = decode_carrier(encode_carrier(SAMPLE))
    assert found is not None
    assert found == SAMPLE
    assert [bytes(item) for item in found.items] == [bytes(item) for item in SAMPLE.items]


def test_carrier_passes_for_a_signature() -> None:
    """A carrier holds only characters that validators of signatures accept."""
    assert re.fullmatch(r"px1\.c\.[A-Za-z0-9_-]+", encode_carrier(SAMPLE))


def test_carrier_is_told_from_foreign_signatures() -> None:
    """Only the proxy's own mark makes a carrier."""
    assert is_carrier(encode_carrier(SAMPLE))
    assert not is_carrier("EqQBCkgIBxABGAIiQL")


@pytest.mark.parametrize("filler", [pytest.param("noise", id="noise"), pytest.param("zeros", id="zeros")])
def test_huge_carrier_travels_without_its_items(filler: str) -> None:
    """What would be a burden on every later request, or too large to decode, is left out."""
    text = random.Random(1).randbytes(900_000).hex() if filler == "noise" else "0" * 5_000_000  # noqa: S311
    carrier = encode_carrier(Carrier(vendor="o", provider="p", items=[Raw(msgspec.json.encode({"data": text}))]))
    found = decode_carrier(carrier)
    assert len(carrier) <= 1024 * 1024
    assert found == Carrier(vendor="o", provider="p")


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="empty"),
        pytest.param("EqQBCkgIBxABGAIiQL", id="foreign"),
        pytest.param("px1.c.", id="nothing in it"),
        pytest.param("px1.x.abcd", id="unknown vendor"),
        pytest.param("px1.c.!!!!", id="not base64"),
        pytest.param("px1.c.abcd", id="not zlib"),
        pytest.param("px1.c." + packed(b'{"v":1}')[:-4], id="cut"),
        pytest.param("px1.c." + packed(b"[1]"), id="no object"),
        pytest.param("px1.c." + packed(b'{"v":2}'), id="another version"),
        pytest.param("px1.c." + packed(b'{"v":1,"p":"\xff"}'), id="not UTF-8"),
        pytest.param("px1.c." + packed(b'{"v":1,"i":7}'), id="wrong type"),
        pytest.param("px1.c." + packed(b'{"v":1,"i":[' + b"[" * 5000 + b"]" * 5000 + b"]}"), id="nested deeply"),
        pytest.param("px1.c." + packed(b'{"v":1,"p":"' + b"a" * 50_000_000 + b'"}'), id="bomb"),
        pytest.param("px1.c.\ud800", id="lone surrogate"),
    ],
)
def test_broken_carrier_is_none(signature: str) -> None:
    """A broken, forged or hostile carrier is as good as none and never raises."""
    assert decode_carrier(signature) is None


@given(st.text(max_size=60))
def test_arbitrary_text_never_raises(text: str) -> None:
    """Whatever follows the mark, decoding returns."""
    assert decode_carrier("px1.c." + text) is None or text
