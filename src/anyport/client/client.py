"""Client: what a user calls servers with, whatever carries the calls and whichever era the server speaks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack

from anyport.client.answers import Answers, ElicitCallback, Roots, SampleCallback
from anyport.client.blocking import SyncClient
from anyport.client.cache import ResponseCache
from anyport.client.call_options import (
    DEFAULT_MOST_S,
    DEFAULT_TIMEOUT_S,
    CallOptions,
    Defaults,
    checked_interval,
    checked_level,
)
from anyport.client.client_options import ClientOptions
from anyport.client.connect import Options, PinName
from anyport.client.connection import Connection
from anyport.client.detection import Route
from anyport.client.heartbeat import Heartbeat
from anyport.client.listening import Listening, read_wanted
from anyport.client.logs import LogCallback
from anyport.client.progress import ProgressCallback
from anyport.client.prompt_requests import PromptRequests
from anyport.client.resource_requests import ResourceRequests
from anyport.client.states import State, StateCallback
from anyport.client.targets import Target
from anyport.client.tool_requests import CallCallback, ToolRequests
from anyport.client.watching import ChangeCallback, Watches
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.revisions import Era
from anyport.protocol.types import Implementation, LoggingLevel, ServerCapabilities
from anyport.transports.stdio.child import Environment
from anyport.transports.stdio.last_words import OnStderr

logger = logging.getLogger("anyport.client")


class Client(ToolRequests, ResourceRequests, PromptRequests):
    """A client of one MCP server.

    It finds out by itself which era the server speaks, and connects again when the server was gone. It may be opened
    and closed from any task::

        async with Client("http://127.0.0.1:8000/mcp") as client:
            result = await client.call_tool("price", {"item": "pen"})

    What it can answer (`roots`, `on_elicit`, `on_sample`) it declares, and nothing else. Every callback may be
    ``async``.

    Args:
        target: A `Server` object (called in this process); an http or https URL; a ``.py`` file (started with this
            interpreter; ``FILE:OBJECT`` if it has several servers) or a ``.js`` file (with ``node``); ``npx PACKAGE
            ARGUMENT ...`` or ``uvx PACKAGE ARGUMENT ...``; a command as a list; an ``mcpServers`` file or dictionary
            (see `anyport.client.config.read_servers`); a transport.
        server: Which server of an ``mcpServers`` configuration, if it has several.
        transport: ``stdio``, ``http`` (Streamable HTTP), ``sse``, ``socket`` or ``memory``, where nothing else will do;
            default: whatever leads to the target. At a URL, Streamable HTTP is tried before HTTP+SSE.
        era: ``legacy`` or ``modern``, where nothing else will do; default: whichever the server speaks.
        headers: Header fields of every HTTP request.
        env: Environment of a server that the client starts: ``minimal`` (what a program needs to run, none of this
            process's secrets), ``inherit``, or a mapping, which is added to the minimal one.
        on_stderr: Who takes each line that such a server writes to stderr: a function, a logger or a file; default:
            the logger ``anyport.client.stderr``. It is read whoever takes it; errors have the last lines.
        timeout: Seconds that opening and each call may take, unless the call says otherwise; ``math.inf`` for no limit.
        max_total: Seconds that a call may take with all its progress and all answers of the user.
        limits: Bounds on what the server may send; ``line_bytes`` is the largest message.
        roots: Directories and files that the server may work on, or a function that returns them.
        on_elicit: Answers the server's questions to the user; see `anyport.client.answers.ElicitCallback`.
        on_sample: Samples from a model for the server; see `anyport.client.answers.SampleCallback`.
        on_log: Called with each log message of the server.
        log_level: Least severe log message that is wanted. Default: ``info`` with `on_log`, else what the server likes.
        on_progress: Receives the progress of calls that name nobody else.
        on_change: Called with each change of what was subscribed to with `subscribe`.
        on_state: Called with each change of `state`.
        respawn: Start a server process again that has ended, at the next call.
        on_call: Asked before each call of a tool, with a `ToolCall`; anything but ``True`` declines it (TOOL-06).
        ping_interval: Seconds between pings of a legacy server, so that one that is gone is found out before it is
            needed; default: none.
        cache: Keep lists and contents for as long as a modern server allows; a `ResponseCache` is shared by several
            clients of one server.
        validate_output: Check what tools return against their ``outputSchema``.

    Raises:
        LocalProtocolError: A timeout that is no positive number, an unknown era or level, a root that is no file.
    """

    def __init__(
        self,
        target: Target,
        *,
        server: str | None = None,
        transport: PinName | None = None,
        era: Era | None = None,
        headers: Mapping[str, str] | None = None,
        env: Environment = "minimal",
        on_stderr: OnStderr = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_total: float = DEFAULT_MOST_S,
        limits: Limits = DEFAULT_LIMITS,
        roots: Roots | None = None,
        on_elicit: ElicitCallback | None = None,
        on_sample: SampleCallback | None = None,
        on_log: LogCallback | None = None,
        log_level: LoggingLevel | None = None,
        on_progress: ProgressCallback | None = None,
        on_change: ChangeCallback | None = None,
        on_state: StateCallback | None = None,
        respawn: bool = False,
        on_call: CallCallback | None = None,
        ping_interval: float | None = None,
        cache: bool | ResponseCache = True,
        validate_output: bool = True,
    ) -> None:
        if era not in (None, "legacy", "modern"):
            raise LocalProtocolError(f'era must be "legacy" or "modern"; it is {era!r}')
        level: LoggingLevel | None = "info" if log_level is None and on_log is not None else log_level
        defaults = Defaults(timeout, max_total, on_progress, level)
        route = Route(target, server, era, transport, Options(headers or {}, env, limits, on_stderr))
        connection = Connection(route, Answers(roots, on_elicit, on_sample), respawn=respawn)
        connection.timeout = defaults.timeout
        connection.log_level = level
        if on_log is not None:
            connection.tell_logs(on_log)
        if on_state is not None:
            connection.status.tell(on_state)
        kept = (ResponseCache() if cache else None) if isinstance(cache, bool) else cache
        super().__init__(connection, defaults, kept, validates=validate_output, on_call=on_call)
        self._heartbeat = None if ping_interval is None else Heartbeat(connection, checked_interval(ping_interval))
        self._watches = Watches(connection, on_change, defaults.timeout)

    @staticmethod
    def sync(target: Target, **options: Unpack[ClientOptions]) -> SyncClient:
        """Return a client with the same methods, which block, for code without an event loop.

            with Client.sync("server.py") as client:
                client.call_tool("price", {"item": "pen"})

        It may be used from several threads at a time, and where an event loop runs already.

        Args:
            target: As for `Client`.
            options: Those of `Client`.

        Raises:
            LocalProtocolError: As `Client`.
        """
        return SyncClient(lambda: Client(target, **options))

    # --- opening and closing ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def connect(self) -> None:
        """Reach the server and find out what it speaks; does nothing where that is done.

        Raises:
            ConnectError: The server cannot be reached or started, or speaks nothing that this client may speak.
            ServerExited: The server that was started ended.
            HttpStatusError: The URL answers, but not as an MCP server; `AuthError` for status 401 and 403.
            McpError: The server refuses.
            Timeout: It did not answer in time.
            LocalProtocolError: The target is of no known kind, or an option does not go with it; `ConfigError` for a
                mistake in an ``mcpServers`` configuration.
        """
        await self._connection.connect()
        if self._heartbeat is not None:
            self._heartbeat.start()

    async def aclose(self) -> None:
        """Close the connection; a server that the client started ends. May be called twice, and from any task."""
        await self._connection.aclose()

    # --- what the server is -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """How things stand: ``new``, ``connecting``, ``connected``, ``reconnecting``, ``disconnected``, ``closed``."""
        return self._connection.state

    @property
    def server_info(self) -> Implementation | None:
        """What the server says about itself; ``None`` where a modern one says nothing."""
        return self._connection.known.server_info

    @property
    def capabilities(self) -> ServerCapabilities:
        """What the server offers."""
        return self._connection.known.capabilities

    @property
    def instructions(self) -> str | None:
        """How to use the server, for a model."""
        return self._connection.known.instructions

    @property
    def revision(self) -> str:
        """The protocol revision that is spoken."""
        return self._connection.known.revision.name

    @property
    def era(self) -> Era:
        """The era of the revision: ``legacy`` or ``modern``."""
        return self._connection.known.revision.era

    # --- changes ------------------------------------------------------------------------------------------------------

    def listen(
        self,
        *,
        tools: bool = False,
        prompts: bool = False,
        resources: bool | Sequence[str] = False,
        resource_list: bool = False,
    ) -> Listening:
        """Listen to changes at the server, until the loop over them is left.

        Each is told once, however often it came before it was read. When the connection was gone for a while, whatever
        may have changed meanwhile is told with ``missed`` set.

        Args:
            tools: The list of tools.
            prompts: The list of prompts.
            resources: ``True`` for the list of resources, or the URIs of resources to watch.
            resource_list: The list of resources, beside those that `resources` names.

        Returns:
            What gives the events; see `Listening`.

        Raises:
            LocalProtocolError: Nothing to listen to is named. In the loop also: the server does not declare it.
        """
        wanted = read_wanted(tools=tools, prompts=prompts, resources=resources, resource_list=resource_list)
        return Listening(self._connection, wanted, self._defaults.timeout)

    async def subscribe(self, uri: str) -> None:
        """Tell ``on_change`` whenever a resource changes; does nothing where that is done.

        Args:
            uri: URI of the resource.

        Raises:
            McpError: The server refuses.
            LocalProtocolError: The client has no ``on_change``, or the server declares no subscriptions.
            Timeout: There was no answer in time.
        """
        await self._watches.add(uri)

    async def unsubscribe(self, uri: str) -> None:
        """End what `subscribe` began; does nothing where nothing was begun."""
        await self._watches.remove(uri)

    # --- the rest -----------------------------------------------------------------------------------------------------

    async def ping(self, **options: Unpack[CallOptions]) -> None:
        """Ask the server whether it is there: ``ping``, or ``server/discover`` in the modern era, which has no ping.

        Args:
            options: See `CallOptions`.

        Raises:
            Timeout: There was no answer in time.
            ConnectError: The connection broke.
        """
        await self._request("server/discover" if self.era == "modern" else "ping", {}, options)

    async def set_log_level(self, level: LoggingLevel, **options: Unpack[CallOptions]) -> None:
        """Say which log messages are wanted from now on: a legacy server is told, a modern one with each request.

        Args:
            level: Least severe level.
            options: See `CallOptions`.

        Raises:
            LocalProtocolError: There is no such level, or the server declares no log.
            McpError: The server refuses.
        """
        checked_level(level)
        if self.era == "legacy":
            await self._request("logging/setLevel", {"level": level}, options)
            self._connection.log_level = level
        self._defaults.want_logs(level)

    async def notify_roots_changed(self) -> None:
        """Tell a legacy server that the roots changed; a modern one asks whenever it needs them.

        Raises:
            LocalProtocolError: The client has no roots.
            ConnectError: The connection broke.
        """
        conversation = await self._connection.healed()
        if "roots" not in conversation.capabilities:
            raise LocalProtocolError("The client has no roots: Client(..., roots=...)")
        if self.era == "legacy":
            await conversation.notify("notifications/roots/list_changed", {})
