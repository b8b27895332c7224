"""Mounting: what another server has, under a namespace of this one, as it is at the time.

Lists are grafted on, so they change when the other server does. A call is found by its name or URI and handed to the
other server as it is, with the name that it has there: its middleware, its limits and its state apply, and no JSON is
read or written in between. What comes back is read through the namespace.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar

from msgspec import Struct, structs

from anyport.protocol.calls import Call, Reply, Service
from anyport.protocol.changes import Change, resource_updated
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import Limits
from anyport.protocol.types import (
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ReadResourceResult,
    ResourceContents,
    ResourceLink,
)
from anyport.protocol.types.json import JsonObject
from anyport.server.completions import Completions
from anyport.server.context import Context
from anyport.server.dispatch import Dispatcher
from anyport.server.extensions import Extensions
from anyport.server.lifespan import Lifespan
from anyport.server.pages import Catalogue, Keys
from anyport.server.prompts import Prompts, RegisteredPrompt
from anyport.server.resources import RegisteredResource, RegisteredTemplate, Resources
from anyport.server.rounds import Rounds
from anyport.server.subscriptions import Subscriptions
from anyport.server.threads import ThreadPool
from anyport.server.tools import RegisteredTool, Tools

if TYPE_CHECKING:
    from anyport.stores.base import Store

EntryT = TypeVar("EntryT")

_NAMESPACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}\Z")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?://)?")


class Mountable(Protocol):
    """A server, as far as mounting looks at it."""

    context_type: type[Context]
    name: str
    version: str
    limits: Limits
    threads: ThreadPool
    dependency_overrides: dict[Callable[..., object], Callable[..., object]]
    tools: Tools
    prompts: Prompts
    completions: Completions
    extensions: Extensions
    subscriptions: Subscriptions
    lifespan: Lifespan
    dispatcher: Dispatcher
    named_store: Store | None
    rounds: Rounds
    mounts: Mounts | None

    @property
    def resources(self) -> Resources:
        """What it lets clients read."""
        ...

    @property
    def state(self) -> object:
        """What its lifespan yielded."""
        ...

    def check_resource(self, uri: str, call: Call) -> None:
        """Raise `McpError` for a URI that is no resource's."""
        ...


class NameKeys(Struct, frozen=True):
    """Names of a mounted server, as ``namespace_name``."""

    prefix: str

    def outer(self, key: str) -> str:
        """Return the name here."""
        return self.prefix + key

    def inner(self, key: str) -> str | None:
        """Return the name there, or ``None``."""
        return key[len(self.prefix) :] if key.startswith(self.prefix) else None


class UriKeys(Struct, frozen=True):
    """URIs and URI templates of a mounted server, as ``scheme://namespace/rest``."""

    part: str

    def outer(self, key: str) -> str:
        """Return the URI here."""
        scheme = _SCHEME.match(key)
        end = scheme.end() if scheme is not None else 0
        return key[:end] + self.part + key[end:]

    def inner(self, key: str) -> str | None:
        """Return the URI there, or ``None``."""
        scheme = _SCHEME.match(key)
        if scheme is None or not key.startswith(self.part, scheme.end()):
            return None
        return key[: scheme.end()] + key[scheme.end() + len(self.part) :]


class Mount(Struct, frozen=True):
    """A mounted server."""

    server: Mountable
    names: NameKeys
    uris: UriKeys

    def tool(self, tool: RegisteredTool) -> RegisteredTool:
        """Return a tool as it reads here."""
        definition = tool.definition
        return structs.replace(tool, definition=structs.replace(definition, name=self.names.outer(definition.name)))

    def prompt(self, prompt: RegisteredPrompt) -> RegisteredPrompt:
        """Return a prompt as it reads here."""
        definition = prompt.definition
        return structs.replace(prompt, definition=structs.replace(definition, name=self.names.outer(definition.name)))

    def resource(self, resource: RegisteredResource) -> RegisteredResource:
        """Return a resource as it reads here."""
        definition = resource.definition
        return structs.replace(resource, definition=structs.replace(definition, uri=self.uris.outer(definition.uri)))

    def template(self, template: RegisteredTemplate) -> RegisteredTemplate:
        """Return a family of resources as it reads here."""
        definition = template.definition
        outer = self.uris.outer(definition.uri_template)
        return structs.replace(template, definition=structs.replace(definition, uri_template=outer))

    def change(self, change: Change) -> Change:
        """Return a change as it reads here."""
        return change if change.uri is None else resource_updated(self.uris.outer(change.uri))

    def contents(self, contents: ResourceContents) -> ResourceContents:
        """Return contents as they read here: under the URI by which they can be read."""
        if not _serves(self.server, contents.uri):
            return contents
        return structs.replace(contents, uri=self.uris.outer(contents.uri))

    def block(self, block: ContentBlock) -> ContentBlock:
        """Return content as it reads here: what it names can be read."""
        if isinstance(block, ResourceLink) and _serves(self.server, block.uri):
            return structs.replace(block, uri=self.uris.outer(block.uri))
        if isinstance(block, EmbeddedResource):
            return structs.replace(block, resource=self.contents(block.resource))
        return block


class Mounts:
    """What is mounted in a server.

    Args:
        server: The server.
    """

    def __init__(self, server: Mountable) -> None:
        self._server = server
        self._mounts: list[Mount] = []
        server.resources.elsewhere = self.contents
        server.dispatcher.elsewhere = self._of_method
        for method, answer in (
            ("tools/call", self._call_tool),
            ("prompts/get", self._get_prompt),
            ("resources/read", self._read_resource),
            ("completion/complete", self._complete),
        ):
            server.dispatcher.route(method, functools.partial(functools.partial, answer))

    def add(self, other: Mountable, namespace: str | None) -> None:
        """Mount a server.

        Args:
            other: The server.
            namespace: Goes before names and into URIs; ``None`` to show them as they are.

        Raises:
            LocalProtocolError: The namespace cannot be one, a name or URI is taken, the servers would go round in a
                circle, or the lifespan of the other one would never start.
        """
        if namespace is not None and not _NAMESPACE.match(namespace):
            raise LocalProtocolError(
                f"namespace must be 1 to 64 of A-Z a-z 0-9 _ -, with a letter or digit first; it is {namespace!r}"
            )
        if other is self._server or any(each is self._server for each in _within(other)):
            raise LocalProtocolError(f"{self._server.name!r} would be mounted in itself, by way of {other.name!r}")
        mount = Mount(
            other, NameKeys(f"{namespace}_" if namespace else ""), UriKeys(f"{namespace}/" if namespace else "")
        )
        here, there = self._server, other
        self._check("tool", here.tools.catalogue, there.tools.catalogue, mount.names)
        self._check("prompt", here.prompts.catalogue, there.prompts.catalogue, mount.names)
        self._check("resource", here.resources.static, there.resources.static, mount.uris)
        self._check("resource template", here.resources.templates, there.resources.templates, mount.uris)
        here.lifespan.add(there.lifespan)
        here.tools.catalogue.graft(there.tools.catalogue, mount.names, mount.tool)
        here.prompts.catalogue.graft(there.prompts.catalogue, mount.names, mount.prompt)
        here.resources.static.graft(there.resources.static, mount.uris, mount.resource)
        here.resources.templates.graft(there.resources.templates, mount.uris, mount.template)
        here.completions.mounted.append(there.completions)
        here.extensions.mounted.append(there.extensions)
        there.subscriptions.pass_on(lambda change: here.subscriptions.publish(mount.change(change)))
        self._mounts.append(mount)

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def check(self, uri: str, call: Call) -> None:
        """Check that a URI is that of a resource, here or in what is mounted.

        Raises:
            McpError: It is not.
        """
        found = self._of_uri(uri)
        if found is None:
            self._server.resources.check(uri, call)
        else:
            found[0].server.check_resource(found[1], call)

    def contents(self, uri: str, call: Call, context: Context) -> Awaitable[list[ResourceContents]] | None:
        """Read a resource of a mounted server for a call of this one; ``None`` where none has it."""
        found = self._of_uri(uri)
        return None if found is None else self._contents(found[0], found[1], call, context)

    async def _contents(self, mount: Mount, uri: str, call: Call, context: Context) -> list[ResourceContents]:
        contents = await mount.server.resources.contents(uri, call, context.within(mount.server))
        return [mount.contents(each) for each in contents]

    # --- methods ------------------------------------------------------------------------------------------------------

    async def _call_tool(self, own: Service, call: Call, reply: Reply) -> ResultLike:
        name = call.params.get("name")
        found = self._of_name(name, "tools")
        if found is None:
            return await own(call, reply)
        mount, inner = found
        result = await self._hand_over(mount, call, reply, {"name": inner})
        if mount.uris.part and isinstance(result, CallToolResult):
            result.content = [mount.block(block) for block in result.content]
        return result

    async def _get_prompt(self, own: Service, call: Call, reply: Reply) -> ResultLike:
        name = call.params.get("name")
        found = self._of_name(name, "prompts")
        if found is None:
            return await own(call, reply)
        mount, inner = found
        result = await self._hand_over(mount, call, reply, {"name": inner})
        if mount.uris.part and isinstance(result, GetPromptResult):
            result.messages = [
                structs.replace(message, content=mount.block(message.content)) for message in result.messages
            ]
        return result

    async def _read_resource(self, own: Service, call: Call, reply: Reply) -> ResultLike:
        uri = call.params.get("uri")
        found = self._of_uri(uri) if isinstance(uri, str) else None
        if found is None:
            return await own(call, reply)
        mount, inner = found
        result = await self._hand_over(mount, call, reply, {"uri": inner})
        if isinstance(result, ReadResourceResult):
            result.contents = [mount.contents(each) for each in result.contents]
        return result

    async def _complete(self, own: Service, call: Call, reply: Reply) -> ResultLike:
        reference = call.params.get("ref")
        if isinstance(reference, dict):
            name, uri = reference.get("name"), reference.get("uri")
            found = self._of_uri(uri) if isinstance(uri, str) else self._of_name(name, "prompts")
            if found is not None:
                mount, inner = found
                key = "uri" if isinstance(uri, str) else "name"
                return await self._hand_over(mount, call, reply, {"ref": {**reference, key: inner}})
        return await own(call, reply)

    async def _hand_over(self, mount: Mount, call: Call, reply: Reply, changes: JsonObject) -> ResultLike:
        inner = structs.replace(call, params={**call.params, **changes})
        result = await mount.server.dispatcher.answer_mounted(inner, reply)
        if isinstance(result, dict) and call.revision.result_type:
            # Middleware over there made it; whoever answers says who it is.
            return self._server.dispatcher.complete(call, result)
        return result

    # --- whose is it --------------------------------------------------------------------------------------------------

    def _of_method(self, method: str) -> Service | None:
        """Return what answers a method of an extension of a mounted server."""
        for mount in self._mounts:
            if mount.server.extensions.has_method(method):
                return lambda call, reply: self._hand_over(mount, call, reply, {})
        return None

    def _of_name(self, name: object, kind: Literal["tools", "prompts"]) -> tuple[Mount, str] | None:
        """Return which mounted server has a name, and the name there; ``None`` for one of our own, or nobody's."""
        if not isinstance(name, str) or name in _catalogue_of(self._server, kind).entries:
            return None
        for mount in self._mounts:
            inner = mount.names.inner(name)
            if inner is not None and _catalogue_of(mount.server, kind).holds(inner):
                return mount, inner
        return None

    def _of_uri(self, uri: str) -> tuple[Mount, str] | None:
        """Return which mounted server has a URI or a URI template: resources before families, our own before others."""
        here = self._server.resources
        if uri in here.static.entries:
            return None
        inside = [(mount, inner) for mount in self._mounts if (inner := mount.uris.inner(uri)) is not None]
        for mount, inner in inside:
            if mount.server.resources.static.holds(inner):
                return mount, inner
        if here.find_template(uri) is not None:
            return None
        return next((found for found in inside if _has_template(found[0].server, found[1])), None)

    def _check(self, kind: str, here: Catalogue[EntryT], there: Catalogue[EntryT], keys: Keys) -> None:
        for key in there.whole_keys():
            if here.is_taken(keys.outer(key)):
                raise LocalProtocolError(
                    f"{self._server.name!r} has a {kind} {keys.outer(key)!r} already; mount it under another namespace"
                )


def _catalogue_of(
    server: Mountable, kind: Literal["tools", "prompts"]
) -> Catalogue[RegisteredTool] | Catalogue[RegisteredPrompt]:
    """Return the list of tools or of prompts."""
    return server.tools.catalogue if kind == "tools" else server.prompts.catalogue


def _within(server: Mountable) -> Iterator[Mountable]:
    """Return what is mounted in a server, however deep."""
    for mount in server.mounts or ():
        yield mount.server
        yield from _within(mount.server)


def _has_template(server: Mountable, uri: str) -> bool:
    if server.resources.find_template(uri) is not None:
        return True
    return any(
        inner is not None and _has_template(mount.server, inner)
        for mount in server.mounts or ()
        for inner in (mount.uris.inner(uri),)
    )


def _serves(server: Mountable, uri: str) -> bool:
    return server.resources.static.holds(uri) or _has_template(server, uri)
