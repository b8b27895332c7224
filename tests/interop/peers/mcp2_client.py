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
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any  # noqa: TID251 - the library's own types are written with it

from jsonschema import Draft202012Validator
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.subscriptions import ResourceUpdated, Subscription, listen
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
from tests.interop.checks.questions import MODEL, ROOTS, answer_form, answer_sampling
from tests.interop.checks.table import Complaints, names_for, run_checks

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


def reference(target: str) -> types.ResourceTemplateReference | types.PromptReference:
    if "://" in target:
        return types.ResourceTemplateReference(type="ref/resource", uri=target)
    return types.PromptReference(type="ref/prompt", name=target)


def tell(said: JsonObject, seen: asyncio.Queue[JsonObject]) -> None:
    if said["method"] == "notifications/tools/list_changed":
        seen.put_nowait({"method": said["method"]})
    elif said["method"] == "notifications/resources/updated":
        seen.put_nowait({"method": said["method"], "uri": said["params"]["uri"]})


async def read_events(stream: Subscription, seen: asyncio.Queue[JsonObject]) -> None:
    async for event in stream:
        if isinstance(event, ResourceUpdated):
            seen.put_nowait({"method": "notifications/resources/updated", "uri": event.uri})
        else:
            seen.put_nowait({"method": "notifications/tools/list_changed"})


async def elicited(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
    action, content = answer_form(params.message, getattr(params, "requested_schema", None))
    return types.ElicitResult(action=action, content=content)


async def sampled(context: object, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    text = answer_sampling(params.messages[0].content.text)
    return types.CreateMessageResult(role="assistant", model=MODEL, content=types.TextContent(type="text", text=text))


async def rooted(context: object) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri=uri, name=name) for uri, name in ROOTS.items()])


class Call:
    """A call in a task: cancelling the task is this library's way to give a call up."""

    def __init__(self, task: asyncio.Task[JsonObject]) -> None:
        self.task = task

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class Mcp2Peer:
    timeout_code = REQUEST_TIMEOUT
    asks_for_logs = False

    def __init__(self, target: str | StdioServerParameters, mode: str) -> None:
        self.era: Era = "legacy" if mode == "legacy" else "modern"
        self.mode = mode
        self.transport = ("sse" if target.endswith("/sse") else "http") if isinstance(target, str) else "stdio"
        self.seen: asyncio.Queue[JsonObject] | None = None
        self.logs: asyncio.Queue[JsonObject] = asyncio.Queue()
        self.client = Client(
            sse_client(target) if self.transport == "sse" else target,
            mode=MODES[mode],
            read_timeout_seconds=ANSWER_LIMIT_S,
            logging_callback=self.take_log,
            elicitation_callback=elicited,
            sampling_callback=sampled,
            list_roots_callback=rooted,
            message_handler=self.take,
            cache=None,
        )

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

    async def list_resources(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.client.list_resources(cursor=cursor))

    async def list_templates(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.client.list_resource_templates(cursor=cursor))

    async def read(self, uri: str) -> JsonObject:
        return await ask(self.client.read_resource(uri))

    async def list_prompts(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.client.list_prompts(cursor=cursor))

    async def get_prompt(self, name: str, arguments: dict[str, str] | None = None) -> JsonObject:
        return await ask(self.client.get_prompt(name, arguments))

    async def complete(self, target: str, argument: str, typed: str, known: dict[str, str] | None) -> JsonObject:
        given = {"name": argument, "value": typed}
        return await ask(self.client.complete(reference(target), given, context_arguments=known))

    @asynccontextmanager
    async def watching(self, uri: str, seen: asyncio.Queue[JsonObject]) -> AsyncGenerator[None]:
        if self.era == "modern":
            async with listen(self.client.session, tools_list_changed=True, resource_subscriptions=[uri]) as stream:
                reader = asyncio.create_task(read_events(stream, seen))
                yield
                reader.cancel()
            return
        self.seen = seen
        await self.client.session.subscribe_resource(uri)
        yield
        await self.client.session.unsubscribe_resource(uri)

    def check_schema(self, schema: object) -> None:
        Draft202012Validator.check_schema(schema)


async def run(target: str | StdioServerParameters, mode: str) -> dict[str, JsonObject]:
    complaints = Complaints()
    peer = Mcp2Peer(target, mode)
    async with peer.client:
        return await run_checks(peer, complaints, names_for(peer.era, large=peer.transport != "sse"))


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
