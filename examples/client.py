"""Call the shop of examples/server.py, wherever it runs.

python examples/client.py                               # starts it, over stdio
python examples/client.py http://127.0.0.1:8000/mcp     # one that runs already
"""

import asyncio
import sys
from pathlib import Path

from anyport import Client, ToolError


async def main(target: str) -> None:
    """List the tools, then search, order, and ask for too much."""
    async with Client(target) as client:
        for tool in await client.list_tools():
            print(f"{tool.name}: {tool.description}")
        found = await client.call_tool("search", {"text": "pen"})
        print(found.structured_content)
        receipt = await client.call_tool("order", {"item": "notebook", "count": 2}, timeout=5)
        print(receipt.structured_content)
        try:
            await client.call_tool("order", {"item": "ink", "count": 1})
        except ToolError as refused:
            print(f"refused: {refused}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).with_name("server.py"))))
