"""The scripted upstream's own behaviour: a friendly model that answers, calls tools and uses their results."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from llm_to_anthropic.scripted import anthropic, openai_chat, openai_responses
from llm_to_anthropic.scripted.answering import Question, Tool, answer_line
from llm_to_anthropic.scripted.script import Answer, Delay, HeaderList, Request, Step, stream, whole

MODELS = ("gpt-4.1", "gpt-4.1-mini")
_TEXTS = ("text", "input_text", "output_text")


class _Function(msgspec.Struct):
    name: str
    description: str = ""
    parameters: dict[str, object] = {}


class _ChatTool(msgspec.Struct):
    function: _Function


class _Call(msgspec.Struct):
    function: _Function | None = None


class _ChatMessage(msgspec.Struct):
    role: str
    content: str | list[dict[str, object]] | None = None
    tool_calls: list[_Call] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ChatRequest(msgspec.Struct):
    model: str
    messages: list[_ChatMessage]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[_ChatTool] | None = None
    tool_choice: str | dict[str, object] | None = None
    response_format: dict[str, object] | None = None


class _Item(msgspec.Struct):
    type: str = "message"
    role: str = ""
    content: str | list[dict[str, object]] | None = None
    name: str = ""
    output: str | list[dict[str, object]] = ""


class _ResponsesRequest(msgspec.Struct):
    model: str
    input: str | list[_Item]
    stream: bool | None = None
    include: list[str] | None = None
    tools: list[dict[str, object]] | None = None
    tool_choice: str | dict[str, object] | None = None
    text: dict[str, object] | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, object]] | None = None


class _MessageTool(msgspec.Struct):
    name: str
    description: str = ""
    input_schema: dict[str, object] = {}


class _MessagesRequest(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    tools: list[_MessageTool] | None = None
    tool_choice: dict[str, object] | None = None


class Conversation:
    """Answers like a model would, the same way each time.

    `pace_s` is the pause between two events of a stream, which makes a demonstration look alive.
    """

    def __init__(self, *, pace_s: float = 0.0) -> None:
        self._pace_s = pace_s

    def __call__(self, request: Request) -> Answer:
        route = (request.method, request.path.rpartition("/v1")[2])
        try:
            match route:
                case ("POST", "/chat/completions"):
                    return self._chat(request)
                case ("POST", "/responses"):
                    return self._responses(request)
                case ("POST", "/responses/input_tokens"):
                    asked = msgspec.json.decode(request.body, type=_ResponsesRequest)
                    return whole(openai_responses.input_tokens(_tokens(_items(asked), asked.tools)))
                case ("POST", "/messages"):
                    return self._messages(request)
                case ("POST", "/messages/count_tokens"):
                    counted = msgspec.json.decode(request.body, type=_MessagesRequest)
                    return whole({"input_tokens": _tokens(counted.messages, counted.tools)})
                case ("GET", "/models"):
                    return whole(_models(request))
                case _:
                    return whole(_error(request, f"no such URL: {request.method} {request.path}"), status=404)
        except msgspec.DecodeError as error:
            return whole(_error(request, f"the request is malformed: {error}"), status=400)

    def _chat(self, request: Request) -> Answer:
        asked = msgspec.json.decode(request.body, type=_ChatRequest)
        line = answer_line(_chat_question(asked))
        headers: HeaderList = (("x-request-id", f"req_scripted_{request.number}"), ("openai-version", "2020-10-01"))
        if not asked.stream:
            return whole(openai_chat.completion(line, asked.model), headers=headers)
        options = asked.stream_options
        include_usage = options is not None and bool(options.include_usage)
        return stream(*self._paced(openai_chat.chunks(line, asked.model, include_usage=include_usage)), headers=headers)

    def _responses(self, request: Request) -> Answer:
        asked = msgspec.json.decode(request.body, type=_ResponsesRequest)
        line = answer_line(_responses_question(asked))
        headers: HeaderList = (("x-request-id", f"req_scripted_{request.number}"), ("openai-version", "2020-10-01"))
        encrypted = "reasoning.encrypted_content" in (asked.include or ())
        if not asked.stream:
            return whole(openai_responses.response(line, asked.model, encrypted=encrypted), headers=headers)
        events = openai_responses.events(line, asked.model, encrypted=encrypted)
        return stream(*self._paced(events), headers=headers)

    def _messages(self, request: Request) -> Answer:
        asked = msgspec.json.decode(request.body, type=_MessagesRequest)
        line = answer_line(_messages_question(asked))
        headers: HeaderList = (("request-id", f"req_scripted_{request.number}"),)
        if not asked.stream:
            return whole(anthropic.message(line, asked.model), headers=headers)
        return stream(*self._paced(anthropic.events(line, asked.model)), headers=headers)

    def _paced(self, events: list[bytes]) -> list[Step]:
        if not self._pace_s:
            return list(events)
        return [step for event in events for step in (event, Delay(self._pace_s))]


def _chat_question(asked: _ChatRequest) -> Question:
    last = asked.messages[-1] if asked.messages else _ChatMessage("user")
    spoken = [_text(message.content) for message in asked.messages if message.role == "user"]
    called = [call.function.name for message in asked.messages for call in message.tool_calls or [] if call.function]
    tools = tuple(
        Tool(tool.function.name, tool.function.description, tool.function.parameters) for tool in asked.tools or []
    )
    return Question(
        text=spoken[-1] if spoken else "",
        tools=() if asked.tool_choice == "none" else tools,
        forced=_forced(asked.tool_choice),
        tool_result=_text(last.content) if last.role == "tool" else None,
        called=called[-1] if called else "",
        schema=_schema(asked.response_format, "json_schema"),
        turn=len(called) + 1,
        input_tokens=_tokens(asked.messages, asked.tools),
    )


def _responses_question(asked: _ResponsesRequest) -> Question:
    items = _items(asked)
    spoken = [_text(item.content) for item in items if item.role == "user"]
    called = [item.name for item in items if item.type == "function_call"]
    last = items[-1] if items else _Item()
    functions = [tool for tool in asked.tools or [] if tool.get("type") == "function"]
    tools = [Tool(tool.name, tool.description, tool.parameters) for tool in msgspec.convert(functions, list[_Function])]
    return Question(
        text=spoken[-1] if spoken else "",
        tools=() if asked.tool_choice == "none" else tuple(tools),
        forced=_forced(asked.tool_choice),
        tool_result=_text(last.output) if last.type == "function_call_output" else None,
        called=called[-1] if called else "",
        schema=_schema(asked.text, "format"),
        turn=len(called) + 1,
        input_tokens=_tokens(items, asked.tools),
    )


def _items(asked: _ResponsesRequest) -> list[_Item]:
    return [_Item(role="user", content=asked.input)] if isinstance(asked.input, str) else asked.input


def _messages_question(asked: _MessagesRequest) -> Question:
    spoken = [text for message in asked.messages if message.role == "user" and (text := _text(message.content))]
    blocks = [block for message in asked.messages for block in _blocks(message.content)]
    called = [str(block.get("name", "")) for block in blocks if block.get("type") == "tool_use"]
    last = _blocks(asked.messages[-1].content) if asked.messages else []
    results = [_text(block.get("content")) for block in last if block.get("type") == "tool_result"]
    tools = tuple(Tool(tool.name, tool.description, tool.input_schema) for tool in asked.tools or [])
    return Question(
        text=spoken[-1] if spoken else "",
        tools=tools,
        forced=_forced(asked.tool_choice),
        tool_result=results[-1] if results else None,
        called=called[-1] if called else "",
        turn=len(called) + 1,
        input_tokens=_tokens(asked.messages, asked.tools),
    )


def _forced(choice: str | dict[str, object] | None) -> bool:
    if isinstance(choice, dict):
        return choice.get("type") in {"function", "tool", "any"}
    return choice == "required"


def _schema(wanted: dict[str, object] | None, member: str) -> dict[str, object] | None:
    inner = (wanted or {}).get(member)
    schema = inner.get("schema") if isinstance(inner, dict) else None
    return schema if isinstance(schema, dict) else None


def _blocks(content: object) -> Sequence[dict[str, object]]:
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _text(content: object) -> str:
    """The last text that a person wrote; clients put reminders of their own beside it."""
    if isinstance(content, str):
        return _without_reminders(content)
    texts = [str(block["text"]) for block in _blocks(content) if block.get("type") in _TEXTS]
    return next((told for text in reversed(texts) if (told := _without_reminders(text))), "")


def _without_reminders(text: str) -> str:
    before, *reminded = text.split("<system-reminder>")
    return "".join((before, *(piece.partition("</system-reminder>")[2] for piece in reminded))).strip()


def _tokens(said: object, tools: object) -> int:
    """About four bytes each, whichever form of answer was asked for."""
    return len(msgspec.json.encode((said, tools))) // 4


def _models(request: Request) -> dict[str, object]:
    return anthropic.models(MODELS) if "anthropic-version" in request.headers else openai_chat.models(MODELS)


def _error(request: Request, message: str) -> dict[str, object]:
    return anthropic.error(message) if "anthropic-version" in request.headers else openai_chat.error(message)
