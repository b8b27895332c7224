"""Dispatch: look the method up, answer, put the result in its envelope. The service that a server is."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec import Raw

from anyport.protocol.calls import META_SERVER_INFO, Call, Reply
from anyport.protocol.errors import InternalError, McpError, MethodNotFound
from anyport.protocol.jsonrpc import ResultLike, encode_json
from anyport.protocol.methods import METHODS
from anyport.protocol.revisions import REVISIONS, Revision
from anyport.protocol.types import CacheableResult, Implementation, Result
from anyport.protocol.types.json import JsonObject
from anyport.server.cache_hints import NOT_KEPT, CacheHints
from anyport.server.error_ids import new_error_id

logger = logging.getLogger("anyport.server")

Answer = Callable[[Call, Reply], Awaitable[Result]]


class _Listing:
    """The answer of a list that is encoded once per revision and kept until its registry changes."""

    def __init__(self, answer: Answer, version: Callable[[], int], seal: Callable[[Result], Result]) -> None:
        self._answer = answer
        self._version = version
        self._seal = seal
        self._kept: tuple[int, Raw] | None = None

    async def __call__(self, call: Call, reply: Reply) -> ResultLike:
        version = self._version()
        if self._kept is not None and self._kept[0] == version and call.params.get("cursor") is None:
            return self._kept[1]
        body = Raw(encode_json(self._seal(await self._answer(call, reply))))
        if call.params.get("cursor") is None:
            self._kept = (version, body)
        return body


class Dispatcher:
    """The service of a server.

    Args:
        info: What every modern result says about the server (META-03).
        answers: Method to what answers it; a method that is not in it is unknown to this server.
        versions: For the methods whose answer depends on a registry alone: a number that changes with the registry.
        hints: How long an answer may be kept that does not say it itself.
    """

    def __init__(
        self,
        info: Implementation,
        answers: Mapping[str, Answer],
        versions: Mapping[str, Callable[[], int]],
        hints: CacheHints = NOT_KEPT,
    ) -> None:
        self._hints = hints
        self._info: JsonObject = {META_SERVER_INFO: msgspec.to_builtins(info)}
        self._meta = Raw(encode_json(self._info))
        self._tables: dict[str, dict[str, Callable[[Call, Reply], Awaitable[Result | ResultLike]]]] = {
            revision.name: {
                method.name: self._entry(answers[method.name], versions.get(method.name), revision)
                for method in METHODS
                if method.direction == "to_server" and method.name in answers and method.exists_in(revision)
            }
            for revision in REVISIONS
        }

    async def __call__(self, call: Call, reply: Reply) -> ResultLike:
        """Answer a call.

        Raises:
            McpError: The answer is an error; anything that was not one is logged and becomes `InternalError`.
        """
        answer = self._tables[call.revision.name].get(call.method)
        if answer is None:
            raise MethodNotFound(call.method)
        try:
            result = await answer(call, reply)
        except McpError:
            raise
        except Exception as error:
            # The last resort of every method: the peer gets an answer, whatever broke.
            error_id = new_error_id()
            logger.exception("%s failed (error id %s)", call.method, error_id)
            raise InternalError(f"Internal error (error id {error_id})") from error
        return self._seal(result) if call.revision.result_type and isinstance(result, Result) else result

    def _entry(
        self, answer: Answer, version: Callable[[], int] | None, revision: Revision
    ) -> Callable[[Call, Reply], Awaitable[Result | ResultLike]]:
        if version is None:
            return answer
        return _Listing(answer, version, self._seal if revision.result_type else _as_it_is)

    def _seal(self, result: Result) -> Result:
        """Complete a modern result: its type, who the server is, how long it may be kept (RPC-06, META-03, CCH-01)."""
        if result.result_type is None:
            result.result_type = "complete"
        if result.meta is None:
            result.meta = self._meta
        elif isinstance(result.meta, dict):
            result.meta = {**self._info, **result.meta}
        if isinstance(result, CacheableResult) and result.ttl_ms is None:
            self._hints.mark(result)
        return result


def _as_it_is(result: Result) -> Result:
    return result
