"""Arguments that models write become JSON objects, whatever they wrote."""

from __future__ import annotations

import json
import time

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.argument_json import ObjectCheck, object_text

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param('{"a": 1}', {"a": 1}, id="object"),
        pytest.param("", {}, id="empty"),
        pytest.param(" \n", {}, id="blank"),
        pytest.param("null", {}, id="null"),
        pytest.param('""', {}, id="empty string"),
        pytest.param('"{\\"a\\": 1}"', {"a": 1}, id="object in a string"),
        pytest.param("[1]", {"value": [1]}, id="list"),
        pytest.param('"x"', {"value": "x"}, id="string"),
        pytest.param("7", {"value": 7}, id="number"),
        pytest.param('{"a": [1, 2,], }', {"a": [1, 2]}, id="trailing commas"),
        pytest.param('{"a": ",}"}', {"a": ",}"}, id="comma in a string"),
        pytest.param('{"a": "x\ny\t"}', {"a": "x\ny\t"}, id="raw line break in a string"),
        pytest.param('{"a": 1}}', {"a": 1}, id="a brace too many"),
        pytest.param('{}{"a": 1}', {"a": 1}, id="placeholder before"),
        pytest.param('{"a": 1}{"a":1}', {"a": 1}, id="sent twice"),
        pytest.param('{"a": "not closed', {"_raw_arguments": '{"a": "not closed'}, id="cut"),
        pytest.param('{"a": nope', {"_raw_arguments": '{"a": nope'}, id="no JSON"),
        pytest.param('{"a": 1}{"b": 2}', {"_raw_arguments": '{"a": 1}{"b": 2}'}, id="two objects"),
        pytest.param('{"a": NaN}', {"_raw_arguments": '{"a": NaN}'}, id="NaN"),
        pytest.param("[" * 5000, {"_raw_arguments": "[" * 5000}, id="nested deeply"),
        pytest.param('{"a": "\\ud83d"}', {"a": "\ufffd"}, id="escaped half of a pair"),
        pytest.param('{"a": "\\ud83d\\ude00"}', {"a": "😀"}, id="escaped pair"),
        pytest.param('{"a": "\\\\ud83d"}', {"a": "\\ud83d"}, id="escaped backslash"),
        pytest.param('{"a": "\ud83d"}', {"a": "\ufffd"}, id="half of a pair"),
        pytest.param('{"a": "\\u0000"}', {"a": "\0"}, id="NUL"),
    ],
)
def test_arguments_become_an_object(arguments: str, expected: dict[str, object]) -> None:
    """What is or means an object is that object; what cannot be read fails visibly under its own name."""
    assert json.loads(object_text(arguments)) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        '{"n": 123456789012345678901234567890}',
        '{"n": -0.0, "m": 1e-300, "o": 1E400}',
        '{ "a" :\t1 }',
        '{"a":1,"a":2}',
    ],
    ids=["large integer", "odd numbers", "white space", "twice the same key"],
)
def test_object_is_not_touched(arguments: str) -> None:
    """Arguments that are an object keep every character."""
    assert object_text(arguments) == arguments


@given(st.text(max_size=40) | st.text('{}[]",:\\ \nu0a1', max_size=40))
def test_result_is_always_an_object(arguments: str) -> None:
    """There is no text that does not become an object which every parser reads."""
    text = object_text(arguments)
    assert isinstance(json.loads(text), dict)
    assert isinstance(jiter.from_json(text.encode()), dict)


@given(OBJECTS, st.data())
def test_beginnings_of_objects_pass_and_close(value: dict[str, object], data: st.DataObject) -> None:
    """Each beginning of an object passes in any pieces, and its closing text makes an object of it."""
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
    end = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, end))
    check = ObjectCheck()
    assert check.feed(text[:cut])
    assert check.feed(text[cut:end])
    assert check.complete == (end == len(text))
    closed = json.loads(text[:end] + check.closing())
    assert isinstance(closed, dict)
    if end == len(text):
        assert closed == value


@given(st.text('{}[]",:\\ \nu0a1-.etrufalsn', max_size=12))
def test_check_is_right_about_any_text(text: str) -> None:
    """What passes can be closed to an object; what is an object passes."""
    check = ObjectCheck()
    if check.feed("{" + text):
        assert isinstance(json.loads("{" + text + check.closing()), dict)
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads("{" + text)


@pytest.mark.parametrize(
    ("inside", "halves"),
    [
        ("\\ud83d\\ude00", False),
        ("\\ud83d\\n", True),
        ("\\ud83d\\ud83d\\ude00", True),
        ("\\n\\ude00", True),
        ("\\ud83dx", True),
        ("\\\\ud83d\\n\\u00e9", False),
    ],
)
def test_half_of_a_pair_is_noticed_however_it_is_cut(inside: str, halves: bool) -> None:
    """Escapes that do not make a character together are noticed, whatever escape follows, in one piece or in many."""
    text = f'{{"a":"{inside}"}}'
    for pieces in ([text], list(text), [text[:12], text[12:]]):
        check = ObjectCheck()
        assert all(map(check.feed, pieces))
        assert check.halves == halves


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("", "{}"),
        ("{", "}"),
        ('{"a', '":null}'),
        ('{"a"', ":null}"),
        ('{"a":', "null}"),
        ('{"a":tr', "ue}"),
        ('{"a":-', "0}"),
        ('{"a":1', "}"),
        ('{"a":1.', "0}"),
        ('{"a":"x\\', '\\"}'),
        ('{"a":"\\u12', '00"}'),
        ('{"a":[1,', "null]}"),
        ('{"a":1,', '"":null}'),
        ('{"a":[{"b":{', "}}]}"),
        ('{"a":1}', ""),
    ],
)
def test_closing_is_the_shortest(text: str, closing: str) -> None:
    """A beginning is closed with no more than it needs."""
    check = ObjectCheck()
    assert check.feed(text)
    assert check.closing() == closing


@pytest.mark.parametrize(
    "text",
    [
        "[",
        '"',
        "1",
        "{1",
        "{,",
        '{"a",',
        '{"a":}',
        '{"a":[}',
        '{"a":01',
        '{"a":nope',
        '{"a":"\n',
        '{"a":"\\x',
        "{}x",
        '{"a":+1',
        '{"a":1 2',
    ],
)
def test_what_cannot_become_an_object_is_refused(text: str) -> None:
    """The first wrong character is noticed."""
    assert not ObjectCheck().feed(text)


@pytest.mark.parametrize("number", ["1", "-0.", "1e"])
def test_number_that_finds_no_end_costs_its_length(number: str) -> None:
    """Models lose themselves in digits until their limit: each costs the same, and the number stays one."""
    check, began = ObjectCheck(), time.process_time()
    assert check.feed('{"a":' + number)
    assert all(check.feed("0000") for _ in range(15_000))
    assert time.process_time() - began < 1
    assert check.closing() == "}"
    assert check.feed(',"b":2}')
    assert check.complete
