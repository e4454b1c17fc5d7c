"""What becomes of a conversation on its way to OpenAI Responses."""

from __future__ import annotations

import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.media_urls import UrlNotTaken
from tests.translators.chat_requests import assistant, call, image, pdf, result, text, tool, user
from tests.translators.responses_requests import LOCAL, PLAIN, Json, encoded, items, lost, upstream

QUESTION = user(text("?"))
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
FILE = {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"}


def said(*parts: Json, role: str = "user") -> Json:
    return {"type": "message", "role": role, "content": list(parts)}


def words(value: str) -> Json:
    return {"type": "input_text", "text": value}


def output(*blocks: Json, is_error: bool = False, **quirks: Json) -> Json:
    """What becomes of a tool result with these blocks, and of what follows it."""
    turns = (QUESTION, assistant(call("t1")), user(result("t1", list(blocks), is_error=is_error)))
    return items(*turns, **quirks)[2:]


def test_a_string_and_one_block_are_the_same() -> None:
    """A content written as a string gives the same request as one text block."""
    assert items({"role": "user", "content": "a"}) == items(user(text("a"))) == [said(words("a"))]


def test_blocks_of_a_message_stay_together_and_in_order() -> None:
    """Texts and images of a message are parts of one item, in the client's order."""
    assert items(user(text("a"), image(), text("b"))) == [said(words("a"), PICTURE, words("b"))]


def test_messages_in_a_row_stay_apart() -> None:
    """Two user messages in a row are two items."""
    assert items(user(text("a")), user(text("b"))) == [said(words("a")), said(words("b"))]


def test_an_image_by_address_is_passed_on() -> None:
    """The upstream fetches public addresses itself."""
    by_url = {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.jpg"}}
    assert items(user(by_url))[0]["content"][0]["image_url"] == "https://example.com/cat.jpg"


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://localhost/a.png", "file:///etc/passwd"])
@pytest.mark.parametrize("kind", ["image", "document"])
def test_a_private_address_is_refused(kind: str, url: str) -> None:
    """Nobody is sent to addresses within a network."""
    with pytest.raises(ClientError, match="public http or https URL"):
        items(user({"type": kind, "source": {"type": "url", "url": url}}))


def test_a_pdf_has_the_name_that_the_upstream_demands() -> None:
    """A PDF travels with its title as its name, or a made-up one."""
    assert items(user(pdf())) == [said(FILE)]
    assert items(user(pdf(title="Report")))[0]["content"][0]["filename"] == "Report.pdf"
    told = items(user(pdf(title="Report", context="Old.")))[0]["content"]
    assert told[0] == words("Context of Report.pdf: Old.")


def test_a_pdf_by_address_is_passed_on() -> None:
    """The upstream fetches a PDF itself; a data URL is the file itself."""
    by_url = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}, "context": "Old."}
    told, file = items(user(by_url))[0]["content"]
    assert told == words("Context of https://example.com/a.pdf: Old.")
    assert file == {"type": "input_file", "file_url": "https://example.com/a.pdf"}
    inline = {"type": "document", "source": {"type": "url", "url": "data:application/pdf;base64,JVBE"}}
    assert items(user(inline)) == [said(FILE)]


@pytest.mark.parametrize(("kind", "quirk"), [("image", "image_urls"), ("document", "file_urls")])
def test_what_a_server_does_not_fetch_is_refused_with_the_remedy(kind: str, quirk: str) -> None:
    """The client may send the data, and the proxy may fetch it where that is switched on."""
    by_url = {"type": kind, "source": {"type": "url", "url": "https://example.com/a"}}
    quirks: Json = {quirk: False}
    with pytest.raises(UrlNotTaken, match=f"send the {kind} itself as base64"):
        items(user(by_url), **quirks)


def test_text_documents_and_search_results_are_wrapped() -> None:
    """Documents that are text travel as text that names them; images within follow."""
    plain = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
    mixed = {"type": "document", "source": {"type": "content", "content": [text("e"), image()]}}
    found = {"type": "search_result", "source": "s", "title": "S", "content": [text("f")]}
    parts = items(user(plain, mixed, found))[0]["content"]
    assert parts[0]["text"] == '<document index="1" title="T">\nd\n</document>'
    assert parts[1]["text"] == '<document index="2">\ne\n</document>'
    assert parts[2] == PICTURE
    assert parts[3]["text"] == '<search_result source="s" title="S">\nf\n</search_result>'


def test_citations_that_are_wanted_are_told_as_lost() -> None:
    """An answer cannot cite the client's documents."""
    cited = pdf(citations={"enabled": True})
    assert lost(encoded({"messages": [user(cited)]})) == ["messages[0].content[0].citations"]


@pytest.mark.parametrize("kind", ["image", "document"])
def test_files_that_only_anthropic_has_are_refused(kind: str) -> None:
    """An id of Anthropic's file store means nothing here."""
    with pytest.raises(ClientError, match="file ids are not supported"):
        items(user({"type": kind, "source": {"type": "file", "file_id": "file_1"}}))


def test_a_model_without_eyes_is_told_of_the_image() -> None:
    """Where no images are taken a sentence stands for one, and it is told; files are refused."""
    done = encoded({"messages": [user(image())]}, images=False)
    assert lost(done) == ["messages[0].content[0]"]
    assert b"left out here" in done.body
    with pytest.raises(ClientError, match=r"document blocks \(PDF\) are not supported"):
        encoded({"messages": [user(pdf())]}, files=False)


def test_a_system_message_keeps_its_place() -> None:
    """Instructions within the conversation stand where they stood, in the role that the server knows."""
    turns = (user(text("a")), {"role": "system", "content": "s"}, user(text("b")))
    assert items(*turns) == [said(words("a")), said(words("s"), role="developer"), said(words("b"))]
    assert items(*turns, model=PLAIN, base_url=LOCAL)[1]["role"] == "system"


def test_an_unknown_block_of_the_user_is_refused_and_one_of_the_assistant_left_out() -> None:
    """What the user says must not get lost; what a newer Claude said besides may, and is told."""
    with pytest.raises(ClientError, match="hologram"):
        items(user({"type": "hologram"}))
    done = encoded({"messages": [QUESTION, assistant({"type": "hologram"}, text("a")), QUESTION]})
    assert lost(done) == ["messages[1].content[0]"]


def test_calls_and_results_go_by_their_ids() -> None:
    """A call has its id as `call_id` and no `id` of its own; results follow, before other content."""
    turns = (
        QUESTION,
        assistant(text("Let me look."), call("t1", at="x"), call("t2")),
        user(result("t2", "two"), result("t1", "one"), text("go on")),
    )
    assert items(*turns)[1:] == [
        {"type": "message", "role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "t1", "name": "look", "arguments": '{"at":"x"}'},
        {"type": "function_call", "call_id": "t2", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "t1", "output": "one"},
        {"type": "function_call_output", "call_id": "t2", "output": "two"},
        said(words("go on")),
    ]


def test_a_text_after_a_call_keeps_its_place() -> None:
    """The order of what the assistant said and called is the client's."""
    turns = (QUESTION, assistant(call("t1"), text("after")), user(result("t1")))
    assert [item["type"] for item in items(*turns)[1:]] == ["function_call", "message", "function_call_output"]


@pytest.mark.parametrize("id", ["call_1", "toolu_" + "x" * 84, "call.with.dots", "x" * 64])
def test_ids_of_others_are_shortened_alike_on_both_sides(id: str) -> None:
    """An id that the upstream would refuse is changed, and a call and its result still belong together."""
    _, made, answered = items(QUESTION, assistant(call(id)), user(result(id)))
    assert made["call_id"] == answered["call_id"]
    assert len(made["call_id"]) <= 64
    assert (made["call_id"] == id) == (id in ("call_1", "x" * 64))


@pytest.mark.parametrize("content", [None, "", []])
def test_an_empty_result_is_an_empty_text(content: Json) -> None:
    """A result without content is there all the same."""
    turns = (QUESTION, assistant(call("t1")), user(result("t1", content)))
    assert items(*turns)[-1]["output"] == ""


def test_texts_of_a_result_become_one() -> None:
    """Several texts are one output."""
    assert output(text("a"), text("b"))[0]["output"] == "a\nb"


def test_images_and_files_stay_inside_the_result() -> None:
    """The upstream takes them there, so nothing moves."""
    found = output(text("tool output"), image(), pdf())
    assert found == [
        {"type": "function_call_output", "call_id": "t1", "output": [words("tool output"), PICTURE, FILE]},
    ]


def test_where_results_are_text_alone_images_follow_them() -> None:
    """A server that takes text alone gets a note in the result, and the image in a message that names the call."""
    found = output(text("a"), image(), pdf(), result_media=False)
    assert found[0]["output"] == "a\n[image 1 attached below]\n[document 2 attached below]"
    assert found[1] == said(words("Image 1 from tool call t1:"), PICTURE, words("Document 2 from tool call t1:"), FILE)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([text("no such file")], "Error: no such file"),
        ([text("error: gone")], "error: gone"),
        ([text("<tool_use_error>x</tool_use_error>")], "<tool_use_error>x</tool_use_error>"),
        ([], "Error: "),
        ([image(), text("bad")], [PICTURE, words("Error: bad")]),
        ([image()], [words("Error: see below"), PICTURE]),
    ],
)
def test_a_failed_result_says_so_once(blocks: list[Json], expected: Json) -> None:
    """An error begins with a word that says it, unless it does already."""
    assert output(*blocks, is_error=True)[0]["output"] == expected


def test_a_tool_reference_is_a_sentence_and_its_tool_is_declared() -> None:
    """A deferred tool that a search found is told of, and among the tools from then on."""
    request = {
        "messages": [
            QUESTION,
            assistant(call("t1", "find")),
            user(result("t1", [{"type": "tool_reference", "tool_name": "later"}])),
        ],
        "tools": [tool("find"), tool("later", defer_loading=True), tool("never", defer_loading=True)],
    }
    made = upstream(request)
    assert made["input"][-1]["output"] == "Tool later is now available."
    assert [each["name"] for each in made["tools"]] == ["find", "later"]


def test_texts_that_were_split_around_citations_become_one() -> None:
    """Adjacent texts of the assistant join without a gap; other blocks between them part paragraphs."""
    search = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [{"type": "web_search_result", "url": "https://e.com", "title": "E", "encrypted_content": "x"}],
    }
    spoken = items(QUESTION, assistant(text("One "), text("sentence."), search, found, text("Two.")), QUESTION)[1]
    assert spoken["content"] == 'One sentence.\n\n[web_search "q"]\n\n[web_search result]\nE - https://e.com\n\nTwo.'


def test_code_that_ran_on_a_server_is_told_in_a_fence() -> None:
    """The model sees the code and what came of it."""
    ran = {"type": "server_tool_use", "id": "s1", "name": "code_execution", "input": {"code": "print(1)\nprint(2)"}}
    came = {
        "type": "code_execution_tool_result",
        "tool_use_id": "s1",
        "content": {"type": "code_execution_result", "stdout": "1\n2\n", "stderr": "", "return_code": 0},
    }
    spoken = items(QUESTION, assistant(ran, came, text("Done.")), QUESTION)[1]["content"]
    assert spoken.startswith("[code_execution]\n```\nprint(1)\nprint(2)\n```\n\n[code_execution result]\n1\n2\n")


def test_mcp_calls_of_the_history_are_told_in_words() -> None:
    """What an MCP server was asked and answered is text."""
    made = {"type": "mcp_tool_use", "id": "m1", "name": "ask", "server_name": "wiki", "input": {"q": "x"}}
    came = {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": False, "content": [text("42")]}
    spoken = items(QUESTION, assistant(made, came, text("Done.")), QUESTION)[1]["content"]
    assert spoken == '[wiki ask "x"]\n\n[mcp result]\n42\n\nDone.'


@pytest.mark.parametrize("block", [{"type": "redacted_thinking", "data": "OPAQUE"}, {"type": "fallback"}])
def test_blocks_of_no_use_elsewhere_are_left_out(block: Json) -> None:
    """What only Anthropic can read does not reach another upstream."""
    assert items(QUESTION, assistant(block, text("seen")), QUESTION)[1]["content"] == "seen"


def test_a_compaction_takes_the_place_of_what_it_sums_up() -> None:
    """Only the summary of what came before is sent."""
    turns = (user(text("old")), assistant({"type": "compaction", "content": "sum"}, text("a")), user(text("new")))
    assert items(*turns) == [
        said(words("<summary>\nsum\n</summary>")),
        {"type": "message", "role": "assistant", "content": "a"},
        said(words("new")),
    ]


def test_empty_texts_and_messages_are_left_out() -> None:
    """An assistant that said nothing but blanks has no item, and empty texts no part."""
    turns = (user(text("a"), text(" ")), assistant(text(" ")), user(text("b")))
    assert items(*turns) == [said(words("a")), said(words("b"))]


def test_a_call_without_a_result_gets_one() -> None:
    """A broken history is mended and told; strict mode refuses it in Anthropic's words."""
    request = {"messages": [QUESTION, assistant(call("t1")), user(text("never mind"))]}
    assert upstream(request)["input"][2] == {
        "type": "function_call_output",
        "call_id": "t1",
        "output": "[no result]",
    }
    with pytest.raises(ClientError, match="without `tool_result` blocks immediately after: t1"):
        encoded(request, strict=True)


def test_a_result_without_a_call_becomes_text() -> None:
    """The upstream would refuse an output that answers nothing."""
    made = items(QUESTION, assistant(text("a")), user(result("gone", "late")))
    assert made[-1] == said(words("[result of tool call gone]"), words("late"))


def test_blocks_come_back_with_all_their_null_members() -> None:
    """What an answer held may be sent back as it is."""
    spoken = assistant(text("a") | {"citations": None}, call("t1") | {"caller": None, "toolset_name": None})
    assert [item["type"] for item in items(QUESTION, spoken, user(result("t1")))[1:]] == [
        "message",
        "function_call",
        "function_call_output",
    ]


def test_cache_breakpoints_are_taken_anywhere() -> None:
    """They are not needed: OpenAI caches by itself, and would refuse the field."""
    mark = {"cache_control": {"type": "ephemeral"}}
    request = {
        "system": [text("s") | mark],
        "tools": [tool() | mark],
        "messages": [user(text("a") | mark, image() | mark), assistant(call("t1") | mark), user(result("t1", **mark))],
    }
    done = encoded(request)
    assert b"cache_control" not in done.body
    assert done.encoding.losses == ()


def test_documents_of_the_assistant_are_told_in_words() -> None:
    """An older API version let the assistant hold documents; their text travels, a file is told as lost."""
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
    done = encoded({"messages": [QUESTION, assistant(plain, pdf()), QUESTION]})
    assert b"<document index" in done.body
    assert lost(done) == ["messages[1].content[1]"]
