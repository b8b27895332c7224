"""Dependencies: ``Depends(get_db)`` fills a parameter with what another function gives, once per call.

All dependencies of a function are compiled to one list when it is registered, each after those that it needs itself, so
that a call runs down a list and looks nothing up. They run after the questions to the user are answered, and a
generator among them is closed after the body, the last opened first.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, get_args, get_origin

from anyport.server.context import Context
from anyport.server.declarations import DeclarationError, name_of, place_of
from anyport.server.markers import Arguments, Marked, Marker, Supplier, check_marked, marker_of, without_marker
from anyport.server.signature import Annotation, AnyFunction, is_context, resolve_hints
from anyport.server.threads import ThreadPool, Turn

Kind = Literal["async", "thread", "async generator", "generator"]

_NOTHING: Final = inspect.Parameter.empty


class Depends(Marker):
    """A mark on a parameter: its value is what a function returns, or what a generator yields.

    ``Annotated[Pool, Depends(open_pool)]``, or ``pool: Pool = Depends(open_pool)``. The function may be ``async def``
    (runs on the event loop), a plain ``def`` or a class (run on a thread, as plain tools do), or a generator of either
    kind: what stands after its ``yield`` runs after the body, and an error of the body is raised at the ``yield``. The
    error goes on whatever the generator does with it, unless it raises another one.

    Its own parameters may be a `Context`, further dependencies, and arguments of the call: a parameter takes the
    argument of its name, which must be of a type that it accepts, or keeps its default where there is none.

    Args:
        function: Gives the value; default: the class that the parameter is annotated with.
        use_cache: Share the value among all who depend on the function during a call; else each has its own.
    """

    order: ClassVar[int] = 20

    if TYPE_CHECKING:
        # As a default it stands for a value of any type.
        def __new__(cls, function: AnyFunction | None = None, *, use_cache: bool = True) -> Any: ...  # noqa: ANN401, D102 - see above

    def __init__(self, function: AnyFunction | None = None, *, use_cache: bool = True) -> None:
        self.function = function
        self.use_cache = use_cache

    @classmethod
    def compile(cls, function: AnyFunction, parameters: Sequence[Marked], names: Mapping[str, object]) -> Supplier:
        """Compile the dependencies of a function; see `Marker.compile`."""
        steps, wanted = _compile(function, parameters, names, {})

        async def supply(context: Context[Any], arguments: Arguments, stack: AsyncExitStack) -> Arguments:
            overrides = context.server.dependency_overrides
            if not overrides:
                return await _supply(steps, wanted, context, arguments, stack)
            # For tests: what it costs to compile it anew does not count there.
            return await _supply(*_compile(function, parameters, names, overrides), context, arguments, stack)

        return supply


def _compile(
    function: AnyFunction,
    parameters: Sequence[Marked],
    names: Mapping[str, object],
    overrides: Mapping[AnyFunction, AnyFunction],
) -> tuple[Sequence[_Step], Mapping[str, int]]:
    """Return the dependencies of a function in the order to run them, and which of them its parameters receive."""
    plan = _Plan(function, names, overrides)
    wanted = {each.name: plan.require(each, each.marker, ()) for each in parameters if isinstance(each.marker, Depends)}
    return plan.steps, wanted


class _Taken(NamedTuple):
    """An argument of the call that a dependency takes."""

    name: str
    default: object


class _Step(NamedTuple):
    """One dependency: how it is run, and where its parameters come from."""

    function: AnyFunction
    kind: Kind
    contexts: tuple[str, ...]
    inner: tuple[tuple[str, int], ...]
    taken: tuple[_Taken, ...]


# --- running ----------------------------------------------------------------------------------------------------------


async def _supply(
    steps: Sequence[_Step],
    wanted: Mapping[str, int],
    context: Context[Any],
    arguments: Arguments,
    stack: AsyncExitStack,
) -> Arguments:
    values: list[object] = []
    for step in steps:
        given: dict[str, object] = dict.fromkeys(step.contexts, context)
        given.update((name, values[index]) for name, index in step.inner)
        for name, default in step.taken:
            value = arguments.get(name, default)
            if value is not _NOTHING:
                given[name] = value
        values.append(await _run(step, given, context.server.threads, stack))
    return {name: values[index] for name, index in wanted.items()}


async def _run(step: _Step, given: dict[str, object], threads: ThreadPool, stack: AsyncExitStack) -> object:
    if step.kind == "async":
        return await step.function(**given)
    if step.kind == "thread":
        return await threads.run(functools.partial(step.function, **given))
    if step.kind == "generator":
        return await _enter_on_thread(functools.partial(step.function, **given), threads, stack)
    manager = asynccontextmanager(step.function)(**given)
    value = await manager.__aenter__()

    async def leave(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await manager.__aexit__(kind, error, trace)

    stack.push_async_exit(leave)
    return value


async def _enter_on_thread(generate: AnyFunction, threads: ThreadPool, stack: AsyncExitStack) -> object:
    manager, turn = contextmanager(generate)(), Turn()

    def enter() -> object:
        value = manager.__enter__()
        if not turn.take():
            # The call was given up meanwhile: nobody else will close it.
            manager.__exit__(asyncio.CancelledError, asyncio.CancelledError(), None)
        return value

    async def leave(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await threads.run(functools.partial(manager.__exit__, kind, error, trace), always=True)

    try:
        value = await threads.run(enter)
    except asyncio.CancelledError:
        if not turn.take():
            stack.push_async_exit(leave)
        raise
    stack.push_async_exit(leave)
    return value


# --- compiling --------------------------------------------------------------------------------------------------------


class _Plan:
    """The dependencies of one function, each after those that it needs.

    Args:
        function: The function that is registered.
        names: Names beside its globals that annotations may use.
        overrides: What stands in for some of them.
    """

    def __init__(
        self, function: AnyFunction, names: Mapping[str, object], overrides: Mapping[AnyFunction, AnyFunction]
    ) -> None:
        self.steps: list[_Step] = []
        self._function = function
        self._names = names
        self._overrides = overrides
        self._shared: dict[object, int] = {}
        self._arguments = _arguments_of(function, names)

    def require(self, parameter: Marked, mark: Depends, above: tuple[AnyFunction, ...]) -> int:
        """Add what a parameter depends on, unless it is shared and there; return its place in the list.

        Args:
            parameter: The parameter.
            mark: Its mark.
            above: The dependencies that lead to it.
        """
        function: AnyFunction = mark.function if mark.function is not None else _bare(parameter.annotation)
        if not callable(function):
            raise self._error(above, f"{parameter.name}: Depends needs a function or a class, not {function!r}")
        function = self._overrides.get(function, function) if self._overrides else function
        if function in above:
            chain = " -> ".join(name_of(each) for each in (*above[above.index(function) :], function))
            raise self._error(above, f"{parameter.name}: dependencies go round in a circle: {chain}")
        # A callable object may have an equality and no hash; the plan keeps it, so its id stays its own.
        key: object = function if getattr(function, "__hash__", None) is not None else id(function)
        if mark.use_cache and key in self._shared:
            return self._shared[key]
        self.steps.append(self._compile(function, (*above, function)))
        index = len(self.steps) - 1
        if mark.use_cache:
            self._shared[key] = index
        return index

    def _compile(self, function: AnyFunction, above: tuple[AnyFunction, ...]) -> _Step:
        contexts: list[str] = []
        inner: list[tuple[str, int]] = []
        taken: list[_Taken] = []
        hints = _hints_of(function, self._names)
        for parameter in _parameters_of(function, above, self):
            annotation = hints.get(parameter.name, Any)
            check_marked(function, parameter.name, annotation, parameter.default)
            mark = marker_of(annotation, parameter.default)
            if is_context(annotation):
                contexts.append(parameter.name)
            elif isinstance(mark, Depends):
                marked = Marked(parameter.name, without_marker(annotation), mark, _NOTHING)
                inner.append((parameter.name, self.require(marked, mark, above)))
            elif mark is not None:
                reason = f"{parameter.name}: {type(mark).__name__} stands on parameters of the function that is called"
                raise self._error(above, f"{reason}, and dependencies take its value by name")
            else:
                taken.extend(self._take(parameter, annotation, above))
        return _Step(function, _kind_of(function), tuple(contexts), tuple(inner), tuple(taken))

    def _take(
        self, parameter: inspect.Parameter, annotation: Annotation, above: tuple[AnyFunction, ...]
    ) -> list[_Taken]:
        given = self._arguments.get(parameter.name)
        if given is None:
            if parameter.default is not _NOTHING:
                return []
            known = ", ".join(self._arguments) or "none"
            raise self._error(
                above,
                f"nothing gives {parameter.name} its value: no Context, no Depends, no argument (there are {known})",
            )
        declared, default = given
        if not _accepts(_bare(annotation), _bare(declared)):
            raise self._error(
                above,
                f"{parameter.name} is {_shown(annotation)} here and {_shown(declared)} in {name_of(self._function)}",
            )
        return [_Taken(parameter.name, default)]

    def _error(self, above: tuple[AnyFunction, ...], reason: str) -> DeclarationError:
        if not above:
            return DeclarationError(self._function, reason)
        where = f"the dependency {name_of(above[-1])} ({place_of(above[-1])})"
        return DeclarationError(self._function, f"{where}: {reason}")

    def refuse(self, above: tuple[AnyFunction, ...], reason: str) -> DeclarationError:
        """Return the error for a dependency that cannot work."""
        return self._error(above, reason)


def _arguments_of(function: AnyFunction, names: Mapping[str, object]) -> dict[str, tuple[Annotation, object]]:
    """Return annotation and default of each parameter that a dependency may take: all but injected ones."""
    hints = resolve_hints(function, names)
    found: dict[str, tuple[Annotation, object]] = {}
    for parameter in inspect.signature(function).parameters.values():
        annotation = hints.get(parameter.name, Any)
        mark = marker_of(annotation, parameter.default)
        if is_context(annotation) or isinstance(mark, Depends) or parameter.kind is parameter.VAR_KEYWORD:
            continue
        default = _NOTHING if parameter.default is mark else parameter.default
        found[parameter.name] = (without_marker(annotation), default)
    return found


def _parameters_of(function: AnyFunction, above: tuple[AnyFunction, ...], plan: _Plan) -> list[inspect.Parameter]:
    """Return the parameters that have to be filled in."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        # A class of C code may not tell; it is called without arguments.
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is _NOTHING:
            raise plan.refuse(above, f"{parameter.name} is positional-only; values come by name")
    return [each for each in parameters if each.kind not in (*variable, inspect.Parameter.POSITIONAL_ONLY)]


def _hints_of(function: AnyFunction, names: Mapping[str, object]) -> dict[str, Any]:
    if isinstance(function, type):
        constructor: AnyFunction = function.__init__
        return resolve_hints(constructor, names) if inspect.isfunction(constructor) else {}
    return resolve_hints(function, names)


def _kind_of(function: AnyFunction) -> Kind:
    routine = function
    while isinstance(routine, functools.partial):
        routine = routine.func
    if isinstance(routine, type):
        return "thread"
    if not inspect.isroutine(routine):
        routine = type(routine).__call__
    if inspect.isasyncgenfunction(routine):
        return "async generator"
    if inspect.isgeneratorfunction(routine):
        return "generator"
    return "async" if inspect.iscoroutinefunction(routine) else "thread"


def _bare(annotation: Annotation) -> Annotation:
    return get_args(annotation)[0] if get_origin(annotation) is typing.Annotated else annotation


def _accepts(wanted: Annotation, given: Annotation) -> bool:
    """Whether a parameter takes every value of an argument, as far as their annotations tell."""
    if wanted in (Any, object) or wanted == given:
        return True
    if _is_union(given):
        return all(_accepts(wanted, _bare(option)) for option in get_args(given))
    if _is_union(wanted):
        return any(_accepts(_bare(option), given) for option in get_args(wanted))
    return isinstance(wanted, type) and isinstance(given, type) and issubclass(given, wanted)


def _is_union(annotation: Annotation) -> bool:
    return get_origin(annotation) in (typing.Union, types.UnionType)


def _shown(annotation: Annotation) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
