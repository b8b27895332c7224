"""The client of `mcp` 2.x against a server: runs inside the environment `.interop/mcp2`.

python mcp2_client.py --mode MODE URL
python mcp2_client.py --mode MODE -- COMMAND ARGUMENT...

MODE is `legacy`, `modern` or `pinned`: `modern` lets the client find out with `server/discover`, `pinned` names the
revision and asks nothing. Prints one JSON object: what became of each check.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import warnings
from typing import TYPE_CHECKING, Any  # noqa: TID251 - the library's own types are written with it

from jsonschema import Draft202012Validator
from mcp import Client, MCPError, StdioServerParameters
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.types import (
    LOG_LEVEL_META_KEY,
    REQUEST_TIMEOUT,
    DiscoverResult,
    EmptyResult,
    LoggingMessageNotificationParams,
    SetLevelRequest,
    SetLevelRequestParams,
)
from pydantic import BaseModel

from tests.interop.checks.peer import Era, JsonObject, PeerError, Progress
from tests.interop.checks.table import Complaints, run_checks

if TYPE_CHECKING:
    from collections.abc import Awaitable

MODES = {"legacy": "legacy", "modern": "auto", "pinned": "2026-07-28"}
ANSWER_LIMIT_S = 8.0


def wire(model: BaseModel) -> JsonObject:
    """Return what the server sent, without what the library adds."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


async def ask(answer: Awaitable[BaseModel]) -> JsonObject:
    try:
        return wire(await answer)
    except MCPError as error:
        raise PeerError(error.code, error.message, error.data) from error


class Call:
    """A call in a task: cancelling the task is this library's way to give a call up."""

    def __init__(self, task: asyncio.Task[JsonObject]) -> None:
        self.task = task

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class Mcp2Peer:
    timeout_code = REQUEST_TIMEOUT

    def __init__(self, target: str | StdioServerParameters, mode: str) -> None:
        self.era: Era = "legacy" if mode == "legacy" else "modern"
        self.mode = mode
        self.transport = "http" if isinstance(target, str) else "stdio"
        self.logs: asyncio.Queue[JsonObject] = asyncio.Queue()
        self.client = Client(
            target,
            mode=MODES[mode],
            read_timeout_seconds=ANSWER_LIMIT_S,
            logging_callback=self.take_log,
            cache=None,
        )

    async def take_log(self, params: LoggingMessageNotificationParams) -> None:
        self.logs.put_nowait({key: value for key, value in wire(params).items() if key != "_meta"})

    async def describe(self) -> JsonObject:
        client = self.client
        if self.mode == "pinned":
            # A client that pins a revision has been told nothing; it asks here.
            found = await client.session.send_discover(MODES["pinned"])
            client.session.adopt(DiscoverResult.model_validate(found))
        return {
            "revision": client.protocol_version,
            "serverInfo": wire(client.server_info) if client.server_info is not None else None,
            "capabilities": wire(client.server_capabilities),
            "instructions": client.instructions,
        }

    async def list_tools(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.client.list_tools(cursor=cursor))

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

        meta: Any = None if log_level is None else {LOG_LEVEL_META_KEY: log_level}
        return await ask(
            self.client.call_tool(
                name,
                arguments,
                read_timeout_seconds=timeout,
                progress_callback=None if on_progress is None else progressed,
                meta=meta,
            )
        )

    def start(self, name: str, arguments: JsonObject, on_progress: asyncio.Queue[Progress]) -> Call:
        return Call(asyncio.create_task(self.call(name, arguments, on_progress=on_progress)))

    async def ping(self) -> JsonObject:
        return await ask(self.client.send_ping())

    async def set_log_level(self, level: str) -> JsonObject:
        # Without the library's own check of the level: what the server says of it is of interest.
        unchecked = SetLevelRequestParams.model_construct(level=level)
        request = SetLevelRequest.model_construct(method="logging/setLevel", params=unchecked)
        return await ask(self.client.session.send_request(request, EmptyResult))

    def check_schema(self, schema: object) -> None:
        Draft202012Validator.check_schema(schema)


async def run(target: str | StdioServerParameters, mode: str) -> dict[str, JsonObject]:
    complaints = Complaints()
    peer = Mcp2Peer(target, mode)
    async with peer.client:
        return await run_checks(peer, complaints)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("target", nargs="+")
    options = parser.parse_args()
    first, *rest = options.target
    target = (
        first if first.startswith("http") else StdioServerParameters(command=first, args=rest, env=dict(os.environ))
    )
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)
    print(json.dumps(asyncio.run(run(target, options.mode))))


if __name__ == "__main__":
    main()
