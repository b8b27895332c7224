"""The client of `mcp` 1.x against a server: runs inside the environment `.interop/mcp1`.

python mcp1_client.py [--revision REVISION] URL
python mcp1_client.py [--revision REVISION] -- COMMAND ARGUMENT...

Prints one JSON object: what became of each check.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import warnings
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator
from mcp import ClientSession, McpError, StdioServerParameters, stdio_client, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import BaseModel

from tests.interop.checks.peer import Era, JsonObject, PeerError, Progress
from tests.interop.checks.table import Complaints, names_for, run_checks

if TYPE_CHECKING:
    from collections.abc import Awaitable

ANSWER_LIMIT_S = 8.0


def wire(model: BaseModel) -> JsonObject:
    """Return what the server sent, without what the library adds."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


async def ask(answer: Awaitable[BaseModel]) -> JsonObject:
    try:
        return wire(await answer)
    except McpError as error:
        raise PeerError(error.error.code, error.error.message, error.error.data) from error


class Call:
    """A call in a task. This library tells the server nothing when a task is cancelled: its user has to."""

    def __init__(self, session: ClientSession, request_id: int, task: asyncio.Task[JsonObject]) -> None:
        self.session = session
        self.request_id = request_id
        self.task = task

    async def cancel(self) -> None:
        params = types.CancelledNotificationParams(requestId=self.request_id, reason="changed my mind")
        notification = types.CancelledNotification(params=params)
        await self.session.send_notification(types.ClientNotification(notification))
        self.task.cancel()
        await asyncio.wait([self.task])


class Mcp1Peer:
    era: Era = "legacy"
    timeout_code = 408  # an HTTP status where a JSON-RPC code belongs

    def __init__(self, target: str | StdioServerParameters) -> None:
        self.target = target
        self.transport = "http" if isinstance(target, str) else "stdio"
        self.logs: asyncio.Queue[JsonObject] = asyncio.Queue()
        self.stack = AsyncExitStack()

    async def connect(self) -> None:
        target = self.target
        connection = streamable_http_client(target) if isinstance(target, str) else stdio_client(target)
        read, write = (await self.stack.enter_async_context(connection))[:2]
        self.session = await self.stack.enter_async_context(
            ClientSession(read, write, timedelta(seconds=ANSWER_LIMIT_S), logging_callback=self.take_log)
        )
        self.initialized = await self.session.initialize()

    async def take_log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.logs.put_nowait(wire(params))

    async def describe(self) -> JsonObject:
        said = wire(self.initialized)
        return {
            "revision": said["protocolVersion"],
            "serverInfo": said["serverInfo"],
            "capabilities": said["capabilities"],
            "instructions": said["instructions"],
        }

    async def list_tools(self, cursor: str | None = None) -> JsonObject:
        params = None if cursor is None else types.PaginatedRequestParams(cursor=cursor)
        return await ask(self.session.list_tools(params=params))

    async def call(
        self,
        name: str,
        arguments: JsonObject | None = None,
        *,
        timeout: float | None = None,
        on_progress: asyncio.Queue[Progress] | None = None,
        log_level: str | None = None,
    ) -> JsonObject:
        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            if on_progress is not None:
                on_progress.put_nowait((progress, total, message))

        return await ask(
            self.session.call_tool(
                name,
                arguments,
                read_timeout_seconds=None if timeout is None else timedelta(seconds=timeout),
                progress_callback=None if on_progress is None else progressed,
            )
        )

    def start(self, name: str, arguments: JsonObject, on_progress: asyncio.Queue[Progress]) -> Call:
        request_id = self.session._request_id  # the id that the next request gets; there is no public way to learn it
        return Call(self.session, request_id, asyncio.create_task(self.call(name, arguments, on_progress=on_progress)))

    async def ping(self) -> JsonObject:
        return await ask(self.session.send_ping())

    async def set_log_level(self, level: str) -> JsonObject:
        # Without the library's own check of the level: what the server says of it is of interest.
        unchecked = types.SetLevelRequestParams.model_construct(level=level)
        request = types.SetLevelRequest.model_construct(method="logging/setLevel", params=unchecked)
        return await ask(
            self.session.send_request(types.ClientRequest.model_construct(root=request), types.EmptyResult)
        )

    def check_schema(self, schema: object) -> None:
        Draft202012Validator.check_schema(schema)


OF_EVERY_REVISION = (
    "argument: ",
    "wrong argument: ",
    "error: ",
    "list: fields",
    "list: bad cursor",
    "progress",
    "log: ",
    "ping",
    "give up: time-out",
    "size: 1 MB argument",
)
"""Starts of the names of the checks that are the same in every revision."""


async def run(target: str | StdioServerParameters, revision: str | None) -> dict[str, JsonObject]:
    complaints = Complaints()
    names: list[str] = []
    if revision is not None:
        types.LATEST_PROTOCOL_VERSION = revision
        names = [name for name in names_for("legacy") if name.startswith(OF_EVERY_REVISION)]
    peer = Mcp1Peer(target)
    async with peer.stack:
        await peer.connect()
        if revision not in (None, peer.initialized.protocolVersion):
            raise SystemExit(f"asked for {revision}, got {peer.initialized.protocolVersion}")
        return await run_checks(peer, complaints, names)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--revision", help="open with this one instead of the newest, and run what is the same in all")
    parser.add_argument("target", nargs="+")
    options = parser.parse_args()
    first, *rest = options.target
    target = (
        first if first.startswith("http") else StdioServerParameters(command=first, args=rest, env=dict(os.environ))
    )
    warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)
    print(json.dumps(asyncio.run(run(target, options.revision))))


if __name__ == "__main__":
    main()
