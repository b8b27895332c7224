"""The server of the checks, for `anyport run`."""

from __future__ import annotations

from anyport.testing.transport_server import make_server

server = make_server()
