"""anyport on its own connections: the same server, by `server.run("http")`; the port is the argument."""

from __future__ import annotations

import sys

from anyport_server import server

if __name__ == "__main__":
    server.run("http", port=int(sys.argv[1]))
