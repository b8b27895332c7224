"""The JSON edge: what a value may be where the specification leaves its shape open.

Everything loose in the typing of the project is declared here and nowhere else.
"""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
else:
    # msgspec has no recursive aliases, and what comes out of a JSON decoder needs no second check.
    from typing import Any as JsonValue  # noqa: TID251  the one place that the ban exists to keep unique

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object, or the object that a JSON Schema is."""
