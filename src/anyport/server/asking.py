"""What a `Context` asks of the client: thin methods over `anyport.server.inputs`, from the loop and from threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import importlib
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Unpack, overload

from typing_extensions import TypeVar

from anyport.protocol.calls import Reply
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.types.json import JsonValue
from anyport.server.audience import running_loop
from anyport.server.call_facts import CallFacts, StateT

if TYPE_CHECKING:
    from anyport.server.inputs import Elicited, Pending, Roots, Sampled, SampleOptions
    from anyport.server.questions import Questions
    from anyport.server.sampling import SampleMessage

DataT = TypeVar("DataT")
PendingT = TypeVar("PendingT", bound="Pending")


class CallEnded(BaseException):
    """Unwinds a plain function that waits for an answer of a call that is over; not to be caught by ``Exception``."""


class Asking(CallFacts[StateT]):
    """The part of a `Context` that asks."""

    __slots__ = ()

    @overload
    def elicit(self, message: str, schema: type[DataT], *, key: str | None = None) -> Elicited[DataT]: ...

    @overload
    def elicit(self, message: str, schema: object = None, *, key: str | None = None) -> Elicited[Any]: ...

    def elicit(self, message: str, schema: object = None, *, key: str | None = None) -> Elicited[Any]:
        """Ask the user to fill in a form: ``answer = await ctx.elicit("Your name?", str)``.

        In a plain function the answer is there when the call returns; it waits for it on its thread, of which there are
        ``Limits.sync_threads``. In the modern era the body goes on in the retry of the call; ``asyncio.gather`` asks
        several things in one round.

        Args:
            message: What the user reads.
            schema: A pydantic model, dataclass or typed dictionary of texts, numbers, booleans, dates and choices; one
                of these types alone, or a list of texts to choose from; a JSON Schema; ``None`` for nothing to fill in.
            key: Name of the question in the modern era; made up where it is ``None``.

        Returns:
            ``action`` (``accept``, ``decline`` or ``cancel``) and ``data``, of the type asked for.

        Raises:
            FormError: No form asks for the schema; the message names the field.
            MissingClientCapability: The client did not declare that it can.
            InvalidParams: The client answered something else.
            Timeout: No answer came within ``Limits.answer_s``.
        """
        return self._asked(_inputs().elicit(self._call, self._reply, message, schema, key))

    def elicit_url(self, message: str, url: str, *, key: str | None = None) -> Elicited[None]:
        """Ask the user to open a page, for what must not pass through the client, such as a secret (2025-11-25).

        ``accept`` means that the user opened it, not that anything was done there. The page has to make sure itself
        that it is the same user (ELI-04).

        Args:
            message: What the user reads.
            url: An ``https://`` URL, or one of this machine; without credentials in it.
            key: As for `elicit`.

        Raises:
            LocalProtocolError: The URL is none of these.
            MissingClientCapability: The client did not declare that it can.
        """
        return self._asked(_inputs().elicit_url(self._call, self._reply, message, url, key))

    def sample(
        self,
        messages: SampleMessage | Sequence[SampleMessage],
        *,
        key: str | None = None,
        **options: Unpack[SampleOptions],
    ) -> Sampled:
        """Ask the client's model: ``(await ctx.sample("Capital of France?")).text``.

        Args:
            messages: What the user says, or the conversation.
            key: As for `elicit`.
            **options: ``system_prompt``, ``max_tokens`` (default 1024), ``temperature``, ``stop_sequences``,
                ``model_preferences`` (or names of models), ``tools`` and ``tool_choice`` (the client must declare
                ``sampling.tools``), ``include_context`` (left out where the client does not declare it), ``metadata``.

        Returns:
            ``text``, ``content``, ``tool_uses``, ``message`` to go on from, ``model``, ``stop_reason``.

        Raises:
            MissingClientCapability: The client did not declare that it can.
            LocalProtocolError: Tools and their results do not balance.
        """
        return self._asked(_inputs().sample(self._call, self._reply, messages, options, key))

    def list_roots(self, *, key: str | None = None) -> Roots:
        """Ask for the directories and files that the server may work on, as ``file://`` URIs.

        Args:
            key: As for `elicit`.

        Raises:
            MissingClientCapability: The client did not declare that it has any.
        """
        return self._asked(_inputs().list_roots(self._call, self._reply, key))

    async def elicit_together(self, questions: Mapping[str, tuple[str, object]]) -> dict[str, Elicited[Any]]:
        """Ask several things before anything has run that could not run again: what `Ask` parameters do.

        In the modern era they make one round, and nothing is kept for them; before, one follows the other.

        Args:
            questions: Message and schema of each, by key; see `elicit`.

        Returns:
            The answers, by key.
        """
        channel = _in_rounds(self._reply)
        if channel is None:
            return {key: await self.elicit(text, schema, key=key) for key, (text, schema) in questions.items()}
        answers = {key: self.elicit(text, schema, key=key) for key, (text, schema) in questions.items()}
        with channel.stateless():
            await asyncio.gather(*answers.values())
        return answers

    async def once(self, name: str, function: Callable[[], object]) -> JsonValue:
        """Do what must not be done again when a resumable tool runs again: ``await ctx.once("order", place)``.

        What it gives travels with the call, sealed, until the call is done. Everywhere else it is just called, once for
        each name.

        Args:
            name: Name of it, unique in the function.
            function: Does it; may be ``async``. Its value must have a JSON form.

        Returns:
            The value, as its JSON reads.
        """
        channel = _in_rounds(self._reply)
        if channel is not None:
            return await channel.once(name, functools.partial(_recorded, function))
        if self._once is None:
            self._once = {}
        if name not in self._once:
            self._once[name] = await _recorded(function)
        return self._once[name]

    def _asked(self, pending: PendingT) -> PendingT:
        """Return an answer to be awaited; on a thread wait for it, which the back-channel bounds."""
        if running_loop() is self._loop:
            return pending
        arriving = pending.arrive()
        self._check_thread(arriving)
        try:
            asyncio.run_coroutine_threadsafe(arriving, self._loop).result()
        except concurrent.futures.CancelledError:
            raise CallEnded from None
        return pending

    def _check_thread(self, message: Coroutine[Any, Any, None]) -> None:
        if running_loop() is not None:
            message.close()
            raise LocalProtocolError("A Context belongs to the event loop of its call; another loop cannot use it")


def _inputs() -> ModuleType:
    """Return what asks; it is loaded with the first question, as most servers have none."""
    return importlib.import_module("anyport.server.inputs")


def _in_rounds(reply: Reply) -> Questions | None:
    """Return the back-channel of a modern call, whose answers come with its retry; ``None`` for any other."""
    channel = reply.back_channel
    if channel is None:
        return None
    kind: type[Questions] = importlib.import_module("anyport.server.questions").Questions
    return channel if isinstance(channel, kind) else None


async def _recorded(function: Callable[[], object]) -> JsonValue:
    value = function()
    return _inputs().as_recorded(await value if inspect.isawaitable(value) else value)
