"""TokenCounter: what counts, what never does, and that it holds up nobody."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import struct
import time
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from typing import NoReturn

import msgspec
import pytest

from llm_to_anthropic.counting import TokenCounter
from llm_to_anthropic.counting.media import PDF_PAGE, UNKNOWN_IMAGE, image_size, pdf_pages, tile_tokens
from llm_to_anthropic.counting.templates import template_of
from llm_to_anthropic.counting.tools import typescript
from llm_to_anthropic.counting.vocabulary import SHA256
from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.request import check_text
from llm_to_anthropic.wire.anthropic import MessagesRequest, Tool

UPSTREAM_TEMPLATE = 7
"""What OpenAI adds to a lone user message: four tokens for it, three for the answer's beginning."""
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 1024, 512)

HELLO = b'{"model":"claude","messages":[{"role":"user","content":"hello world"}]}'
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}


@pytest.fixture(scope="module")
def counter() -> Iterator[TokenCounter]:
    counter = TokenCounter()
    counter.load()
    yield counter
    counter.close()


@pytest.fixture
async def cold() -> AsyncIterator[TokenCounter]:
    """A counter that has not loaded its vocabulary."""
    counter = TokenCounter()
    yield counter
    counter.close()


def request(content: object, **fields: object) -> MessagesRequest:
    body = {"model": "claude", "messages": [{"role": "user", "content": content}], **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=MessagesRequest)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def image(data: bytes) -> dict[str, object]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(data)}}


def pdf(data: bytes) -> dict[str, object]:
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": encoded(data)}}


def test_vocabulary_is_the_one_that_tiktoken_expects() -> None:
    """The data file of the wheel has the SHA-256 under which tiktoken publishes o200k_base."""
    data = (files("llm_to_anthropic") / "data" / "o200k_base.tiktoken.gz").read_bytes()
    assert hashlib.sha256(gzip.decompress(data)).hexdigest() == SHA256


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("hello world", 2, id="words"),
        pytest.param("Grüße, 東京!", 6, id="other-scripts"),
        pytest.param("1234567", 3, id="digits-by-three"),
        pytest.param("", 0, id="empty"),
    ],
)
def test_text_costs_its_o200k_tokens(counter: TokenCounter, text: str, tokens: int) -> None:
    """A text counts as its o200k tokens and what the chat template adds."""
    assert counter.count_now(request(text)) == tokens + UPSTREAM_TEMPLATE


def test_special_tokens_count_as_plain_text(counter: TokenCounter) -> None:
    """Text that spells a special token is neither refused nor taken for one token."""
    assert counter.count_now(request("<|endoftext|>")) > UPSTREAM_TEMPLATE + 3


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({"type": "text", "text": "one two three"}, id="text"),
        pytest.param({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "the sky"}}, id="tool_use"),
        pytest.param({"type": "tool_result", "tool_use_id": "toolu_1", "content": "blue"}, id="tool_result"),
        pytest.param({"type": "tool_result", "tool_use_id": "toolu_1", "content": [image(PNG)]}, id="result-image"),
        pytest.param({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}, id="image-url"),
        pytest.param({"type": "document", "source": {"type": "text", "data": "a b c"}, "title": "T"}, id="document"),
        pytest.param(
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a b"}]}},
            id="document-blocks",
        ),
        pytest.param({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, id="document-file"),
        pytest.param(
            {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]},
            id="search_result",
        ),
        pytest.param({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"}, id="server_tool_use"),
        pytest.param({"type": "tool_reference", "tool_name": "look"}, id="tool_reference"),
        pytest.param({"type": "compaction", "content": "what was said"}, id="compaction"),
        pytest.param({"type": "from_the_future", "text": "what it says"}, id="unknown"),
    ],
)
def test_every_block_counts(counter: TokenCounter, block: dict[str, object]) -> None:
    """Each kind of block adds to the count, by tokens and by estimate."""
    text = {"type": "text", "text": "x"}
    assert counter.count_now(request([text, block])) > counter.count_now(request([text]))
    assert counter.estimate(request([text, block])) > counter.estimate(request([text]))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"system": "You are brief."}, id="system"),
        pytest.param({"system": [{"type": "text", "text": "You are brief."}]}, id="system-blocks"),
        pytest.param({"tools": [{"name": "look", "input_schema": {"type": "object"}}]}, id="tools"),
        pytest.param({"tool_choice": {"type": "tool", "name": "look"}}, id="forced-tool"),
        pytest.param({"output_config": {"format": FORMAT}}, id="schema"),
        pytest.param({"output_format": FORMAT}, id="schema-by-its-older-name"),
        pytest.param({"output_format": FORMAT, "output_config": {"effort": "low"}}, id="schema-beside-an-effort"),
    ],
)
def test_fields_beside_the_messages_count(counter: TokenCounter, fields: dict[str, object]) -> None:
    """System, tools, a forced tool and an output schema add to the count."""
    assert counter.count_now(request("x", **fields)) > counter.count_now(request("x"))


def test_thinking_of_the_history_is_free_where_it_is_not_sent(counter: TokenCounter) -> None:
    """Thinking blocks cost nothing for models that are not given their earlier thinking."""
    thinking = {"type": "thinking", "thinking": "Let me think. " * 50, "signature": "s"}
    text = {"type": "text", "text": "x"}
    assert counter.count_now(request([thinking, text]), "gpt-4o") == counter.count_now(request([text]), "gpt-4o")
    assert counter.count_now(request([thinking, text]), "kimi-k2") > counter.count_now(request([text]), "kimi-k2")


def test_reminder_of_a_turn_that_is_over_is_free(counter: TokenCounter) -> None:
    """A system message for one turn costs nothing once the user has spoken again: it is not sent any more."""
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    reminder = {"role": "system", "content": "mind this", "clear_at": "next_user_message"}
    plain = counter.count_now(request("", messages=said), "gpt-5")
    assert counter.count_now(request("", messages=[said[0], reminder, *said[1:]]), "gpt-5") == plain
    assert counter.count_now(request("", messages=[*said, reminder]), "gpt-5") > plain


def test_image_costs_its_tiles(counter: TokenCounter) -> None:
    """A base64 image costs by the width and height in its header."""
    assert counter.count_now(request([image(PNG)])) == UPSTREAM_TEMPLATE - 3 + 3 + tile_tokens(1024, 512)


def test_image_without_readable_size_costs_a_flat_price(counter: TokenCounter) -> None:
    """An image whose size cannot be read costs 1500 tokens."""
    assert counter.count_now(request([image(b"not an image")])) == UPSTREAM_TEMPLATE + UNKNOWN_IMAGE


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        pytest.param(1, 1, 255, id="dot"),
        pytest.param(512, 512, 255, id="one-tile"),
        pytest.param(1024, 1024, 765, id="fits-768"),
        pytest.param(2048, 4096, 1105, id="tall"),
    ],
)
def test_tiles(width: int, height: int, tokens: int) -> None:
    """Tiles are counted after fitting the image as OpenAI documents it."""
    assert tile_tokens(width, height) == tokens


JPEG = b"\xff\xd8\xff\xe1\x00\x06EXIF\xff\xc0\x00\x11\x08" + struct.pack(">HH", 600, 800) + b"\x03"
WEBP = b"RIFF\x00\x00\x00\x00WEBP"


@pytest.mark.parametrize(
    ("data", "size"),
    [
        pytest.param(PNG, (1024, 512), id="png"),
        pytest.param(b"GIF89a" + struct.pack("<HH", 800, 600), (800, 600), id="gif"),
        pytest.param(JPEG, (800, 600), id="jpeg-behind-exif"),
        pytest.param(WEBP + b"VP8 " + bytes(10) + struct.pack("<HH", 800, 600), (800, 600), id="webp-lossy"),
        pytest.param(WEBP + b"VP8L" + bytes(5) + struct.pack("<I", 799 | 599 << 14), (800, 600), id="webp-lossless"),
        pytest.param(WEBP + b"VP8X" + bytes(8) + b"\x1f\x03\x00\x57\x02\x00", (800, 600), id="webp-extended"),
        pytest.param(WEBP + b"VP9 " + bytes(20), None, id="webp-unknown"),
        pytest.param(PNG[:18], None, id="cut-short"),
        pytest.param(b"\x89PNG" + bytes(20), None, id="zero-size"),
        pytest.param(b"\xff\xd8\xff\xd9", None, id="jpeg-without-frame"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_image_sizes(data: bytes, size: tuple[int, int] | None) -> None:
    """Width and height are read from the headers of the four formats, or told to be unknown."""
    assert image_size(data) == size


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        pytest.param(b"%PDF-1.4 /Type /Page /Type/Page /Type /Pages", 2, id="page-objects"),
        pytest.param(b"%PDF-1.7 /Type /Pages /Count 12", 12, id="compressed-pages"),
        pytest.param(b"%PDF-1.4", 1, id="at-least-one"),
    ],
)
def test_pdf_pages(data: bytes, pages: int) -> None:
    """Pages are counted alike however the file is cut into slices."""
    assert pdf_pages([data]) == pages
    assert pdf_pages([data[start : start + 16] for start in range(0, len(data), 16)]) == pages


def test_pdf_costs_by_page(counter: TokenCounter) -> None:
    """A base64 PDF costs 1500 tokens a page."""
    assert counter.count_now(request([pdf(b"/Type /Page /Type /Page")])) == UPSTREAM_TEMPLATE + 2 * PDF_PAGE


def test_base64_in_unknown_blocks_is_not_tokenised(counter: TokenCounter) -> None:
    """An upload within a block of unknown type costs the flat price, not its letters."""
    block = {"type": "video", "source": {"data": encoded(bytes(range(256)) * 400)}}
    assert counter.count_now(request([block])) < UNKNOWN_IMAGE + 50


def test_deeply_nested_results_are_counted(counter: TokenCounter) -> None:
    """Results within results end in their JSON, not in a recursion error."""
    block: dict[str, object] = {"type": "text", "text": "x"}
    for _ in range(100):
        block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block]}
    assert counter.count_now(request([block])) > 100


def test_malformed_block_is_the_clients_fault(counter: TokenCounter) -> None:
    """A block without a required field is refused as the client's error."""
    with pytest.raises(ClientError, match="text"):
        counter.count_now(request([{"type": "text"}]))


def test_tools_are_written_as_typescript() -> None:
    """Names, comments, optional marks, enums, arrays and nested objects appear as OpenAI shows them."""
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "unit": {"enum": ["c", "f"], "default": "c"},
            "days": {"type": "array", "items": {"type": "integer"}},
            "place": {"type": "object", "properties": {"lat": {"type": ["number", "null"]}}},
            "any": True,
        },
        "required": ["city"],
    }
    tool = msgspec.convert({"name": "weather", "description": "Tells\nthe weather"}, Tool)
    tool.input_schema = msgspec.Raw(msgspec.json.encode(schema))
    assert typescript(tool) == (
        "// Tells\n// the weather\ntype weather = (_: {\n// Where\ncity: string,\n"
        'unit?: "c" | "f", // default: "c"\ndays?: number[],\nplace?: {\nlat?: number | null,\n},\nany?: any,\n'
        "}) => any;\n\n"
    )


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param("[" * 5000 + "]" * 5000, id="nested-beyond-the-parser"),
        pytest.param('{"properties":' * 300 + "1" + "}" * 300, id="nested-without-types"),
        pytest.param('{"properties":{"a":{"type":"array","items":' * 100 + "1" + "}}}" * 100, id="nested-arrays"),
        pytest.param('"text"', id="no-object"),
        pytest.param('{"properties":{"n":{"type":"integer","default":1000000000000000000000000000000}}}', id="10^30"),
    ],
)
def test_odd_schemas_are_counted(counter: TokenCounter, schema: str) -> None:
    """No schema makes counting fail."""
    odd = request("x", tools=[])
    odd.tools = [Tool(name="look", input_schema=msgspec.Raw(schema.encode()))]
    assert counter.count_now(odd) > counter.count_now(request("x"))


@pytest.mark.parametrize(
    ("model", "pattern"),
    [
        pytest.param("gpt-4o", "", id="openai"),
        pytest.param("openai/gpt-oss-20b", "gpt-oss", id="prefixed"),
        pytest.param("databricks-claude-3-7-sonnet", "claude-(3", id="older-claude"),
        pytest.param("anthropic/claude-sonnet-4", "claude-(3", id="claude-4"),
        pytest.param("claude-sonnet-4-20250514", "claude-(3", id="claude-4-dated"),
        pytest.param("anthropic/claude-sonnet-4.6", "claude", id="newer-claude"),
        pytest.param("Qwen3-1.7B", "qwen", id="upper-case"),
        pytest.param("", "", id="unknown"),
    ],
)
def test_model_names_find_their_template(model: str, pattern: str) -> None:
    """A model's chat template is told from its name."""
    assert template_of(model).models.startswith(pattern)


def test_same_tools_give_the_same_count_again(counter: TokenCounter) -> None:
    """The remembered count of tools and system prompt equals the first one, and another's is not taken for it."""
    one = {"system": "You are brief.", "tools": [{"name": "look", "input_schema": {"type": "object"}}]}
    other = {"system": "You are very, very brief.", "tools": one["tools"]}
    assert counter.count_now(request("x", **one)) == counter.count_now(request("x", **one))
    assert counter.count_now(request("x", **other)) > counter.count_now(request("x", **one))
    assert counter.count_now(request("x", **one), "claude") > counter.count_now(request("x", **one))


async def test_concurrent_first_counts_agree(cold: TokenCounter) -> None:
    """Requests that meet while the vocabulary loads are all counted by it."""
    counts = await asyncio.gather(*(cold.count_body(HELLO) for _ in range(20)))
    assert counts == [2 + UPSTREAM_TEMPLATE] * 20


@pytest.mark.parametrize("failure", [ImportError(), ValueError()], ids=["no-tokeniser", "damaged-vocabulary"])
async def test_counting_goes_on_without_the_vocabulary(failure: Exception) -> None:
    """Where the tokeniser is missing or its vocabulary damaged, requests get an estimate and no error."""

    def load_encoding() -> NoReturn:
        raise failure

    bare = TokenCounter(load_encoding=load_encoding)
    estimate = bare.estimate(request("hello world"))
    assert [await bare.count_body(HELLO) for _ in range(2)] == [estimate] * 2
    bare.close()


async def test_estimate_is_near_the_count(counter: TokenCounter) -> None:
    """The estimate by bytes is within half of the count for English text."""
    text = request("The quick brown fox jumps over the lazy dog. " * 100)
    assert counter.estimate(text) == pytest.approx(counter.count_now(text), rel=0.5)


def test_time_bounds_the_count() -> None:
    """Once the time is up the rest of a text is extrapolated from what was read."""
    ticks = iter(range(1_000_000))
    hurried = TokenCounter(budget_s=3, clock=lambda: float(next(ticks)))
    count = hurried.count_now(request("hello world " * 200_000))
    hurried.close()
    assert count == pytest.approx(400_000, rel=0.1)
    assert next(ticks) < 20


async def _longest_pause(counter: TokenCounter, body: bytes) -> float:
    """Seconds for which the event loop could do nothing else while a body was counted.

    By the processor's clock, so that other programs of the machine do not count.
    """
    counting = asyncio.create_task(counter.count_body(body))
    longest, before = 0.0, time.process_time()
    while not counting.done():
        await asyncio.sleep(0.001)
        now = time.process_time()
        longest, before = max(longest, now - before), now
    assert counting.result() > 100_000
    return longest


UNITS = {
    "english": b"Once upon a time there was a large file. ",
    "one_letter": b"a",
    "blanks": b" ",
    "accents": "é".encode(),
    "emoji": "\U0001f600 ".encode(),
    "line_breaks": b"\\n",
    "quotes": b'\\"',
    "escaped_letters": b"\\u0041",
    "surrogate_pairs": b"\\ud83d\\ude00",
    "code": b'print(\\"a line\\")\\n',
}
LARGEST = 32 * 1024 * 1024


def _body(unit: bytes, size: int) -> bytes:
    return b'{"model":"claude","messages":[{"role":"user","content":"' + unit * (size // len(unit)) + b'"}]}'


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
async def test_counting_32_mib_holds_up_nobody(cold: TokenCounter, unit: bytes) -> None:
    """The largest body that is taken is counted within 3 s, in which other requests wait less than 50 ms."""
    cold.load()
    body = _body(unit, LARGEST)
    pauses = []
    for _ in range(3):
        began = time.process_time()
        pauses.append(await _longest_pause(cold, body))
        assert time.process_time() - began < 3
        if pauses[-1] < 0.04:
            break
    assert min(pauses) < 0.05


@pytest.mark.parametrize("kind", ["emoji", "line_breaks", "surrogate_pairs", "code"])
async def test_count_of_a_large_body_is_near_that_of_its_parts(cold: TokenCounter, kind: str) -> None:
    """What is counted by samples is within 5 % of what a small part of it says."""
    cold.load()
    unit = UNITS[kind]
    part = await cold.count_body(_body(unit, 512 * 1024))
    assert await cold.count_body(_body(unit, 9 * 1024 * 1024)) == pytest.approx(18 * part, rel=0.05)


async def test_large_plain_text_is_counted_as_it_is_in_small(cold: TokenCounter) -> None:
    """A message of nine megabytes counts as much as its parts, and its neighbours count too."""
    cold.load()
    words, size = UNITS["english"], 9 * 1024 * 1024
    part = await cold.count_body(_body(words, size // 18))
    whole = await cold.count_body(_body(words, size))
    assert whole == pytest.approx(18 * part, rel=0.01)
    more = _body(words, size).replace(
        b"}]}", b'},{"role":"assistant","content":"So."},{"role":"user","content":"And?"}]}'
    )
    assert whole < await cold.count_body(more) < whole + 30


async def test_uploads_beside_escaped_text_are_not_counted_as_text(cold: TokenCounter) -> None:
    """Of a large body that is counted by samples, base64 costs nothing by its letters."""
    cold.load()
    text = UNITS["code"] * (5 * 1024 * 1024 // len(UNITS["code"]))
    upload = encoded(bytes(range(256)) * 24 * 1024).encode()
    blocks = b'[{"type":"text","text":"' + text + b'"},{"type":"video","data":"' + upload + b'"}]'
    body = b'{"model":"claude","messages":[{"role":"user","content":' + blocks + b"}]}"
    alone = await cold.count_body(_body(UNITS["code"], 5 * 1024 * 1024))
    assert await cold.count_body(body) == pytest.approx(alone, rel=0.05)


def test_half_a_pair_is_found_wherever_it_stands() -> None:
    """A large body with half a surrogate pair is refused, one of whole pairs is not, however it is cut to be read."""
    pair = UNITS["surrogate_pairs"]
    for lead in range(12):
        head = b'{"model":"claude","x":"' + b"x" * lead + pair * 50_000
        check_text(head + b'"}')
        with pytest.raises(ClientError, match="half of a surrogate pair"):
            check_text(head + b'\\ud83d" ' + pair * 50_000)


async def test_blocks_of_long_words_hold_up_nobody(cold: TokenCounter) -> None:
    """Words just short of an upload, in a block of a kind that is not known, are read in time with their length."""
    cold.load()
    block = {"type": "of the future", "data": ("a" * 1023 + " ") * (8 * 1024)}
    body = msgspec.json.encode({"model": "claude", "messages": [{"role": "user", "content": [block]}]})
    began = time.process_time()
    assert await _longest_pause(cold, body) < 0.2
    assert time.process_time() - began < 3
