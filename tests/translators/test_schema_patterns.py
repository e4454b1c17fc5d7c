"""Regular expressions in schemas: those that any engine reads are sent, the others are told."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from re import _parser  # type: ignore[attr-defined]

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Raw

from llm_to_anthropic.translators.schemas.patterns import readable_patterns
from tests.translators import chat_requests, responses_requests

ARTIFACT = r"""^(?!__.*__$)[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}"\\./[\]]{1,200}$"""
"""Claude Code sends it with each request, since its tool Artifact came (2.1.265)."""


def read(schema: dict[str, object], *, keep: bool = True) -> object:
    """What becomes of a schema."""
    return msgspec.json.decode(readable_patterns(Raw(msgspec.json.encode(schema)), keep=keep))


def of(pattern: str, **more: object) -> dict[str, object]:
    """A schema with one property that has a pattern."""
    return {"type": "object", "properties": {"field": {"type": "string", "pattern": pattern, **more}}}


@pytest.mark.parametrize(
    "pattern",
    [ARTIFACT, "(?=a)b", "(?<year>x)", "(?<!a)b", r"(a)\1", r"\p{L}", r"\u2028", r"\cA", "[^]", "[]", "\\"],
    ids=["Artifact", "ahead", "named", "behind", "back", "property", "unicode", "control", "any", "none", "cut"],
)
def test_what_not_every_engine_reads_is_told_instead(pattern: str) -> None:
    """OpenAI refuses each request that holds one such pattern: the description says it to the model."""
    field = {"type": "string", "description": f"A field. Must match the pattern {pattern}."}
    assert read(of(pattern, description="A field.")) == {"type": "object", "properties": {"field": field}}
    told = {"type": "string", "description": f"Must match the pattern {pattern}."}
    assert read(of(pattern)) == {"type": "object", "properties": {"field": told}}


@pytest.mark.parametrize(
    "pattern",
    ["^wf_[a-z0-9-]{6,}$", r"^[^\n\r]*$", r"^[\s\S]{0,300}$", r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", r"(?:a|b)\.\x41\\", ""],
)
def test_what_any_engine_reads_is_sent_as_it_is(pattern: str) -> None:
    """Patterns of Claude Code's tools among them: not a byte is changed, but for servers that read none."""
    schema = Raw(msgspec.json.encode(of(pattern)))
    assert readable_patterns(schema) is schema
    told = {"type": "string", "description": f"Must match the pattern {pattern}."}
    assert read(of(pattern), keep=False) == {"type": "object", "properties": {"field": told}}


@given(st.text(alphabet="ab()[]{}^$|?*+.:!=<>-\\\\pPdDxu019", max_size=12))
def test_a_pattern_that_is_kept_looks_nowhere_around(pattern: str) -> None:
    """Whatever Python reads of those that are kept, it reads without looking around or back."""
    assume(b'"pattern"' in bytes(readable_patterns(Raw(msgspec.json.encode(of(pattern))))))
    with suppress(re.error), warnings.catch_warnings(action="ignore"):
        parsed = str(_parser.parse(pattern))
        assert not any(name in parsed for name in ("ASSERT,", "ASSERT_NOT", "GROUPREF"))


@pytest.mark.parametrize("strict", [True, False])
def test_tools_and_formats_of_both_apis_have_none(*, strict: bool) -> None:
    """Closed for strict decoding or not, for tools and for structured output."""
    schema = {**of(ARTIFACT), "required": ["field"], "additionalProperties": False}
    tool = {"name": "Artifact", "input_schema": schema, "strict": strict}
    body = {"tools": [tool], "output_format": {"type": "json_schema", "schema": schema}}
    for made in (chat_requests.upstream(body, chat_requests.OPENAI), responses_requests.upstream(body)):
        assert "'pattern'" not in str(made)
        assert str(made).count("Must match the pattern") == 2


def test_a_property_called_pattern_is_none() -> None:
    """Claude Code's Grep has one."""
    schema = Raw(b'{"type":"object","properties":{"pattern":{"type":"string","description":"\\\\p"}}}')
    assert readable_patterns(schema) is schema
    assert readable_patterns(schema, keep=False) is schema


def test_keys_with_odd_patterns_are_any_keys() -> None:
    """An object stays open for what such patterns allowed."""
    odd = {"type": "object", "patternProperties": {r"^\p{L}": {}, "^x": {}}, "additionalProperties": False}
    assert read(odd) == {"type": "object", "description": r"Keys match ^\p{L} or ^x."}
    plain = {"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": False}
    assert read(plain) == plain
    assert read(plain, keep=False) == {"type": "object", "description": "Keys match ^x."}


@pytest.mark.parametrize(
    "schema",
    [b'{"pattern":"(?=a)","maximum":1e999}', b'["pattern"]', b'[{"pattern":"(?=a)"}]', b'{"pattern":"\\ud800"}'],
    ids=["number", "list", "schemas", "half"],
)
def test_what_is_no_schema_stays(schema: bytes) -> None:
    """Somebody else tells the client."""
    assert bytes(readable_patterns(Raw(schema))) == schema
