"""The least work that a `tools/call` can be: decode, validate, call, encode. Every limit answers through it.

No header checks, no era, no session, no errors: what a real server adds to this is its own cost.
"""

from __future__ import annotations

import msgspec
from pydantic_core import SchemaValidator, core_schema


class Params(msgspec.Struct):
    """What a limit reads of `params`; the arguments stay bytes until they are validated."""

    name: str
    arguments: msgspec.Raw


class Request(msgspec.Struct):
    """A JSON-RPC request, as much of it as an answer needs."""

    id: int | str
    method: str
    params: Params


class Text(msgspec.Struct, tag="text"):
    """One text block of a result."""

    text: str


class Result(msgspec.Struct, rename="camel"):
    """The result of a tool, in the form of revision 2026-07-28."""

    content: list[Text]
    structured_content: dict[str, int]
    is_error: bool = False
    result_type: str = "complete"


class Response(msgspec.Struct):
    """A JSON-RPC response."""

    id: int | str
    result: Result
    jsonrpc: str = "2.0"


async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


_TOOLS = {"add": add}
_DECODE = msgspec.json.Decoder(Request).decode
_ENCODE = msgspec.json.Encoder().encode
_VALIDATE = SchemaValidator(
    core_schema.typed_dict_schema(
        {
            "a": core_schema.typed_dict_field(core_schema.int_schema()),
            "b": core_schema.typed_dict_field(core_schema.int_schema()),
        }
    )
).validate_json


async def answer(message: bytes) -> bytes:
    """Answer one encoded request, without a newline."""
    request = _DECODE(message)
    params = request.params
    value = await _TOOLS[params.name](**_VALIDATE(bytes(params.arguments)))
    return _ENCODE(Response(request.id, Result([Text(str(value))], {"result": value})))
