"""Depends: values that a function takes from other functions, once per call, closed after the body (S53, D17)."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Generator
from typing import Annotated

import pytest

from anyport import Context, Depends, Server, ToolError
from anyport.errors import InternalError
from tests.server.calling import ask, call_tool, make_call, schema_of, text_of

WAIT = 30.0


class Pool:
    """Something that is opened and closed."""

    def __init__(self) -> None:
        self.events: list[str] = []


async def get_number() -> int:
    return 7


def get_thread() -> int:
    return threading.get_ident()


class Settings:
    """Made by its own constructor."""

    def __init__(self, ctx: Context) -> None:
        self.name = ctx.server.name


async def test_both_spellings_and_every_kind() -> None:
    server = Server("shop")

    async def opened() -> AsyncGenerator[str]:
        yield "async generator"

    def opened_on_thread() -> Generator[str]:
        yield "generator"

    @server.tool
    async def look(
        item: str,
        number: Annotated[int, Depends(get_number)],
        settings: Annotated[Settings, Depends()],
        thread: int = Depends(get_thread),
        first: str = Depends(opened),
        second: str = Depends(opened_on_thread),
        offset: int = Depends(functools.partial(abs, -3)),
    ) -> str:
        assert thread != threading.get_ident()
        return f"{item} {number} {settings.name} {first} {second} {offset}"

    assert str(schema_of(server, "look")["properties"]).startswith("{'item': ")
    assert schema_of(server, "look")["required"] == ["item"]
    assert text_of(await call_tool(server, "look", {"item": "pen"})) == "pen 7 shop async generator generator 3"


async def test_no_argument_reaches_a_dependency() -> None:
    server = Server("test")

    @server.tool
    async def look(number: int = Depends(get_number)) -> int:
        return number

    assert (await call_tool(server, "look", {"number": 1}))["isError"] is True


async def test_each_once_per_call_unless_told_otherwise() -> None:
    server, made = Server("test"), list[int]()

    async def fresh() -> int:
        made.append(1)
        return len(made)

    async def left(value: Annotated[int, Depends(fresh)]) -> int:
        return value

    async def right(value: Annotated[int, Depends(fresh)], own: Annotated[int, Depends(fresh, use_cache=False)]) -> str:
        return f"{value} {own}"

    @server.tool
    async def look(a: int = Depends(left), b: str = Depends(right), c: int = Depends(fresh)) -> str:
        return f"{a}, {b}, {c}"

    assert text_of(await call_tool(server, "look")) == "1, 1 2, 1"
    assert text_of(await call_tool(server, "look")) == "3, 3 4, 3"


async def test_arguments_by_name_with_their_defaults() -> None:
    server = Server("test")

    async def describe(item: str, count: int | None, unit: str = "pieces") -> str:
        return f"{count} {unit} of {item}"

    @server.tool
    async def buy(item: str, count: int = 2, what: str = Depends(describe)) -> str:
        return what

    assert text_of(await call_tool(server, "buy", {"item": "pen"})) == "2 pieces of pen"
    assert text_of(await call_tool(server, "buy", {"item": "pen", "count": 3})) == "3 pieces of pen"


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_generators_close_after_the_body_the_last_first(plain: bool) -> None:
    server, pool = Server("test"), Pool()

    async def outer() -> AsyncGenerator[str]:
        pool.events.append("open outer")
        yield "outer"
        pool.events.append("close outer")

    def inner(outer: Annotated[str, Depends(outer)]) -> Generator[str]:
        pool.events.append(f"open inner in {outer}")
        yield "inner"
        pool.events.append("close inner")

    if plain:

        @server.tool(name="work")
        def work(value: str = Depends(inner)) -> None:
            pool.events.append(f"body with {value}")
    else:

        @server.tool(name="work")
        async def work_async(value: str = Depends(inner)) -> None:
            pool.events.append(f"body with {value}")

    await call_tool(server, "work")
    wanted = ["open outer", "open inner in outer", "body with inner", "close inner", "close outer"]
    assert pool.events == wanted


async def test_an_error_of_the_body_is_raised_in_the_generators_and_goes_on() -> None:
    server, seen = Server("test"), list[str]()

    def swallow() -> Generator[None]:
        try:
            yield
        except ValueError as error:
            seen.append(f"plain {error}")

    async def translate() -> AsyncGenerator[None]:
        try:
            yield
        except ValueError as error:
            seen.append(f"async {error}")
            raise ToolError("translated") from error

    @server.tool
    async def swallowed(a: None = Depends(swallow)) -> str:
        raise ValueError("no")

    @server.tool
    def translated(a: None = Depends(translate)) -> str:
        raise ValueError("no")

    result = await call_tool(server, "swallowed")
    assert (result["isError"], text_of(result).startswith("ValueError: no")) == (True, True)
    result = await call_tool(server, "translated")
    assert (result["isError"], text_of(result)) == (True, "translated")
    assert seen == ["plain no", "async no"]


async def test_a_dependency_that_fails_closes_those_before_it() -> None:
    server, pool = Server("test"), Pool()

    async def first() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            pool.events.append("closed")

    def second(a: Annotated[None, Depends(first)]) -> None:
        raise ToolError("no database")

    @server.tool
    async def work(a: None = Depends(second)) -> None:
        pool.events.append("never")

    assert text_of(await call_tool(server, "work")) == "no database"
    assert pool.events == ["closed"]


async def test_prompts_resources_templates_and_completions_take_them() -> None:
    server = Server("test")

    async def shout(name: str) -> str:
        return name.upper()

    @server.prompt
    async def hello(name: str, loud: str = Depends(shout)) -> str:
        return loud

    @server.resource("test://fixed")
    def fixed(number: Annotated[int, Depends(get_number)]) -> str:
        return str(number)

    @server.resource("test://names/{name}")
    async def named(name: str, loud: str = Depends(shout)) -> str:
        return loud

    @server.completion("hello", argument="name")
    async def names(typed: str, number: int = Depends(get_number)) -> list[str]:
        return [f"{typed}{number}"]

    result = await ask(server, make_call("prompts/get", {"name": "hello", "arguments": {"name": "ann"}}))
    assert "'ANN'" in str(result["messages"])
    for uri, text in (("test://fixed", "7"), ("test://names/bob", "BOB")):
        assert f"'{text}'" in str((await ask(server, make_call("resources/read", {"uri": uri})))["contents"])
    reference = {"ref": {"type": "ref/prompt", "name": "hello"}, "argument": {"name": "name", "value": "x"}}
    assert "'x7'" in str((await ask(server, make_call("completion/complete", reference)))["completion"])


async def test_a_failing_dependency_of_a_prompt_is_an_internal_error() -> None:
    server = Server("test")

    def broken() -> None:
        raise OSError("away")

    @server.prompt
    def hello(a: None = Depends(broken)) -> str:
        return "never"

    with pytest.raises(InternalError, match="OSError: away"):
        await ask(server, make_call("prompts/get", {"name": "hello"}))


async def test_a_test_puts_others_in_their_place() -> None:
    server, events = Server("test"), list[str]()

    async def get_label(number: Annotated[int, Depends(get_number)], item: str) -> str:
        return f"{item} {number}"

    def fake_number(ctx: Context) -> Generator[int]:
        yield len(ctx.server.name)
        events.append("closed")

    @server.tool
    async def look(item: str, label: str = Depends(get_label)) -> str:
        return label

    server.dependency_overrides[get_number] = fake_number
    assert text_of(await call_tool(server, "look", {"item": "pen"})) == "pen 4"
    assert events == ["closed"]
    server.dependency_overrides[get_label] = get_number
    assert text_of(await call_tool(server, "look", {"item": "pen"})) == "7"
    server.dependency_overrides[get_label] = pow
    assert "nothing gives base its value" in text_of(await call_tool(server, "look", {"item": "pen"}))
    server.dependency_overrides.clear()
    assert text_of(await call_tool(server, "look", {"item": "pen"})) == "pen 7"


# --- calls that are given up ------------------------------------------------------------------------------------------


async def test_a_thread_keeps_what_it_uses_when_its_call_is_cancelled() -> None:
    """CAN-01: the call ends at once; the dependency is closed when the thread is through, and not before."""
    server, pool = Server("test"), Pool()
    begun, go, closed = asyncio.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def opened() -> AsyncGenerator[None]:
        yield
        pool.events.append("closed")
        closed.set()

    @server.tool
    def work(a: None = Depends(opened)) -> None:
        loop.call_soon_threadsafe(begun.set)
        go.wait(WAIT)
        pool.events.append("through")

    task = asyncio.create_task(call_tool(server, "work"))
    async with asyncio.timeout(WAIT):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.events == []
        go.set()
        await closed.wait()
    assert pool.events == ["through", "closed"]


async def test_a_call_that_is_cancelled_before_its_thread_begins_never_runs() -> None:
    server, pool = Server("test"), Pool()
    opening = asyncio.Event()

    async def slow() -> AsyncGenerator[None]:
        try:
            opening.set()
            await asyncio.Event().wait()
            yield
        finally:
            pool.events.append("given up")

    @server.tool
    def work(a: None = Depends(slow)) -> None:
        pool.events.append("never")

    task = asyncio.create_task(call_tool(server, "work"))
    async with asyncio.timeout(WAIT):
        await opening.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert pool.events == ["given up"]


async def test_what_a_thread_opens_for_a_cancelled_call_is_closed() -> None:
    server = Server("test")
    begun, go, closed = asyncio.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def opened() -> Generator[None]:
        loop.call_soon_threadsafe(begun.set)
        go.wait(WAIT)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(closed.set)

    @server.tool
    async def work(a: None = Depends(opened)) -> None:
        raise AssertionError("never")

    task = asyncio.create_task(call_tool(server, "work"))
    async with asyncio.timeout(WAIT):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await closed.wait()
