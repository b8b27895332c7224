"""The ratios that `--check` holds anyport to."""

from __future__ import annotations

from dataclasses import dataclass

SUBJECT = "anyport"


@dataclass(frozen=True)
class Floor:
    """In this row, anyport must be at least so many times as good as the other contestant."""

    row: str
    against: str
    at_least: float


FLOORS = (
    Floor("http-32", "mcp", 5.0),
    Floor("http-32", "limit: asgi+codec", 0.6),
    Floor("stdio-1", "mcp", 8.0),
    Floor("stdio-64", "mcp", 25.0),
)
