"""Questions to a client: what it must have declared to be asked, and whether what it answers is an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from anyport.protocol.errors import InvalidParams, InvalidRequest, MissingClientCapability
from anyport.protocol.revisions import Revision
from anyport.protocol.types import CreateMessageResult, ElicitResult, ListRootsResult
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.forms import wrong_content

ELICIT: Final = "elicitation/create"
SAMPLE: Final = "sampling/createMessage"
ROOTS: Final = "roots/list"

_RESULTS: Final[Mapping[str, type[Struct]]] = {
    ELICIT: ElicitResult,
    SAMPLE: CreateMessageResult,
    ROOTS: ListRootsResult,
}


class MissingLegacyCapability(MissingClientCapability):
    """`MissingClientCapability` in the legacy era, whose revisions have no code for it: -32600 and no data."""

    code = InvalidRequest.code

    def __init__(self, required: JsonObject) -> None:
        super().__init__(required)
        self.data = None


def require(capabilities: JsonObject, revision: Revision, method: str, params: JsonObject) -> None:
    """Check that a client declared what a question needs (META-05, MRTR-03).

    Args:
        capabilities: What it declared.
        revision: Revision of the request.
        method: Method of the question.
        params: Its parameters.

    Raises:
        MissingClientCapability: It did not.
    """
    lacking = _lacking(capabilities, revision, method, params)
    if lacking is not None:
        raise MissingClientCapability(lacking) if revision.modern else MissingLegacyCapability(lacking)


def _lacking(capabilities: JsonObject, revision: Revision, method: str, params: JsonObject) -> JsonObject | None:
    name = method.partition("/")[0]
    declared = capabilities.get(name)
    if method == ELICIT and params.get("mode") == "url":
        known = not revision.lacks("2025-11-25") and isinstance(declared, dict) and declared.get("url") is not None
        return None if known else {name: {"url": {}}}
    if not isinstance(declared, dict):
        return {name: {}}
    if method == ELICIT and "url" in declared and "form" not in declared and not revision.lacks("2025-11-25"):
        return {name: {"form": {}}}
    if method == SAMPLE and params.keys() & {"tools", "toolChoice"} and "tools" not in declared:
        return {name: {"tools": {}}}
    return None


def check_answer(method: str, params: JsonObject, answer: JsonValue) -> JsonObject:
    """Return an answer that fits its question.

    Args:
        method: Method of the question.
        params: Its parameters.
        answer: What the client sent.

    Raises:
        InvalidParams: It is no answer to this question; the message says why.
    """
    try:
        result = msgspec.convert(answer, _RESULTS[method])
    except msgspec.ValidationError as error:
        raise InvalidParams(f"The answer to {method} is malformed: {error}") from None
    problem = ""
    if isinstance(result, ElicitResult):
        problem = _wrong_form(params, result)
    elif isinstance(result, ListRootsResult):
        problem = "\n".join(
            f"{root.uri[:200]}: a root has a file:// URI" for root in result.roots if not _is_file(root.uri)
        )
    if problem:
        raise InvalidParams(f"The answer to {method} is wrong:\n{problem}")
    # A struct was made of it, so it is an object.
    return answer if isinstance(answer, dict) else {}


def _wrong_form(params: JsonObject, result: ElicitResult) -> str:
    schema = params.get("requestedSchema")
    if result.action != "accept" or not isinstance(schema, dict):
        return ""
    return wrong_content(schema, dict[str, JsonValue](msgspec.to_builtins(result.content or {})))


def _is_file(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme == "file" and uri.lower().startswith("file://") and parts.path.startswith("/")
