"""Dispatch: look the method up, answer, put the result in its envelope. The service that a server is."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

import msgspec
from msgspec import Raw

from anyport.protocol.calls import META_SERVER_INFO, Call, Reply, Service
from anyport.protocol.errors import InternalError, McpError, MethodNotFound, ToolError
from anyport.protocol.jsonrpc import Encoded, ResultLike, encode_json
from anyport.protocol.methods import METHODS
from anyport.protocol.revisions import REVISIONS, Revision
from anyport.protocol.shapes import KnownCall
from anyport.protocol.types import CacheableResult, Implementation, Result
from anyport.protocol.types.json import JsonObject
from anyport.server.cache_hints import NOT_KEPT, CacheHints
from anyport.server.error_ids import new_error_id
from anyport.server.middleware import Middleware, check_middleware, compose

logger = logging.getLogger("anyport.server")

_CACHEABLE: Final = frozenset(method.name for method in METHODS if method.cacheable)

Answer = Callable[[Call, Reply], Awaitable[Result]]
EncodedAnswer = Callable[[Call, Reply], Awaitable[Result | bytes]]
"""Answers with a result, or with the members of one in encoded form, which only lack their envelope."""
Envelope = Callable[[Revision, Result | bytes], ResultLike]
"""Completes a result, or the members of one in encoded form."""
KnownAnswer = Callable[[KnownCall, Envelope], Awaitable[ResultLike] | None]
"""Answers a call of which nobody needs to see the rest; ``None`` where somebody does. It raises `McpError` alone."""
Table = dict[str, Callable[[Call, Reply], Awaitable[Result | ResultLike | bytes]]]
Route = Callable[[Service, Call, Reply], Awaitable[ResultLike]]
"""Answers a call, or has what answered it before do so."""


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
        encoded: What answers a method where nobody looks at the result between here and the wire.
        known: What may answer a method where nobody looks at the call either.

    Attributes:
        elsewhere: Finds what answers a method that is not in the tables: one of an extension of a mounted server.
    """

    def __init__(
        self,
        info: Implementation,
        answers: Mapping[str, Answer],
        versions: Mapping[str, Callable[[], int]],
        hints: CacheHints = NOT_KEPT,
        encoded: Mapping[str, EncodedAnswer] | None = None,
        known: Mapping[str, KnownAnswer] | None = None,
    ) -> None:
        self._known = dict(known or {})
        self._hints = hints
        self._info: JsonObject = {META_SERVER_INFO: msgspec.to_builtins(info)}
        self._meta = Raw(encode_json(self._info))
        self._tables: dict[str, Table] = {
            revision.name: {
                method.name: self._entry(answers[method.name], versions.get(method.name), revision)
                for method in METHODS
                if method.direction == "to_server" and method.name in answers and method.exists_in(revision)
            }
            for revision in REVISIONS
        }
        quick = encoded or {}
        self._quick: dict[str, Table] = {
            name: {**table, **{method: quick[method] for method in quick if method in table}}
            for name, table in self._tables.items()
        }
        # The members of a modern result that are always the same.
        modern = b'{"_meta":%b,"resultType":"complete",' % bytes(self._meta)
        self._heads = {revision.name: modern if revision.result_type else b"{" for revision in REVISIONS}
        self.elsewhere: Callable[[str], Service | None] | None = None
        self._middleware: list[Middleware] = []
        self._chain: Service | None = None

    def wrap(self, middleware: Middleware) -> None:
        """Put middleware around every method, inside of what is there.

        Raises:
            DeclarationError: It is none.
        """
        check_middleware(middleware)
        self._known.clear()
        self._middleware.append(middleware)
        self._chain = compose(self._middleware, functools.partial(self._answer, self._tables))

    def extend(self, method: str, answer: Service) -> None:
        """Answer a method of an extension, in the revisions that have extensions (VER-12)."""

        async def whole(call: Call, reply: Reply) -> ResultLike:
            result = await answer(call, reply)
            return self.complete(call, result) if isinstance(result, dict) else result

        self._known.pop(method, None)
        for revision in REVISIONS:
            if revision.modern:
                self._tables[revision.name][method] = self._quick[revision.name][method] = whole

    def route(self, method: str, around: Callable[[Service], Service]) -> None:
        """Put something around what answers a method, in the revisions that have it.

        Args:
            method: The method.
            around: Takes what answers it, and returns what does so from now on.
        """
        self._known.pop(method, None)
        for table in (*self._tables.values(), *self._quick.values()):
            if method in table:
                table[method] = around(cast("Service", table[method]))

    async def answer_mounted(self, call: Call, reply: Reply) -> ResultLike:
        """Answer a call for a server that this one is mounted in: that one says who it is (META-03)."""
        result = await (self(call, reply) if self._chain else self._answer(self._tables, call, reply))
        if isinstance(result, dict):
            return {**result, "_meta": self._without_info(result.get("_meta")) or {}}
        if isinstance(result, Result):
            result.meta = None if result.meta is self._meta else self._without_info(result.meta)
        return result

    def _without_info(self, meta: object) -> JsonObject | None:
        found = cast("JsonObject", meta) if isinstance(meta, dict) else {}
        return {key: value for key, value in found.items() if key != META_SERVER_INFO} or None

    def answer_known(self, known: KnownCall, reply: Reply) -> Awaitable[ResultLike]:
        """Answer a call of which the rest is known; see `KnowingService`."""
        quick = self._known.get(known.method)
        answer = None if quick is None else quick(known, self._envelope)
        if answer is not None:
            return answer
        if self._chain is None:
            return self._answer(self._quick, known.whole(), reply)
        return self._through(self._chain, known.whole(), reply)

    def __call__(self, call: Call, reply: Reply) -> Awaitable[ResultLike]:
        """Answer a call.

        Raises:
            McpError: The answer is an error; anything that was not one is logged and becomes `InternalError`.
        """
        if self._chain is not None:
            return self._through(self._chain, call, reply)
        return self._answer(self._quick, call, reply)

    async def _answer(self, tables: Mapping[str, Table], call: Call, reply: Reply) -> ResultLike:
        revision = call.revision
        answer = tables[revision.name].get(call.method)
        if answer is None and self.elsewhere is not None and revision.modern:
            answer = self.elsewhere(call.method)
        if answer is None:
            raise MethodNotFound(call.method)
        try:
            result = await answer(call, reply)
        except McpError:
            raise
        except Exception as error:
            # The last resort of every method: the peer gets an answer, whatever broke.
            raise _unexpected(call, error) from error
        return self._envelope(revision, result) if isinstance(result, (bytes, Result)) else result

    def _envelope(self, revision: Revision, result: Result | bytes) -> ResultLike:
        if isinstance(result, bytes):
            return Encoded(self._heads[revision.name], result)
        return self._seal(result) if revision.result_type else result

    async def _through(self, chain: Service, call: Call, reply: Reply) -> ResultLike:
        """Answer a call through middleware; what that made itself is completed like any other result."""
        try:
            result = await chain(call, reply)
        except McpError:
            raise
        except ToolError as error:
            raise InternalError(str(error)) from error
        except Exception as error:
            raise _unexpected(call, error) from error
        if not call.revision.result_type:
            return result
        if isinstance(result, dict):
            return self.complete(call, result)
        return self._seal(result) if isinstance(result, Result) else result

    def _entry(
        self, answer: Answer, version: Callable[[], int] | None, revision: Revision
    ) -> Callable[[Call, Reply], Awaitable[Result | ResultLike | bytes]]:
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

    def complete(self, call: Call, result: JsonObject) -> JsonObject:
        """Complete a modern result that is a plain object: its type, who the server is, how long it may be kept."""
        meta = result.get("_meta")
        whole: JsonObject = {"resultType": "complete", **result}
        whole["_meta"] = {**self._info, **(meta if isinstance(meta, dict) else {})}
        if call.method in _CACHEABLE and whole["resultType"] == "complete" and "ttlMs" not in whole:
            whole.update(ttlMs=self._hints.ttl_ms, cacheScope=self._hints.scope)
        return whole


def _unexpected(call: Call, error: Exception) -> InternalError:
    """Log what nobody expected, and return the error that has the id of the log entry (RPC-17)."""
    error_id = new_error_id()
    logger.error("%s failed (error id %s)", call.method[:200], error_id, exc_info=error)
    return InternalError(f"Internal error (error id {error_id})")


def _as_it_is(result: Result) -> Result:
    return result
