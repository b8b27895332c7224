"""Tools for every kind of argument. Each returns `repr` of what it was given, which shows value and Python type."""

import datetime as dt
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Annotated, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypeVar, Union
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from anyport import Context

T = TypeVar("T")
UserId = NewType("UserId", int)
Even = Annotated[int, Field(multiple_of=2, description="an even number")]


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Line:
    start: Point
    end: Point
    labels: list[str] = field(default_factory=list[str])


class Address(TypedDict):
    street: str
    number: NotRequired[int]


class Options(TypedDict, total=False):
    verbose: bool
    depth: Annotated[int, Field(ge=0)]


class Item(BaseModel):
    name: str = Field(min_length=1)
    price: Decimal
    tags: list[str] = Field(default_factory=list)


class Order(BaseModel):
    id: UUID
    placed: dt.datetime
    items: list[Item]
    note: str | None = None
    where: dict[str, Point] = {}


class Contact(BaseModel):
    model_config = ConfigDict(extra="forbid")

    post_code: str = Field(alias="postCode")


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


class Tree(BaseModel):
    value: int
    children: list["Tree"] = []


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: str | None = None


class Pair(NamedTuple):
    left: int
    right: str


def no_arguments() -> str:
    return "()"


def scalars(whole: int, fraction: float, flag: bool, text: str) -> str:
    return repr((whole, fraction, flag, text))


def untyped(value) -> str:  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType] - the case itself
    return repr(value)  # pyright: ignore[reportUnknownArgumentType] - the case itself


def constrained(
    count: Annotated[int, Field(ge=1, le=10, description="how many")],
    code: Annotated[str, Field(min_length=2, max_length=4, pattern="^[a-z]+$")] = "abc",
    ratio: float = Field(default=0.5, gt=0, lt=1),
    tags: Annotated[list[str], Field(max_length=2)] = [],  # noqa: B006 - never changed, and users write it
    even: Even = 2,
) -> str:
    return repr((count, code, ratio, tags, even))


def plain_defaults(
    a: int = 3,
    b: str | None = None,
    c: Colour = Colour.GREEN,
    d: Decimal = Decimal("1.50"),
    e: dt.date = dt.date(2026, 7, 28),
    f: Point = Point(1, 2),  # noqa: B008 - never changed, and users write it
    g: tuple[int, ...] = (1, 2),
    h: bytes = b"\x00\xff",
) -> str:
    return repr((a, b, c, d, e, f, g, h))


def field_defaults(
    a: int = Field(default=3, ge=0),
    b: list[int] = Field(default_factory=lambda: [1, 2]),  # noqa: B008 - the case itself
    c: Annotated[list[str], Field(default_factory=list)] = Field(description="names"),  # noqa: B008 - the case itself
    d: Annotated[int | None, Field(description="nothing unless given")] = None,
    e: Annotated[int, Field(default=7)] = 7,
) -> str:
    return repr((a, b, c, d, e))


def keyword_only(first: int, *, second: int, third: int = 3) -> str:
    return repr((first, second, third))


def literals(word: Literal["on", "off"], mixed: Literal[1, "two", True, None] = None) -> str:
    return repr((word, mixed))


def enums(colour: Colour, size: Size, colours: list[Colour] = []) -> str:  # noqa: B006 - never changed
    return repr((colour, size, colours))


def dataclasses(point: Point, line: Line | None = None) -> str:
    return repr((point, line))


def typed_dicts(address: Address, options: Options) -> str:
    return repr((address, options))


def models(order: Order) -> str:
    return repr(order)


def aliased(contact: Contact, name: Annotated[str, Field(alias="fullName")] = "nobody") -> str:
    return repr((contact, name))


def discriminated(pet: Annotated[Cat | Dog, Field(discriminator="kind")]) -> str:
    return repr(pet)


def recursive(tree: Tree) -> str:
    return repr(tree)


def generic(page: Page[Pair]) -> str:
    return repr(page)


def times(moment: dt.datetime, day: dt.date, hour: dt.time, span: dt.timedelta) -> str:
    return repr((moment.isoformat(), day, hour, span))


def identifiers(key: UUID, user: UserId, path: PurePosixPath, address: ipaddress.IPv4Address) -> str:
    return repr((key, user, path, address))


def decimals(amount: Decimal, limited: Annotated[Decimal, Field(max_digits=4, decimal_places=2)] = Decimal(0)) -> str:
    return repr((amount, limited))


def binary(data: bytes, parts: list[bytes] = []) -> str:  # noqa: B006 - never changed
    return repr((data, parts))


def unions(value: int | str, old: Union[float, list[int]] = 0.5, models: Item | Point | None = None) -> str:  # noqa: UP007 - both spellings are cases
    return repr((value, old, models))


def optionals(number: int | None, text: Optional[str] = "unset") -> str:  # noqa: UP045 - both spellings are cases
    return repr((number, text))


def collections(
    numbers: list[int],
    table: dict[str, float],
    unique: set[int],
    frozen: frozenset[str],
    pair: tuple[int, str],
    many: tuple[int, ...] = (),
) -> str:
    return repr((numbers, table, sorted(unique), type(unique).__name__, sorted(frozen), pair, many))


def abstract_collections(names: Sequence[str], ages: Mapping[str, int], by_id: dict[int, str]) -> str:
    return repr((list(names), dict(ages), by_id))


def bare_collections(some: list, table: dict) -> str:  # pyright: ignore[reportUnknownParameterType, reportMissingTypeArgument] - the case itself
    return repr((some, table))  # pyright: ignore[reportUnknownArgumentType] - the case itself


def nested(
    deep: dict[str, list[tuple[int, Point]] | None],
    lines: list[dict[str, Line]],
    maybe: Sequence[Item | None] = (),
) -> str:
    return repr((deep, lines, maybe))


def odd_names(schema: int, copy: int, json: int, model_config: int, self: int, _hidden: int = 0) -> str:
    return repr((schema, copy, json, model_config, self, _hidden))


async def context_between(before: int, ctx: Context, after: int = 2) -> str:
    return repr((before, type(ctx).__name__, after))


async def async_tool(item: Item) -> str:
    return repr(item)


class Counter:
    """A user's object whose method and call are tools."""

    def __init__(self, start: int) -> None:
        self.start = start

    def method(self, step: int) -> str:
        return repr(self.start + step)

    async def __call__(self, step: int) -> str:
        return repr(self.start - step)


ARGUMENT_TOOLS: tuple[Callable[..., object], ...] = (  # pyright: ignore[reportUnknownVariableType] - two are untyped
    no_arguments,
    scalars,
    untyped,
    constrained,
    plain_defaults,
    field_defaults,
    keyword_only,
    literals,
    enums,
    dataclasses,
    typed_dicts,
    models,
    aliased,
    discriminated,
    recursive,
    generic,
    times,
    identifiers,
    decimals,
    binary,
    unions,
    optionals,
    collections,
    abstract_collections,
    bare_collections,
    nested,
    odd_names,
    context_between,
    async_tool,
    Counter(10).method,
)
CALLABLE_OBJECT = Counter(10)
