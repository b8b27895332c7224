"""The part of the fixture server that asks the client something; see `tests/conformance/server.py`."""

import asyncio
from typing import Literal

from pydantic import BaseModel, Field

from anyport import Context, Server

TITLED = [{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}]


class Name(BaseModel):
    """Who is there."""

    name: str


class Confirmation(BaseModel):
    """Yes or no."""

    ok: bool


class Background(BaseModel):
    """What to know first."""

    context: str


class Favorite(BaseModel):
    """What somebody likes."""

    color: str


class Account(BaseModel):
    """Who signs up."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """A field of each kind, filled in."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
}


async def test_sampling(prompt: str, ctx: Context) -> str:
    """Ask the client's model."""
    return f"LLM response: {(await ctx.sample(prompt, max_tokens=100)).text}"


async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the user to sign up."""
    answer = await ctx.elicit(message, Account)
    return f"User response: {answer.action} {answer.content}"


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask with a default of each kind."""
    answer = await ctx.elicit("Please review and update the form fields with defaults", Defaults)
    return f"Elicitation completed: action={answer.action}, content={answer.content}"


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask with a choice of each kind."""
    answer = await ctx.elicit("Please select options from the enum fields", ENUMS)
    return f"Elicitation completed: action={answer.action}, content={answer.content}"


async def test_streaming_elicitation(ctx: Context) -> str:
    """Ask, where the answer may be a stream."""
    return (await ctx.elicit("Please confirm", Confirmation, key="confirm")).action


async def test_input_required_result_elicitation(ctx: Context) -> str:
    """Ask for a name."""
    answer = await ctx.elicit("What is your name?", Name, key="user_name")
    return f"Hello, {answer.data.name}!" if answer.accepted else "Hello!"


async def test_input_required_result_sampling(ctx: Context) -> str:
    """Ask a model for a capital."""
    return (await ctx.sample("What is the capital of France?", max_tokens=100, key="capital_question")).text


async def test_input_required_result_list_roots(ctx: Context) -> str:
    """Ask for the roots."""
    return f"Roots: {', '.join(root.uri for root in await ctx.list_roots(key='client_roots'))}"


async def test_input_required_result_request_state(ctx: Context) -> str:
    """Ask for a confirmation, with a state."""
    answer = await ctx.elicit("Please confirm", Confirmation, key="confirm")
    return f"state-ok: {answer.action}"


async def test_input_required_result_multiple_inputs(ctx: Context) -> str:
    """Ask three things at once."""
    name, greeting, roots = await asyncio.gather(
        ctx.elicit("What is your name?", Name, key="user_name"),
        ctx.sample("Generate a greeting", max_tokens=50, key="greeting"),
        ctx.list_roots(key="client_roots"),
    )
    return f"{greeting.text} {name.content} {len(roots)}"


async def test_input_required_result_multi_round(ctx: Context) -> str:
    """Ask one thing after the other."""
    name = await ctx.elicit("Step 1: What is your name?", Name, key="step1")
    color = await ctx.elicit("Step 2: What is your favorite color?", Favorite, key="step2")
    return f"{name.content} {color.content}"


async def test_input_required_result_tampered_state(ctx: Context) -> str:
    """Ask for a confirmation, with a state that is sealed."""
    return (await ctx.elicit("Please confirm", Confirmation, key="confirm")).action


async def test_input_required_result_capabilities(ctx: Context) -> str:
    """Ask the user where the client can, else its model."""
    if "elicitation" in ctx.capabilities:
        return (await ctx.elicit("What is your name?", Name, key="user_name")).action
    return (await ctx.sample("Make a name up", max_tokens=50, key="greeting")).text


async def test_input_required_result_prompt(ctx: Context) -> str:
    """A prompt that asks for its context."""
    answer = await ctx.elicit("What context should the prompt use?", Background, key="user_context")
    return f"Use this context: {answer.data.context if answer.accepted else 'none'}"


TOOLS = (
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_streaming_elicitation,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_tampered_state,
    test_input_required_result_capabilities,
)


def add_asking(server: Server) -> None:
    """Register all of it."""
    for function in TOOLS:
        server.tool(function)
    server.prompt(test_input_required_result_prompt)
