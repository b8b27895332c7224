"""Bodies that a server compressed although nobody asked for it: unpacked piece by piece, never more than is read."""

from __future__ import annotations

import zlib
from typing import Final

from anyport.protocol.errors import RemoteProtocolError

_PIECE: Final = 64 * 1024
_WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class Inflater:
    """Unpacks one body; a bomb costs one piece at a time, and its reader has a bound.

    Args:
        coding: Name of the coding.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._unpack = zlib.decompressobj(_WINDOWS[coding])
        self._waiting = b""

    def feed(self, data: bytes) -> None:
        """Take packed bytes."""
        self._waiting += data

    def more(self) -> bytes:
        """Return the next unpacked bytes; none where more packed ones are needed.

        Raises:
            RemoteProtocolError: The bytes are not in this coding.
        """
        if not self._waiting or self._unpack.eof:
            self._waiting = b""
            return b""
        try:
            piece = self._unpack.decompress(self._waiting, _PIECE)
        except zlib.error as error:
            raise RemoteProtocolError(f"The answer is not in its content coding {self._coding}: {error}") from None
        self._waiting = self._unpack.unconsumed_tail
        return piece

    def finish(self) -> None:
        """Take that nothing more comes.

        Raises:
            RemoteProtocolError: Something is missing.
        """
        if not self._unpack.eof:
            raise RemoteProtocolError(f"The answer ends in the middle of its content coding {self._coding}")


def inflater_for(coding: str) -> Inflater | None:
    """Return what unpacks a content coding; ``None`` for none.

    Raises:
        RemoteProtocolError: Nobody here can unpack it.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _WINDOWS:
        raise RemoteProtocolError(f"The answer is in a content coding that was not asked for: {name[:40]!r}")
    return Inflater(name)
