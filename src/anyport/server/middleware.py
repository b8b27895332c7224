"""Middleware: one kind of function around every method of a server.

``async def mw(call, reply, next)`` returns a result: that of ``await next(call, reply)``, a changed one, or one of its
own. It sees all requests, ``initialize``, ``subscriptions/listen`` and unknown methods included.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from msgspec import Raw, Struct

from anyport.protocol.calls import Call, Reply, Service
from anyport.protocol.jsonrpc import ResultLike
from anyport.server.declarations import DeclarationError

Middleware = Callable[[Call, Reply, Service], Awaitable[ResultLike]]
"""Takes a call, its reply, and the service behind it; returns a result."""


def check_middleware(function: Middleware) -> None:
    """Check that a function can be middleware.

    Raises:
        DeclarationError: It is no ``async def``, or does not take three arguments.
    """
    routine = function if inspect.isroutine(function) else type(function).__call__
    if not inspect.iscoroutinefunction(routine):
        raise DeclarationError(function, "middleware is an async def: async def mw(call, reply, next)")
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        raise DeclarationError(function, "middleware takes three arguments: call, reply, next") from None


def compose(chain: Sequence[Middleware], service: Service) -> Service:
    """Return a service with middleware around it.

    Args:
        chain: The middleware, the outermost first.
        service: What is behind all of them.
    """
    for function in reversed(chain):
        service = _link(function, service)
    return service


def _link(function: Middleware, service: Service) -> Service:
    async def link(call: Call, reply: Reply) -> ResultLike:
        result = cast(object, await function(call, reply, service))
        if not isinstance(result, (Struct, dict, Raw)):
            name = getattr(function, "__name__", type(function).__name__)
            raise TypeError(f"the middleware {name} returned {type(result).__name__}, which is no result")
        return cast(ResultLike, result)

    return link
