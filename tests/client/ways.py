"""The full server over the transports that have a back-channel, in both eras."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client, Server
from anyport.client.answers import ElicitCallback, Roots, SampleCallback
from anyport.client.logs import LogCallback
from anyport.client.watching import ChangeCallback
from tests.client.peers import load_server

assert _http_client

FULL = Path(__file__).with_name("full_server.py")
WAIT = 30.0
"""Seconds for anything that should happen at once; a bound, not a pause."""

Era = Literal["modern", "legacy"]


class Way:
    """A transport and an era.

    Args:
        where: ``memory``, ``file`` or ``http``.
        era: The era that is spoken.
        url: Where the full server is served.
    """

    def __init__(self, where: Literal["memory", "file", "http"], era: Era, url: str) -> None:
        self.where, self._url = where, url
        self.era: Era = era

    def client(
        self,
        *,
        roots: Roots | None = None,
        on_elicit: ElicitCallback | None = None,
        on_sample: SampleCallback | None = None,
        on_log: LogCallback | None = None,
        on_change: ChangeCallback | None = None,
    ) -> Client:
        """Return a client of the full server."""
        target: Server | str = load_server(FULL) if self.where == "memory" else str(FULL)
        return Client(
            self._url if self.where == "http" else target,
            era=self.era,
            timeout=20,
            roots=roots,
            on_elicit=on_elicit,
            on_sample=on_sample,
            on_log=on_log,
            on_change=on_change,
        )
