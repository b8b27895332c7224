"""The ratios that `--check` holds anyport to: so far below what is measured that a busy machine does not miss them."""

from __future__ import annotations

from dataclasses import dataclass

SUBJECT = "anyport"
EDGE = "anyport edge"


@dataclass(frozen=True)
class Floor:
    """In this row, anyport must be at least so many times as good as the other contestant."""

    row: str
    against: str
    at_least: float
    subject: str = SUBJECT


FLOORS = (
    Floor("http-plain", "limit: asgi+codec", 0.4),
    Floor("http-plain", "limit: asgi+codec", 0.5, EDGE),
    Floor("stdio-1", "mcp", 6.0),
    Floor("stdio-1", "limit: stdio uvloop", 0.4),
    Floor("stdio-64", "mcp", 25.0),
    Floor("stdio-64", "limit: stdio uvloop", 0.3),
    Floor("client-stdio-64", "mcp", 4.0),
)
