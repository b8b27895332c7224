"""Prompts and completions, from the calling side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, Unpack, cast

import msgspec
from msgspec import UNSET, UnsetType

from anyport.client.call_options import CallOptions
from anyport.client.handshake import read_as
from anyport.client.requests import Page, Requests, reader
from anyport.protocol.types import (
    CompleteResult,
    Completion,
    GetPromptResult,
    Prompt,
    PromptReference,
    ResourceTemplateReference,
)
from anyport.protocol.types.json import JsonObject

Reference: TypeAlias = PromptReference | ResourceTemplateReference | str
"""A prompt, or a resource template; as a text a template if it has ``://``, else the name of a prompt."""

_read_prompt = reader(Prompt)


class PromptRequests(Requests):
    """Lists prompts, fills them in, and completes arguments."""

    async def list_prompts(
        self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]
    ) -> Page[Prompt]:
        """Return the prompts of the server.

        Args:
            cursor: Return one page, which begins here: ``None`` for the first, then its ``next_cursor``. Default: all.
            options: See `CallOptions`; times are for each page.

        Raises:
            McpError: The server refuses.
            Timeout: There was no answer in time.
            RemoteProtocolError: The list does not end.
        """
        return await self._list("prompts/list", "prompts", _read_prompt, cursor, options)

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> GetPromptResult:
        """Return a prompt, filled in.

        Args:
            name: Name of the prompt.
            arguments: What to fill in, by argument name.
            options: See `CallOptions`.

        Raises:
            McpError: The server refuses, for example because there is no such prompt.
            Timeout: There was no answer in time.
            LocalProtocolError: The server declares no prompts.
        """
        params: JsonObject = {"name": name}
        if arguments:
            params["arguments"] = dict(arguments)
        return read_as(await self._request("prompts/get", params, options), GetPromptResult, "prompts/get")

    async def complete(
        self,
        ref: Reference,
        argument: str,
        value: str,
        *,
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Completion:
        """Return suggestions for an argument of a prompt, or for a variable of a resource template.

        Args:
            ref: The prompt or the template; as a text a template if it has ``://``, else the name of a prompt.
            argument: Name of the argument or variable.
            value: What has been typed.
            context: Arguments or variables that have their value.
            options: See `CallOptions`.

        Raises:
            McpError: The server refuses, for example because there is no such prompt.
            Timeout: There was no answer in time.
            LocalProtocolError: The server declares no completions.
        """
        if isinstance(ref, str):
            ref = ResourceTemplateReference(uri=ref) if "://" in ref else PromptReference(name=ref)
        params: JsonObject = {
            "ref": cast(JsonObject, msgspec.to_builtins(ref)),
            "argument": {"name": argument, "value": value},
        }
        if context and not self._connection.known.revision.lacks("2025-06-18"):
            params["context"] = {"arguments": dict(context)}
        result = await self._request("completion/complete", params, options)
        return read_as(result, CompleteResult, "completion/complete").completion
