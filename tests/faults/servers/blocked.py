"""A server whose plain tool blocks its thread until the process ends; on HTTP with an argument, else on stdio."""

from __future__ import annotations

import sys
import threading

from anyport import Limits, Server

server = Server("blocked", limits=Limits(calls_per_address=1024))
_forever = threading.Event()


@server.tool
def block() -> None:
    """Never return."""
    _forever.wait()


@server.tool
async def ping() -> str:
    """Answer at once."""
    return "pong"


if len(sys.argv) > 1:
    server.run(transport="http", port=0)
else:
    server.run()
