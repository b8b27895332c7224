"""What a client answers when a server asks: elicitation, sampling and roots, given once and used in both eras."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias, cast, get_args, runtime_checkable
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from anyport.protocol.errors import InternalError, InvalidParams, LocalProtocolError, MethodNotFound
from anyport.protocol.types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitAction,
    ElicitResult,
    Root,
    TextContent,
)
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.protocol.urls import parse_url, url_warnings

ELICIT: Final = "elicitation/create"
SAMPLE: Final = "sampling/createMessage"
ROOTS: Final = "roots/list"

_ACTIONS: Final = get_args(ElicitAction)
_ANSWER_KEYS: Final = frozenset({"action", "content"})


class Elicitation(Struct, frozen=True, kw_only=True):
    """A question of the server to the user.

    Say which server asks, let the user decline, and open a URL only after the user has seen all of it and agreed
    (ELI-01, ELI-03).

    Attributes:
        message: What to tell the user.
        schema: JSON Schema of the form to fill in; ``None`` where there is a URL.
        url: What to open; ``None`` where there is a form.
        elicitation_id: Id of a question with a URL, in the legacy era.
        server: Name of the server that asks, as it calls itself; not to be trusted.
    """

    message: str
    schema: JsonObject | None = None
    url: str | None = None
    elicitation_id: str | None = None
    server: str | None = None

    @property
    def mode(self) -> Literal["form", "url"]:
        """``form`` or ``url``."""
        return "form" if self.url is None else "url"

    @property
    def host(self) -> str | None:
        """The host that `url` leads to, as it is looked up: what a user should see first of it (ELI-03)."""
        try:
            return None if self.url is None else parse_url(self.url).host
        except ValueError:
            return None

    @property
    def warnings(self) -> list[str]:
        """What is suspicious about `url`, in words for the user (ELI-03): empty where nothing is."""
        return [] if self.url is None else url_warnings(self.url)


ElicitCallback: TypeAlias = Callable[[Elicitation], object]
"""Answers with the content (a mapping or a model: accepted), with ``{"action": ..., "content": {...}}``, with an action
alone, or with nothing, which means ``cancel``. May be ``async``."""

SampleCallback: TypeAlias = Callable[[CreateMessageRequestParams], object]
"""Answers with text, a `CreateMessageResult`, or a mapping that has at least ``content``. May be ``async``."""

RootList: TypeAlias = Sequence[str | os.PathLike[str] | Root]
Roots: TypeAlias = RootList | Callable[[], RootList | Awaitable[RootList]]
"""Directories and files that the server may work on: paths, ``file:`` URIs or `Root`s, or what returns them."""


@runtime_checkable
class _Model(Protocol):
    """What pydantic calls a model."""

    def model_dump(self, *, mode: str) -> object: ...


class Answers:
    """The answers of one client.

    Args:
        roots: What the server may work on; ``None`` declares no roots.
        on_elicit: Asks the user; ``None`` declares no elicitation.
        on_sample: Samples from a model; ``None`` declares no sampling.
    """

    def __init__(
        self,
        roots: Roots | None = None,
        on_elicit: ElicitCallback | None = None,
        on_sample: SampleCallback | None = None,
    ) -> None:
        self._roots = roots
        self._on_elicit = on_elicit
        self._on_sample = on_sample
        if roots is not None and not callable(roots):
            # A mistake in a plain list is found at once, and not when a server asks.
            self._roots = [_root(entry) for entry in roots]

    def capabilities(self, *, modern: bool) -> JsonObject:
        """Return what is declared: what there are answers for, and nothing else (S31).

        Args:
            modern: For the modern era, where roots are not notified of.
        """
        found: JsonObject = {}
        if self._roots is not None:
            found["roots"] = {} if modern else {"listChanged": True}
        if self._on_sample is not None:
            found["sampling"] = {}
        if self._on_elicit is not None:
            found["elicitation"] = {"form": {}, "url": {}}
        return found

    def offers(self, method: str) -> bool:
        """Whether a question was declared to be answered."""
        given = {ELICIT: self._on_elicit, SAMPLE: self._on_sample, ROOTS: self._roots}
        return given.get(method) is not None

    async def answer(self, method: str, params: JsonObject, server: str | None = None) -> JsonObject:
        """Answer a question.

        Args:
            method: ``elicitation/create``, ``sampling/createMessage`` or ``roots/list``.
            params: Its parameters.
            server: Who asks.

        Raises:
            MethodNotFound: It was not declared.
            InvalidParams: The question is malformed, or asks for what was not declared.
            InternalError: The user's callback answered with what is no answer.
            Exception: What the callback raises.
        """
        if method == ELICIT and self._on_elicit is not None:
            return await _elicit(self._on_elicit, params, server)
        if method == SAMPLE and self._on_sample is not None:
            return await _sample(self._on_sample, params)
        if method == ROOTS and self._roots is not None:
            found = await _returned(self._roots()) if callable(self._roots) else self._roots
            return {"roots": [msgspec.to_builtins(_root(entry)) for entry in cast(RootList, found)]}
        raise MethodNotFound(method)


# --- elicitation ------------------------------------------------------------------------------------------------------


async def _elicit(callback: ElicitCallback, params: JsonObject, server: str | None) -> JsonObject:
    question = _read_question(params, server)
    answer = await _returned(callback(question))
    if answer is None:
        return {"action": "cancel"}
    if isinstance(answer, str):
        if answer not in _ACTIONS:
            raise InternalError(f"on_elicit answered with {answer[:80]!r}, which is no action and no content")
        return {"action": answer}
    said = _as_mapping(answer, "on_elicit")
    if not isinstance(answer, ElicitResult) and not _is_answer(said, question.schema):
        return {"action": "accept", "content": _filled(said, question.schema)}
    content = said.get("content")
    if said["action"] == "accept" and isinstance(content, dict):
        return {"action": "accept", "content": _filled(content, question.schema)}
    return {"action": said["action"]}


def _read_question(params: JsonObject, server: str | None) -> Elicitation:
    message, mode = params.get("message"), params.get("mode", "form")
    schema, url, key = params.get("requestedSchema"), params.get("url"), params.get("elicitationId")
    if not isinstance(message, str):
        raise InvalidParams("elicitation/create needs `message`")
    if mode == "url" and isinstance(url, str):
        shown = key if isinstance(key, str) else None
        return Elicitation(message=message, url=url, elicitation_id=shown, server=server)
    if mode == "form" and isinstance(schema, dict):
        return Elicitation(message=message, schema=schema, server=server)
    raise InvalidParams("elicitation/create needs `requestedSchema`, or mode `url` and `url`")


def _is_answer(said: JsonObject, schema: JsonObject | None) -> bool:
    """Whether a mapping is an answer with its action, and not the content of a form that happens to look like one."""
    if said.get("action") not in _ACTIONS or not said.keys() <= _ANSWER_KEYS:
        return False
    properties = schema.get("properties") if schema is not None else None
    return not (isinstance(properties, dict) and "action" in properties) or "content" in said


def _filled(content: JsonObject, schema: JsonObject | None) -> JsonObject:
    """Fill in the defaults of what was left out (2025-11-25, elicitation, "Default Values")."""
    properties = schema.get("properties") if schema is not None else None
    if not isinstance(properties, dict):
        return content
    defaults = {
        name: field["default"] for name, field in properties.items() if isinstance(field, dict) and "default" in field
    }
    return {**defaults, **content}


# --- sampling ---------------------------------------------------------------------------------------------------------


async def _sample(callback: SampleCallback, params: JsonObject) -> JsonObject:
    try:
        request = msgspec.convert(params, CreateMessageRequestParams)
    except msgspec.ValidationError as error:
        raise InvalidParams(f"sampling/createMessage is malformed: {error}") from None
    if request.tools is not None or request.tool_choice is not None:
        raise InvalidParams("This client does not sample with tools: `sampling.tools` was not declared (SMP-01)")
    answer = await _returned(callback(request))
    if isinstance(answer, CreateMessageResult):
        return msgspec.to_builtins(answer)
    if isinstance(answer, str):
        content: JsonValue = msgspec.to_builtins(TextContent(text=answer))
        return {"role": "assistant", "content": content, "model": "unknown", "stopReason": "endTurn"}
    said = {"role": "assistant", "model": "unknown", **_as_mapping(answer, "on_sample")}
    if isinstance(said.get("content"), str):
        said["content"] = msgspec.to_builtins(TextContent(text=cast(str, said["content"])))
    try:
        return msgspec.to_builtins(msgspec.convert(said, CreateMessageResult))
    except msgspec.ValidationError as error:
        raise InternalError(f"on_sample answered with what is no message: {error}") from None


# --- roots ------------------------------------------------------------------------------------------------------------


def _root(entry: str | os.PathLike[str] | Root) -> Root:
    """Return a root as it goes over the wire, which only ``file:`` URIs may (ROOT-01)."""
    if isinstance(entry, Root):
        root = entry
    elif isinstance(entry, str) and "://" in entry:
        root = Root(uri=entry)
    else:
        root = Root(uri=Path(entry).absolute().as_uri())
    if urlsplit(root.uri).scheme != "file":
        raise LocalProtocolError(f"A root has to be a path or a file: URI; it is {root.uri[:80]!r}")
    return root


# --- what callbacks return --------------------------------------------------------------------------------------------


async def _returned(value: object) -> object:
    return await cast(Awaitable[object], value) if inspect.isawaitable(value) else value


def _as_mapping(value: object, name: str) -> JsonObject:
    """Return a mapping, a model or a data class as plain JSON."""
    plain: object = None
    if isinstance(value, _Model):
        plain = value.model_dump(mode="json")
    elif isinstance(value, Mapping):
        plain = dict(cast(Mapping[str, object], value))
    else:
        with contextlib.suppress(TypeError):
            plain = msgspec.to_builtins(value)
    if not isinstance(plain, dict):
        raise InternalError(
            f"{name} answered with {type(cast(object, value)).__name__}, which is neither a mapping nor a model"
        )
    return cast(JsonObject, plain)
