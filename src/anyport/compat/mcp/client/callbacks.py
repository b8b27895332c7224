"""The callbacks of an `mcp` session, as a client of ours calls them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from anyport.client.answers import Elicitation, ElicitCallback, RootList, SampleCallback
from anyport.client.logs import LogCallback, LogMessage
from anyport.compat.mcp.types import (
    CreateMessageRequestParams,
    ElicitRequestParams,
    LoggingMessageNotificationParams,
    to_wire,
)
from anyport.errors import McpError
from anyport.protocol.types import CreateMessageRequestParams as Request
from anyport.protocol.types import Root
from anyport.types import as_object

Callback: TypeAlias = Callable[..., object]


def answer_with(callback: Callback) -> SampleCallback:
    """Return what samples with a `sampling_callback`, which is called with a context and the parameters."""

    async def sample(request: Request) -> object:
        return await _answer(callback(None, CreateMessageRequestParams.model_validate(as_object(request))))

    return sample


def ask_with(callback: Callback) -> ElicitCallback:
    """Return what asks with an `elicitation_callback`, which is called with a context and the parameters."""

    async def ask(question: Elicitation) -> object:
        params = ElicitRequestParams(
            mode=question.mode,
            message=question.message,
            requestedSchema=question.schema,
            url=question.url,
            elicitationId=question.elicitation_id,
        )
        return await _answer(callback(None, params))

    return ask


def list_with(callback: Callback) -> Callable[[], Awaitable[RootList]]:
    """Return what lists roots with a `list_roots_callback`, which is called with a context."""

    async def roots() -> RootList:
        found = cast("list[dict[str, str]]", (await _answer(callback(None)))["roots"])
        return [Root(uri=str(root["uri"]), name=root.get("name")) for root in found]

    return roots


def log_with(callback: Callback) -> LogCallback:
    """Return what logs with a `logging_callback`, which is called with the parameters."""

    async def log(message: LogMessage) -> None:
        params = LoggingMessageNotificationParams(level=message.level, data=message.data, logger=message.logger)
        await _returned(callback(params))

    return log


async def _returned(value: object) -> object:
    return await cast("Awaitable[object]", value) if inspect.isawaitable(value) else value


async def _answer(value: object) -> dict[str, object]:
    """Return an answer as plain JSON; one that is `ErrorData` is raised."""
    found = cast("dict[str, object]", to_wire(await _returned(value)))
    code, message = found.get("code"), found.get("message")
    if isinstance(code, int) and isinstance(message, str):
        raise McpError(code, message)
    return found
