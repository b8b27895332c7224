"""What a caller may say about one request, and what it comes to with the client's own settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, TypedDict

from msgspec import Struct

from anyport.client.progress import ProgressCallback
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.trace_context import check_trace_context
from anyport.protocol.types import LOG_LEVELS, LoggingLevel
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import PLAIN, Sending

DEFAULT_TIMEOUT_S: Final = 60.0
DEFAULT_MOST_S: Final = 600.0


class CallOptions(TypedDict, total=False):
    """Options that every request takes, as keywords.

    Attributes:
        timeout: Seconds that the server may take; default: the client's. ``math.inf`` for no limit. The time that the
            user takes to answer the server's questions does not count.
        max_total: Seconds for everything, answers of the user and progress included; default: the client's.
        reset_on_progress: Each report of progress starts `timeout` again, up to `max_total`.
        on_progress: Called with progress, total and message of each report; may be ``async``. What it raises ends the
            call.
        log_level: Least severe log message that this request may cause, in the modern era; default: the client's.
        headers: Header fields of this request, over HTTP.
        meta: Entries of ``_meta`` beside those of the protocol.
    """

    timeout: float | None
    max_total: float | None
    reset_on_progress: bool
    on_progress: ProgressCallback | None
    log_level: LoggingLevel | None
    headers: Mapping[str, str] | None
    meta: JsonObject | None


class Terms(Struct, frozen=True, kw_only=True):
    """The terms of one request.

    Attributes:
        timeout: Seconds that the server may take for each round; ``None`` for no limit.
        most: Seconds for everything; ``None`` for no limit.
        resets: Progress starts `timeout` again.
        on_progress: Receives progress.
        log_level: Least severe log message that is wanted; ``None`` for none.
        sending: What goes with it in header fields.
        meta: More entries of ``_meta``.
    """

    timeout: float | None = None
    most: float | None = None
    resets: bool = False
    on_progress: ProgressCallback | None = None
    log_level: LoggingLevel | None = None
    sending: Sending = PLAIN
    meta: JsonObject | None = None

    def mirroring(self, sending: Sending) -> Terms:
        """Return the same terms with other header fields."""
        return Terms(
            timeout=self.timeout,
            most=self.most,
            resets=self.resets,
            on_progress=self.on_progress,
            log_level=self.log_level,
            sending=sending,
            meta=self.meta,
        )


NO_TERMS: Final = Terms()


class Defaults:
    """What a client says about all its requests.

    Args:
        timeout: Seconds for opening and for each request.
        max_total: Seconds for everything that belongs to a request.
        on_progress: Receives the progress of requests that name nobody else.
        log_level: Least severe log message that is wanted.

    Raises:
        LocalProtocolError: A time that is no positive number, or an unknown level.
    """

    def __init__(
        self,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_total: float = DEFAULT_MOST_S,
        on_progress: ProgressCallback | None = None,
        log_level: LoggingLevel | None = None,
    ) -> None:
        self.timeout = checked_timeout(timeout)
        self._most = checked_timeout(max_total)
        self._on_progress = on_progress
        self.log_level: LoggingLevel | None = checked_level(log_level)
        self._plain = self._terms({})

    def terms(self, options: CallOptions) -> Terms:
        """Return the terms of a request.

        Raises:
            LocalProtocolError: A time that is no positive number, or an unknown level.
            TypeError: There is no such option.
        """
        return self._terms(options) if options else self._plain

    def want_logs(self, level: LoggingLevel) -> None:
        """Take the least severe log message that is wanted from now on."""
        self.log_level = checked_level(level)
        self._plain = self._terms({})

    def _terms(self, options: CallOptions) -> Terms:
        unknown = options.keys() - CallOptions.__annotations__.keys()
        if unknown:
            raise TypeError(f"There is no option {min(unknown)!r}; known are {', '.join(CallOptions.__annotations__)}")
        given, most = options.get("timeout"), options.get("max_total")
        timeout = self.timeout if given is None else checked_timeout(given)
        total = self._most if most is None else checked_timeout(most)
        if most is None and total is not None and (timeout is None or timeout > total):
            # Who asks for a longer time gets it.
            total = timeout
        level = options.get("log_level")
        headers = options.get("headers")
        return Terms(
            timeout=timeout,
            most=total,
            resets=options.get("reset_on_progress", False),
            on_progress=options.get("on_progress") or self._on_progress,
            log_level=self.log_level if level is None else checked_level(level),
            sending=PLAIN if headers is None else Sending((), headers),
            meta=checked_meta(options.get("meta")),
        )


def checked_meta(meta: JsonObject | None) -> JsonObject | None:
    """Return entries for ``_meta``.

    Raises:
        LocalProtocolError: One is of those that the protocol writes itself (RPC-14), or is a trace context in a format
            of its own (RPC-15).
    """
    for key in meta or ():
        if key == "progressToken" or key.startswith("io.modelcontextprotocol/"):
            raise LocalProtocolError(f"meta= must not have {key!r}, which the client writes itself")
    if meta:
        try:
            check_trace_context(meta)
        except ValueError as error:
            raise LocalProtocolError(f"meta=: {error}") from None
    return meta


def checked_timeout(seconds: float) -> float | None:
    """Return seconds as an event loop takes them: ``None`` for no limit.

    Raises:
        LocalProtocolError: It is no positive number.
    """
    if not seconds > 0:
        raise LocalProtocolError(f"A timeout must be a positive number of seconds; it is {seconds!r}")
    return None if seconds == math.inf else seconds


def checked_interval(seconds: float) -> float:
    """Return the seconds of an interval.

    Raises:
        LocalProtocolError: It is no positive number.
    """
    if not 0 < seconds < math.inf:
        raise LocalProtocolError(f"An interval must be a positive number of seconds; it is {seconds!r}")
    return seconds


def checked_level(level: LoggingLevel | None) -> LoggingLevel | None:
    """Return a log level, or nothing.

    Raises:
        LocalProtocolError: There is no such level.
    """
    if level is None:
        return None
    for known in LOG_LEVELS:
        if level == known:
            return known
    raise LocalProtocolError(f"Unknown log level {level!r}; known are {', '.join(LOG_LEVELS)}")
