"""Several processes that serve HTTP: the first one binds, forks, and sees to it that all of them serve.

Each worker has a loop and a lifespan of its own. The first process has neither: it waits, puts another worker in the
place of one that died, and passes on what is to end the server. It keeps every socket open, so that connections which
wait for a worker that died are served by the one that takes its place.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import logging
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Final

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.serving.application import Application
from anyport.serving.own_store import limits_of
from anyport.serving.plan import Plan
from anyport.serving.supervisor import Slot, Supervisor
from anyport.serving.uvicorn_server import HttpFront, bound, make_front
from anyport.stores.sqlite import SqliteStore

logger = logging.getLogger("anyport.serving")

_OWN_THREADS: Final = "anyport-tool-"


class _Folder:
    """Where the store is that the workers of a server share, where none was named: readable by their user alone."""

    path: Path | None = None

    def make_store(self, limits: Limits) -> SqliteStore:
        """Make the folder, which goes when the process does, and a store in it.

        Raises:
            LocalProtocolError: There is no room for one.
        """
        try:
            self.path = Path(tempfile.mkdtemp(prefix="anyport-"))
        except OSError as error:
            raise LocalProtocolError(
                f"workers share a store, and no folder can be made for one ({error}): name a store, or set TMPDIR"
            ) from error
        # Not when the server ends: the same one may be run again.
        atexit.register(_remove, self.path, os.getpid())
        return SqliteStore(self.path / "store.db", limits_of(limits))


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def serve(application: Application, plan: Plan) -> None:
    """Serve an application over HTTP by several processes, until a signal ends it.

    Args:
        application: What is served; its limit ``drain_s`` is what calls in flight get at the end.
        plan: Where, and by how many.

    Raises:
        SystemExit: With a line that says why: an address cannot be listened on (status 1). With status 3: the lifespan
            failed.
        LocalProtocolError: An option makes no sense, the store is of one process alone, or no process can be forked
            here.
    """
    _check_place()
    folder = _Folder()
    is_random = application.share(folder.make_store)
    with contextlib.ExitStack() as stack:
        fronts: list[HttpFront] = []
        sockets: list[list[list[socket.socket]]] = []
        for place in plan.http:
            front = make_front(application, place, plan.options, plain_asgi=plan.plain_asgi, quiet=True)
            sockets.append(stack.enter_context(bound(place, plan.workers)))
            fronts.append(front)
        if is_random:
            logger.warning(
                "The workers of %s share a random secret, which ends with the server: what clients carry for it then"
                " opens no more. Name one with Server(secret=...) or ANYPORT_SECRET",
                application.name,
            )
        _warn_of_threads()
        slots = [Slot(number, [each[number - 1] for each in sockets]) for number in range(1, plan.workers + 1)]
        # What is there now is the same in every process, and stays so as long as no collection writes to it.
        gc.collect()
        gc.freeze()
        Supervisor(application, fronts, slots, folder.path).run()


def _check_place() -> None:
    if not hasattr(os, "fork"):
        raise LocalProtocolError("workers are forked, which this system cannot do: use one, or several servers")
    if threading.current_thread() is not threading.main_thread():
        raise LocalProtocolError("workers are ended by signals, which the main thread alone can hear: call run there")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise LocalProtocolError("workers are forked before there is an event loop, and here one runs")


def _warn_of_threads() -> None:
    names = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    others = [name for name in names if not name.startswith(_OWN_THREADS)]
    if others:
        logger.warning(
            "Threads that run before the workers are forked stay in the first process, and locks that they hold are"
            " held in every worker for ever: %s. Start them in the lifespan",
            ", ".join(others),
        )
