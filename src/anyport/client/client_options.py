"""What a client is made with, as keywords, for what makes clients of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from anyport.client.answers import ElicitCallback, Roots, SampleCallback
from anyport.client.cache import ResponseCache
from anyport.client.connect import PinName
from anyport.client.logs import LogCallback
from anyport.client.progress import ProgressCallback
from anyport.client.states import StateCallback
from anyport.client.tool_requests import CallCallback
from anyport.client.watching import ChangeCallback
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Era
from anyport.protocol.types import LoggingLevel
from anyport.transports.stdio.child import Environment
from anyport.transports.stdio.last_words import OnStderr


class ClientOptions(TypedDict, total=False):
    """The options of `Client`, each with the default that it has there."""

    server: str | None
    transport: PinName | None
    era: Era | None
    headers: Mapping[str, str] | None
    env: Environment
    on_stderr: OnStderr
    timeout: float
    max_total: float
    limits: Limits
    roots: Roots | None
    on_elicit: ElicitCallback | None
    on_sample: SampleCallback | None
    on_log: LogCallback | None
    log_level: LoggingLevel | None
    on_progress: ProgressCallback | None
    on_change: ChangeCallback | None
    on_state: StateCallback | None
    respawn: bool
    on_call: CallCallback | None
    ping_interval: float | None
    cache: bool | ResponseCache
    validate_output: bool
