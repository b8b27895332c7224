"""What authors call on a server, outside of calls, to tell clients of changes."""

from __future__ import annotations

from anyport.protocol.changes import PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED, resource_updated
from anyport.server.subscriptions import Subscriptions


class Announcing:
    """Tells of changes, from any thread and at any time; in a call, `Context` has the same methods.

    Adding and removing tools, prompts and resources is told already.

    Attributes:
        subscriptions: Who is told.
    """

    subscriptions: Subscriptions

    def notify_tools_changed(self) -> None:
        """Tell every client that the tools have changed."""
        self.subscriptions.publish(TOOLS_CHANGED)

    def notify_prompts_changed(self) -> None:
        """Tell every client that the prompts have changed."""
        self.subscriptions.publish(PROMPTS_CHANGED)

    def notify_resources_changed(self) -> None:
        """Tell every client that the list of resources or of templates has changed."""
        self.subscriptions.publish(RESOURCES_CHANGED)

    def notify_resource_updated(self, uri: str) -> None:
        """Tell those who subscribed to a resource that it holds something else now.

        Args:
            uri: Its URI, as clients subscribe to it.
        """
        self.subscriptions.publish(resource_updated(uri))
