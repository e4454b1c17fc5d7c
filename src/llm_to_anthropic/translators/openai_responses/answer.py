"""An answer of OpenAI Responses -> a message: the state between the events, from the first to the end.

An answer is a list of items. OpenAI sends them one after the other, others let them overlap: the item that began first
is written as it comes, what is told of the others waits for their turn. A whole answer is the same as the end of a
stream of which nothing came before. Errors inside an answer are raised, as is an end before the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import UpstreamProtocolError
from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.openai_chat.usage import message_usage
from llm_to_anthropic.translators.openai_responses.errors import answer_error, policy_refusal
from llm_to_anthropic.translators.openai_responses.items import ITEMS, REASONING_DELTAS, Compaction, Item, Message, Step
from llm_to_anthropic.translators.openai_responses.loose import decode_loosely
from llm_to_anthropic.translators.openai_responses.output import Output, ResponsesOptions
from llm_to_anthropic.translators.stop_sequences import told_end
from llm_to_anthropic.translators.upstream_errors import is_error
from llm_to_anthropic.wire.anthropic import StopDetails
from llm_to_anthropic.wire.openai_chat import Usage as ReportedUsage
from llm_to_anthropic.wire.openai_responses_answer import (
    AnnotationEvent,
    Delta,
    ErrorEvent,
    ItemEvent,
    ItemHead,
    PartEvent,
    Response,
    ResponseEvent,
)
from llm_to_anthropic.writer import MAX_HELD, MessageWriter, held_too_much

_DELTAS: Mapping[str, str] = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.function_call_arguments.delta": "function_call",
    **dict.fromkeys(REASONING_DELTAS, "reasoning"),
}
"""Pieces of text -> the type of item that they begin where the server did not announce it."""
_PARTS: Mapping[str, str] = {
    "response.output_text.done": "message",
    "response.output_text.annotation.added": "message",
    "response.refusal.done": "message",
    "response.content_part.done": "message",
    "response.reasoning_summary_text.done": "reasoning",
    "response.reasoning_summary.done": "reasoning",
    "response.reasoning_text.done": "reasoning",
    "response.reasoning.done": "reasoning",
    "response.function_call_arguments.done": "function_call",
}
"""What else is said of an item -> its type, where the server does not say which one."""
_INCOMPLETE: Mapping[str, str] = {
    "max_output_tokens": "max_tokens",
    "content_filter": "refusal",
    "max_messages": "end_turn",
    "steered": "end_turn",
}
_UNFINISHED = frozenset({"cancelled", "queued", "in_progress"})

Key = int | str


class ResponsesAnswer:
    """One answer."""

    def __init__(self, writer: MessageWriter, options: ResponsesOptions) -> None:
        self.ended = False
        self.usage: Usage | None = None
        self.finished = False
        """The upstream has told its end."""
        self._writer = writer
        self._options = options
        self._output = Output(writer, options)
        self._by_key: dict[Key | None, Item | None] = {}
        """The item that the server numbers so; None: one of no interest."""
        self._queue: list[Item] = []
        """What is not closed, in order. The first is the one whose turn it is."""
        self._seen: dict[str, list[Item]] = {}
        """All items, by type."""
        self._count = 0
        self._held = 0
        """Bytes of what had to wait for its turn."""

    def receive(self, delta: Delta, data: bytes) -> None:
        """One event of a stream: read as a piece of text, and its bytes. Raises UpstreamError for an error in it."""
        if delta.delta is None:
            if (handle := _EVENTS.get(delta.type)) is not None:
                handle(self, data)
            return
        item = self._by_key.get(delta.output_index)
        if item is None or item.closed:
            item = self._unannounced(delta, data)
            if item is None or item.closed:
                return
        if item is self._queue[0]:
            item.delta(delta)
            if self._output.stopped is not None:
                self._end(self._output.stopped)
        else:
            self._hold(item, partial(item.delta, delta), len(delta.delta))

    def takes_text(self, delta: Delta) -> bool:
        """Whether text of the same number can be passed on as it comes: `delta` has just been received."""
        first = self._queue[0] if self._queue else None
        numbered = delta.output_index is not None and self._by_key.get(delta.output_index) is first
        return numbered and isinstance(first, Message) and not first.closed and self._output.passes

    def passed_on(self, texts: list[str], size: int) -> None:
        """Text of the message whose turn it is that the client has already; `size` in bytes."""
        if texts:
            self._queue[0].passed_on(texts)
            self._output.size += size

    def end_of_stream(self) -> None:
        """The stream is over. Raises UpstreamProtocolError where it was cut off."""
        if not self.ended:
            raise UpstreamProtocolError(f"{self._options.context.upstream} stream ended before completion")

    def _added(self, data: bytes) -> None:
        event = decode_loosely(data, ItemEvent)
        head = decode_loosely(event.item, ItemHead)
        key = _key(event, head)
        known = self._by_key.get(key)
        if not head.type:
            return
        if known is None or known.closed or (known.id, known.type) != (head.id or "", head.type):
            self._begin(key, head)

    def _done(self, data: bytes) -> None:
        event = decode_loosely(data, ItemEvent)
        head = decode_loosely(event.item, ItemHead)
        key = _key(event, head)
        item = self._by_key.get(key)
        if item is None and event.output_index is None and (begun := self._latest(head.type)) and not begun.id:
            item = begun
        # Ids are no help here: some servers give an item another one in each event.
        if head.type and (item is None or item.type != head.type or (item.over and item.id != (head.id or ""))):
            item = self._begin(key, head)
        if item is not None and not item.over:
            self._step(item, partial(item.complete, event.item), len(data))

    def _part(self, data: bytes) -> None:
        if (item := self._item_of(data)) is not None:
            self._step(item, partial(item.part, decode_loosely(data, PartEvent)), len(data))

    def _annotation(self, data: bytes) -> None:
        item, found = self._item_of(data), decode_loosely(data, AnnotationEvent).annotation
        if item is not None and found is not None:
            self._step(item, partial(item.annotation, found), len(data))

    def _completed(self, data: bytes) -> None:
        self.receive_whole(decode_loosely(data, ResponseEvent).response or Response(status="completed"))

    def _incomplete(self, data: bytes) -> None:
        answer = decode_loosely(data, ResponseEvent).response or Response()
        self.receive_whole(msgspec.structs.replace(answer, status=answer.status or "incomplete"))

    def _failed(self, data: bytes) -> None:
        answer = decode_loosely(data, ResponseEvent).response or Response()
        self._fail(answer.error)

    def _error(self, data: bytes) -> None:
        error = decode_loosely(data, ErrorEvent).error
        self._fail(error if is_error(error) else Raw(data))

    def _untyped(self, data: bytes) -> None:
        event = decode_loosely(data, ErrorEvent)
        if event.message or is_error(event.error):
            self._error(data)

    def _item_of(self, data: bytes) -> Item | None:
        event = decode_loosely(data, ItemEvent)
        key = _key(event, ItemHead())
        return self._latest(_PARTS.get(event.type, "")) if key is None else self._by_key.get(key)

    def _latest(self, kind: str) -> Item | None:
        """The item that events without a number are about."""
        items = self._seen.get(kind)
        return items[-1] if items and not items[-1].over else None

    def _unannounced(self, delta: Delta, data: bytes) -> Item | None:
        """The item of a piece of text whose number is not known, or is that of an item that is written already.

        Some servers give several items one number, or tell the end of a text after its first word.
        """
        kind = _DELTAS.get(delta.type, "")
        key: Key | None = delta.output_index
        if key is None:
            key = decode_loosely(data, ItemEvent).item_id
        known = self._latest(kind) if key is None else self._by_key.get(key)
        if known is not None and not (known.closed and (kind == "message" or known.type != kind)):
            return known
        if not kind or (known is None and key in self._by_key):
            return None
        return self._begin(key, ItemHead(type=kind))

    def _begin(self, key: Key | None, head: ItemHead) -> Item | None:
        """Another item. None: the client gets nothing of it."""
        kind = ITEMS.get(head.type)
        unasked = kind is Compaction and not self._options.encoding.compacts
        item = None
        if kind is not None and not unasked and _is_the_models(head):
            item = kind(self._count, head, self._output)
        if key is not None:
            self._by_key[key] = item
        if item is None:
            return None
        self._count += 1
        self._seen.setdefault(head.type, []).append(item)
        self._queue.append(item)
        if len(self._queue) == 1:
            self._start(item)
        else:
            self._advance()
        return item

    def _step(self, item: Item, step: Step, size: int) -> None:
        """Takes what is told of an item, now or when its turn comes. `size`: the bytes that wait until then."""
        if self.ended:
            return
        if self._queue and item is not self._queue[0] and item in self._queue:
            self._hold(item, step, size)
            return
        step()
        self._advance()

    def _hold(self, item: Item, step: Step, size: int) -> None:
        self._held += size
        if self._held > MAX_HELD:
            raise held_too_much()
        item.waiting.append(step)

    def _advance(self) -> None:
        """Lets the next item have its turn, once the first is written or something else follows what was said of it."""
        while self._output.stopped is None and self._queue:
            first = self._queue[0]
            if first.over and not first.closed and len(self._queue) > 1:
                first.close(cut=False)
            if not first.closed:
                return
            del self._queue[0]
            if self._queue:
                self._start(self._queue[0])
        if self._output.stopped is not None:
            self._end(self._output.stopped)

    def _start(self, item: Item) -> None:
        self._output.begin_item(item.phase)
        item.start()
        waiting, item.waiting = item.waiting, []
        for step in waiting:
            if not item.closed:
                step()

    def receive_whole(self, answer: Response) -> None:
        """The upstream tells its end, and with it the whole answer once more, or for the first time.

        Raises UpstreamError for an error in it, or where it is not complete.
        """
        if self.ended:
            return
        if answer.status == "failed" or is_error(answer.error):
            self._fail(answer.error)
            return
        if answer.status in _UNFINISHED:
            raise UpstreamProtocolError(
                f"{self._options.context.upstream} ended an answer that is still {answer.status}"
            )
        reason = answer.incomplete_details.reason if answer.incomplete_details else None
        # Gateways leave out the status or the reason, and may tell one of their own for an answer that is complete.
        stop_reason = _INCOMPLETE.get(reason or "", "max_tokens" if answer.status == "incomplete" else "end_turn")
        self._recover(answer.output or [])
        self._close_all(cut=stop_reason != "end_turn")
        self.finished = True
        self._end("refusal" if stop_reason == "end_turn" and self._output.refusal else stop_reason, answer)

    def _recover(self, output: list[Raw]) -> None:
        """Items that were not told before, or not to their end. Only their order among those of a type is reliable."""
        counts: dict[str, int] = {}
        for raw in output:
            head = decode_loosely(raw, ItemHead)
            if not _is_the_models(head):
                continue
            number = counts.get(head.type, 0)
            known = self._seen.get(head.type, [])
            item = known[number] if number < len(known) else self._begin(f"output {len(counts)} {number}", head)
            if item is None:
                continue
            counts[head.type] = number + 1
            if not self.ended and (not item.over or item.empty):
                self._step(item, partial(item.complete, raw), len(bytes(raw)))

    def _close_all(self, *, cut: bool) -> None:
        while self._queue and not self.ended:
            if not self._queue[0].closed:
                self._queue[0].close(cut=cut)
            self._advance()
        self._output.begin_item()

    def _fail(self, error: Raw) -> None:
        details = policy_refusal(error, self._options.context)
        if details is None:
            raise answer_error(error, self._options.context)
        self._close_all(cut=True)
        self.finished = True
        self._end("refusal", details=details)

    def _end(self, stop_reason: str, answer: Response | None = None, *, details: StopDetails | None = None) -> None:
        if self.ended:
            return
        self.ended = True
        output = self._output
        if stop_reason == "refusal" and details is None:
            details = StopDetails(explanation="".join(output.refusal) or None)
        self.usage = self._usage(answer or Response())
        if output.stopped is not None:
            stop_reason = output.stopped
        else:
            stop_reason = told_end(stop_reason, self.usage, self._options.encoding.most_visible)
        self._writer.finish(
            stop_reason,
            self.usage,
            stop_sequence=output.stop_sequence,
            stop_details=details,
            container=output.server.container if output.server is not None else None,
        )

    def _usage(self, answer: Response) -> Usage:
        reported = decode_loosely(answer.usage, ReportedUsage) if answer.usage else None
        usage = message_usage(
            reported,
            input_size=self._options.input_bytes,
            output_size=self._output.size,
            service_tier=answer.service_tier,
        )
        server = self._output.server
        if server is None:
            return usage
        fetching = any(tool.kind == "web_fetch" for tool in self._options.encoding.hosted)
        return msgspec.structs.replace(
            usage, web_search_requests=server.searches, web_fetch_requests=server.pages if fetching else 0
        )


def _is_the_models(head: ItemHead) -> bool:
    """What is compacted comes with messages of the user."""
    return head.role in (None, "assistant")


def _key(event: ItemEvent, head: ItemHead) -> Key | None:
    """How the server tells its items apart."""
    if event.output_index is not None:
        return event.output_index
    return event.item_id or head.id


_EVENTS: Mapping[str, Callable[[ResponsesAnswer, bytes], None]] = {
    "response.output_item.added": ResponsesAnswer._added,
    "response.output_item.done": ResponsesAnswer._done,
    "response.output_text.done": ResponsesAnswer._part,
    "response.refusal.done": ResponsesAnswer._part,
    "response.content_part.done": ResponsesAnswer._part,
    "response.reasoning_summary_text.done": ResponsesAnswer._part,
    "response.reasoning_summary.done": ResponsesAnswer._part,
    "response.reasoning_text.done": ResponsesAnswer._part,
    "response.reasoning.done": ResponsesAnswer._part,
    "response.function_call_arguments.done": ResponsesAnswer._part,
    "response.output_text.annotation.added": ResponsesAnswer._annotation,
    "response.completed": ResponsesAnswer._completed,
    "response.done": ResponsesAnswer._completed,
    "response.incomplete": ResponsesAnswer._incomplete,
    "response.failed": ResponsesAnswer._failed,
    "response.cancelled": ResponsesAnswer._failed,
    "response.error": ResponsesAnswer._error,
    "error": ResponsesAnswer._error,
    "": ResponsesAnswer._untyped,
}
"""What is said by an event of its type, beside pieces of text. All others are ignored."""
