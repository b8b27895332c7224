"""What a check needs of the client of another SDK, in words of the wire, so that one check serves them all.

Everything in this folder runs inside the environment of the other SDK, where neither anyport nor pytest is: standard
library only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypeVar, cast

JsonObject: TypeAlias = dict[str, object]
Era: TypeAlias = Literal["legacy", "modern"]
Progress: TypeAlias = tuple[float, float | None, str | None]
T = TypeVar("T")

WAIT_S = 15.0
"""Longest wait for something that is on its way."""


class PeerError(Exception):
    """The JSON-RPC error that a client raised."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data


class PendingCall(Protocol):
    """A call that was started."""

    async def cancel(self) -> None:
        """Give it up, so that the server is told; returns once the client has let go of it."""
        ...


class Peer(Protocol):
    """The client of another SDK, connected.

    Attributes:
        era: How it speaks.
        transport: What connects it.
        logs: Parameters of each log message that came.
        timeout_code: Code of the error with which it reports its own time-out.
        asks_for_logs: Whether each of its modern requests asks for log messages of every level.
    """

    era: Era
    transport: Literal["stdio", "http", "sse"]
    logs: asyncio.Queue[JsonObject]
    timeout_code: int
    asks_for_logs: bool

    async def describe(self) -> JsonObject:
        """Return what the server said of itself: `revision`, `serverInfo`, `capabilities`, `instructions`."""
        ...

    async def list_tools(self, cursor: str | None = None) -> JsonObject:
        """Return the result of `tools/list`."""
        ...

    async def call(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        timeout: float | None = None,
        on_progress: asyncio.Queue[Progress] | None = None,
        log_level: str | None = None,
    ) -> JsonObject:
        """Return the result of `tools/call`, which the client has checked against the tool's `outputSchema`.

        Args:
            name: The tool.
            arguments: Its arguments; `None` leaves the member out.
            timeout: Seconds after which the client gives up; default: its own.
            on_progress: Asks for progress, and takes it.
            log_level: Modern era: the log messages that this request asks for.

        Raises:
            PeerError: The server answered with an error, or the time was up.
        """
        ...

    def start(self, name: str, arguments: JsonObject, on_progress: asyncio.Queue[Progress]) -> PendingCall:
        """Start a call without waiting for it."""
        ...

    async def ping(self) -> JsonObject:
        """Legacy era: return the result of `ping`."""
        ...

    async def set_log_level(self, level: str) -> JsonObject:
        """Legacy era: return the result of `logging/setLevel`."""
        ...

    async def list_resources(self, cursor: str | None = None) -> JsonObject:
        """Return the result of `resources/list`."""
        ...

    async def list_templates(self, cursor: str | None = None) -> JsonObject:
        """Return the result of `resources/templates/list`."""
        ...

    async def read(self, uri: str) -> JsonObject:
        """Return the result of `resources/read`."""
        ...

    async def list_prompts(self, cursor: str | None = None) -> JsonObject:
        """Return the result of `prompts/list`."""
        ...

    async def get_prompt(self, name: str, arguments: dict[str, str] | None = None) -> JsonObject:
        """Return the result of `prompts/get`."""
        ...

    async def complete(self, target: str, argument: str, typed: str, known: dict[str, str] | None) -> JsonObject:
        """Return the result of `completion/complete`.

        Args:
            target: An URI template, or else the name of a prompt.
            argument: What is completed.
            typed: What was typed of it.
            known: The other arguments.
        """
        ...

    def watching(self, uri: str, seen: asyncio.Queue[JsonObject]) -> AbstractAsyncContextManager[object]:
        """Be told of updates of a resource and of changes of the tools, as `method` and, where there is one, `uri`."""
        ...

    def check_schema(self, schema: object) -> None:
        """Raise unless `schema` is a valid JSON Schema (2020-12)."""
        ...


Run: TypeAlias = Callable[[Peer], Awaitable[None]]


@dataclass(frozen=True)
class Check:
    """One thing that must hold for every peer of the eras named."""

    run: Run
    eras: tuple[Era, ...] = ("legacy", "modern")


class CheckFailed(AssertionError):
    """What was expected did not happen."""


def expect(actual: object, wanted: object, what: str = "") -> None:
    """Compare strictly: 1, 1.0 and True are different."""
    if _strict(actual) != _strict(wanted):
        raise CheckFailed(f"{what or 'value'}: got {_short(actual)}, wanted {_short(wanted)}")


def expect_true(holds: object, what: str) -> None:
    """Fail with `what` unless `holds`."""
    if not holds:
        raise CheckFailed(what)


async def expect_error(call: Awaitable[object], code: int) -> PeerError:
    """Return the error that a call ends with."""
    try:
        result = await call
    except PeerError as error:
        expect(error.code, code, f"code of {error}")
        return error
    raise CheckFailed(f"wanted error {code}, got {_short(result)}")


def as_object(value: object) -> JsonObject:
    """Return a JSON value that has to be an object."""
    if not isinstance(value, dict):
        raise CheckFailed(f"no object: {_short(value)}")
    return cast("JsonObject", value)


def as_list(value: object) -> list[object]:
    """Return a JSON value that has to be an array."""
    if not isinstance(value, list):
        raise CheckFailed(f"no array: {_short(value)}")
    return cast("list[object]", value)


def as_objects(value: object) -> list[JsonObject]:
    """Return a JSON value that has to be an array of objects."""
    return [as_object(entry) for entry in as_list(value)]


def at(value: object, *path: str | int) -> object:
    """Return a part of a JSON value, following keys and indices."""
    here = value
    for step in path:
        try:
            here = as_list(here)[step] if isinstance(step, int) else as_object(here)[step]
        except (KeyError, IndexError):
            raise CheckFailed(f"no {step!r} of {path} in {_short(value)}") from None
    return here


def texts(result: JsonObject) -> list[object]:
    """Return the texts of a result whose content is text alone."""
    content = as_objects(result["content"])
    expect([block["type"] for block in content], ["text"] * len(content), "types of the blocks")
    return [block["text"] for block in content]


async def collect(queue: asyncio.Queue[T], count: int) -> list[T]:
    """Return `count` entries of a queue, which may still be on their way."""
    async with asyncio.timeout(WAIT_S):
        return [await queue.get() for _ in range(count)]


def _strict(value: object) -> object:
    """Make `==` tell Python's equal numbers of different types apart."""
    if isinstance(value, dict):
        return {key: _strict(entry) for key, entry in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        entries = cast("Sequence[object]", value)
        return [type(entries).__name__, *map(_strict, entries)]
    return (type(value).__name__, value)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) < 1500 else f"{shown[:1500]}... ({len(shown)} characters)"
