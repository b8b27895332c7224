"""Shapes: what a request says that one before it said, byte for byte, is not looked at again.

The calls that a client makes of a tool differ in their id and in their arguments, and in nothing else. So a request
that was decoded leaves a pattern: the bytes before, between and after these two. A message with the same bytes around
a number and around an object is the same JSON with another id and other arguments. What remains to be proved is that
the number may be an id, and that the object is as strict as `decode` wants it; what was found out about the rest holds.

What it says there is decoded again only for who wants to know (`KnownCall.whole`), and is theirs alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, cast, final, runtime_checkable

import msgspec
from msgspec import Raw, Struct

from anyport.protocol.calls import Call, Carrier, Reply, Service, bind_modern
from anyport.protocol.jsonrpc import Request, ResultLike
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject, JsonValue

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_KEPT: Final = 8
"""Shapes that are kept in one place."""
_OFTEN: Final = 64
"""Messages without a known shape that each leave theirs; after that, one in so many does: they are too different."""
_LONGEST: Final = 4096
"""Bytes of a message that may leave a shape."""
_DIGITS: Final = 15
"""Digits of a number that is within 2^53 whatever they are."""
_ZERO: Final = b"0"
_ONE: Final = b"1"
_MEMBERS: Final = frozenset({"jsonrpc", "id", "method", "params"})
# Bytes that never stand in JSON: they mark the two places while a shape is made.
_ID: Final = b"\x00"
_ARGUMENTS: Final = b"\x01"
# What stands next to the id in JSON without white space.
_COMMA: Final = b","
_COLON: Final = b":"


class Shape:
    """The pattern of one request.

    Args:
        pattern: The request, with marks in the two places.
        request: What was decoded.
        room: Most objects and arrays in the arguments.
        revision: See below.

    Attributes:
        method: JSON-RPC method.
        name: ``params.name``, which says what is called.
        revision: The modern revision that such requests are spoken in; ``None`` for those of a session.
    """

    __slots__ = ("_pattern", "_rest", "_room", "method", "name", "revision")

    def __init__(self, pattern: bytes, request: Request, room: int, revision: Revision | None) -> None:
        arguments_first = -1 < pattern.find(_ARGUMENTS) < pattern.find(_ID)
        first, second = (_ARGUMENTS, _ID) if arguments_first else (_ID, _ARGUMENTS)
        front, _, rest = pattern.partition(first)
        # Without arguments, nothing is between the only place and the end.
        between, found, back = rest.partition(second) if second in rest else (b"", b"", rest)
        self._pattern = front, between, back, len(front), len(between), len(back), arguments_first
        self._rest = _encode({**request.params, "arguments": None} if found else request.params)
        self._room = room
        self.method = request.method
        self.name = request.params.get("name")
        self.revision = revision

    def read(self, data: bytes) -> tuple[int, JsonObject | None] | None:
        """Return the id and the arguments of a message, if it has this shape."""
        front, between, back, start, gap, tail, arguments_first = self._pattern
        if not (data.startswith(front) and data.endswith(back)):
            return None
        end = len(data) - tail
        # An id is short, and JSON has a mark next to it: what is between the places begins, or ends, with that.
        if not gap:
            number, arguments = data[start : min(end, start + _DIGITS + 1)], b""
        elif arguments_first:
            cut = data.rfind(_COLON, max(start, end - _DIGITS - 1), end) + 1
            if not data.startswith(between, cut - gap):
                return None
            number, arguments = data[cut:end], data[start : cut - gap]
        else:
            cut = data.find(_COMMA, start, start + _DIGITS + 1)
            if not data.startswith(between, cut):
                return None
            number, arguments = data[start:cut], data[cut + gap : end]
        # Of digits, only a zero and what begins with one come before "1".
        if not number.isdigit() or (number < _ONE and number != _ZERO) or len(number) > _DIGITS:
            return None
        if not gap:
            return int(number), None
        value = self._strict(arguments)
        return None if value is None else (int(number), value)

    def params(self, arguments: JsonObject | None) -> JsonObject:
        """Return the parameters of a request with these arguments; nothing in them belongs to another request."""
        params: JsonObject = _decode(self._rest)
        if arguments is not None:
            params["arguments"] = arguments
        return params

    def _strict(self, data: bytes) -> JsonObject | None:
        """Return an object, if nothing in it needs a second look."""
        try:
            value: JsonValue = _decode(data)
            if type(value) is not dict or _encode(value) != data:
                return None
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            return None
        return value if len(data) <= self._room or _opened(data) <= self._room else None


_NONE: Final = Shape(b"\x02" + _ID, Request(0, "", {}), 0, None)
"""A shape that nothing has."""


@final
class KnownCall(Struct, gc=False):
    """A modern call of which all but the id and the arguments is known.

    Attributes:
        shape: Its shape.
        method: JSON-RPC method.
        revision: The modern revision that it is spoken in.
        id: Id of the request.
        arguments: ``params.arguments``; ``None`` for a request that has none.
        carrier: How it came.
    """

    shape: Shape
    method: str
    revision: Revision
    id: int
    arguments: JsonObject | None
    carrier: Carrier

    def whole(self) -> Call:
        """Return the call, for whoever wants to know the rest as well."""
        return bind_modern(Request(self.id, self.method, self.shape.params(self.arguments)), self.carrier)


KnownService = Callable[[KnownCall, Reply], Awaitable[ResultLike]]


@runtime_checkable
class KnowingService(Protocol):
    """A `Service` that may answer a call without seeing the rest of it."""

    def answer_known(self, known: KnownCall, reply: Reply, /) -> Awaitable[ResultLike]:
        """Answer a call as the service would answer the whole one."""
        ...


def known_service(service: Service) -> KnownService:
    """Return what answers known calls for a service."""
    return (
        service.answer_known
        if isinstance(service, KnowingService)
        else lambda known, reply: service(known.whole(), reply)
    )


class Shapes:
    """The shapes of the requests that come in one place: those with one head, or on one channel.

    Args:
        limits: ``json_depth`` applies.
    """

    __slots__ = ("_limits", "_misses", "_recent", "_shapes")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._shapes: list[Shape] = []
        self._misses = 0
        # The shape of the request that was read last.
        self._recent = _NONE

    def read(self, data: bytes, carrier: Carrier) -> KnownCall | Request | None:
        """Return what `decode` and `bind_modern` would make of a message, if it has one of the shapes.

        Args:
            data: The message, without framing.
            carrier: How it came.

        Returns:
            A modern call, or a request of a session; ``None`` for a message that has to be decoded.
        """
        found = self._recent.read(data) or self._look_for(data)
        if found is None:
            return None
        shape = self._recent
        if shape.revision is None:
            return Request(found[0], shape.method, shape.params(found[1]))
        return KnownCall(shape, shape.method, shape.revision, found[0], found[1], carrier)

    def _look_for(self, data: bytes) -> tuple[int, JsonObject | None] | None:
        for shape in self._shapes:
            if shape is not self._recent and (found := shape.read(data)) is not None:
                self._recent = shape
                return found
        return None

    def keep(self, data: bytes, request: Request, revision: Revision | None) -> None:
        """Keep the shape of a request that was decoded and in which nothing is wrong.

        Args:
            data: The message, without framing.
            request: What was decoded.
            revision: The modern revision that it is spoken in; ``None`` for a request of a session.
        """
        self._misses += 1
        if len(data) > _LONGEST or (self._misses > _OFTEN and self._misses % _OFTEN):
            return
        shape = _shape_of(data, request, revision, self._limits)
        if shape is not None:
            self._shapes.insert(0, shape)
            del self._shapes[_KEPT:]
            self._recent = shape


def _shape_of(data: bytes, request: Request, revision: Revision | None, limits: Limits) -> Shape | None:
    """Return the shape of a request; ``None`` where it is laid out as few messages are."""
    value = cast("JsonObject", _decode(data))
    number = value["id"]
    if _encode(value) != data or value.keys() != _MEMBERS or type(number) is not int or number < 0:
        return None
    marked: dict[str, object] = {**value, "id": Raw(_ID)}
    opened, arguments = _opened(data), request.params.get("arguments")
    if isinstance(arguments, dict):
        opened -= _opened(_encode(arguments))
        marked["params"] = {**request.params, "arguments": Raw(_ARGUMENTS)}
    return Shape(_encode(marked), request, limits.json_depth - opened, revision)


def _opened(data: bytes) -> int:
    """Return how many objects and arrays JSON has at most: braces and brackets in strings count as well."""
    return data.count(b"{") + data.count(b"[")
