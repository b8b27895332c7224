"""What articles for `fastmcp` 2 write, and `fastmcp` 4 takes no more."""

import asyncio
import sys

from fastmcp import Client, Context, FastMCP

mcp = FastMCP("Older", host="127.0.0.1", port=0, dependencies=["pandas"], on_duplicate_tools="error")
weather = FastMCP("Weather")


@weather.tool()
def forecast(city: str) -> str:
    return f"rain in {city}"


@mcp.tool()
async def summarise(text: str, ctx: Context) -> str:
    answer = await ctx.sample(f"Summarise: {text}", system_prompt="Be brief.", temperature=0.2, max_tokens=20)
    return answer.text


@mcp.tool()
async def roots(ctx: Context) -> list[str]:
    return [str(root.uri) for root in await ctx.list_roots()]


@mcp.tool()
async def state(ctx: Context) -> str:
    return ctx.request_context.lifespan_context or "nothing"


@mcp.tool(enabled=False)
def hidden() -> str:
    return "never"


mcp.mount("weather", weather)


async def main() -> None:
    async with Client(mcp) as client:
        result = await client.call_tool("weather_forecast", {"city": "Paris"})
        print(result.data)


if __name__ == "__main__":
    if sys.argv[1:] == ["client"]:
        asyncio.run(main())
    else:
        mcp.run(*sys.argv[1:])
