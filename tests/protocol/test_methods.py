"""The methods table: every method of every revision, with direction, types, traits (RPC-13, HDR-03, CCH-01, MRTR-01).

The expected sets are the unions ClientRequest, ClientNotification, ServerRequest and ServerNotification of each
revision's schema. mcp-types, which was made apart from this project, has tables of its own to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

import msgspec
import pytest
from mcp_types import methods as theirs

from anyport.protocol import types
from anyport.protocol.methods import METHODS, NAME_FIELDS, Direction, Method, methods_of
from anyport.protocol.revisions import REVISIONS, Revision
from tests.protocol.type_samples_client import CLIENT_SAMPLES
from tests.protocol.type_samples_server import SERVER_SAMPLES

SAMPLES = SERVER_SAMPLES + CLIENT_SAMPLES
NOTIFICATION = "notifications/"

LISTS = {"tools/list", "prompts/list", "resources/list", "resources/templates/list"}
FEATURES = LISTS | {"tools/call", "prompts/get", "resources/read", "completion/complete"}
OLD_REQUESTS = {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}
OLD_NOTIFICATIONS = {
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
}
TOLD = {
    "notifications/cancelled",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/tools/list_changed",
}
TASKS = {"tasks/get", "tasks/list", "tasks/cancel", "tasks/result", "notifications/tasks/status"}

TO_SERVER = {
    "2024-11-05": FEATURES | OLD_REQUESTS | OLD_NOTIFICATIONS,
    "2025-03-26": FEATURES | OLD_REQUESTS | OLD_NOTIFICATIONS,
    "2025-06-18": FEATURES | OLD_REQUESTS | OLD_NOTIFICATIONS,
    "2025-11-25": FEATURES | OLD_REQUESTS | OLD_NOTIFICATIONS | TASKS,
    "2026-07-28": FEATURES | {"server/discover", "subscriptions/listen", "notifications/cancelled"},
}
ASKED = {"ping", "sampling/createMessage", "roots/list"}
TO_CLIENT = {
    "2024-11-05": TOLD | ASKED,
    "2025-03-26": TOLD | ASKED,
    "2025-06-18": TOLD | ASKED | {"elicitation/create"},
    "2025-11-25": TOLD | ASKED | {"elicitation/create", "notifications/elicitation/complete"} | TASKS,
    "2026-07-28": TOLD | {"notifications/subscriptions/acknowledged"},
}
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda row: row.name)
def test_every_method_of_the_schema_and_no_other(revision: Revision) -> None:
    assert set(methods_of(revision, "to_server")) == TO_SERVER[revision.name]
    assert set(methods_of(revision, "to_client")) == TO_CLIENT[revision.name]


def test_a_modern_server_asks_nothing() -> None:
    """RPC-13: no requests from the server; RPC-05: what it tells is a notification."""
    modern = methods_of(REVISIONS[-1], "to_client")
    assert all(row.notification and name.startswith(NOTIFICATION) for name, row in modern.items())


@pytest.mark.parametrize("row", METHODS, ids=lambda row: f"{row.direction}-{row.name}")
def test_a_row_is_whole(row: Method) -> None:
    assert row.notification == row.name.startswith(NOTIFICATION)
    assert row.params is not None
    assert "meta" in row.params.__struct_fields__
    assert row.result is None or "meta" in row.result.__struct_fields__
    assert row.since.index <= row.until.index
    assert [row.exists_in(revision) for revision in REVISIONS] == [
        row.since.index <= revision.index <= row.until.index for revision in REVISIONS
    ]


def test_a_method_is_once_in_a_revision_and_direction() -> None:
    for revision in REVISIONS:
        for direction in DIRECTIONS:
            names = [row.name for row in METHODS if row.direction == direction and row.exists_in(revision)]
            assert len(names) == len(set(names)) == len(methods_of(revision, direction))


def test_traits() -> None:
    """HDR-03, CCH-01, MRTR-01, as facts."""
    assert {row.name for row in METHODS if row.cacheable} == LISTS | {"resources/read", "server/discover"}
    assert {row.name for row in METHODS if row.asks} == {"tools/call", "prompts/get", "resources/read"}
    assert NAME_FIELDS == {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@pytest.mark.parametrize("row", [row for row in METHODS if row.result is not None], ids=lambda row: row.name)
def test_traits_fit_the_types(row: Method) -> None:
    """A cacheable result can say so, a list has pages, and who may be asked again can answer."""
    assert row.params is not None
    assert row.result is not None
    modern = row.exists_in(REVISIONS[-1])
    assert row.cacheable == (modern and issubclass(row.result, types.CacheableResult))
    assert ("cursor" in row.params.__struct_fields__) == ("next_cursor" in row.result.__struct_fields__)
    assert row.asks == issubclass(row.params, types.InputResponseRequestParams)
    if row.header_field is not None:
        assert row.header_field in row.params.__struct_fields__


# --- beside the independent tables ------------------------------------------------------------------------------------

Table = Mapping[tuple[str, str], object]
THEIR_METHODS: dict[Direction, tuple[Table, ...]] = {
    "to_server": (theirs.CLIENT_REQUESTS, theirs.CLIENT_NOTIFICATIONS),
    "to_client": (theirs.SERVER_REQUESTS, theirs.SERVER_NOTIFICATIONS),
}
THEIR_RESULTS: dict[Direction, Table] = {"to_server": theirs.SERVER_RESULTS, "to_client": theirs.CLIENT_RESULTS}
# They leave out the tasks of 2025-11-25 on purpose, and model these parameters without a name of the schema's.
UNNAMED = {"elicitation/create", "notifications/elicitation/complete"}


def names_in(annotation: object) -> set[str]:
    """The names of the models that an annotation is made of."""
    parts = cast("tuple[object, ...]", get_args(annotation))
    if not parts:
        return {getattr(annotation, "__name__", str(annotation))}
    return set[str]().union(*map(names_in, parts))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("revision", REVISIONS, ids=lambda row: row.name)
def test_their_methods_are_ours(revision: Revision, direction: Direction) -> None:
    names = {name for table in THEIR_METHODS[direction] for name, version in table if version == revision.name}
    assert names == set(methods_of(revision, direction)) - TASKS


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("revision", REVISIONS, ids=lambda row: row.name)
def test_their_types_have_the_names_of_ours(revision: Revision, direction: Direction) -> None:
    """For each method the same parameters and the same result."""
    compared = 0
    for name, row in methods_of(revision, direction).items():
        for table in THEIR_METHODS[direction]:
            model = table.get((name, revision.name))
            if model is not None and name not in UNNAMED:
                fields = cast("dict[str, object]", getattr(model, "model_fields"))  # noqa: B009 - of whatever model
                assert row.params is not None
                assert row.params.__name__ in names_in(getattr(fields["params"], "annotation"))  # noqa: B009 - untyped there
                compared += 1
        result = THEIR_RESULTS[direction].get((name, revision.name))
        if result is not None:
            assert row.result is not None
            ours = "EmptyResult" if row.result is types.Result else row.result.__name__
            assert names_in(result) & {ours, row.result.__name__}
            compared += 1
    assert compared >= len(methods_of(revision, direction)) - len(TASKS | UNNAMED)


def test_their_traits_are_ours() -> None:
    assert {row.name for row in METHODS if row.cacheable} == set(theirs.CACHEABLE_METHODS)
    assert {row.name for row in METHODS if row.asks} == set(theirs.INPUT_REQUIRED_METHODS)


# --- the types read what is on the wire -------------------------------------------------------------------------------


@pytest.mark.parametrize("row", METHODS, ids=lambda row: f"{row.direction}-{row.name}")
def test_the_types_read_the_samples(row: Method) -> None:
    """Every sample of the row's parameters and result comes back whole."""
    for kind in (row.params, row.result):
        if kind is None:
            continue
        values = [sample.value for sample in SAMPLES if type(sample.value) is kind]
        for value in values:
            assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value
        assert values, f"no sample of {kind.__name__}"
