"""What a client asks of a transport: carry its messages, hand over what comes in, and say when the way is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from anyport.protocol.errors import AnyportError
from anyport.protocol.headers import HeaderParameter
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.revisions import Revision

Answer: TypeAlias = Response | ErrorResponse


class Incoming(Struct, frozen=True):
    """Who takes what comes from the server without having been waited for.

    Attributes:
        notified: Takes each notification, in the order in which they came; returns at once.
        asked: Answers a request of the server, which only the legacy era has.
        lost: Told, once for each start, that the connection is gone although nobody closed it, and with it whatever the
            server remembered of it: the process ended, the stream broke, the session is unknown. Not told where there
            is nothing to remember, as in the modern era over HTTP.
    """

    notified: Callable[[Notification], None]
    asked: Callable[[Request], Awaitable[Answer]]
    lost: Callable[[AnyportError], None]


class Sending(Struct, frozen=True):
    """What goes with a request beside its message, where the transport has a place for it.

    Attributes:
        mirrored: Parameters that header fields mirror (HDR-06).
        headers: Header fields of this request, before those of the transport.
    """

    mirrored: tuple[HeaderParameter, ...] = ()
    headers: Mapping[str, str] | None = None


PLAIN: Final = Sending()


@runtime_checkable
class ClientTransport(Protocol):
    """A client's side of a transport, to one server; it may be started again after it was closed.

    An error whose ``unsent`` is true says that the server certainly did not begin with the request, so that it may be
    sent again whatever it is.

    Attributes:
        probe_silence_s: Seconds of silence after which a server counts as legacy; ``None`` for no such rule.
    """

    probe_silence_s: float | None

    async def start(self, incoming: Incoming) -> None:
        """Open what has to be open before the first message.

        Args:
            incoming: Who takes what comes in until the transport is closed.

        Raises:
            ConnectError: The server cannot be reached or started.
        """
        ...

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        ...

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        """Send a request and wait for its answer; cancelled, it is given up at the server too.

        Raises:
            AnyportError: There will be no answer; never an error that the server answered.
        """
        ...

    async def notify(self, notification: Notification) -> None:
        """Send a notification."""
        ...

    async def aclose(self) -> None:
        """Close everything, within bounds, even if it was never started."""
        ...
