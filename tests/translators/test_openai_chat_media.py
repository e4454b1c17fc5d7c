"""Images and documents of a conversation, as a Chat server takes them or not."""

from __future__ import annotations

import msgspec
import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.quirks import ChatQuirks
from tests.translators.chat_requests import (
    HI,
    Json,
    assistant,
    call,
    encoded,
    image,
    lost,
    messages,
    pdf,
    result,
    text,
    user,
)


def test_media_keep_their_place_among_the_parts() -> None:
    """Texts, images and files of a user message become parts in their order."""
    url = {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}}
    [message] = messages(user(text("a"), image("QUJD"), url, pdf("JVBE", title="Plan"), text("b")))
    assert message["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {"type": "file", "file": {"filename": "Plan.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "text", "text": "b"},
    ]


def test_the_context_of_a_pdf_is_told_before_it() -> None:
    """A file part has no field for the document's context: it is told as text; a file without title gets a name."""
    [message] = messages(user(pdf(context="From May.")))
    assert message["content"][0] == {"type": "text", "text": "Context of document.pdf: From May."}
    assert message["content"][1]["file"]["filename"] == "document.pdf"


def test_text_documents_are_wrapped_and_numbered() -> None:
    """Documents of text name their title and context; their images follow them."""
    plain = {"type": "document", "source": {"type": "text", "data": "words"}, "title": "T", "context": "C"}
    parts = {"type": "document", "source": {"type": "content", "content": [text("x"), image()]}}
    [message] = messages(user(plain, parts))
    first, second, third = message["content"]
    assert first["text"] == '<document index="1" title="T">\n<context>C</context>\nwords\n</document>'
    assert second["text"] == '<document index="2">\nx\n</document>'
    assert third["type"] == "image_url"


def test_media_of_results_follow_all_tool_messages() -> None:
    """Tool messages take text: images and files come after all of them, each told with its call."""
    shots = user(result("a", [text("see"), image("QQ==")]), result("b", [pdf("JVBE")]), text("and?"))
    done = messages(*HI, assistant(call("a"), call("b")), shots)
    assert [each["role"] for each in done] == ["user", "assistant", "tool", "tool", "user"]
    assert done[2]["content"] == "see\n[image 1 attached below]"
    assert done[3]["content"] == "[document 2 attached below]"
    parts = done[4]["content"]
    assert [part.get("text") for part in parts if part["type"] == "text"] == [
        "Image 1 from tool call a:",
        "Document 2 from tool call b:",
        "and?",
    ]
    assert [part["type"] for part in parts] == ["text", "image_url", "text", "file", "text"]


def test_documents_of_the_assistant_become_text() -> None:
    """An assistant's document is told as text; a file cannot be and is reported."""
    plain = {"type": "document", "source": {"type": "text", "data": "words"}}
    done = encoded({"messages": [*HI, assistant(plain, pdf()), *HI]})
    assert "words" in msgspec.json.decode(done.body)["messages"][1]["content"]
    assert lost(done) == ["messages[1].content[1]"]


def test_images_for_a_model_without_eyes_are_reported() -> None:
    """A model that takes no images is told that one was left out, and so is the client."""
    done = encoded({"messages": [user(text("x"), image())]}, ChatQuirks(images=False))
    assert lost(done) == ["messages[0].content[1]"]
    assert "an image was left out" in msgspec.json.decode(done.body)["messages"][0]["content"]


def source(kind: str, **rest: Json) -> Json:
    return {"type": kind, "source": rest}


REFUSED: list[tuple[str, Json, str]] = [
    (
        "PDF by URL",
        source("document", type="url", url="https://a.test/a.pdf"),
        "takes no documents by URL",
    ),
    ("document by id", source("document", type="file", file_id="f"), "file ids are not supported"),
    ("image by id", source("image", type="file", file_id="f"), "file ids are not supported"),
    ("document of another type", source("document", type="base64", media_type="a/b", data=""), "application/pdf"),
    ("metadata service", source("image", type="url", url="http://169.254.169.254/x"), "public http or https URL"),
    ("this machine", source("image", type="url", url="http://localhost/x"), "public http or https URL"),
    ("IPv6 loopback", source("image", type="url", url="http://[::1]/x"), "public http or https URL"),
    ("a file URL", source("image", type="url", url="file:///etc/passwd"), "public http or https URL"),
    ("no URL", source("image", type="url", url="http://[x"), "public http or https URL"),
    ("PDF within a document", source("document", type="content", content=[pdf()]), "Input should be a text or image"),
    (
        "image in a search result",
        {"type": "search_result", "source": "s", "title": "t", "content": [image()]},
        "Input should be text blocks",
    ),
]


@pytest.mark.parametrize(("block", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_media_that_cannot_be_sent_are_refused(block: Json, message: str) -> None:
    """Media that no Chat Completions server could take are refused with their place."""
    with pytest.raises(ClientError, match=message) as caught:
        messages(user(block))
    assert caught.value.message.startswith("messages.0.content.0")


def test_pdfs_are_documents_of_a_server_that_has_a_part_for_them() -> None:
    """Mistral reads PDFs in a part of its own, in a data URL or at their address, and those of results beside them."""
    quirks = ChatQuirks(document_urls=True)
    there = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    sent = [
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBE"},
        {"type": "document_url", "document_url": "https://example.com/a.pdf"},
    ]
    [message] = messages(user(pdf(), there), quirks=quirks)
    assert message["content"] == sent
    attached = messages(user(text("x")), assistant(call("t1")), user(result("t1", [pdf()])), quirks=quirks)[-1]
    assert [part["type"] for part in attached["content"]] == ["text", "document_url"]


def test_pdfs_for_servers_without_files_are_refused() -> None:
    """A server without file parts cannot read a PDF."""
    with pytest.raises(ClientError, match=r"document blocks \(PDF\) are not supported for model 'claude-x'"):
        messages(user(pdf()), quirks=ChatQuirks(files=False))
