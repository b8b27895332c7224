"""Media as tool results, with the arguments of `fastmcp` and `mcp`: a path first, and a format in place of a type."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import cast

from anyport import Audio as PublicAudio
from anyport import File as PublicFile
from anyport import Image as PublicImage
from anyport.compat.fastmcp.adapting import struct_of
from anyport.types import Annotations, AudioContent, EmbeddedResource, ImageContent


class Image(PublicImage):
    """An image: ``Image("plot.png")``, ``Image(data=png)``, ``Image(data=jpeg, format="jpeg")``.

    Args:
        path: A file; or give ``data``.
        data: The bytes.
        format: What comes after ``image/`` in its type.
        annotations: Audience, priority and time of change.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        data: bytes | None = None,
        format: str | None = None,  # noqa: A002 - the other library's name
        annotations: object = None,
    ) -> None:
        kind = f"image/{format.lower()}" if format else None
        super().__init__(data, path=path, mime_type=kind, annotations=struct_of(annotations, Annotations))

    def to_image_content(self) -> ImageContent:
        """Return the content block of the wire."""
        return cast("ImageContent", self.to_block())


class Audio(PublicAudio):
    """Sound: ``Audio("answer.mp3")``, ``Audio(data=wav)``, ``Audio(data=mp3, format="mpeg")``.

    Args:
        path: A file; or give ``data``.
        data: The bytes.
        format: What comes after ``audio/`` in its type.
        annotations: Audience, priority and time of change.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        data: bytes | None = None,
        format: str | None = None,  # noqa: A002 - the other library's name
        annotations: object = None,
    ) -> None:
        kind = f"audio/{format.lower()}" if format else None
        super().__init__(data, path=path, mime_type=kind, annotations=struct_of(annotations, Annotations))

    def to_audio_content(self) -> AudioContent:
        """Return the content block of the wire."""
        return cast("AudioContent", self.to_block())


class File(PublicFile):
    """A file: ``File("report.csv")``, ``File(data=pdf, format="pdf", name="report")``.

    Args:
        path: A file; or give ``data``.
        data: The bytes.
        format: Its type, as the ending of a file's name says it.
        name: What it is called; its URI is ``file:///name.format``.
        annotations: Audience, priority and time of change.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        data: bytes | None = None,
        format: str | None = None,  # noqa: A002 - the other library's name
        name: str | None = None,
        annotations: object = None,
    ) -> None:
        kind = None
        if format is not None:
            kind = mimetypes.guess_type(f"x.{format.lower()}")[0] or f"application/{format.lower()}"
        ending = f".{format.lower()}" if format is not None and "." not in (name or "") else ""
        uri = None if path is not None else f"file:///{name or 'resource'}{ending}"
        made = struct_of(annotations, Annotations)
        super().__init__(data, path=path, uri=uri, mime_type=kind, annotations=made)

    def to_resource_content(self) -> EmbeddedResource:
        """Return the content block of the wire."""
        return cast("EmbeddedResource", self.to_block())
