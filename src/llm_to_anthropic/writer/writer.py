"""The rules of a message: the order of its blocks, and what is made to fit.

A translator says what comes, in the order in which its upstream says it; the writer makes a message of it.
Source: platform.claude.com, Streaming Messages; what the official SDK accepts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from io import StringIO
from typing import Literal

import msgspec

from llm_to_anthropic.errors import UpstreamProtocolError
from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.wire.anthropic import Container, SearchCitation, StopDetails, WholeBlock
from llm_to_anthropic.writer.sound import sound

MAX_HELD = 64 * 1024 * 1024
"""How many letters of a message may wait, for what must be written before them or for its end. A whole answer is no
larger."""

Kind = Literal["text", "cited", "thinking", "tool_use", "whole"]
"""`cited`: a text that has got citations and, but for white space, gets no more text."""


class _Waiting:
    """A block whose turn comes once the open tool call is complete."""

    __slots__ = ("block", "cut", "ended", "id", "key", "kind", "name", "pieces", "signature")

    def __init__(self, kind: Kind, *, key: int = -1, id: str = "", name: str = "") -> None:
        self.kind: Kind = kind
        self.key = key
        self.id = id
        self.name = name
        self.pieces: list[str] = []
        self.signature = ""
        self.ended = False
        self.cut = False
        self.block: WholeBlock | None = None


def held_too_much() -> UpstreamProtocolError:
    """The error of an upstream that would have us keep more than `MAX_HELD` of its answer."""
    return UpstreamProtocolError(
        f"the upstream sent more than {MAX_HELD >> 20} MiB that have to wait for what belongs before them, "
        "which no model needs"
    )


class Ending(msgspec.Struct, frozen=True):
    """Why and where a message ended."""

    stop_reason: str
    stop_sequence: str | None
    stop_details: StopDetails | None
    container: Container | None


class MessageWriter(ABC):
    """One message. Whatever is said after `finish()` is not written."""

    def __init__(self, *, message_id: str, model: str, signature: str) -> None:
        """`model` is the client's name of it; `signature` closes thinking blocks that get none of their own."""
        self.message_id = message_id
        self.model = model
        self.started = False
        self.finished = False
        self.stop_reason: str | None = None
        self.calls = 0
        """Tool calls of this message so far, the waiting ones included."""
        self._signature = signature
        self._open: Kind | None = None
        self._key = -1
        self._index = -1
        self._waiting: list[_Waiting] = []
        self._waiting_calls: dict[int, _Waiting] = {}
        """Those of them that are calls and may get more, by key."""
        self._held = 0
        """Letters that had to wait so far, but for those of calls, which the translator counts."""
        self._gaps: dict[Kind, StringIO] = {}
        """White space, which opens no block: it goes to the next of its kind or, in the end, to the cited text."""

    @property
    def begun(self) -> bool:
        """Whether any block has been written."""
        return self._index >= 0

    @property
    def thinks(self) -> bool:
        """Whether a thinking block is open."""
        return self._open == "thinking"

    def start(self) -> None:
        """Begins the message; else its first block does."""
        if not self.started:
            self.started = True
            self._message_start()

    def text(self, text: str) -> None:
        if text and (self._open == "text" or self._turn_of("text", text)):
            self._delta(text)

    def json_delta(self, kind: Kind, text: bytes) -> bool:  # noqa: ARG002  for streams
        """More of the open block of this kind, as a JSON string; False, and nothing done, where it cannot go on so."""
        return False

    def delta_head(self, kind: Kind) -> bytes:  # noqa: ARG002  for streams
        """What stands before a JSON string that goes on with the open block of this kind; nothing: it cannot go on."""
        return b""

    def thinking(self, text: str) -> None:
        if text and (self._open == "thinking" or self._turn_of("thinking", text)):
            self._delta(text)

    def signature(self, signature: str) -> None:
        """Signs and closes the open thinking block; without one, a block without text carries the signature."""
        if self.finished:
            return
        if self._open == "tool_use":
            self._tail("thinking").signature = signature
            return
        if self._open != "thinking":
            self._gaps.pop("thinking", None)
            self._begin("thinking")
        self._end(signature)

    def citation(self, citation: SearchCitation) -> None:
        """What the open text rests on; other text than white space begins a block of its own then.

        Without an open text it is not written: there is nothing that it could mark.
        """
        if not self.finished and self._open in ("text", "cited"):
            self._open = "cited"
            self._cite(citation)

    def end_text(self) -> None:
        """The open text is complete: another that follows directly is a block of its own."""
        if self._open in ("text", "cited"):
            self._end()

    def whole_block(self, block: WholeBlock) -> None:
        """A block that is complete at once: a cited text, a server tool's call or its result."""
        if self.finished:
            return
        if self._open == "tool_use":
            self._tail("whole").block = block
        else:
            self._write_whole(block)

    def open_tool(self, key: int, id: str, name: str) -> None:
        """Begins the tool call `key`, an arbitrary number of the translator's, different for each call."""
        if self.finished:
            return
        self.calls += 1
        if self._open == "tool_use":
            waiting = self._waiting_calls[key] = _Waiting("tool_use", key=key, id=id, name=name)
            self._waiting.append(waiting)
        else:
            self._key = key
            self._begin("tool_use", id, name)

    def tool_arguments(self, key: int, fragment: str) -> None:
        """A piece of the call's input. All pieces together are a JSON object, or nothing."""
        if not fragment:
            return
        if self._open == "tool_use" and self._key == key:
            self._delta(fragment)
        elif waiting := self._waiting_calls.get(key):
            waiting.pieces.append(fragment)

    def close_tool(self, key: int, *, cut: bool = False) -> None:
        """The call is complete, or `cut` by the token limit: then its input may be the beginning of an object."""
        if self._open == "tool_use" and self._key == key:
            self._end(cut=cut)
            self._write_waiting()
        elif waiting := self._waiting_calls.pop(key, None):
            waiting.ended, waiting.cut = True, cut

    def whole_tool(self, key: int, id: str, name: str, arguments: str) -> None:
        """A tool call that is complete at once; `arguments` are a JSON object."""
        if self.finished:
            return
        if self._open == "tool_use":
            self.open_tool(key, id, name)
            self.tool_arguments(key, arguments)
            self.close_tool(key)
            return
        self.calls += 1
        self.start()
        self._end()
        self._index += 1
        self._whole_tool(id, name, arguments)

    def finish(
        self,
        stop_reason: str,
        usage: Usage,
        *,
        stop_sequence: str | None = None,
        stop_details: StopDetails | None = None,
        container: Container | None = None,
    ) -> None:
        """Closes what is open and ends the message. `container`: where the upstream ran code.

        A client acts on `tool_use` alone and waits for ever where no call came with it: so `end_turn` and
        `tool_use` are made to fit the blocks.
        """
        if self.finished:
            return
        self.start()
        for waiting in self._waiting:
            waiting.ended = True
        self._end()
        self._write_waiting()
        self._end()
        if stop_reason in ("end_turn", "tool_use"):
            stop_reason = "tool_use" if self.calls else "end_turn"
        if stop_details is not None and stop_details.explanation:
            stop_details = msgspec.structs.replace(stop_details, explanation=sound(stop_details.explanation))
        self.stop_reason = stop_reason
        self.finished = True
        ending = Ending(stop_reason, stop_sequence, stop_details, container)
        self._message_end(ending, usage)

    def _turn_of(self, kind: Kind, text: str) -> bool:
        """Opens a block of the kind, unless it has to wait behind a tool call or for words, or comes too late."""
        if self.finished:
            return False
        if self._open == "tool_use":
            self._hold(text)
            self._tail(kind).pieces.append(text)
            return False
        if text.isspace():
            # Anthropic's API refuses texts of white space alone, when the conversation comes back. Of a model that was
            # told not to think such a thought is all; between words it would part the text.
            self._hold(text)
            self._gaps.setdefault(kind, StringIO()).write(text)
            return False
        gap = self._gap_before(kind)
        self._begin(kind)
        if gap:
            self._delta(gap)
        return True

    def _gap_before(self, kind: Kind) -> str:
        return self._gaps.pop(kind).getvalue() if kind in self._gaps else ""

    def _hold(self, text: str) -> None:
        self._held += len(text)
        if self._held > MAX_HELD:
            raise held_too_much()

    def _begin(self, kind: Kind, id: str = "", name: str = "") -> None:
        self.start()
        self._end()
        self._open = kind
        self._index += 1
        self._block_start(kind, id, name)

    def _write_whole(self, block: WholeBlock) -> None:
        self.start()
        self._end()
        self._index += 1
        self._whole_block(block)

    def _end(self, signature: str = "", *, cut: bool = False) -> None:
        if self._open is None:
            return
        if self._open == "thinking":
            self._sign(signature or self._signature)
        if self._open == "cited" and (gap := self._gap_before("text")):
            self._delta(gap)
        self._block_stop(cut=cut)
        self._open = None

    def _tail(self, kind: Kind) -> _Waiting:
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.kind != kind or last.signature or last.block:
            last = _Waiting(kind)
            self._waiting.append(last)
        return last

    def _write_waiting(self) -> None:
        while self._waiting and self._open != "tool_use":
            self._write(self._waiting.pop(0))

    def _write(self, block: _Waiting) -> None:
        if block.block is not None:
            self._write_whole(block.block)
            return
        text = "".join(block.pieces)
        if block.kind != "tool_use":
            self._write_words(block.kind, text, block.signature)
            return
        self._key = block.key
        self._waiting_calls.pop(block.key, None)
        self._begin("tool_use", block.id, block.name)
        if text:
            self._delta(text)
        if block.ended:
            self._end(cut=block.cut)

    def _write_words(self, kind: Kind, text: str, signature: str) -> None:
        if kind == "text":
            self.text(text)
            return
        self.thinking(text)
        if signature:
            self.signature(signature)

    @abstractmethod
    def _message_start(self) -> None: ...

    @abstractmethod
    def _block_start(self, kind: Kind, id: str, name: str) -> None: ...

    @abstractmethod
    def _delta(self, text: str) -> None:
        """A piece of the open block: text, thinking or input."""

    @abstractmethod
    def _sign(self, signature: str) -> None: ...

    @abstractmethod
    def _cite(self, citation: SearchCitation) -> None: ...

    @abstractmethod
    def _block_stop(self, *, cut: bool) -> None: ...

    @abstractmethod
    def _whole_tool(self, id: str, name: str, arguments: str) -> None: ...

    @abstractmethod
    def _whole_block(self, block: WholeBlock) -> None: ...

    @abstractmethod
    def _message_end(self, ending: Ending, usage: Usage) -> None: ...
