"""What changes at a server while clients look on, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol

from msgspec import Struct

from anyport.protocol.calls import Carrier
from anyport.protocol.types import NotificationParams, ResourceUpdatedNotificationParams
from anyport.protocol.types.json import JsonObject

LISTEN: Final = "subscriptions/listen"

ChangeMethod = Literal[
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
]


class Change(Struct, frozen=True):
    """Something that a client may want to know.

    Attributes:
        method: The notification that tells of it.
        uri: Which resource was updated; ``None`` for a list.
    """

    method: ChangeMethod
    uri: str | None = None

    def params(self, meta: JsonObject | None = None) -> NotificationParams:
        """Return the parameters of the notification.

        Args:
            meta: Its ``_meta``.
        """
        if self.uri is None:
            return NotificationParams(meta=meta)
        return ResourceUpdatedNotificationParams(meta=meta, uri=self.uri)


TOOLS_CHANGED: Final = Change("notifications/tools/list_changed")
PROMPTS_CHANGED: Final = Change("notifications/prompts/list_changed")
RESOURCES_CHANGED: Final = Change("notifications/resources/list_changed")
LISTS_CHANGED: Final = (TOOLS_CHANGED, PROMPTS_CHANGED, RESOURCES_CHANGED)


def resource_updated(uri: str) -> Change:
    """Return the change of what a resource holds."""
    return Change("notifications/resources/updated", uri)


class Changes(Protocol):
    """Where the changes of a server come from."""

    def attach(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Tell a legacy session of each change from now on; what it wants of them it decides itself.

        It is told of the kinds that the server offers now, since those were declared to its client (S31).

        Args:
            listener: Called on the event loop that this is called on; it must not block.

        Returns:
            Called to tell it no more.
        """
        ...

    def end(self, carrier: Carrier | None = None) -> None:
        """End listen streams with their result (SUB-04), as for a shutdown. May be called at any time, from any thread.

        Args:
            carrier: Only those whose calls have this very carrier: the connection that ends. ``None`` for all.
        """
        ...
