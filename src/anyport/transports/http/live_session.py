"""What one process knows of a legacy session beside its row: the handshake as an object, and what is in flight."""

from __future__ import annotations

import secrets
from typing import Protocol

import msgspec

from anyport.protocol.correlation import Received
from anyport.protocol.jsonrpc import ErrorResponse, Message, Notification, Response, decode
from anyport.protocol.legacy import LegacyRow, LegacySession
from anyport.protocol.limits import Limits
from anyport.stores.base import Bus
from anyport.transports.http.inbox import Ended, Forwarded, Inbox, Note, Taken, encode_note
from anyport.transports.http.questions import Questions

_decode_row = msgspec.json.Decoder(LegacyRow).decode


class Cancellable(Protocol):
    """A call in flight, as far as a session knows it."""

    def cancel(self) -> None:
        """Give the call up."""
        ...


class Writer(Protocol):
    """Who writes a stream in this process."""

    def is_followed(self) -> None:
        """Take note that the client reads the stream on another connection from now on."""
        ...


class Reader(Protocol):
    """A connection that follows a stream in this process.

    Attributes:
        name: Its name, unlike that of any other.
    """

    name: str

    def stop(self) -> None:
        """End the answer."""
        ...


class Recorder(Protocol):
    """Who writes the standing stream in this process.

    Attributes:
        stream: Name of the stream.
    """

    stream: str

    def end(self) -> None:
        """Write no more."""
        ...


class HttpSession:
    """One legacy conversation over HTTP, as this process knows it.

    Args:
        session_id: Its unguessable name (SES-01).
        principal: Who opened it; nobody else may use it (SES-05).
        limits: How many calls may be in flight.
        bus: Reaches the other processes.

    Attributes:
        id: The name.
        principal: The owner.
        state: The handshake, and what later messages depend on.
        open: Calls in flight in this process.
        row: The row that ``state`` stands for.
        changes: How often ``state`` was changed here: a row that was asked for before a change is not news.
        uses: Requests and streams that use the session now.
        writers: Who writes the streams of calls here, by their names.
        readers: Who follows streams here, by the names of the streams.
        recorder: Who writes the standing stream, if that is done here.
        token: Name of this object among those of other processes.
    """

    __slots__ = (
        "_bus",
        "_inbox",
        "_questions",
        "changes",
        "id",
        "open",
        "principal",
        "readers",
        "recorder",
        "row",
        "state",
        "token",
        "uses",
        "writers",
    )

    def __init__(self, session_id: str, principal: str | None, limits: Limits, bus: Bus) -> None:
        self.id = session_id
        self.principal = principal
        self.state = LegacySession(limits)
        self.open: Received[Cancellable] = Received(limits.calls_per_connection)
        self.row = b""
        self.changes = 0
        self.uses = 0
        self._bus = bus
        self._inbox: Inbox | None = None
        self._questions: Questions | None = None
        self.writers: dict[str, Writer] = {}
        self.readers: dict[str, Reader] = {}
        self.recorder: Recorder | None = None
        self.token = secrets.token_hex(8)

    @property
    def inbox(self) -> Inbox:
        """What other processes say of the session."""
        if self._inbox is None:
            self._inbox = Inbox(self._bus, self.id, self._note)
        return self._inbox

    @property
    def questions(self) -> Questions:
        """What is asked of the client."""
        if self._questions is None:
            self._questions = Questions()
        return self._questions

    def load(self, row: bytes) -> None:
        """Take over a row.

        Raises:
            ValueError: It cannot be read: another version wrote it.
        """
        kept = _decode_row(row)
        self.state.restore(kept)
        self.principal = kept.principal
        self.row = row

    async def tell(self, note: Note) -> None:
        """Tell every process that serves the session, this one included.

        Raises:
            StoreError: The store failed.
        """
        await self._bus.publish(self.id, encode_note(note))

    def receive(self, message: Message) -> bool:
        """Take an answer, or a cancellation.

        Returns:
            Whether it meant anything here; if not, it may elsewhere.
        """
        if isinstance(message, (Response, ErrorResponse)):
            return self._questions is not None and self._questions.answer(message)
        if isinstance(message, Notification):
            call = self.open.cancelled(message.params)
            if call is not None:
                call.cancel()
                return True
        return False

    def close(self) -> None:
        """Refuse whatever comes, and give up every call and stream in flight here."""
        self.state.close()
        for call in self.open.values():
            call.cancel()
        for reader in list(self.readers.values()):
            reader.stop()
        if self.recorder is not None:
            self.recorder.end()

    def take_over(self, stream: str, by: str) -> None:
        """Leave a stream to a connection that follows it from now on."""
        writer, reader = self.writers.get(stream), self.readers.get(stream)
        if writer is not None:
            writer.is_followed()
        if reader is not None and reader.name != by:
            reader.stop()

    def _note(self, note: Note) -> None:
        if isinstance(note, Forwarded):
            self.receive(decode(note.message))
        elif isinstance(note, Taken):
            self._taken(note)
        elif isinstance(note, Ended):
            self.close()
        elif note.by != self.token:
            self.load(note.row)
            self.changes += 1

    def _taken(self, note: Taken) -> None:
        if note.by.startswith(self.token):
            return
        self.take_over(note.stream, note.by)
        recorder = self.recorder
        if recorder is not None and note.stream[:1] == recorder.stream[:1]:
            # A session has one standing stream, and it is written where its client is.
            recorder.end()
            self.take_over(recorder.stream, note.by)
