"""An answer that is JSON is cut into its objects, however it comes in slices."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.gemini.json_objects import JsonObjects

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4)


@given(OBJECTS, st.booleans(), st.data())
def test_objects_of_an_array_are_found(objects: list[object], ascii_: bool, data: st.DataObject) -> None:
    """Whatever stands in the strings and wherever it is cut, the objects of an array come out as they went in."""
    text = json.dumps(objects, ensure_ascii=ascii_, indent=data.draw(st.sampled_from([None, 1]))).encode(
        "utf-8", "surrogatepass"
    )
    splitter, found, place = JsonObjects(), [], 0
    while place < len(text):
        size = data.draw(st.integers(1, 20))
        found += splitter.feed(text[place : place + size])
        place += size
    assert [json.loads(item.decode("utf-8", "surrogatepass")) for item in found] == objects
    assert not splitter.open


@pytest.mark.parametrize("text", [b'{"a": {"b": "}', b'[{"a"', b'{"a": "\\'], ids=["string", "member", "escape"])
def test_unfinished_object_is_open(text: bytes) -> None:
    """An object that was cut off is told apart from one that is complete."""
    splitter = JsonObjects()
    assert splitter.feed(text) == []
    assert splitter.open


def test_stray_ends_do_no_harm() -> None:
    """Brackets that close nothing are passed over."""
    assert JsonObjects().feed(b'}] {"a": 1} }{"b": 2}') == [b'{"a": 1}', b'{"b": 2}']
