"""What a tool can return beside data: images, sound, files, links, and the blocks of the wire themselves."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.types import (
    Annotations,
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceContents,
)


class _Media:
    """Bytes with a MIME type, given directly or as a file.

    Args:
        data: The bytes; or give ``path``.
        path: A file that is read when the result is made.
        mime_type: MIME type; guessed from the file's name where it is not given.
        annotations: Audience, priority and time of change.

    Raises:
        LocalProtocolError: Neither or both of ``data`` and ``path`` are given, or the MIME type cannot be told.
    """

    kind = ""
    default_type: str | None = None

    def __init__(
        self,
        data: bytes | None = None,
        *,
        path: str | Path | None = None,
        mime_type: str | None = None,
        annotations: Annotations | None = None,
    ) -> None:
        if (data is None) == (path is None):
            raise LocalProtocolError(f"{type(self).__name__} takes either data or path")
        guessed = mimetypes.guess_type(str(path))[0] if path is not None else self.default_type
        self._data = data
        self._path = None if path is None else Path(path)
        self._annotations = annotations
        self.mime_type = mime_type or guessed or ""
        if self.kind and not self.mime_type.startswith(f"{self.kind}/"):
            shown = self.mime_type or "unknown"
            raise LocalProtocolError(f"{type(self).__name__} needs a mime_type of {self.kind}/...; it is {shown}")

    def read(self) -> bytes:
        """Return the bytes; raises `OSError` when the file cannot be read."""
        return self._data if self._data is not None else self._path.read_bytes() if self._path else b""

    def _base64(self) -> str:
        return base64.b64encode(self.read()).decode()


class Image(_Media):
    """An image as a tool result: ``Image(data)`` (PNG unless said otherwise) or ``Image(path="plot.webp")``."""

    kind = "image"
    default_type = "image/png"

    def to_block(self) -> ContentBlock:
        """Return the content block of the wire."""
        return ImageContent(data=self._base64(), mime_type=self.mime_type, annotations=self._annotations)


class Audio(_Media):
    """Sound as a tool result: ``Audio(data)`` (WAV unless said otherwise) or ``Audio(path="answer.mp3")``."""

    kind = "audio"
    default_type = "audio/wav"

    def to_block(self) -> ContentBlock:
        """Return the content block of the wire."""
        return AudioContent(data=self._base64(), mime_type=self.mime_type, annotations=self._annotations)


class File(_Media):
    """A file as a tool result, embedded as a resource: ``File(path="report.csv")`` or ``File(data, uri=...)``.

    Text (MIME types ``text/*``, JSON and XML that is UTF-8) is embedded as text, anything else as Base64.

    Args:
        data: The bytes; or give ``path``.
        path: A file that is read when the result is made.
        uri: URI of the resource; a ``file://`` URI of the path where it is not given.
        mime_type: MIME type; guessed from the name, else ``application/octet-stream``.
        annotations: Audience, priority and time of change.
    """

    default_type = "application/octet-stream"

    def __init__(
        self,
        data: bytes | None = None,
        *,
        path: str | Path | None = None,
        uri: str | None = None,
        mime_type: str | None = None,
        annotations: Annotations | None = None,
    ) -> None:
        super().__init__(data, path=path, mime_type=mime_type, annotations=annotations)
        if uri is None and self._path is None:
            raise LocalProtocolError("File of bytes needs a uri")
        self.uri = uri or (self._path.absolute().as_uri() if self._path else "")
        self.mime_type = self.mime_type or "application/octet-stream"

    def to_block(self) -> ContentBlock:
        """Return the content block of the wire."""
        data = self.read()
        text = _as_text(data) if _is_text(self.mime_type) else None
        blob = base64.b64encode(data).decode() if text is None else None
        contents = ResourceContents(uri=self.uri, mime_type=self.mime_type, text=text, blob=blob)
        return EmbeddedResource(resource=contents, annotations=self._annotations)


Media = Image | Audio | File


def _is_text(mime_type: str) -> bool:
    return mime_type.startswith("text/") or mime_type.endswith(("/json", "/xml", "+json", "+xml"))


def _as_text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
