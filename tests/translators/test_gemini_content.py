"""Conversations as Gemini takes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.wire.gemini import BYPASS
from tests.translators.chat_requests import assistant, call, image, pdf, result, text, user
from tests.translators.gemini_requests import NEW, OLD, carried, contents, encoded, lost

Json = Any
HI_USER = user(text("hi"))
SEARCHED = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
]


def calls_of(content: Json) -> list[Json]:
    return [part for part in content["parts"] if "functionCall" in part]


def signatures(content: Json) -> list[Json]:
    return [part.get("thoughtSignature") for part in calls_of(content)]


def test_roles_are_user_and_model() -> None:
    """Assistants are called model."""
    done = contents(HI_USER, assistant(text("a")), user(text("b")))
    assert [each["role"] for each in done] == ["user", "model", "user"]


def test_neighbours_of_one_role_are_merged() -> None:
    """Google wants roles to alternate: messages in a row become one content, each text a part."""
    done = contents(user(text("a")), user(text("b"), text("c")))
    assert done == [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}]


def test_a_conversation_begins_with_the_user() -> None:
    """One that begins with the assistant gets a user's content without words before it."""
    done = contents(assistant(text("a")), user(text("b")))
    assert done[0] == {"role": "user", "parts": [{"text": " "}]}
    assert [each["role"] for each in done] == ["user", "model", "user"]


def test_a_system_message_keeps_its_place() -> None:
    """There is no such role among contents: it becomes a reminder where it stands."""
    done = contents(HI_USER, {"role": "system", "content": "rule"}, assistant(text("a")), user(text("b")))
    assert done[0]["parts"] == [{"text": "hi"}, {"text": "<system-reminder>\nrule\n</system-reminder>"}]


def test_a_call_and_its_result_have_the_same_name() -> None:
    """The result finds its name by the id of its call; arguments and results are objects, and there are no ids."""
    done = contents(HI_USER, assistant(text("look"), call("c", "Glob", at="x")), user(result("c", "found")))
    assert done[1]["parts"] == [{"text": "look"}, {"functionCall": {"name": "Glob", "args": {"at": "x"}}}]
    assert done[2]["parts"] == [{"functionResponse": {"name": "Glob", "response": {"output": "found"}}}]


@pytest.mark.parametrize("arguments", [None, {}])
def test_a_call_without_arguments_has_empty_ones(arguments: Json) -> None:
    """Arguments are always an object."""
    done = contents(HI_USER, assistant(call("c") | {"input": arguments}), user(result("c")))
    assert done[1]["parts"][0]["functionCall"]["args"] == {}


def test_arguments_that_are_no_object_are_refused() -> None:
    """Google takes nothing but objects."""
    with pytest.raises(ClientError, match=r"messages\.1\.content\.0\.input"):
        contents(HI_USER, assistant(call("c") | {"input": [1]}), user(result("c")))


@pytest.mark.parametrize(
    ("content", "output"),
    [
        ("", ""),
        (None, ""),
        ([], ""),
        ("[1, 2]", "[1, 2]"),
        ('{"a": 1}', '{"a": 1}'),
        ([text("one"), text("two")], "one\ntwo"),
        ([{"type": "tool_reference", "tool_name": "Web"}], "Tool Web is now available."),
    ],
    ids=["empty", "null", "no blocks", "list", "object", "blocks", "reference"],
)
def test_a_result_is_an_object_around_its_text(content: Json, output: str) -> None:
    """Whatever a tool gives, the response is an object; text is not read again as JSON."""
    done = contents(HI_USER, assistant(call("c")), user(result("c", content)))
    assert done[2]["parts"][0]["functionResponse"]["response"] == {"output": output}


def test_a_failed_result_says_so() -> None:
    """An error has a field of its own, and its text is not changed."""
    done = contents(HI_USER, assistant(call("c")), user(result("c", "denied", is_error=True)))
    assert done[2]["parts"][0]["functionResponse"]["response"] == {"error": "denied"}


def test_results_stand_first_and_in_the_order_of_their_calls() -> None:
    """Parallel results in any order, with text among them, come in the order of the calls and before the text."""
    mixed = user(result("b", "two"), text("and"), result("a", "one"))
    done = contents(HI_USER, assistant(call("a", "A"), call("b", "B")), mixed)
    names = [part.get("functionResponse", {}).get("name") for part in done[2]["parts"]]
    assert names == ["A", "B", None]


def test_a_missing_result_is_made_up_and_told() -> None:
    """Google refuses calls without as many results: the missing one is named as such."""
    done = encoded({"messages": [HI_USER, assistant(call("a"), call("b")), user(result("b"))]})
    assert lost(done) == ["messages[1].content[0]"]
    assert b'"output":"[no result]"' in done.body


def test_an_orphaned_result_becomes_text() -> None:
    """A result without a call is never sent as one."""
    done = contents(user(result("gone", "data"), text("go on")))
    assert "functionResponse" not in str(done)
    assert "data" in str(done)


def test_images_of_a_result_stand_within_it_on_newer_models() -> None:
    """Gemini 3 takes media inside a functionResponse."""
    done = contents(HI_USER, assistant(call("c")), user(result("c", [text("shot"), image("AAAA")])), model=NEW)
    response = done[2]["parts"][0]["functionResponse"]
    assert response["response"] == {"output": "shot"}
    assert response["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]


def test_images_of_a_result_stand_after_all_results_on_older_models() -> None:
    """2.5 refuses media within: it follows the last result, before the user's own words."""
    results = user(result("a", [image("AAAA")]), result("b"), text("see"))
    done = contents(HI_USER, assistant(call("a"), call("b")), results)
    kinds = [next(iter(part)) for part in done[2]["parts"]]
    assert kinds == ["functionResponse", "functionResponse", "inlineData", "text"]
    assert done[2]["parts"][0]["functionResponse"]["response"] == {"output": "[image attached]"}


def test_a_pdf_is_inline_data() -> None:
    """A PDF keeps its place, and what the client says of it stands before it."""
    assert contents(user(text("a"), pdf("JVBE"), text("b")))[0]["parts"][1] == {
        "inlineData": {"mimeType": "application/pdf", "data": "JVBE"}
    }
    told = contents(user(pdf(title="Report", context="of 2026")))[0]["parts"][0]["text"]
    assert told == 'Document "Report":\nContext: of 2026'


def test_text_documents_are_numbered_text() -> None:
    """Documents of text, of blocks and search results are text that names its source."""
    blocks = {"type": "content", "content": [text("two"), image()]}
    done = contents(
        user(
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "one"}},
            {"type": "document", "source": blocks},
            {"type": "search_result", "source": "s", "title": "t", "content": [text("three")]},
        )
    )
    parts = done[0]["parts"]
    assert [next(iter(part)) for part in parts] == ["text", "text", "inlineData", "text"]
    assert ['index="1"' in parts[0]["text"], 'index="2"' in parts[1]["text"]] == [True, True]
    assert "three" in parts[3]["text"]


def by_url(url: str, kind: str = "image") -> Json:
    return {"type": kind, "source": {"type": "url", "url": url}}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            by_url("https://a.test/x.PNG?size=1"),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://a.test/x.PNG?size=1"}},
        ),
        (by_url("https://a.test/x.jpg"), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.test/x.jpg"}}),
        (
            by_url("https://a.test/paper", "document"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a.test/paper"}},
        ),
        (by_url("data:image/webp;base64,AAAA"), {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}}),
    ],
    ids=["png", "jpg", "pdf", "data"],
)
def test_media_by_url_is_fetched_by_google(block: Json, part: Json) -> None:
    """Google fetches public URLs itself, but must be told the type."""
    assert contents(user(block))[0]["parts"] == [part]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/x.png",
        "http://localhost/x.png",
        "http://10.0.0.1/x.png",
        "file:///etc/x.png",
        "https://a.internal/x.png",
        "https://a.test/unknown",
        "https://a.test/x.gif",
        "data:text/plain,hi",
    ],
)
def test_urls_that_cannot_be_fetched_are_refused(url: str) -> None:
    """Private addresses, other schemes, and images of a kind that is unknown or not taken: a 400 that says which."""
    with pytest.raises(ClientError, match="source"):
        contents(user(by_url(url)))


def test_a_gif_is_refused_by_name() -> None:
    """Gemini takes no gif; the refusal says so and what to send instead."""
    gif = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}}
    with pytest.raises(ClientError, match=r"image/gif is not supported .* image/png"):
        contents(user(gif))


def test_files_of_anthropic_are_refused() -> None:
    """A file id means nothing to Google."""
    with pytest.raises(ClientError, match="file ids"):
        contents(user({"type": "image", "source": {"type": "file", "file_id": "file_1"}}))


@pytest.mark.parametrize(
    "thought",
    [
        {"type": "thinking", "thinking": "musing", "signature": "claude-made"},
        {"type": "thinking", "thinking": "musing"},
        {"type": "redacted_thinking", "data": "musing"},
        carried({"k": "tx", "n": 0, "sig": "AAAA"}, model="gemini-9", thinking="musing"),
    ],
    ids=["foreign", "unsigned", "redacted", "other model"],
)
def test_thinking_is_not_sent_back(thought: Json) -> None:
    """Thoughts are not part of what Gemini takes, whoever made them."""
    done = contents(HI_USER, assistant(thought, text("answer")), user(text("b")), model=NEW)
    assert done[1]["parts"] == [{"text": "answer"}]


def test_a_message_of_thoughts_alone_leaves_nothing() -> None:
    """Without its thinking the assistant's message is empty: the user's messages around it become one."""
    done = contents(HI_USER, assistant(carried()), user(text("b")))
    assert done == [{"role": "user", "parts": [{"text": "hi"}, {"text": "b"}]}]


def test_signatures_return_to_their_parts() -> None:
    """Signatures and ids stand again on the text and the calls with which they came, and results have the call's id."""
    made = [
        carried({"k": "tx", "n": 1, "sig": "VDE="}, {"k": "fc", "n": 0, "id": "g1", "sig": "RjA="}),
        text("one"),
        text("two"),
        call("toolu_1"),
        call("toolu_2"),
        carried({"k": "fc", "n": 1, "id": "g2"}),
    ]
    done = contents(HI_USER, assistant(*made), user(result("toolu_2"), result("toolu_1")), model=NEW)
    parts = done[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, "VDE=", "RjA=", None]
    assert [part["functionCall"]["id"] for part in calls_of(done[1])] == ["g1", "g2"]
    assert [part["functionResponse"]["id"] for part in done[2]["parts"]] == ["g1", "g2"]


@pytest.mark.parametrize(
    "origin", [{"model": "gemini-3-flash"}, {"model": NEW, "route": "vertex"}], ids=["model", "server"]
)
def test_signatures_of_others_are_not_replayed(origin: Json) -> None:
    """A signature is good for the model and the server that made it: others get the value that stands for none."""
    made = carried({"k": "fc", "n": 0, "id": "g1", "sig": "RjA="}, **origin)
    done = contents(HI_USER, assistant(made, call("c")), user(result("c")), model=NEW)
    assert calls_of(done[1]) == [
        {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": BYPASS},
    ]


def test_the_first_call_of_each_step_is_signed() -> None:
    """A history of other models runs on Gemini 3: the first call of each content has a signature, the others none."""
    done = contents(
        HI_USER,
        assistant(call("a"), call("b")),
        user(result("a"), result("b")),
        assistant(text("on"), call("c")),
        user(result("c")),
        model=NEW,
    )
    assert [signatures(done[1]), signatures(done[3])] == [[BYPASS, None], [BYPASS]]


def test_older_models_need_no_signatures() -> None:
    """2.5 does without, but gets back what it gave."""
    own = carried({"k": "fc", "n": 0, "sig": "RjA="}, model=OLD)
    done = contents(
        HI_USER, assistant(call("a")), user(result("a")), assistant(own, call("b")), user(result("b")), model=OLD
    )
    assert [signatures(done[1]), signatures(done[3])] == [[None], ["RjA="]]


def test_refused_signatures_are_left_out() -> None:
    """After the upstream's refusal all signatures give way to the one that stands for none."""
    made = carried({"k": "tx", "n": 0, "sig": "VDE="}, {"k": "fc", "n": 0, "sig": "RjA="})
    messages = [HI_USER, assistant(made, text("a"), call("c")), user(result("c"))]
    body = encoded({"messages": messages}, NEW, unsigned=True).body
    assert b"VDE=" not in body
    assert b"RjA=" not in body
    assert BYPASS.encode() in body


def test_numbers_count_per_message() -> None:
    """Two messages in a row become one content, but each carrier counts the parts of its own."""
    first = assistant(carried({"k": "fc", "n": 0, "sig": "QQ=="}), call("a"))
    second = assistant(carried({"k": "fc", "n": 0, "sig": "Qg=="}), call("b"))
    done = contents(HI_USER, first, second, user(result("a"), result("b")), model=NEW)
    assert signatures(done[1]) == ["QQ==", "Qg=="]


@pytest.mark.parametrize(
    "signature",
    ["px1.g.", "px1.g.!!!", "px1.g.AAAA", "px1.o.eNqrVkrOz0nVL0pVslIqLU4tUtJRKkstKs7Mz1OyMtBRykuEiBkZGVvUAgBVGQ2p"],
)
def test_broken_carriers_are_as_good_as_none(signature: str) -> None:
    """A signature that cannot be read is dropped, not refused."""
    block = {"type": "thinking", "thinking": "t", "signature": signature}
    done = contents(HI_USER, assistant(block, call("c")), user(result("c")), model=NEW)
    assert signatures(done[1]) == [BYPASS]


@pytest.mark.parametrize(
    "item",
    [
        {"k": "fc", "n": "x", "sig": "QQ=="},
        {"k": "fc", "n": -1, "sig": "QQ=="},
        {"k": "raw", "parts": ["x", 1]},
        {"k": "new"},
        {},
    ],
)
def test_odd_items_of_a_carrier_are_passed_over(item: Json) -> None:
    """A carrier is what a client sends: whatever it holds, the request is sent."""
    done = contents(HI_USER, assistant(carried(item), call("c"), *SEARCHED), user(result("c")), model=NEW)
    assert signatures(done[1]) == [BYPASS]


def test_googles_own_calls_go_back_as_they_came() -> None:
    """Parts of server tools return unchanged in place of the blocks that the client saw of them."""
    parts = [{"toolCall": {"id": "t", "args": {"q": 1}}, "thoughtSignature": "QQ=="}, {"toolResponse": {"id": "t"}}]
    done = contents(
        HI_USER, assistant(carried({"k": "raw", "parts": parts}), *SEARCHED, text("so")), user(text("b")), model=NEW
    )
    assert done[1]["parts"] == [*parts, {"text": "so"}]


def test_a_search_beside_code_does_not_take_its_parts() -> None:
    """A search that Google told without parts goes back in words, the code that it ran as it came."""
    parts = [{"executableCode": {"code": "1"}}, {"codeExecutionResult": {"output": "1"}}]
    ran = [
        {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "1"}},
        {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content": {"type": "x", "stdout": "1"}},
    ]
    done = contents(
        HI_USER, assistant(*SEARCHED, carried({"k": "raw", "parts": parts}), *ran), user(text("b")), model=NEW
    )
    assert done[1]["parts"] == [{"text": '[web_search "q"]'}, {"text": "[web_search result]"}, *parts]


def test_server_tools_of_others_are_told_in_text() -> None:
    """Where no carrier holds the parts, what happened is told in words."""
    done = contents(HI_USER, assistant(*SEARCHED, text("so")), user(text("b")))
    assert [part["text"] for part in done[1]["parts"]] == ['[web_search "q"]', "[web_search result]", "so"]


def test_a_prefill_is_gone_on_with() -> None:
    """Older models go on with their own words; newer ones are asked to. The way back knows what stood there."""
    request = {"messages": [HI_USER, assistant(text("{"))]}
    old, new = encoded(request, OLD), encoded(request, NEW)
    assert (old.encoding.prefill, new.encoding.prefill) == ("{", "{")
    assert [each["role"] for each in contents(*request["messages"])] == ["user", "model"]
    assert "Continue exactly" in contents(*request["messages"], model=NEW)[-1]["parts"][0]["text"]


def test_a_conversation_without_content_is_refused() -> None:
    """Nothing to send is the request's fault."""
    with pytest.raises(ClientError, match="messages"):
        contents(assistant(carried()))


_BLOCKS = st.one_of(
    st.sampled_from([text("a"), text(" "), text(""), image(), call("x"), call("y"), result("x"), result("y")]),
    st.sampled_from([carried({"k": "fc", "n": 0, "id": "g", "sig": "QQ=="}), *SEARCHED]),
)
_USER = st.lists(st.sampled_from([text("a"), text(""), image(), result("x"), result("y", [image()]), result("z")]))
_ASSISTANT = st.lists(_BLOCKS.filter(lambda block: block["type"] not in ("tool_result", "image")))
_TURNS = st.lists(
    st.one_of(
        _USER.map(lambda blocks: user(*blocks)),
        _ASSISTANT.map(lambda blocks: assistant(*blocks)),
        st.just({"role": "system", "content": "rule"}),
    ),
    max_size=6,
)


@given(turns=_TURNS, model=st.sampled_from([OLD, NEW]))
def test_any_history_becomes_one_that_google_takes(turns: list[Json], model: str) -> None:
    """Roles alternate from the user on, no content is empty, and calls are answered at once, in number and order."""
    done = contents(user(text("start")), *turns, user(text("end")), model=model)
    roles = [each["role"] for each in done]
    assert roles == ["user", "model"] * (len(roles) // 2) + ["user"]
    asked: list[str] = []
    for content in done:
        assert content["parts"]
        answers = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        assert answers == asked
        assert all("functionResponse" in part for part in content["parts"][: len(answers)])
        asked = [part["functionCall"]["name"] for part in calls_of(content)]
        if asked and model == NEW:
            assert signatures(content)[0]
    assert not asked
