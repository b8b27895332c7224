"""What does not go with several processes that serve HTTP, and what says so (S15)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import cast

import pytest

from anyport import Server
from anyport.errors import LocalProtocolError
from anyport.serving.application import RunOptions
from anyport.serving.plan import make_plan
from anyport.serving.settings import SettingError, Settings, read_settings
from anyport.stores import MemoryStore, SqliteStore
from tests.drivers.stdio import environment
from tests.requirements import require_linux


@pytest.fixture(autouse=True)
def linux() -> None:
    require_linux("processes")


@pytest.mark.parametrize("number", [0, -1, 65, True, 2.0, "2"])
def test_a_number_that_is_none(number: object) -> None:
    with pytest.raises(LocalProtocolError, match="workers must be a number of processes from 1 to 64; it is"):
        Server("s").run("http", port=0, workers=cast("int", number))


@pytest.mark.parametrize("text", ["0", "65", "many", "2.0", "-1", "٣", "9" * 5000])
def test_a_variable_that_is_none(text: str) -> None:
    with pytest.raises(SettingError, match="ANYPORT_WORKERS: a number of processes from 1 to 64, not"):
        read_settings({"ANYPORT_WORKERS": text})


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["stdio"], RunOptions(), "goes with http alone, not with stdio"),
        (["stdio", "http"], RunOptions(), "goes with http alone, not with stdio"),
        (["http", "socket"], RunOptions(socket_path="/x"), "goes with http alone, not with socket"),
        (["sse"], RunOptions(), "a conversation is held by the process that has its stream"),
        (["http", "sse"], RunOptions(), "does not go with HTTP\\+SSE"),
        (["http"], RunOptions(sse=True), "does not go with HTTP\\+SSE"),
    ],
)
def test_transports_of_one_process(names: list[str], options: RunOptions, message: str) -> None:
    with pytest.raises(LocalProtocolError, match=message):
        make_plan(names, {**options, "workers": 2})
    if set(names) & {"http", "sse"}:
        with pytest.raises(LocalProtocolError, match=message):
            make_plan(names, options, Settings(workers=2))


def test_one_worker_goes_with_everything() -> None:
    assert make_plan(["stdio", "sse"], {"workers": 1}).workers == 1
    # What the environment says about HTTP is no concern of a server on stdio.
    assert make_plan(["stdio"], {}, Settings(workers=4)).workers == 1
    assert make_plan(["http"], {}, Settings(workers=4)).workers == 4
    assert make_plan(["http"], {"workers": 2}, Settings(workers=4)).workers == 2


@pytest.mark.parametrize("mounted", [False, True])
def test_a_store_of_one_process(mounted: bool) -> None:
    """Refused before anything is begun."""
    server = Server("shop", store=MemoryStore())
    if mounted:
        outer = Server("outer", store=SqliteStore("never.db"))
        outer.mount(server, "inner")
        server = outer
    with pytest.raises(LocalProtocolError, match="the MemoryStore of shop is of one process"):
        server.run("http", port=0, workers=2)


def in_a_thread(run: Callable[[], None]) -> None:
    errors: list[LocalProtocolError] = []

    def work() -> None:
        try:
            run()
        except LocalProtocolError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    raise errors[0]


def in_a_loop(run: Callable[[], None]) -> None:
    async def work() -> None:
        run()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("place", "message"), [(in_a_thread, "the main thread alone can hear"), (in_a_loop, "here one runs")]
)
def test_where_nothing_can_be_forked(place: Callable[[Callable[[], None]], None], message: str) -> None:
    with pytest.raises(LocalProtocolError, match=message):
        place(lambda: Server("s").run("http", port=0, workers=2))


def test_a_system_that_cannot_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(LocalProtocolError, match="workers are forked, which this system cannot do"):
        Server("s").run("http", port=0, workers=2)


async def test_in_a_loop_that_goes_on() -> None:
    with pytest.raises(LocalProtocolError, match="goes with run alone"):
        await Server("s").run_async("http", port=0, workers=2)


def test_no_folder_for_the_store() -> None:
    code = (
        "import tempfile; tempfile.tempdir = '/nowhere'\n"
        "from anyport import Server\nServer('s').run('http', port=0, workers=2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=30)
    assert done.returncode == 1
    assert "no folder can be made for one" in done.stderr
