"""Every MCP type against independent models of the specification (the package mcp-types), in both directions.

mcp-types has one set of models for the revisions until 2025-11-25 and one for 2026-07-28.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from functools import cache
from typing import cast

import msgspec
import pytest
from pydantic import BaseModel, TypeAdapter

from anyport.protocol import types
from tests.protocol.type_samples import MODERN, REVISIONS, Sample
from tests.protocol.type_samples_client import CLIENT_SAMPLES
from tests.protocol.type_samples_server import SERVER_SAMPLES

SAMPLES = SERVER_SAMPLES + CLIENT_SAMPLES
CASES = [
    pytest.param(sample, revision, id=f"{revision}-{sample.spec}-{index}")
    for index, sample in enumerate(SAMPLES)
    for revision in sample.revisions
]
STRUCTS = {
    name: kind
    for name in types.__all__
    if isinstance(kind := getattr(types, name), type) and issubclass(kind, msgspec.Struct)
}

# Models that stand for the JSON-RPC envelope or for a piece that the specification leaves unnamed.
ENVELOPES = ("Request", "Notification", "ResultResponse", "ErrorResponse", "Error")
UNNAMED = {
    "Argument", "AnyOfItem", "Completion", "Context", "Data", "Data1", "Elicitation", "Elicitation1", "Error1",
    "Error2", "Error3", "InputSchema", "Items", "Items1", "Meta", "OneOfItem", "OutputSchema", "Params", "Params1",
    "Params2", "Params3", "Prompts", "RequestedSchema", "Requests", "Requests1", "Resources", "Roots", "Sampling",
    "Sampling1", "Tasks", "Tasks1", "Tools", "Tools1",
}  # fmt: skip
# Fragments that others are composed of, other names of Result, unions of messages, a result without a shape of its own.
SHAPELESS = {
    "BaseMetadata", "ClientNotification", "ClientResult", "EmptyResult", "GetTaskPayloadResult", "Icons", "MetaObject",
    "ResourceContents", "WireModel",
}  # fmt: skip


@cache
def models(revision: str) -> dict[str, type[BaseModel]]:
    """The models that judge a revision, by the specification's name."""
    module = importlib.import_module(f"mcp_types._v{'2026_07_28' if revision == MODERN else '2025_11_25'}")
    found = cast("dict[str, object]", vars(module))
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


@cache
def adapter(revision: str, spec: str) -> TypeAdapter[object]:
    """The validator of one type."""
    return TypeAdapter(models(revision)[spec])


def judge(sample: Sample, revision: str, data: bytes) -> object:
    """What the independent model makes of `data`: the fields that were set, dumped again."""
    if sample.method is not None:
        data = b'{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}' % (sample.method.encode(), data)
    checked = adapter(revision, sample.spec)
    dumped: object = checked.dump_python(checked.validate_json(data), mode="json", by_alias=True, exclude_unset=True)
    return cast("dict[str, object]", dumped)["params"] if sample.method is not None else dumped


@pytest.mark.parametrize(("sample", "revision"), CASES)
def test_what_we_encode_is_what_they_read(sample: Sample, revision: str) -> None:
    """Every type, minimal and full, in every revision that has it (RPC-06, META-01, VER-03, LIFE-01, S30)."""
    data = msgspec.json.encode(sample.value)
    assert judge(sample, revision, data) == json.loads(data)


@pytest.mark.parametrize(("sample", "revision"), CASES)
def test_what_they_write_is_what_we_read(sample: Sample, revision: str) -> None:
    """Their dump decodes to the value it came from, and encodes to the same JSON again, both from bytes and objects."""
    data = msgspec.json.encode(sample.value)
    theirs = judge(sample, revision, data)
    decoded = msgspec.json.decode(json.dumps(theirs).encode(), type=type(sample.value))
    assert decoded == sample.value
    assert json.loads(msgspec.json.encode(decoded)) == json.loads(data)
    assert msgspec.convert(theirs, type(sample.value)) == sample.value


def _declared(kind: type[msgspec.Struct]) -> set[tuple[str, str]]:
    """Each field of a type, with the name of the type that declares it."""
    lineage = [parent for parent in reversed(kind.__mro__) if issubclass(parent, msgspec.Struct)]
    return {
        (next(parent.__name__ for parent in lineage if name in parent.__struct_fields__), name)
        for name in kind.__struct_fields__
    }


def _structs_in(value: object) -> Iterator[msgspec.Struct]:
    """The value and all that it holds, at any depth."""
    if isinstance(value, msgspec.Struct):
        yield value
        inner: list[object] = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, dict):
        inner = list(cast("dict[str, object]", value).values())
    else:
        inner = cast("list[object]", value) if isinstance(value, list) else []
    for entry in inner:
        yield from _structs_in(entry)


def test_every_type_and_every_field_is_sampled() -> None:
    """The table leaves nothing out."""
    sampled = [struct for sample in SAMPLES for struct in _structs_in(sample.value)]
    kinds: set[type] = {parent for struct in sampled for parent in type(struct).__mro__}
    assert set(STRUCTS.values()) <= kinds

    used: set[tuple[str, str]] = set()
    for struct in sampled:
        unset = {info.name for info in msgspec.structs.fields(struct) if getattr(struct, info.name) is info.default}
        used |= {(owner, name) for owner, name in _declared(type(struct)) if name not in unset}
    assert {field for kind in STRUCTS.values() for field in _declared(kind)} <= used


@pytest.mark.parametrize("revision", ["2025-11-25", MODERN])
def test_every_named_type_of_the_specification_is_there(revision: str) -> None:
    """Each model has a sample, so each named type of the specification has a type here."""
    named = {
        name
        for name in models(revision)
        if not name.startswith("JSONRPC") and not name.endswith(ENVELOPES) and name not in UNNAMED | SHAPELESS
    }
    assert named <= {sample.spec for sample in SAMPLES if revision in sample.revisions}


@pytest.mark.parametrize(("sample", "revision"), [c for c in CASES if c.values[1] in REVISIONS[3:]])
def test_no_field_of_the_specification_is_missing(sample: Sample, revision: str) -> None:
    """Whatever field their model has, ours has too."""
    fields = models(revision)[sample.spec].model_fields
    wire = {field.alias or name for name, field in fields.items()} - {"jsonrpc", "id", "method"}
    if sample.method is None:
        config = sample.value.__struct_config__
        assert wire <= {*sample.value.__struct_encode_fields__, config.tag_field}
    else:
        assert wire == {"params"}
