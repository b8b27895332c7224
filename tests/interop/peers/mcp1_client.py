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
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator
from mcp import ClientSession, McpError, StdioServerParameters, stdio_client, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl, BaseModel

from tests.interop.checks.peer import Era, JsonObject, PeerError, Progress
from tests.interop.checks.questions import MODEL, ROOTS, answer_form, answer_sampling
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


def page(cursor: str | None) -> types.PaginatedRequestParams | None:
    return None if cursor is None else types.PaginatedRequestParams(cursor=cursor)


async def elicited(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
    action, content = answer_form(params.message, getattr(params, "requestedSchema", None))
    return types.ElicitResult(action=action, content=content)


async def sampled(context: object, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    text = answer_sampling(params.messages[0].content.text)
    return types.CreateMessageResult(role="assistant", model=MODEL, content=types.TextContent(type="text", text=text))


async def rooted(context: object) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri=uri, name=name) for uri, name in ROOTS.items()])


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
    asks_for_logs = False

    def __init__(self, target: str | StdioServerParameters) -> None:
        self.target = target
        self.transport = ("sse" if target.endswith("/sse") else "http") if isinstance(target, str) else "stdio"
        self.seen: asyncio.Queue[JsonObject] | None = None
        self.logs: asyncio.Queue[JsonObject] = asyncio.Queue()
        self.stack = AsyncExitStack()

    async def connect(self) -> None:
        target = self.target
        if isinstance(target, str):
            connection = sse_client(target) if self.transport == "sse" else streamable_http_client(target)
        else:
            connection = stdio_client(target)
        read, write = (await self.stack.enter_async_context(connection))[:2]
        self.session = await self.stack.enter_async_context(
            ClientSession(
                read,
                write,
                timedelta(seconds=ANSWER_LIMIT_S),
                logging_callback=self.take_log,
                elicitation_callback=elicited,
                sampling_callback=sampled,
                list_roots_callback=rooted,
                message_handler=self.take,
            )
        )
        self.initialized = await self.session.initialize()

    async def take_log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.logs.put_nowait(wire(params))

    async def take(self, message: object) -> None:
        if isinstance(message, types.ServerNotification) and self.seen is not None:
            said = wire(message)
            if said["method"] == "notifications/tools/list_changed":
                self.seen.put_nowait({"method": said["method"]})
            elif said["method"] == "notifications/resources/updated":
                self.seen.put_nowait({"method": said["method"], "uri": said["params"]["uri"]})

    async def describe(self) -> JsonObject:
        said = wire(self.initialized)
        return {
            "revision": said["protocolVersion"],
            "serverInfo": said["serverInfo"],
            "capabilities": said["capabilities"],
            "instructions": said["instructions"],
        }

    async def list_tools(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.session.list_tools(params=page(cursor)))

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

    async def list_resources(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.session.list_resources(params=page(cursor)))

    async def list_templates(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.session.list_resource_templates(params=page(cursor)))

    async def read(self, uri: str) -> JsonObject:
        # Without the library's own type of an URI, which writes some of them anew.
        params = types.ReadResourceRequestParams.model_construct(uri=uri)
        request = types.ReadResourceRequest.model_construct(method="resources/read", params=params)
        request = types.ClientRequest.model_construct(root=request)
        return await ask(self.session.send_request(request, types.ReadResourceResult))

    async def list_prompts(self, cursor: str | None = None) -> JsonObject:
        return await ask(self.session.list_prompts(params=page(cursor)))

    async def get_prompt(self, name: str, arguments: dict[str, str] | None = None) -> JsonObject:
        return await ask(self.session.get_prompt(name, arguments))

    async def complete(self, target: str, argument: str, typed: str, known: dict[str, str] | None) -> JsonObject:
        if "://" in target:
            ref = types.ResourceTemplateReference(type="ref/resource", uri=target)
        else:
            ref = types.PromptReference(type="ref/prompt", name=target)
        return await ask(self.session.complete(ref, {"name": argument, "value": typed}, known))

    @asynccontextmanager
    async def watching(self, uri: str, seen: asyncio.Queue[JsonObject]) -> AsyncGenerator[None]:
        self.seen = seen
        await self.session.subscribe_resource(AnyUrl(uri))
        yield
        await self.session.unsubscribe_resource(AnyUrl(uri))

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
    "primitives: ",
    "resources: cursors",
    "resources: bad cursors",
    "resources: read",
    "resources: missing",
    "resources: failing",
    "prompts: got",
    "prompts: content",
    "prompts: refused",
    "completions",
)
"""Starts of the names of the checks that are the same in every revision."""


async def run(target: str | StdioServerParameters, revision: str | None) -> dict[str, JsonObject]:
    complaints = Complaints()
    names = names_for("legacy")
    if revision is not None:
        types.LATEST_PROTOCOL_VERSION = revision
        names = [name for name in names if name.startswith(OF_EVERY_REVISION)]
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
