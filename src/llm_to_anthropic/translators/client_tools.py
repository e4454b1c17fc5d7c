"""The tools that Anthropic defines and the client runs (bash, text editor, memory, computer), as plain functions.

Their schemas are not part of a request: Claude knows them. Other models are told what the clients understand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Raw

from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.wire.anthropic import Tool

_KIND = re.compile(r"(?P<kind>bash|text_editor|memory|computer)_\d{8}")

_INTEGER = {"type": "integer"}
_PAIR = {"type": "array", "items": _INTEGER, "minItems": 2, "maxItems": 2}
_FILE_EDITS: Mapping[str, object] = {
    "file_text": {"type": "string", "description": "Content of the file to create."},
    "old_str": {"type": "string", "description": "Text to replace; it must occur exactly once."},
    "new_str": {"type": "string", "description": "Text to put in its place."},
    "insert_line": {"type": "integer", "description": "Insert after this line; 0 is the beginning of the file."},
    "insert_text": {"type": "string", "description": "Text to insert."},
    "view_range": {
        "type": "array",
        "items": _INTEGER,
        "description": "First and last line to view, counted from 1; -1 is the end of the file.",
    },
}
_EDIT_COMMANDS = ["view", "create", "str_replace", "insert"]
_MEMORY_COMMANDS = [*_EDIT_COMMANDS, "delete", "rename"]
_COMPUTER_ACTIONS = [
    "key",
    "type",
    "mouse_move",
    "left_click",
    "left_click_drag",
    "right_click",
    "middle_click",
    "double_click",
    "triple_click",
    "screenshot",
    "cursor_position",
    "left_mouse_down",
    "left_mouse_up",
    "scroll",
    "hold_key",
    "wait",
    "zoom",
]


def client_tool(tool: Tool) -> tuple[str, Raw] | None:
    """Description and schema of a tool that Anthropic defines and the client runs, or None for any other."""
    match = _KIND.fullmatch(tool.type or "")
    if match is None:
        return None
    match match["kind"]:
        case "bash":
            return "Run a command in a persistent bash session.", _schema(_BASH, [])
        case "text_editor":
            return _editor_description(tool), _schema(_EDITOR, ["command", "path"])
        case "memory":
            return _MEMORY_DESCRIPTION, _schema(_MEMORY, ["command"])
        case _:
            return _computer_description(tool), _schema(_COMPUTER, ["action"])


_BASH: Mapping[str, object] = {
    "command": {"type": "string", "description": "The command to run."},
    "restart": {"type": "boolean", "description": "Restart the session instead."},
}
_EDITOR: Mapping[str, object] = {
    "command": {"type": "string", "enum": _EDIT_COMMANDS},
    "path": {"type": "string", "description": "Absolute path of a file or directory."},
    **_FILE_EDITS,
}
_MEMORY_DESCRIPTION = "View and edit the memory directory /memories, which outlives this conversation."
_MEMORY: Mapping[str, object] = {
    "command": {"type": "string", "enum": _MEMORY_COMMANDS},
    "path": {"type": "string", "description": "Path below /memories."},
    "old_path": {"type": "string", "description": "Path to rename."},
    "new_path": {"type": "string", "description": "The path's new name."},
    **_FILE_EDITS,
}
_COMPUTER: Mapping[str, object] = {
    "action": {"type": "string", "enum": _COMPUTER_ACTIONS},
    "coordinate": {**_PAIR, "description": "x and y in pixels from the upper left corner."},
    "start_coordinate": {**_PAIR, "description": "Where a drag starts."},
    "text": {"type": "string", "description": "Text to type, or keys to press such as ctrl+s."},
    "scroll_direction": {"type": "string", "enum": ["up", "down", "left", "right"]},
    "scroll_amount": {"type": "integer", "description": "Number of scroll clicks."},
    "duration": {"type": "number", "description": "Seconds to wait or to hold a key."},
    "region": {"type": "array", "items": _INTEGER, "description": "x0, y0, x1, y1 of the part to zoom into."},
}


def _schema(properties: Mapping[str, object], required: list[str]) -> Raw:
    return raw_json({"type": "object", "properties": properties, "required": required})


def _editor_description(tool: Tool) -> str:
    limit = f" At most {tool.max_characters} characters of a file are shown." if tool.max_characters else ""
    return f"View, create and edit text files.{limit}"


def _computer_description(tool: Tool) -> str:
    size = f"{tool.display_width_px}x{tool.display_height_px} pixels" if tool.display_width_px else "of unknown size"
    return f"Control a computer by mouse and keyboard, and take screenshots. The display is {size}."
