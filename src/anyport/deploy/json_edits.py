"""One member put into the JSON of somebody's file, whose every other character stays as it is.

The file is the user's: its order, its layout, its comments and its numbers are not ours to write anew. So the place of
the change is found in the text, and the text around it kept.
"""

from __future__ import annotations

import json
import re
from typing import Final

from msgspec import Struct

from anyport.client.jsonc import COMMENT, STRING, read_json
from anyport.protocol.types.json import JsonObject, JsonValue

_BLANK: Final = re.compile(rf"(?:\s|{COMMENT})*", re.DOTALL)
_STRING: Final = re.compile(STRING, re.DOTALL)
_TOKEN: Final = re.compile(rf"{STRING}|{COMMENT}|[{{}}\[\]]|[^\"/{{}}\[\]]+|/", re.DOTALL)
_SCALAR: Final = re.compile(r"[^\s,\]}/]+")
_INDENT: Final = re.compile(r"\n([ \t]+)\S")
_STRANGE: Final = "it is laid out in a way that cannot be kept"
_DEFAULT_INDENT: Final = "  "


class NotEditable(ValueError):
    """A text in which the member cannot be put; the message says why."""


class Member(Struct, frozen=True):
    """A member of an object, by the places in the text where its parts begin and end."""

    key: str
    start: int
    value: int
    end: int


def set_member(text: str, path: tuple[str, ...], value: JsonValue) -> str:
    """Return a JSON text with one member set: replaced where it is, added where it is not.

    Args:
        text: A JSON object, which may have comments and trailing commas; blank for one that is to be made.
        path: Names of the objects that lead to the member, which are made where they are missing, and its own.
        value: Its value.

    Raises:
        NotEditable: It is no object, or something on the way to the member is none.
        NotJson: It is no JSON.
    """
    wanted = as_object(text)
    if not text.strip("\ufeff \t\r\n"):
        return _dump(_nested(path, value), _DEFAULT_INDENT) + "\n"
    edited = _set(text, path, value)
    holder: JsonValue = wanted
    for name in path[:-1]:
        holder = holder.setdefault(name, {}) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder[path[-1]] = value
    # The change is the one that was meant, and no other.
    if read_json(edited) != wanted:
        raise NotEditable(_STRANGE)
    return edited


def _set(text: str, path: tuple[str, ...], value: JsonValue) -> str:
    at = _skip_blank(text, 1 if text.startswith("\ufeff") else 0)
    for depth, name in enumerate(path, 1):
        if text[at] != "{":
            raise NotEditable(f"{path[depth - 2]!r} in it is no object")
        members, end = _members(text, at)
        # As everybody reads it: of two with one name the last counts.
        found = next((member for member in reversed(members) if member.key == name), None)
        if found is None:
            return _insert(text, at, end, members, (name, _nested(path[depth:], value)))
        if depth == len(path):
            return text[: found.value] + _laid_out(text, found.start, value) + text[found.end :]
        at = found.value
    raise NotEditable("there is nothing to set")


def _nested(path: tuple[str, ...], value: JsonValue) -> JsonValue:
    for name in reversed(path):
        value = {name: value}
    return value


# --- places in the text -----------------------------------------------------------------------------------------------


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise NotEditable(_STRANGE)
    return found.end()


def _skip_blank(text: str, at: int) -> int:
    return _end(_BLANK, text, at)


def _members(text: str, at: int) -> tuple[list[Member], int]:
    """Return the members of the object that begins at a place, and the place of its closing brace."""
    members: list[Member] = []
    at = _skip_blank(text, at + 1)
    while text[at] != "}":
        name = _end(_STRING, text, at)
        value = _skip_blank(text, _skip_blank(text, name) + 1)
        end = _value_end(text, value)
        members.append(Member(json.loads(text[at:name]), at, value, end))
        at = _skip_blank(text, end)
        if text[at] == ",":
            at = _skip_blank(text, at + 1)
    return members, at


def _value_end(text: str, at: int) -> int:
    if text[at] not in "{[":
        return _end(_STRING if text[at] == '"' else _SCALAR, text, at)
    depth = 0
    for token in _TOKEN.finditer(text, at):
        depth += (token[0] in "{[") - (token[0] in "}]")
        if depth == 0:
            return token.end()
    raise NotEditable(_STRANGE)


# --- what is put there ------------------------------------------------------------------------------------------------


def _insert(text: str, start: int, end: int, members: list[Member], member: tuple[str, JsonValue]) -> str:
    """Add a member as the last one of the object between two braces."""
    name, value = member
    shown = json.dumps(name, ensure_ascii=False)
    if members and "\n" not in text[start:end]:
        last = members[-1].end
        return f"{text[:last]}, {shown}: {json.dumps(value, ensure_ascii=False)}{text[last:]}"
    newline = _newline(text)
    unit = _unit(text)
    outer = _line_indent(text, end if members else start)
    inner = _line_indent(text, members[-1].start) if members else outer + unit
    body = f"{newline}{inner}{shown}: {_indented(_dump(value, unit), inner, newline)}"
    # After what is said about the last member, and before what closes the object.
    last = len(text[:end].rstrip())
    head = text[:last]
    if members and text[_skip_blank(text, members[-1].end)] != ",":
        place = members[-1].end
        head = f"{text[:place]},{text[place:last]}"
    return f"{head}{body}{newline}{outer}{text[end:]}"


def _laid_out(text: str, at: int, value: JsonValue) -> str:
    return _indented(_dump(value, _unit(text)), _line_indent(text, at), _newline(text))


def _dump(value: JsonValue, unit: str) -> str:
    return json.dumps(value, ensure_ascii=False, indent=unit)


def _indented(shown: str, indent: str, newline: str) -> str:
    return shown.replace("\n", newline + indent)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found is not None else _DEFAULT_INDENT


def _line_indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def as_object(text: str) -> JsonObject:
    """Return the object that a text is; an empty one for a blank text.

    Raises:
        NotEditable: It is none.
        NotJson: It is no JSON.
    """
    found = read_json(text) if text.strip("\ufeff \t\r\n") else {}
    if not isinstance(found, dict):
        raise NotEditable("it is no JSON object")
    return found
