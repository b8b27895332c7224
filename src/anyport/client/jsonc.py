"""JSON as people write it into settings: with comments and trailing commas, which hosts like VS Code allow."""

from __future__ import annotations

import json
import re
from typing import Final

from anyport.protocol.types.json import JsonValue

STRING: Final = r'"(?:[^"\\\n]|\\.)*"'
COMMENT: Final = r"//[^\n]*|/\*.*?(?:\*/|\Z)"

_COMMENTS: Final = re.compile(f"({STRING})|({COMMENT})", re.DOTALL)
# A comma that follows a value and is followed by none; not one that nothing comes before.
_COMMAS: Final = re.compile(rf"({STRING}|[\[{{]\s*,)|,(?=\s*[\]}}])", re.DOTALL)
_NOT_BLANK: Final = re.compile(r"[^\n]")


class NotJson(ValueError):
    """Text that is no JSON; the message says where, and quotes nothing of it."""


def read_json(text: str) -> JsonValue:
    """Read JSON that may have comments and trailing commas.

    Args:
        text: What stands in the file.

    Raises:
        NotJson: It is no JSON.
    """
    plain = text.removeprefix("\ufeff")
    try:
        value: JsonValue = json.loads(plain)
    except json.JSONDecodeError:
        # Blanks in their places, so that an error names the line and column of the file.
        plain = _COMMENTS.sub(lambda found: found[1] or _NOT_BLANK.sub(" ", found[2]), plain)
        plain = _COMMAS.sub(lambda found: found[1] or " ", plain)
        try:
            value = json.loads(plain)
        except json.JSONDecodeError as error:
            raise NotJson(f"no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
        except RecursionError:
            raise NotJson("no JSON: nested too deep") from None
    except RecursionError:
        raise NotJson("no JSON: nested too deep") from None
    return value
