"""Declarations of resources: what is refused where it stands, and what works (RSC-02)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from functools import partial

import pytest

from anyport import Context, Server
from anyport.protocol.types import CacheScope
from anyport.server.declarations import DeclarationError
from tests.server.judging import items, read_one


def _nothing() -> str: ...
def _takes_id(id: str) -> str: ...  # noqa: A002 - the name of the variable
def _takes_list(id: list[str]) -> str: ...  # noqa: A002 - the name of the variable
def _takes_many(*id: str) -> str: ...  # noqa: A002 - the name of the variable
def _takes_more(id: str, more: str) -> str: ...  # noqa: A002 - the name of the variable
def _takes_unknown(id: threading.Thread) -> str: ...  # noqa: A002 - the name of the variable
def _takes_context(id: Context) -> str: ...  # noqa: A002 - the name of the variable


@pytest.mark.parametrize(
    ("uri", "function", "reason"),
    [
        ("no scheme", _nothing, "URI"),
        ("items", _nothing, "URI"),
        ("", _nothing, "URI"),
        ("shop:", _nothing, "URI"),
        ("shop://caf\u00e9", _nothing, "URI"),
        ("shop://a b", _nothing, "not allowed"),
        ("shop://{id", _takes_id, "not closed"),
        ("shop://{}", _takes_id, "variable"),
        ("{id}", _takes_id, "scheme"),
        ("{id}://x", _takes_id, "scheme"),
        ("shop://{id}", _nothing, "variable id"),
        ("shop://{id}{?lang}", _takes_id, "variable lang"),
        ("shop://all", _takes_id, "nothing gives id"),
        ("shop://{id}", _takes_more, "nothing gives more"),
        ("shop://{id}", _takes_list, r"\{id\*\}"),
        ("shop://{id*}", _takes_id, "list or a mapping"),
        ("shop://{id}", _takes_many, "name each parameter"),
        ("shop://{id}", _takes_unknown, "JSON Schema"),
        ("shop://{id}", _takes_context, "variable id"),
    ],
)
def test_declarations_that_cannot_work(uri: str, function: Callable[..., object], reason: str) -> None:
    """RSC-02: refused where they stand, with file, line and reason."""
    with pytest.raises(DeclarationError, match=reason) as caught:
        Server("test").resource(uri)(function)
    assert __file__ in str(caught.value)


def _optional(id: str = "") -> str: ...  # noqa: A002 - the name of the variable


@pytest.mark.parametrize(("uri", "size"), [("t://x", -1), ("t://{id}", 1)])
def test_sizes_that_cannot_be(uri: str, size: int) -> None:
    with pytest.raises(DeclarationError, match="size"):
        Server("test").resource(uri, size=size)(_optional)


@pytest.mark.parametrize(
    ("ttl", "scope"), [(-1, "private"), (float("nan"), "private"), (float("inf"), "public"), (0, "shared")]
)
def test_hints_that_cannot_be(ttl: float, scope: CacheScope) -> None:
    """CCH-01: a time to live is not negative."""
    with pytest.raises(DeclarationError, match="cache_"):
        Server("test").resource("t://x", cache_ttl=ttl, cache_scope=scope)(_optional)


@pytest.mark.parametrize("uri", ["shop://all", "shop://{id}"])
def test_a_uri_twice(uri: str) -> None:
    server = Server("test")
    server.resource(uri)(_optional)
    with pytest.raises(DeclarationError, match="exists already"):
        server.resource(uri)(_optional)


def test_a_resource_needs_its_uri() -> None:
    with pytest.raises(DeclarationError, match="needs its URI"):
        Server("test").resource(_nothing)  # pyright: ignore[reportArgumentType] - the mistake under test


async def test_functions_of_every_kind() -> None:
    """The function stays what it was; methods, partials and objects work, defaults that no variable sets stay."""

    class Shelf:
        """A shelf."""

        def read(self, name: str) -> str:
            """A book."""
            return name

        def __call__(self) -> str:
            return "shelf"

    def shown(prefix: str, name: str, suffix: str = "!") -> str:
        """Show it."""
        return prefix + name + suffix

    server = Server("test")
    assert server.resource("t://plain")(_nothing) is _nothing
    server.resource("t://shelf/{name}")(Shelf().read)
    server.resource("t://shelf", name="shelf")(Shelf())
    server.resource("t://partial/{name}")(partial(shown, "<"))
    for uri, text in (("t://shelf/a", "a"), ("t://shelf", "shelf"), ("t://partial/a", "<a!")):
        assert (await read_one(server, uri))["text"] == text
    entries = await items(server, "resources/templates/list")
    assert [(entry["name"], entry["description"]) for entry in entries] == [("read", "A book."), ("shown", "Show it.")]


async def test_annotations_may_use_names_of_the_function_around() -> None:
    class Size(Enum):
        S = "s"

    server = Server("test")

    @server.resource("t://{size}")
    def sized(size: Size) -> str:
        return size.name

    assert (await read_one(server, "t://s"))["text"] == "S"
