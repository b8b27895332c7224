"""Tools for every kind of result."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, computed_field
from typing_extensions import TypedDict

from anyport import Audio, File, Image
from anyport.protocol.types import (
    Annotations,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ResourceContents,
    ResourceLink,
    TextContent,
)

T = TypeVar("T")
MOMENT = dt.datetime(2026, 7, 28, 12, 30, tzinfo=dt.UTC)
KEY = UUID("12345678-1234-5678-1234-567812345678")


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Part(BaseModel):
    id: int
    label: str | None = None


class Whole(BaseModel):
    name: str
    parts: list[Part]
    made: dt.datetime
    by: Literal["hand", "machine"] = "hand"


class Priced(BaseModel):
    unit_price: float = Field(alias="unitPrice")

    @computed_field
    @property
    def doubled(self) -> float:
        return self.unit_price * 2


class Node(BaseModel):
    value: int
    next: "Node | None" = None


class Box(BaseModel, Generic[T]):
    content: T


@dataclass
class Spot:
    x: int
    y: float


@dataclass
class Route:
    stops: list[Spot]
    mood: Mood


class Row(TypedDict):
    id: int
    tags: list[str]


class Span(NamedTuple):
    low: int
    high: int


class Raw(BaseModel):
    data: bytes


def result_int() -> int:
    return 3


def result_float() -> float:
    return 2.5


def result_bool() -> bool:
    return True


def result_str() -> str:
    return "plain \u2028 text"


def result_none() -> None:
    return None


def result_literal() -> Literal["yes", "no"]:
    return "yes"


def result_annotated() -> Annotated[int, Field(ge=0, description="a count")]:
    return 7


def result_optional_none() -> int | None:
    return None


def result_optional_model() -> Part | None:
    return Part(id=1)


def result_union() -> Part | Spot:
    return Spot(1, 2.0)


def result_list() -> list[int]:
    return [1, 2, 3]


def result_list_str() -> list[str]:
    return ["a", "b"]


def result_list_model() -> list[Part]:
    return [Part(id=1), Part(id=2, label="two")]


def result_empty_list() -> list[Part]:
    return []


def result_tuple() -> tuple[int, str]:
    return (1, "one")


def result_set() -> set[int]:
    return {5}


def result_dict() -> dict[str, int]:
    return {"one": 1, "zwölf": 12}


def result_dict_of_lists() -> dict[str, list[Part]]:
    return {"all": [Part(id=1)]}


def result_dict_int_keys() -> dict[int, str]:
    return {1: "one"}


def result_any_dict() -> dict[str, object]:
    return {"a": [1, None, {"b": 2.5}]}


def result_bare_list() -> list:  # pyright: ignore[reportMissingTypeArgument, reportUnknownParameterType] - the case itself
    return [1, "two"]  # pyright: ignore[reportUnknownVariableType] - the case itself


def result_model() -> Whole:
    return Whole(name="w", parts=[Part(id=1)], made=MOMENT)


def result_model_from_dict() -> Part:
    return {"id": "5", "label": "five"}  # pyright: ignore[reportReturnType] - what is returned is validated


def result_alias() -> Priced:
    return Priced(unitPrice=1.5)


def result_recursive() -> Node:
    return Node(value=1, next=Node(value=2))


def result_generic() -> Box[Part]:
    return Box[Part](content=Part(id=9))


def result_dataclass() -> Route:
    return Route([Spot(1, 0.5)], Mood.GOOD)


def result_typed_dict() -> Row:
    return {"id": 1, "tags": ["new"]}


def result_list_typed_dict() -> list[Row]:
    return [{"id": 1, "tags": ["new"]}]


def result_named_tuple() -> Span:
    return Span(1, 9)


def result_enum() -> Mood:
    return Mood.BAD


def result_datetime() -> dt.datetime:
    return MOMENT


def result_date() -> dt.date:
    return MOMENT.date()


def result_timedelta() -> dt.timedelta:
    return dt.timedelta(minutes=90)


def result_uuid() -> UUID:
    return KEY


def result_decimal() -> Decimal:
    return Decimal("10.20")


def result_bytes() -> bytes:
    return b"\x00\xffbytes"


def result_model_bytes() -> Raw:
    return Raw(data=b"inner")


def result_unannotated_int():
    return 4


def result_unannotated_dict():
    return {"moment": MOMENT, "mood": Mood.GOOD}


def result_unannotated_nan():
    return {"mean": float("nan"), "peak": float("-inf")}


def result_unannotated_model():
    return Part(id=3)


def result_unannotated_alias():
    return [Priced(unitPrice=1.5)]


def result_wrong() -> Part:
    return {"label": "no id"}  # pyright: ignore[reportReturnType] - the case itself


def image() -> Image:
    return Image(b"\x89PNG fake", annotations=Annotations(audience=["user"], priority=0.5))


def image_webp() -> Image:
    return Image(b"RIFF", mime_type="image/webp")


def audio() -> Audio:
    return Audio(b"RIFF....WAVE")


def file_text() -> File:
    return File("naïve,€\n".encode(), uri="report://1", mime_type="text/csv")


def file_binary() -> File:
    return File(b"\x00\x01\xfe", uri="blob://1")


def file_from_path() -> File:
    return File(path=Path(__file__), mime_type="text/x-python")


def resource_link() -> ResourceLink:
    return ResourceLink(uri="shop://items/1", name="item 1", title="The first", mime_type="application/json", size=12)


def embedded_resource() -> EmbeddedResource:
    return EmbeddedResource(resource=ResourceContents(uri="memo://1", mime_type="text/plain", text="remember"))


def mixed_content() -> list[ContentBlock | Image | Audio | File | str]:
    return [
        "first",
        Image(b"one"),
        TextContent(text="second"),
        Audio(b"two", mime_type="audio/mpeg"),
        File(b"three", uri="memo://2", mime_type="text/plain"),
        ResourceLink(uri="memo://3", name="third"),
    ]


def images_and_data() -> list[Image | dict[str, int]]:
    return [Image(b"one"), {"page": 1}]


def untyped_mixed():
    return ("text", Image(b"one"), 3, None, Part(id=1))


def by_hand() -> CallToolResult:
    return CallToolResult(
        content=[TextContent(text="made by hand", meta={"example.org/shade": "blue"})],
        structured_content={"answer": 42, "nothing": None},
        meta={"example.org/cost": 3},
    )


def by_hand_failed() -> CallToolResult:
    return CallToolResult(content=[TextContent(text="no luck")], is_error=True)


def by_hand_for_model() -> Part:
    return CallToolResult(  # pyright: ignore[reportReturnType] - a result made by hand passes through
        content=[TextContent(text="short"), TextContent(text="summary")], structured_content={"id": 1, "label": None}
    )


RESULT_TOOLS = tuple(
    tool for name, tool in list(globals().items()) if callable(tool) and name.islower() and tool.__module__ == __name__
)
