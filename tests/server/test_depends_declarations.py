"""Dependencies that cannot work are refused at the decorator, with file, line and reason (S53)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast  # noqa: TID251 - what a type checker would refuse

import pytest

from anyport import Ask, Depends, Server
from anyport.server.declarations import DeclarationError


def needs_stranger(stranger: int) -> int:
    return stranger


def needs_text(item: str) -> str:
    return item


def first_of_two(value: Annotated[int, Depends(cast(Any, "second_of_two"))]) -> int:
    return value


class Circle:
    """Depends on itself."""

    def __init__(self, other: Annotated[Circle, Depends()]) -> None:
        self.other = other


def positional(value: int, /) -> int:
    return value


@pytest.mark.parametrize("mark", [Ask, Depends])
def test_a_mark_without_parentheses(mark: type) -> None:
    """Else the model would give what is the user's to say."""
    server = Server("test")

    def annotated(item: str, value: Annotated[int, mark]) -> None:
        """Marked by the class."""

    def defaulted(item: str, value: int = cast(int, mark)) -> None:
        """Marked by the class, as a default."""

    def outer(value: Annotated[object, Depends(annotated)], item: str) -> None:
        """Depends on what is so marked."""

    for function in (annotated, defaulted, outer):
        with pytest.raises(DeclarationError, match=rf"value: {mark.__name__} needs parentheses"):
            server.tool(function)
    assert not server.tools.version


def _declare(dependency: Callable[..., object]) -> str:
    server = Server("test")

    async def tool(item: int, value: Annotated[object, Depends(dependency)]) -> None:
        """Take both."""

    with pytest.raises(DeclarationError) as caught:
        server.tool(tool)
    return str(caught.value)


@pytest.mark.parametrize(
    ("dependency", "reason"),
    [
        (needs_stranger, "nothing gives stranger its value: no Context, no Depends, no argument (there are item)"),
        (needs_text, "item is str here and int in tool"),
        (first_of_two, "Depends needs a function or a class, not 'second_of_two'"),
        (Circle, "dependencies go round in a circle: Circle -> Circle"),
        (positional, "value is positional-only"),
    ],
)
def test_a_dependency_that_cannot_work_is_refused_where_it_stands(
    dependency: Callable[..., object], reason: str
) -> None:
    message = _declare(dependency)
    assert reason in message
    assert message.count("test_depends_declarations.py:") == 2, "the tool and the dependency, each with its line"
