"""Questions of a server in the modern era: they come as a result, and the answers go with the next request.

2026-07-28, basic patterns, "Multi Round-Trip Requests" (MRTR).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from anyport.client.answers import ELICIT, ROOTS, SAMPLE, Answers
from anyport.protocol.errors import RemoteProtocolError
from anyport.protocol.types.json import JsonObject, JsonValue

MAX_ROUNDS: Final = 32
"""Times that a server may ask in answer to one request."""
_MAX_QUESTIONS: Final = 64
_UNWIND_S: Final = 1.0


async def answer_round(answers: Answers, result: JsonObject, server: str | None) -> JsonObject:
    """Answer the questions of an ``input_required`` result, all at the same time.

    Args:
        answers: Answers each.
        result: The result.
        server: Who asks.

    Returns:
        What goes with the next request: ``inputResponses``, and ``requestState`` exactly as it came (MRTR-06).

    Raises:
        RemoteProtocolError: The result is malformed, or asks for what was not declared (MRTR-02, MRTR-03).
        Exception: What the user's callback raises.
    """
    questions, state = result.get("inputRequests"), result.get("requestState")
    if state is not None and not isinstance(state, str):
        raise RemoteProtocolError("An input_required result has a `requestState` that is no text")
    if questions is None and state is None:
        raise RemoteProtocolError("An input_required result has neither `inputRequests` nor `requestState`")
    found: JsonObject = {} if state is None else {"requestState": state}
    if questions is not None:
        found["inputResponses"] = await _answer_all(answers, _read(answers, questions), server)
    return found


def _read(answers: Answers, questions: JsonValue) -> dict[str, tuple[str, JsonObject]]:
    """Return method and parameters of each question."""
    if not isinstance(questions, dict) or len(questions) > _MAX_QUESTIONS:
        raise RemoteProtocolError(f"`inputRequests` has to be an object of at most {_MAX_QUESTIONS} questions")
    found: dict[str, tuple[str, JsonObject]] = {}
    for key, question in questions.items():
        method = question.get("method") if isinstance(question, dict) else None
        params = question.get("params", {}) if isinstance(question, dict) else None
        if not isinstance(method, str) or method not in (ELICIT, SAMPLE, ROOTS):
            raise RemoteProtocolError(f"The server asks for what there is not: {str(method)[:80]!r}")
        if not answers.offers(method):
            raise RemoteProtocolError(f"The server asks for {method}, which this client did not declare (MRTR-03)")
        if not isinstance(params, dict):
            raise RemoteProtocolError(f"The server's {method} has parameters that are no object")
        found[key] = (method, params)
    return found


async def _answer_all(
    answers: Answers, questions: dict[str, tuple[str, JsonObject]], server: str | None
) -> dict[str, JsonValue]:
    tasks = {
        key: asyncio.ensure_future(answers.answer(method, params, server))
        for key, (method, params) in questions.items()
    }
    if not tasks:
        return {}
    try:
        done, _ = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return {key: task.result() for key, task in tasks.items()}
    finally:
        await _unwind(tasks.values())


async def _unwind(tasks: Iterable[asyncio.Task[JsonObject]]) -> None:
    """See to it that no question outlives the call."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_UNWIND_S)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
