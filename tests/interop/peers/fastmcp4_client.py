"""The client of `fastmcp` 4.x against a server: runs inside the environment `.interop/fastmcp4`.

python fastmcp4_client.py --mode MODE URL
python fastmcp4_client.py --mode MODE -- COMMAND ARGUMENT...

MODE is `legacy`, `modern` or `pinned`, as for `mcp2_client.py`, on whose SDK this library stands; what differs is how
it is connected and called. Prints one JSON object: what became of each check.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from jsonschema import Draft202012Validator
from mcp.client.subscriptions import listen
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp2_client import ANSWER_LIMIT_S, MODES, Call, ask, read_events, reference, tell, wire
from mcp_types import (
    LOG_LEVEL_META_KEY,
    REQUEST_TIMEOUT,
    DiscoverResult,
    EmptyResult,
    LoggingMessageNotificationParams,
    SetLevelRequest,
    SetLevelRequestParams,
)
from pydantic import BaseModel

from tests.interop.checks.peer import CheckFailed, Era, JsonObject, Progress
from tests.interop.checks.questions import ROOTS, answer_form, answer_sampling
from tests.interop.checks.table import Complaints, names_for, run_checks


async def elicited(message: str, kind: object, params: BaseModel, context: object) -> ElicitResult:
    action, content = answer_form(message, getattr(params, "requested_schema", None))
    return ElicitResult(action=action, content=content)


async def sampled(messages: list[object], params: object, context: object) -> str:
    return answer_sampling(messages[0].content.text)


class Fastmcp4Peer:
    timeout_code = REQUEST_TIMEOUT
    asks_for_logs = True

    def __init__(self, target: list[str], mode: str) -> None:
        self.era: Era = "legacy" if mode == "legacy" else "modern"
        self.mode = mode
        self.seen: asyncio.Queue[JsonObject] | None = None
        self.logs: asyncio.Queue[JsonObject] = asyncio.Queue()
        self.client = Client(
            self.transport_to(target),
            mode=MODES[mode],
            timeout=ANSWER_LIMIT_S,
            log_handler=self.take_log,
            elicitation_handler=elicited,
            sampling_handler=sampled,
            roots=list(ROOTS),
            message_handler=self.take,
        )

    def transport_to(self, target: list[str]) -> StdioTransport | StreamableHttpTransport | SSETransport:
        first, *rest = target
        if not first.startswith("http"):
            self.transport = "stdio"
            return StdioTransport(first, rest, env=dict(os.environ), keep_alive=False)
        self.transport = "sse" if first.endswith("/sse") else "http"
        return SSETransport(first) if self.transport == "sse" else StreamableHttpTransport(first)

    async def take_log(self, params: LoggingMessageNotificationParams) -> None:
        self.logs.put_nowait({key: value for key, value in wire(params).items() if key != "_meta"})

    async def take(self, message: object) -> None:
        if self.seen is not None and isinstance(message, BaseModel):
            tell(wire(message), self.seen)

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
        return await ask(self.client.list_tools_mcp(cursor=cursor))

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
            self.client.call_tool_mcp(
                name,
                arguments,
                progress_handler=progressed,
                timeout=timeout,
                meta=None if log_level is None else {LOG_LEVEL_META_KEY: log_level},
            )
        )

    def start(self, name: str, arguments: JsonObject, on_progress: asyncio.Queue[Progress]) -> Call:
        return Call(asyncio.create_task(self.call(name, arguments, on_progress=on_progress)))

    async def ping(self) -> JsonObject:
        if not await self.client.ping():
            raise CheckFailed("ping says no")
        return {}

    async def set_log_level(self, level: str) -> JsonObject:
        # Without the library's own check of the level: what the server says of it is of interest.
        unchecked = SetLevelRequestParams.model_construct(level=level)
        request = SetLevelRequest.model_construct(method="logging/setLevel", params=unchecked)
        return await ask(self.client.session.send_request(request, EmptyResult))

    async def list_resources(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.client.list_resources_mcp(cursor=cursor))

    async def list_templates(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.client.list_resource_templates_mcp(cursor=cursor))

    async def read(self, uri: str) -> JsonObject:
        return await ask(self.client.read_resource_mcp(uri))

    async def list_prompts(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.client.list_prompts_mcp(cursor=cursor))

    async def get_prompt(self, name: str, arguments: dict[str, str] | None = None) -> JsonObject:
        return await ask(self.client.get_prompt_mcp(name, arguments))

    async def complete(self, target: str, argument: str, typed: str, known: dict[str, str] | None) -> JsonObject:
        return await ask(self.client.complete_mcp(reference(target), {"name": argument, "value": typed}, known))

    @asynccontextmanager
    async def watching(self, uri: str, seen: asyncio.Queue[JsonObject]) -> AsyncGenerator[None]:
        session = self.client.session
        if self.era == "modern":
            async with listen(session, tools_list_changed=True, resource_subscriptions=[uri]) as stream:
                reader = asyncio.create_task(read_events(stream, seen))
                yield
                reader.cancel()
            return
        self.seen = seen
        await session.subscribe_resource(uri)
        yield
        await session.unsubscribe_resource(uri)

    def check_schema(self, schema: object) -> None:
        Draft202012Validator.check_schema(schema)


async def run(target: list[str], mode: str) -> dict[str, JsonObject]:
    complaints = Complaints()
    peer = Fastmcp4Peer(target, mode)
    async with peer.client:
        return await run_checks(peer, complaints, names_for(peer.era))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("target", nargs="+")
    options = parser.parse_args()
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)
    print(json.dumps(asyncio.run(run(options.target, options.mode))))


if __name__ == "__main__":
    main()
