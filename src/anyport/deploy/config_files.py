"""A server written into the file of a host: added to what is there, at once or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

from anyport.client.jsonc import NotJson
from anyport.deploy.hosts import Host
from anyport.deploy.json_edits import NotEditable, as_object, set_member
from anyport.protocol.errors import ConfigError, ConnectError
from anyport.protocol.types.json import JsonObject

_OWNER_ONLY: Final = 0o600


def write_server(path: Path, host: Host, name: str, entry: JsonObject, *, replace: bool = False) -> bool:
    """Put a server into the configuration of a host, and leave everything else in it as it is.

    The file is replaced as a whole, in one step, so that nobody reads half of it; through a link, what it leads to is.
    A new file is for its owner alone, as it may hold secrets.

    Args:
        path: The file; it and its folder are made where they are missing.
        host: The host.
        name: Name of the server.
        entry: What the host reads about it.
        replace: Replace another server of that name.

    Returns:
        Whether anything had to be written; it may be there already.

    Raises:
        ConfigError: The file is not valid, or has another server of that name; it is left as it is.
        ConnectError: It cannot be read or written.
    """
    try:
        # What a link leads to is written: links are how people keep such files elsewhere.
        place = path.resolve()
        before = place.read_bytes() if place.exists() else None
        after = _merged(place, before or b"", (host.key, name), entry, replace=replace)
        if after is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            _replace(place, before, after)
    except OSError as error:
        raise ConnectError(f"Cannot write {path}: {error.strerror or error}") from None
    return after is not None


def _merged(path: Path, before: bytes, where: tuple[str, str], entry: JsonObject, *, replace: bool) -> bytes | None:
    key, name = where
    try:
        text = before.decode("utf-8")
        servers = as_object(text).get(key, {})
        if not isinstance(servers, dict):
            raise NotEditable(f'"{key}" in it is no object')
        if servers.get(name) == entry:
            return None
        if name in servers and not replace:
            raise NotEditable(f"it has another server {name!r}; choose another name, or replace it (--replace)")
        return set_member(text, where, entry).encode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: it is no UTF-8 text", file=str(path)) from None
    except UnicodeEncodeError:
        raise ConfigError(f"{path}: the server has text that has no UTF-8 form", file=str(path), server=name) from None
    except (NotEditable, NotJson) as error:
        raise ConfigError(f"{path}: {error}", file=str(path), server=name) from None


def _replace(path: Path, before: bytes | None, after: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        if before is None:
            new.chmod(_OWNER_ONLY)
        else:
            _take_over(path, new)
        if (path.read_bytes() if path.exists() else None) != before:
            raise ConfigError(f"{path}: somebody else has just changed it; try again", file=str(path))
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _take_over(path: Path, new: Path) -> None:
    """Give a new file the mode and, where that is allowed, the owner of the old one."""
    status = path.stat()
    new.chmod(status.st_mode & 0o7777)
    if os.name == "posix":
        with contextlib.suppress(PermissionError):
            os.chown(new, status.st_uid, status.st_gid)
