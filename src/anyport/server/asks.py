"""`Ask`: a parameter whose value the user gives, before the body runs."""

from __future__ import annotations

import inspect
import string
import types
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar, get_args, get_origin

from msgspec import Struct

from anyport.protocol.errors import MissingClientCapability, ToolError
from anyport.server.context import Context
from anyport.server.declarations import DeclarationError
from anyport.server.forms import Form, FormError, compile_form
from anyport.server.inputs import Elicited
from anyport.server.markers import Arguments, Marked, Marker, Supplier, marker_of
from anyport.server.signature import is_context, resolve_hints


class Ask(Marker):
    """The user gives the value of the parameter: ``sure: Annotated[bool, Ask("Really buy {count} {item}?")]``.

    The questions of all such parameters are put together, before the body runs and before anything else is opened for
    it. Nothing is kept on the server meanwhile: the answer may come to another process, or after a restart, where
    the secret is the same.

    A user who declines, or a client that cannot ask, leaves the parameter its default, or ``None`` where its type takes
    that; without either the call fails with a message that says so. ``False`` is an answer.

    Args:
        message: What the user reads. ``{name}`` stands for another argument, with a format as in `str.format`.
    """

    order: ClassVar[int] = 10

    def __init__(self, message: str) -> None:
        self.message = message

    @classmethod
    def compile(
        cls, function: Callable[..., Any], parameters: Sequence[Marked], names: Mapping[str, object]
    ) -> Supplier:
        """Compile the questions of a function; see `Marker.compile`."""
        hints = resolve_hints(function, names)
        known = {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if not is_context(hints.get(name)) and marker_of(hints.get(name), parameter.default) is None
        }
        questions = [_compile(function, parameter, known) for parameter in parameters]
        defaults = {name: value for name, value in known.items() if value is not inspect.Parameter.empty}

        def supply(context: Context[Any], arguments: Arguments, stack: AsyncExitStack) -> Awaitable[Arguments]:
            return _supply(questions, context, {**defaults, **arguments})

        return supply


class _Question(Struct, frozen=True):
    """A parameter that is asked for.

    Attributes:
        name: Its name.
        message: What the user reads, to be formatted.
        form: What is to be filled in.
        default: What it is without an answer; ``inspect.Parameter.empty`` where it cannot be.
    """

    name: str
    message: str
    form: Form
    default: object

    def without_answer(self, why: str) -> object:
        if self.default is inspect.Parameter.empty:
            raise ToolError(f"This needs an answer of the user, who {why}: {self.name}")
        return self.default


async def _supply(questions: Sequence[_Question], context: Context[Any], arguments: Arguments) -> Arguments:
    try:
        answers = await context.elicit_together(
            {each.name: (each.message.format_map(arguments), each.form) for each in questions}
        )
    except MissingClientCapability:
        if any(each.default is inspect.Parameter.empty for each in questions):
            raise
        return {each.name: each.default for each in questions}
    return {each.name: _value(each, answers[each.name]) for each in questions}


def _value(question: _Question, answer: Elicited[Any]) -> object:
    if answer.accepted:
        return answer.data
    return question.without_answer("declined" if answer.action == "decline" else "cancelled")


def _compile(function: Callable[..., Any], parameter: Marked, known: Mapping[str, object]) -> _Question:
    marker, name = parameter.marker, parameter.name
    message = marker.message if isinstance(marker, Ask) else ""
    for used in _names_in(function, name, message):
        if used not in known:
            raise DeclarationError(function, f"the question for {name} names {used!r}, which is no argument")
    try:
        form = compile_form(parameter.annotation)
    except FormError as error:
        raise DeclarationError(function, f"the user cannot be asked for {name}: {error}") from error
    default = parameter.default
    if default is inspect.Parameter.empty and _takes_none(parameter.annotation):
        default = None
    return _Question(name, message, form, default)


def _names_in(function: Callable[..., Any], name: str, message: str) -> Iterator[str]:
    try:
        for _, field, _, _ in string.Formatter().parse(message):
            if field is not None:
                # `{item.name}` and `{items[0]}` are of the argument that they begin with.
                yield field.partition(".")[0].partition("[")[0]
    except ValueError as error:
        raise DeclarationError(function, f"the question for {name} has a stray brace: {error}") from error


def _takes_none(annotation: Any) -> bool:  # noqa: ANN401 - annotations have no type in common
    if get_origin(annotation) is typing.Annotated:
        return _takes_none(get_args(annotation)[0])
    return get_origin(annotation) in (typing.Union, types.UnionType) and type(None) in get_args(annotation)
