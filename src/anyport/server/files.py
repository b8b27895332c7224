"""Files as resources: one file under a URI, or all files of a directory under a URI template.

A path that comes from a client is refused unless the file that it leads to, links resolved, lies inside the directory
(RSC-02). Files are opened without waiting and read only when they are regular, so that a pipe or a device that lies
around in a directory blocks nothing.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from anyport.protocol.errors import LocalProtocolError, ToolError
from anyport.protocol.uri_templates import is_traversal
from anyport.server.content import File
from anyport.server.resource_contents import BYTES, TEXT

MAX_FILE_BYTES: Final = 16 * 2**20
"""Largest file that is served, unless the declaration says otherwise; what one message can carry."""

_ABSENT: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EINVAL}
)
_OPEN: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


class FileReader:
    """Reads one file, as it is at the time.

    Args:
        path: The file.
        mime_type: Its MIME type; ``None`` to tell by name, else by content.
        max_bytes: Largest size that is served.

    Attributes:
        path: The file, absolute.
        size: Its size in bytes at the time of declaration.

    Raises:
        LocalProtocolError: There is no such file.
    """

    def __init__(self, path: str | Path, mime_type: str | None, max_bytes: int) -> None:
        self.path = Path(path).absolute()
        if not self.path.is_file():
            raise LocalProtocolError(f"{path} is not a file")
        self.size = self.path.stat().st_size
        self.mime_type = mime_type or guess_mime_type(self.path.name)
        self._max_bytes = max_bytes

    def __call__(self) -> File | None:
        """Read the file; ``None`` where it is gone."""
        return _as_file(_read(self.path, self._max_bytes, 0), self.path.name, self.mime_type)


class DirectoryReader:
    """Reads any file of a directory, and suggests what there is.

    Args:
        directory: The directory.
        mime_type: MIME type of all files; ``None`` to tell each by name, else by content.
        hidden: Serve names that begin with a dot too.
        max_bytes: Largest size that is served.

    Attributes:
        root: The directory, absolute and with links resolved.

    Raises:
        LocalProtocolError: There is no such directory.
    """

    def __init__(self, directory: str | Path, mime_type: str | None, *, hidden: bool, max_bytes: int) -> None:
        self.root = Path(directory).resolve()
        if not self.root.is_dir():
            raise LocalProtocolError(f"{directory} is not a directory")
        self._mime_type = mime_type
        self._hidden = hidden
        self._max_bytes = max_bytes

    def __call__(self, path: str) -> File | None:
        """Read a file.

        Args:
            path: Where it is, from the directory on.

        Returns:
            The file; ``None`` where there is none, or none that may be served.
        """
        found = self._locate(path)
        if found is None:
            return None
        mime_type = self._mime_type or guess_mime_type(found.name)
        # Links are resolved: one that appears at the last moment is not followed.
        return _as_file(_read(found, self._max_bytes, _NO_LINK), found.name, mime_type)

    def complete(self, value: str) -> list[str]:
        """Return the paths that begin with what was typed, down to the next slash.

        Args:
            value: What was typed.
        """
        folder, slash, start = value.rpartition("/")
        place = self._locate(folder) if slash else self.root
        if place is None or not place.is_dir():
            return []
        names = sorted(entry.name for entry in place.iterdir() if entry.name.startswith(start))
        return [*self._suggestions(folder + slash, names)]

    def _suggestions(self, folder: str, names: list[str]) -> Iterator[str]:
        for name in names:
            # What cannot be written in a message cannot be suggested, nor asked for.
            found = self._locate(folder + name) if name.isprintable() else None
            if found is not None and (found.is_dir() or found.is_file()):
                yield f"{folder}{name}/" if found.is_dir() else folder + name

    def _locate(self, path: str) -> Path | None:
        parts = path.split("/")
        # One name for each file: no empty parts, so no absolute paths either.
        if is_traversal(path) or "" in parts:
            return None
        try:
            found = self.root.joinpath(*parts).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            # Not there, not reachable, a loop of links, or no name for a file at all.
            return None
        if not found.is_relative_to(self.root):
            return None
        names = (*parts, *found.relative_to(self.root).parts)
        return found if self._hidden or not any(name.startswith(".") for name in names) else None


def guess_mime_type(name: str) -> str | None:
    """Return the MIME type that a file's name tells, or ``None``."""
    found, encoding = mimetypes.guess_type(name)
    # The type is that of what was compressed; the file itself is the archive.
    return found if encoding is None else "application/gzip" if encoding == "gzip" else BYTES


def _as_file(data: bytes | None, name: str, mime_type: str | None) -> File | None:
    if data is None:
        return None
    # The URI is that of the request, which whoever makes the contents knows.
    return File(data, uri=f"file:///{name}", mime_type=mime_type or (TEXT if _reads_as_text(data) else BYTES))


def _reads_as_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _read(path: Path, most: int, flags: int) -> bytes | None:
    """Return the bytes of a regular file; ``None`` where there is none.

    Raises:
        ToolError: It is larger than what is served.
        OSError: It cannot be read; the error does not name it, since a peer may see the text.
    """
    try:
        descriptor = os.open(path, _OPEN | flags)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise type(error)(error.errno, error.strerror) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise ToolError(f"The file has more than the {most} bytes that are served (max_bytes)")
    return data
