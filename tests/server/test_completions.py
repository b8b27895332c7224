"""Completions: arguments of prompts, variables of URI templates (CMP-01, S31)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Literal, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyport import Context, McpError, Server
from anyport.errors import LocalProtocolError
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, LEGACY, Revision
from anyport.protocol.types import Completion
from anyport.protocol.types.json import JsonObject
from anyport.server.completions import MAX_VALUES
from anyport.server.declarations import DeclarationError
from tests.server.calling import Heard, ask, make_call
from tests.server.judging import EVERY, judged, refusal

CODE: JsonObject = {"type": "ref/prompt", "name": "code"}
ITEM: JsonObject = {"type": "ref/resource", "uri": "shop://{kind}/{id}{?lang}"}


class Language(Enum):
    """What code is written in."""

    PYTHON = "python"
    PERL = "perl"
    RUBY = "ruby"


def _server() -> Server:
    server = Server("test")

    @server.prompt
    async def code(language: Language, framework: str, strict: bool = False, notes: str = "") -> str:
        return f"{language} {framework} {strict} {notes}"

    @server.completion("code", argument="framework")
    async def frameworks(value: str, known: Mapping[str, str]) -> list[str]:
        found = {"python": ["flask", "fastapi", "django"]}.get(known.get("language", ""), ["none"])
        return [name for name in found if name.startswith(value)]

    @server.resource("shop://{kind}/{id}{?lang}")
    async def item(kind: Literal["pen", "ink"], id: int, lang: Literal["en", "de"] = "en") -> str:  # noqa: A002 - the variable
        return f"{kind} {id} {lang}"

    @server.completion("shop://{kind}/{id}{?lang}", argument="id")
    def ids(value: str) -> Iterator[str]:
        return (str(number) for number in range(1000) if str(number).startswith(value))

    server.resource("shop://all", name="all")(lambda: "all")
    return server


async def _complete(
    server: Server,
    ref: JsonObject,
    argument: str,
    value: str,
    known: Mapping[str, str] | None = None,
    revision: Revision = LATEST_MODERN,
) -> Completion:
    params: dict[str, object] = {"ref": ref, "argument": {"name": argument, "value": value}}
    if known is not None:
        params["context"] = {"arguments": known}
    found = cast("JsonObject", (await judged(server, "completion/complete", params, revision))["completion"])
    values = cast("list[str]", found["values"])
    return Completion(
        values=values, total=cast("int | None", found.get("total")), has_more=cast("bool", found["hasMore"])
    )


async def _values(server: Server, ref: JsonObject, argument: str, value: str = "") -> list[str]:
    return (await _complete(server, ref, argument, value)).values


# --- functions --------------------------------------------------------------------------------------------------------


@EVERY
async def test_a_function_completes(revision: Revision) -> None:
    """CMP-01: with the arguments that are known, from 2025-06-18 on; the same in every revision."""
    server = _server()
    found = await _complete(server, CODE, "framework", "f", {"language": "python"}, revision)
    assert found == Completion(values=["flask", "fastapi"], total=2, has_more=False)
    assert await _values(server, CODE, "framework", "n") == ["none"]
    assert await _values(server, CODE, "framework", "x") == []


@EVERY
async def test_a_variable_of_a_template(revision: Revision) -> None:
    """CMP-01: the reference is the template, or a URI of it; at most 100 values, and how many there are."""
    server = _server()
    for uri in (ITEM["uri"], "shop://pen/7"):
        ref: JsonObject = {"type": "ref/resource", "uri": uri}
        found = await _complete(server, ref, "id", "", None, revision)
        assert found == Completion(values=[str(number) for number in range(100)], total=1000, has_more=True)
        found = await _complete(server, ref, "id", "99", None, revision)
        assert found == Completion(values=["99", *(str(n) for n in range(990, 1000))], total=11, has_more=False)


def _returning(value: object) -> Callable[[str], object]:
    def complete(typed: str) -> object:
        return value

    return complete


def _named(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], Completion(values=[], total=0, has_more=False)),
        (("b", "a"), Completion(values=["b", "a"], total=2, has_more=False)),
        (_named(99), Completion(values=_named(99), total=99, has_more=False)),
        (_named(100), Completion(values=_named(100), total=100, has_more=False)),
        (_named(101), Completion(values=_named(100), total=101, has_more=True)),
        (Completion(values=["a"]), Completion(values=["a"], total=1, has_more=False)),
        (Completion(values=["a"], total=7), Completion(values=["a"], total=7, has_more=True)),
        (Completion(values=["a"], has_more=True), Completion(values=["a"], has_more=True)),
        (Completion(values=["a"], total=1, has_more=False), Completion(values=["a"], total=1, has_more=False)),
        (Completion(values=_named(101), total=500), Completion(values=_named(100), total=500, has_more=True)),
        (Completion(values=_named(101), has_more=False), Completion(values=_named(100), total=101, has_more=True)),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_a_function_returns(value: object, expected: Completion) -> None:
    """CMP-01: at the limit and around it; the author's own object stays as it is."""
    server = _server()
    server.completion("code", argument="notes")(_returning(value))
    assert await _complete(server, CODE, "notes", "") == expected
    if isinstance(value, Completion):
        assert await _complete(server, CODE, "notes", "") == expected


NUMBERS = Completion(values=cast("list[str]", [5]))


@pytest.mark.parametrize("value", ["text", None, 5, [1], ["a", None], object(), NUMBERS])
async def test_values_that_are_no_suggestions(value: object, caplog: pytest.LogCaptureFixture) -> None:
    """RPC-17: the server's fault, so -32603 with an id."""
    server = _server()
    server.completion("code", argument="notes")(_returning(value))
    params = {"ref": CODE, "argument": {"name": "notes", "value": ""}}
    with caplog.at_level(logging.ERROR, "anyport.server"):
        error = await refusal(server, "completion/complete", params)
    assert (error.code, "list of strings" in error.message) == (-32603, True)
    assert error.message.rsplit("error id ", 1)[1].rstrip(")") in caplog.text


async def test_where_functions_run_and_what_they_know() -> None:
    server, here, heard = _server(), threading.get_ident(), Heard()

    @server.completion("code", argument="notes")
    def plain(ctx: Context, value: str, known: dict[str, str], unused: int = 3) -> list[str]:
        ctx.info(value)
        return [str(threading.get_ident() == here), ctx.revision, *known, str(unused)]

    params = {
        "ref": CODE,
        "argument": {"name": "notes", "value": "typed"},
        "context": {"arguments": {"framework": "x"}},
    }
    result = await ask(server, make_call("completion/complete", params, log_level="info"), heard)
    assert cast("JsonObject", result["completion"])["values"] == ["False", "2026-07-28", "framework", "3"]
    assert heard.notifications[0].params["data"] == "typed"


async def test_errors_that_say_it_themselves() -> None:
    server = _server()

    @server.completion("code", argument="notes")
    async def refuse(value: str) -> list[str]:
        raise McpError(4711, value)

    params = {"ref": CODE, "argument": {"name": "notes", "value": "v"}}
    assert (await refusal(server, "completion/complete", params)).code == 4711


# --- without a function -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "argument", "typed", "expected"),
    [
        (CODE, "language", "", ["python", "perl", "ruby"]),
        (CODE, "language", "p", ["python", "perl"]),
        (CODE, "language", "PE", ["perl"]),
        (CODE, "language", "python", ["python"]),
        (CODE, "language", "pythons", []),
        (CODE, "strict", "", ["true", "false"]),
        (CODE, "strict", "F", ["false"]),
        (CODE, "notes", "", []),
        (ITEM, "kind", "", ["pen", "ink"]),
        (ITEM, "lang", "d", ["de"]),
        ({"type": "ref/resource", "uri": "shop://all"}, "anything", "", []),
    ],
)
async def test_arguments_that_complete_themselves(
    ref: JsonObject, argument: str, typed: str, expected: list[str]
) -> None:
    """CMP-01: a list of values, as far as it begins with what was typed; nothing for an argument without one."""
    found = await _complete(_server(), ref, argument, typed)
    assert found == Completion(values=expected, total=len(expected), has_more=False)


async def test_a_function_takes_the_place_of_the_list() -> None:
    server = _server()
    server.completion("code", argument="language")(_returning(["own"]))
    assert await _values(server, CODE, "language", "p") == ["own"]
    server.completions.remove("code", "language")
    assert await _values(server, CODE, "language", "p") == ["python", "perl"]
    with pytest.raises(LocalProtocolError, match="language"):
        server.completions.remove("code", "language")


# --- requests ---------------------------------------------------------------------------------------------------------

NOTES: JsonObject = {"name": "notes", "value": ""}


@EVERY
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ref": CODE},
        {"argument": NOTES},
        {"ref": CODE, "argument": {"name": "notes"}},
        {"ref": CODE, "argument": {"value": ""}},
        {"ref": CODE, "argument": {"name": "notes", "value": 5}},
        {"ref": CODE, "argument": {"name": "notes", "value": None}},
        {"ref": CODE, "argument": {"name": 5, "value": ""}},
        {"ref": CODE, "argument": []},
        {"ref": CODE, "argument": {"name": "nothing", "value": ""}},
        {"ref": CODE, "argument": NOTES, "context": []},
        {"ref": CODE, "argument": NOTES, "context": {"arguments": {"language": 5}}},
        {"ref": CODE, "argument": NOTES, "context": {"arguments": ["python"]}},
        {"ref": None, "argument": NOTES},
        {"ref": "code", "argument": NOTES},
        {"ref": {"name": "code"}, "argument": NOTES},
        {"ref": {"type": "ref/tool", "name": "code"}, "argument": NOTES},
        {"ref": {"type": "ref/prompt"}, "argument": NOTES},
        {"ref": {"type": "ref/prompt", "name": "nothing"}, "argument": NOTES},
        {"ref": {"type": "ref/prompt", "name": "shop://{kind}/{id}{?lang}"}, "argument": NOTES},
        {"ref": {"type": "ref/resource", "name": "code"}, "argument": NOTES},
        {"ref": {"type": "ref/resource", "uri": "code"}, "argument": NOTES},
        {"ref": {"type": "ref/resource", "uri": "shop://nothing"}, "argument": NOTES},
        {"ref": {"type": "ref/resource", "uri": "shop://{kind}"}, "argument": {"name": "kind", "value": ""}},
        {"ref": ITEM, "argument": {"name": "nothing", "value": ""}},
    ],
    ids=str,
)
async def test_requests_that_are_refused(params: JsonObject, revision: Revision) -> None:
    """CMP-01: every input is checked; unknown references and arguments are -32602."""
    assert (await refusal(_server(), "completion/complete", params, revision)).code == -32602


@EVERY
@pytest.mark.parametrize("context", [None, {}, {"arguments": None}, {"arguments": {}}])
async def test_a_context_without_arguments(context: object, revision: Revision) -> None:
    params = {"ref": CODE, "argument": {"name": "framework", "value": ""}, "context": context}
    found = cast("JsonObject", (await judged(_server(), "completion/complete", params, revision))["completion"])
    assert found["values"] == ["none"]


async def test_what_goes_takes_its_completions_with_it() -> None:
    server = _server()
    server.prompts.remove("code")
    params = {"ref": CODE, "argument": {"name": "framework", "value": ""}}
    assert (await refusal(server, "completion/complete", params)).code == -32602


# --- capability -------------------------------------------------------------------------------------------------------


def _only_text(server: Server) -> None:
    server.prompt(name="p")(_text)


def _with_list(server: Server) -> None:
    server.prompt(name="p")(_choice)


def _with_template(server: Server) -> None:
    server.resource("t://{x}")(_choice)


def _with_function(server: Server) -> None:
    server.prompt(name="p")(_text)
    server.completion("p", argument="x")(_suggest)


async def _text(x: str) -> str:
    return x


async def _choice(x: Literal["a"]) -> str:
    return x


async def _suggest(value: str) -> list[str]:
    return [value]


@pytest.mark.parametrize(
    ("declare", "offered"), [(_only_text, False), (_with_list, True), (_with_template, True), (_with_function, True)]
)
async def test_the_capability(declare: Callable[[Server], None], offered: bool) -> None:
    """CMP-01, S31: declared where something completes, from 2025-03-26 on; known references are answered anyway."""
    server = Server("test")
    assert (await refusal(server, "completion/complete", {"ref": CODE, "argument": NOTES})).code == -32601
    assert "completions" not in cast("JsonObject", (await judged(server, "server/discover"))["capabilities"])
    declare(server)
    capabilities = cast("JsonObject", (await judged(server, "server/discover"))["capabilities"])
    assert ("completions" in capabilities) is offered
    for revision in LEGACY:
        params = {"protocolVersion": revision.name, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        result = await judged(server, "initialize", params, revision)
        declared = "completions" in cast("JsonObject", result["capabilities"])
        assert declared is (offered and not revision.lacks("2025-03-26"))
    if declare is _only_text:
        assert await _values(server, {"type": "ref/prompt", "name": "p"}, "x") == []


async def test_a_completion_that_logs_is_a_server_that_logs() -> None:
    server = Server("test")
    server.prompt(name="p")(_text)
    assert "logging" not in cast("JsonObject", (await judged(server, "server/discover"))["capabilities"])

    @server.completion("p", argument="x")
    async def complete(value: str, ctx: Context) -> list[str]:
        await ctx.info(value)
        return []

    assert "logging" in cast("JsonObject", (await judged(server, "server/discover"))["capabilities"])


# --- declarations -----------------------------------------------------------------------------------------------------


def _takes_nothing() -> list[str]: ...
def _takes_three(value: str, known: Mapping[str, str], more: str) -> list[str]: ...
def _takes_context(ctx: Context) -> list[str]: ...
def _takes_many(*values: str) -> list[str]: ...


@pytest.mark.parametrize(
    ("target", "argument", "function", "reason"),
    [
        ("nothing", "notes", _suggest, "declare it first"),
        ("shop://all", "notes", _suggest, "declare it first"),
        ("shop://{kind}", "kind", _suggest, "declare it first"),
        ("code", "nothing", _suggest, "language, framework, strict, notes"),
        ("shop://{kind}/{id}{?lang}", "nothing", _suggest, "kind, id, lang"),
        ("code", "framework", _suggest, "a completion already"),
        ("code", "notes", _takes_nothing, "first parameter"),
        ("code", "notes", _takes_context, "first parameter"),
        ("code", "notes", _takes_three, "nothing else"),
        ("code", "notes", _takes_many, "name each parameter"),
    ],
)
def test_declarations_that_cannot_work(
    target: str, argument: str, function: Callable[..., object], reason: str
) -> None:
    """Refused where they stand, with file, line and reason."""
    with pytest.raises(DeclarationError, match=reason) as caught:
        _server().completion(target, argument)(function)
    assert __file__ in str(caught.value)


# --- properties -------------------------------------------------------------------------------------------------------


@given(values=st.lists(st.text(max_size=3), max_size=250), revision=st.sampled_from([LATEST_MODERN, LATEST_LEGACY]))
@settings(max_examples=60, deadline=None)
def test_never_more_than_the_limit(values: list[str], revision: Revision) -> None:
    """CMP-01: whatever a function returns, the best come first and the counts are true."""
    server = Server("test")
    server.prompt(name="p")(_text)

    @server.completion("p", argument="x")
    async def complete(value: str) -> list[str]:
        return values

    found = asyncio.run(_complete(server, {"type": "ref/prompt", "name": "p"}, "x", "", None, revision))
    assert found.values == values[:MAX_VALUES]
    assert (found.total, found.has_more) == (len(values), len(values) > MAX_VALUES)
