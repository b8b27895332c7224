"""A shop that a model can search and order from.

anyport run examples/server.py                     # stdio: what desktop clients start
anyport run examples/server.py --http 8000         # http://127.0.0.1:8000/mcp
anyport call examples/server.py search text=pen    # from a terminal
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from anyport import Context, Server, ToolError

server = Server("shop", version="1.0", instructions="Search before you order: orders want the exact name of an item.")


@dataclass
class Item:
    """Something that the shop sells."""

    name: str
    price: float
    stock: int


@dataclass
class Receipt:
    """What an order came to."""

    item: str
    count: int
    total: float


CATALOGUE = {
    item.name: item
    for item in (Item("pen", 1.5, 200), Item("fountain pen", 24.0, 3), Item("notebook", 4.25, 40), Item("ink", 7.0, 0))
}


@server.tool
def search(text: str, limit: Annotated[int, Field(ge=1, le=20)] = 5) -> list[Item]:
    """Find items whose name contains a text."""
    return [item for item in CATALOGUE.values() if text.lower() in item.name][:limit]


@server.tool
async def order(item: str, count: Annotated[int, Field(ge=1, description="how many")], ctx: Context) -> Receipt:
    """Order one item by its exact name."""
    found = CATALOGUE.get(item)
    if found is None:
        raise ToolError(f"there is no {item!r}: search first")
    if count > found.stock:
        raise ToolError(f"only {found.stock} of {item!r} are in stock")
    for packed in range(1, 4):
        await asyncio.sleep(0.01)
        await ctx.report_progress(packed, total=3, message="packing")
    found.stock -= count
    return Receipt(item, count, round(found.price * count, 2))


if __name__ == "__main__":
    server.run()
