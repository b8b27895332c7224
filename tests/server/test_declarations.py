"""Declarations that cannot work fail at the decorator, with file, line and reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import FunctionType

import pytest

from anyport import Context, Server
from anyport.server.declarations import DeclarationError


def _varargs(*values: int) -> None: ...


def _kwargs(**values: int) -> None: ...


def _positional(value: int, /) -> None: ...


def _two_contexts(one: Context, two: Context) -> None: ...


def _no_schema(value: Callable[[int], int]) -> None: ...


def _unknown_name(value: object) -> None: ...


_unknown_name.__annotations__["value"] = "Missing"


def _generator(value: int) -> Iterator[int]:
    yield value


async def _async_generator(value: int) -> AsyncIterator[int]:
    yield value


BAD: list[tuple[object, str]] = [
    (_varargs, "no JSON Schema"),
    (_kwargs, "no JSON Schema"),
    (_positional, "positional-only"),
    (_two_contexts, "one is enough"),
    (_no_schema, "no JSON Schema"),
    (_unknown_name, "cannot be resolved"),
    (_generator, "generator"),
    (_async_generator, "generator"),
]


@pytest.mark.parametrize(("function", "reason"), BAD, ids=[row[1] + str(index) for index, row in enumerate(BAD)])
def test_bad_declarations_name_file_line_and_reason(function: FunctionType, reason: str) -> None:
    """A declaration that cannot work fails at the decorator, with its place."""
    with pytest.raises(DeclarationError) as caught:
        Server("test").tool(function)
    assert f"{__file__}:{function.__code__.co_firstlineno}" in str(caught.value)
    assert function.__name__ in str(caught.value)
    assert reason in str(caught.value)
