"""The back-channel of a modern call: questions collect here, and answers come with the retry of the call.

Two kinds of body ask through it. One that is parked goes on where it waits once its answers are delivered. One that is
replayed runs again from its start with the record of its answers: a question finds its answer by its key, and has to be
the same question.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

from anyport.protocol.errors import InternalError, InvalidParams, LocalProtocolError, McpError
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.answers import check_answer


class Record(Struct, array_like=True):
    """What a body that is replayed has to know again; it travels in ``requestState``.

    Attributes:
        answers: Digest of each question that was answered, and its answer, by key.
        asked: Digests of the questions that are open, by key.
        once: What `Context.once` recorded, by name.
    """

    answers: dict[str, tuple[str, JsonObject]]
    asked: dict[str, str]
    once: dict[str, JsonValue]


class Question(Struct, frozen=True, eq=False):
    """An open question.

    Attributes:
        method: What is asked.
        params: Its parameters.
        answer: Where the body waits.
    """

    method: str
    params: JsonObject
    answer: asyncio.Future[JsonObject]

    @property
    def digest(self) -> str:
        """Tells one question from another."""
        return _digest(self.method, self.params)


class Questions:
    """What a body asks, and what it was answered.

    Args:
        stirred: Called when something happens that who drives the body has to look at.
        replayed: The body runs again from its start with each retry.

    Attributes:
        open: Questions without an answer, by key.
        busy: Side effects that run and are not recorded yet; the body must not be unwound meanwhile.
        failure: Why the call has to end although the body waits.
    """

    def __init__(self, stirred: Callable[[], None], *, replayed: bool) -> None:
        self.open: dict[str, Question] = {}
        self.busy = 0
        self.failure: McpError | None = None
        self.replayed = replayed
        self._stirred = stirred
        self._keys: set[str] = set()
        self._ended = False
        self._record = Record({}, {}, {})
        self._given: JsonObject = {}
        self._unprompted = False

    async def request(self, method: str, params: JsonObject, key: str | None = None) -> JsonObject:
        """Ask the client; `anyport.protocol.calls.BackChannel`.

        Raises:
            LocalProtocolError: The body is replayed and asks something else than the first time.
        """
        if self._ended:
            raise LocalProtocolError("The call is over: nothing can be asked any more")
        key = self._name(key)
        question = Question(method, params, asyncio.get_running_loop().create_future())
        recorded = self._recall(key, question)
        if recorded is not None:
            return recorded
        self.open[key] = question
        self._stirred()
        try:
            return await question.answer
        finally:
            self.open.pop(key, None)

    @contextmanager
    def stateless(self) -> Generator[None]:
        """Have what is asked inside asked by replay: nothing has run yet that could not run again."""
        before, self.replayed = self.replayed, True
        try:
            yield
        finally:
            self.replayed = before

    def resume(self, record: Record | None, given: JsonObject) -> None:
        """Begin with answers that came with the call.

        Args:
            record: What the state of the call says; ``None`` for answers that came without one, which are taken for
                what is asked under their keys.
            given: The answers, not looked at yet.
        """
        self._unprompted, self._given = record is None, given
        self._record = record or self._record

    def record(self) -> Record:
        """Return what a replay needs.

        Raises:
            InternalError: The body did not ask again what it asked the first time.
        """
        known = [*self._record.answers, *(key for key in self._record.asked if key in self._given)]
        if forgotten := [key for key in known if key not in self._keys]:
            raise InternalError(_other(forgotten[0]))
        self._record.asked = {key: question.digest for key, question in self.open.items()}
        return self._record

    def check(self, given: JsonObject) -> dict[str, JsonObject]:
        """Return the answers to open questions among those that came; others are ignored (MRTR-07).

        Raises:
            InvalidParams: One of them does not fit its question. None is taken.
        """
        return {
            key: check_answer(question.method, question.params, given[key])
            for key, question in self.open.items()
            if key in given
        }

    def deliver(self, answers: dict[str, JsonObject]) -> None:
        """Let the body go on."""
        for key, answer in answers.items():
            question = self.open.pop(key)
            if not question.answer.done():
                question.answer.set_result(answer)

    def close(self) -> None:
        """Wake whoever waits, also on a thread: there will be no answer."""
        self._ended = True
        for question in self.open.values():
            question.answer.cancel()

    async def once(self, name: str, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """Return what a side effect gave: of this run, or of the run that the record is of.

        Args:
            name: Name of the side effect, unique in the call.
            run: Does it.
        """
        if name not in self._record.once:
            self.busy += 1
            try:
                self._record.once[name] = await run()
            finally:
                self.busy -= 1
                self._stirred()
        return self._record.once[name]

    def _name(self, key: str | None) -> str:
        """Return a key that this call has not used before: the author's, numbered where it comes again (MRTR-02)."""
        wanted = key or "question-1"
        found, number = wanted, 1
        while found in self._keys:
            number += 1
            found = f"{key or 'question'}-{number}"
        self._keys.add(found)
        return found

    def _recall(self, key: str, question: Question) -> JsonObject | None:
        """Return the answer that a replay has for a question."""
        digest, answers = question.digest, self._record.answers
        known = answers.get(key)
        expected = known[0] if known is not None else self._record.asked.get(key)
        if expected is not None and expected != digest:
            raise LocalProtocolError(_other(key))
        if known is not None:
            return known[1]
        if key not in self._given or (expected is None and not self._unprompted):
            # What was not asked in the round before has no answer in this one.
            return None
        try:
            answer = check_answer(question.method, question.params, self._given.pop(key))
        except InvalidParams as error:
            # Not the body's to catch: the client may send the same state again, with an answer that is one.
            self.failure = error
            self._stirred()
            return None
        answers[key] = (digest, answer)
        return answer


def _other(key: str) -> str:
    return (
        f"The function asked something else when it ran again, where it had asked {key!r}: what it asks must not vary"
    )


def _digest(method: str, params: JsonObject) -> str:
    return hashlib.sha256(msgspec.json.encode([method, params], order="deterministic")).hexdigest()[:16]
