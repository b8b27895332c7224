"""What a server asks of its client in the middle of a call: elicitation, sampling, roots.

Every peer answers by `answer_form`, `answer_sampling` and `ROOTS`, so that the server's view can be compared.
"""

from __future__ import annotations

from typing import Final

from tests.interop.checks.peer import Check, JsonObject, Peer, as_list, as_object, at, expect, expect_true

ROOTS: Final = {"file:///srv/shop": "shop", "file:///tmp/a%20b": None}
"""URI and name of the roots that every peer has."""
MODEL: Final = "interop-model"


def answer_form(message: str, schema: JsonObject | None) -> tuple[str, JsonObject | None]:
    """Answer an elicitation by its message.

    Args:
        message: What the server asks; its first word says what to do.
        schema: Of the form; ``None`` where an URL is to be opened.

    Returns:
        The action, and what was filled in.
    """
    action = message.split(maxsplit=1)[0].lower()
    if action in ("decline", "cancel"):
        return action, None
    if schema is None:
        return "accept", None
    values: JsonObject = {"string": "Ann ✓", "integer": 7, "number": 1.5, "boolean": True}
    properties = as_object(schema["properties"])
    return "accept", {
        name: at(form, "enum", 0) if "enum" in as_object(form) else values[str(at(form, "type"))]
        for name, form in properties.items()
    }


def answer_sampling(text: str) -> str:
    """Answer as a model would."""
    return f"sampled: {text}"


async def elicited(peer: Peer) -> None:
    """Accepted with values of every kind, declined, cancelled."""
    said = (await peer.call("ask_form", {"message": "Accept, please"}))["structuredContent"]
    data = {"name": "Ann ✓", "age": 7, "score": 1.5, "member": True, "size": "s"}
    expect(said, {"action": "accept", "data": data}, "accepted")
    for action in ("decline", "cancel"):
        said = (await peer.call("ask_form", {"message": f"{action} it"}))["structuredContent"]
        expect(said, {"action": action, "data": None}, action)


async def elicited_twice(peer: Peer) -> None:
    """The body runs once, whatever the number of questions."""
    said = (await peer.call("ask_twice"))["structuredContent"]
    expect(said, {"answers": ["accept", "decline"], "runs": 1}, "two questions in one call")


async def elicited_url(peer: Peer) -> None:
    said = (await peer.call("ask_url", {"message": "Accept to pay"}))["structuredContent"]
    expect(said, {"action": "accept"}, "an URL")


async def asked_by_parameter(peer: Peer) -> None:
    """A parameter marked with `Ask`; answered before the body runs."""
    result = await peer.call("ask_parameter", {"item": "pen"})
    expect(at(result, "content", 0, "text"), "pen: True", "the body's view")
    tools = {str(at(tool, "name")): tool for tool in as_list((await peer.list_tools())["tools"])}
    properties = as_object(at(tools["ask_parameter"], "inputSchema", "properties"))
    expect(list(properties), ["item"], "parameters that the client is told of")


async def sampled(peer: Peer) -> None:
    result = await peer.call("ask_model", {"text": "two and two"})
    expect_true(answer_sampling("two and two") in str(at(result, "content", 0, "text")), f"{result}")


async def roots_listed(peer: Peer) -> None:
    said = (await peer.call("ask_roots"))["structuredContent"]
    expect(said, {"result": list(ROOTS)}, "roots")


QUESTION_CHECKS: Final[dict[str, Check]] = {
    "elicitation: form": Check(elicited),
    "elicitation: two in one call": Check(elicited_twice),
    "elicitation: URL": Check(elicited_url),
    "elicitation: marked parameter": Check(asked_by_parameter),
    "sampling": Check(sampled),
    "roots": Check(roots_listed),
}
