"""Resources, from the calling side: listed, read, and watched."""

from __future__ import annotations

from typing import Unpack

from msgspec import UNSET, UnsetType

from anyport.client.call_options import CallOptions
from anyport.client.handshake import read_as
from anyport.client.requests import Page, Requests, reader
from anyport.protocol.types import ReadResourceResult, Resource, ResourceContents, ResourceTemplate

_read_resource = reader(Resource)
_read_template = reader(ResourceTemplate)


class ResourceRequests(Requests):
    """Lists and reads resources."""

    async def list_resources(
        self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]
    ) -> Page[Resource]:
        """Return the resources of the server.

        Args:
            cursor: Return one page, which begins here: ``None`` for the first, then its ``next_cursor``. Default: all.
            options: See `CallOptions`; times are for each page.

        Raises:
            McpError: The server refuses.
            Timeout: There was no answer in time.
            RemoteProtocolError: The list does not end.
        """
        return await self._list("resources/list", "resources", _read_resource, cursor, options)

    async def list_resource_templates(
        self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]
    ) -> Page[ResourceTemplate]:
        """Return the resource templates of the server; see `list_resources`.

        Args:
            cursor: Return one page, which begins here: ``None`` for the first, then its ``next_cursor``. Default: all.
            options: See `CallOptions`; times are for each page.

        Raises:
            McpError: The server refuses.
            Timeout: There was no answer in time.
            RemoteProtocolError: The list does not end.
        """
        return await self._list("resources/templates/list", "resourceTemplates", _read_template, cursor, options)

    async def read_resource(self, uri: str, **options: Unpack[CallOptions]) -> list[ResourceContents]:
        """Return the contents of a resource: itself, or its parts.

        Args:
            uri: URI of the resource.
            options: See `CallOptions`.

        Raises:
            McpError: The server refuses, for example because there is no such resource.
            Timeout: There was no answer in time.
            LocalProtocolError: The server declares no resources.
        """
        self._require("resources/read")
        result = await self._kept("resources/read", {"uri": str(uri)}, self._defaults.terms(options))
        return read_as(result, ReadResourceResult, "resources/read").contents
