"""What describes other things: icons, implementations, annotations."""

from typing import Literal, TypeAlias

from anyport.protocol.types.messages import WireStruct

Role: TypeAlias = Literal["user", "assistant"]
"""Who speaks, or who is meant."""

IconTheme: TypeAlias = Literal["light", "dark"]
"""Background that an icon is drawn for (2025-11-25)."""


class Icon(WireStruct, kw_only=True):
    """An icon, from 2025-11-25.

    Attributes:
        src: ``https:``, ``http:`` or ``data:`` URI of the image.
        mime_type: MIME type that overrides the one the source reports.
        sizes: Sizes it is made for, as ``48x48`` or ``any``; ``None`` for every size.
        theme: Background it is made for; ``None`` for both.
    """

    src: str
    mime_type: str | None = None
    sizes: list[str] | None = None
    theme: IconTheme | None = None


class Implementation(WireStruct, kw_only=True):
    """The software at one end; self-reported, for display and logs only (META-04).

    Attributes:
        name: Name for programs.
        version: Version of the software.
        title: From 2025-06-18: name for people.
        description: From 2025-11-25: what it does.
        website_url: From 2025-11-25: its home page.
        icons: From 2025-11-25.
    """

    name: str
    version: str
    title: str | None = None
    description: str | None = None
    website_url: str | None = None
    icons: list[Icon] | None = None


class Annotations(WireStruct, kw_only=True):
    """How a client may use content or a resource.

    Attributes:
        audience: Whom it is for.
        priority: 0 (optional) to 1 (required).
        last_modified: From 2025-06-18: ISO 8601 time.
    """

    audience: list[Role] | None = None
    priority: float | int | None = None
    last_modified: str | None = None
