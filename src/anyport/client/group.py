"""Many servers at once: opened together, each with its own state and error, their tools under names of the group."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar, Unpack, cast

from msgspec import structs

from anyport.client.call_options import CallOptions
from anyport.client.client import Client
from anyport.client.client_options import ClientOptions
from anyport.client.config import read_servers
from anyport.client.results import ToolResult
from anyport.client.states import State
from anyport.client.targets import Target
from anyport.protocol.errors import AnyportError, LocalProtocolError
from anyport.protocol.types import GetPromptResult, Prompt, Resource, ResourceContents, Tool
from anyport.protocol.types.json import JsonValue

logger = logging.getLogger("anyport.client")

T = TypeVar("T")

_CONFIG_KEYS: Final = frozenset({"mcpServers", "servers"})
_LONGEST: Final = 64
"""Characters of a name: hosts and models take no more."""
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_\-]")


class Names:
    """Names of the group for what servers call as they like: each different, and the same for as long as the group is.

    A name is ``SERVER_NAME``. Where that is taken, too long, or has characters that not everybody takes, it ends with a
    digest of both.
    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._owners: dict[str, tuple[str, str]] = {}

    def give(self, server: str, name: str) -> str:
        """Return the name of something of a server."""
        known = self._given.get((server, name))
        if known is not None:
            return known
        plain = f"{server}_{name}"
        given = _FOREIGN.sub("_", plain)
        if given != plain or len(given) > _LONGEST or given in self._owners:
            digest = hashlib.sha256(f"{len(server)}:{server}{name}".encode()).hexdigest()[:8]
            given = f"{given[: _LONGEST - 9]}_{digest}"
        self._given[server, name] = given
        self._owners[given] = (server, name)
        return given

    def owner(self, given: str) -> tuple[str, str] | None:
        """Return the server, and the name that it gave."""
        return self._owners.get(given)


class ClientGroup(Mapping[str, Client]):
    """Clients of several servers, by name.

        async with ClientGroup("mcp.json") as group:
            for tool in await group.list_tools(): ...
            result = await group.call_tool("shop_price", {"item": "pen"})
            await group["shop"].call_tool("price", {"item": "pen"})

    A server that cannot be reached costs the others nothing: `errors` says what is wrong with it, and `connect` tries
    again.

    Args:
        targets: An ``mcpServers`` file or dictionary, or targets by name (see `Client`), also `Client` objects, which
            are closed with the group.
        options: Those of `Client`, for all that the group makes.

    Attributes:
        errors: What is wrong with each server that could not be reached or asked the last time.

    Raises:
        ConfigError: The configuration has a mistake.
    """

    def __init__(
        self,
        targets: Mapping[str, Target | Client | Mapping[str, object]] | str | os.PathLike[str],
        **options: Unpack[ClientOptions],
    ) -> None:
        self._clients = {name: _client(target, options) for name, target in _read(targets).items()}
        self._tools = Names()
        self._prompts = Names()
        self._reached: set[str] = set()
        self.errors: dict[str, AnyportError] = {}

    def __getitem__(self, name: str) -> Client:
        return self._clients[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clients)

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def states(self) -> dict[str, State]:
        """How things stand with each server."""
        return {name: client.state for name, client in self._clients.items()}

    # --- opening and closing ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def connect(self) -> None:
        """Reach every server that is not connected, all at the same time; `errors` says which cannot be reached."""
        self._reached.update(await self._each(_connect, list(self._clients)))

    async def aclose(self) -> None:
        """Close every client, all at the same time; may be called twice, and from any task."""
        tasks = [asyncio.ensure_future(client.aclose()) for client in self._clients.values()]
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    # --- all of them --------------------------------------------------------------------------------------------------

    async def list_tools(self) -> list[Tool]:
        """Return the tools of every server, under their names in the group.

        A server that cannot be asked is left out; `errors` says why.
        """
        found = await self._each(lambda client: client.list_tools(), self._open())
        return [
            structs.replace(tool, name=self._tools.give(server, tool.name))
            for server, tools in found.items()
            for tool in tools
        ]

    async def list_prompts(self) -> list[Prompt]:
        """Return the prompts of every server, under their names in the group; see `list_tools`."""
        found = await self._each(lambda client: client.list_prompts(), self._open())
        return [
            structs.replace(prompt, name=self._prompts.give(server, prompt.name))
            for server, prompts in found.items()
            for prompt in prompts
        ]

    async def list_resources(self) -> dict[str, list[Resource]]:
        """Return the resources of every server, by server: URIs are left as they are, and may come twice."""
        return {
            server: list(resources)
            for server, resources in (await self._each(lambda client: client.list_resources(), self._open())).items()
        }

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        raise_on_error: bool = True,
        **options: Unpack[CallOptions],
    ) -> ToolResult[JsonValue]:
        """Call a tool by its name in the group; see `Client.call_tool`.

        Raises:
            LocalProtocolError: No server has a tool of that name.
        """
        server, own = await self._owner(self._tools, self.list_tools, name, "tool")
        return await self._clients[server].call_tool(own, arguments, raise_on_error=raise_on_error, **options)

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> GetPromptResult:
        """Return a prompt by its name in the group, filled in; see `Client.get_prompt`.

        Raises:
            LocalProtocolError: No server has a prompt of that name.
        """
        server, own = await self._owner(self._prompts, self.list_prompts, name, "prompt")
        return await self._clients[server].get_prompt(own, arguments, **options)

    async def read_resource(self, server: str, uri: str, **options: Unpack[CallOptions]) -> list[ResourceContents]:
        """Return the contents of a resource of a server; see `Client.read_resource`.

        Raises:
            LocalProtocolError: There is no such server.
        """
        if server not in self._clients:
            raise LocalProtocolError(f"The group has no server {server!r}; known are {', '.join(self._clients)}")
        return await self._clients[server].read_resource(uri, **options)

    async def _owner(
        self, names: Names, look: Callable[[], Awaitable[object]], name: str, kind: str
    ) -> tuple[str, str]:
        owner = names.owner(name)
        if owner is None:
            await look()
            owner = names.owner(name)
        if owner is None:
            gone = "".join(f"; {server} cannot be asked: {error}" for server, error in self.errors.items())
            raise LocalProtocolError(f"No server of the group has a {kind} {name!r}{gone}")
        return owner

    def _open(self) -> list[str]:
        """Return the servers that were reached; the others say so in `errors`."""
        return [name for name, client in self._clients.items() if name in self._reached and client.state != "closed"]

    async def _each(self, ask: Callable[[Client], Awaitable[T]], names: list[str]) -> dict[str, T]:
        """Ask several servers at the same time, and note what is wrong with those that cannot be asked."""
        tasks = {name: asyncio.ensure_future(ask(self._clients[name])) for name in names}
        try:
            if tasks:
                await asyncio.wait(tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
        found: dict[str, T] = {}
        for name, task in tasks.items():
            try:
                found[name] = task.result()
                self.errors.pop(name, None)
            except AnyportError as error:
                self.errors[name] = error
                logger.warning("The server %r of the group cannot be asked: %s", name, error)
        return found


async def _connect(client: Client) -> None:
    await client.connect()


def _read(
    targets: Mapping[str, Target | Client | Mapping[str, object]] | str | os.PathLike[str],
) -> dict[str, Target | Client]:
    if not isinstance(targets, Mapping):
        return _enabled(targets)
    if _CONFIG_KEYS & targets.keys():
        return _enabled(cast("Mapping[str, object]", targets))
    found: dict[str, Target | Client] = {}
    for name, target in targets.items():
        if isinstance(target, Mapping):
            # One entry of a configuration, without what goes around it.
            found.update(_enabled({"mcpServers": {name: target}}))
        else:
            found[name] = target
    return found


def _enabled(source: Mapping[str, object] | str | os.PathLike[str]) -> dict[str, Target | Client]:
    return {name: entry for name, entry in read_servers(source).items() if not entry.disabled}


def _client(target: Target | Client, options: ClientOptions) -> Client:
    return target if isinstance(target, Client) else Client(target, **options)
