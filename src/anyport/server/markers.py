"""Parameters that no argument gives: how they are marked, and what fills them in before the body runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias, get_args

from anyport.server.context import Context
from anyport.server.declarations import DeclarationError

Arguments = Mapping[str, object]
Supplier: TypeAlias = Callable[[Context[Any], Arguments, AsyncExitStack], Awaitable[Arguments]]
"""Takes the context of a call, its arguments by parameter name, and what is closed after the body (the last opened
first); returns the values of further parameters, by name."""


class Marker(ABC):
    """A mark on a parameter, ``Annotated[T, mark]`` or ``name: T = mark``, that says where its value comes from.

    Such a parameter is not in the JSON Schema, and no argument reaches it.

    Attributes:
        order: Suppliers of a lower number run first.
    """

    order: ClassVar[int]

    @classmethod
    @abstractmethod
    def compile(
        cls, function: Callable[..., Any], parameters: Sequence[Marked], names: Mapping[str, object]
    ) -> Supplier:
        """Compile all parameters of a function that have a mark of this class, once, when it is registered.

        Args:
            function: The function, for error messages.
            parameters: Which they are.
            names: Names beside the function's globals that annotations may use.

        Raises:
            DeclarationError: One of them cannot work.
        """
        ...


class Marked(NamedTuple):
    """A marked parameter.

    Attributes:
        name: Its name.
        annotation: Its resolved type, without the mark.
        marker: The mark.
        default: Its default; ``inspect.Parameter.empty`` where there is none, or where that is the mark.
    """

    name: str
    annotation: Any
    marker: Marker
    default: object


def marker_of(annotation: object, default: object) -> Marker | None:
    """Return the mark on a parameter, or ``None``."""
    if isinstance(default, Marker):
        return default
    return next((item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Marker)), None)


def check_marked(function: Callable[..., object], name: str, annotation: object, default: object) -> None:
    """See that a mark is one: ``Annotated[bool, Ask]``, without parentheses, would leave the answer to the model.

    Raises:
        DeclarationError: It is the class of one.
    """
    for item in (default, *getattr(annotation, "__metadata__", ())):
        if isinstance(item, type) and issubclass(item, Marker):
            raise DeclarationError(function, f"{name}: {item.__name__} needs parentheses: {item.__name__}(...)")


def without_marker(annotation: Any) -> Any:  # noqa: ANN401 - annotations have no type in common
    """Return an annotation without its mark; other metadata stays."""
    metadata = getattr(annotation, "__metadata__", ())
    rest = [item for item in metadata if not isinstance(item, Marker)]
    if len(rest) == len(metadata):
        return annotation
    bare = get_args(annotation)[0]
    return Annotated[(bare, *rest)] if rest else bare
