"""The event loop of a stdio server: uvloop where it is installed, else asyncio's own."""

from __future__ import annotations

try:
    from uvloop import new_event_loop as new_event_loop
except ImportError:
    from asyncio import new_event_loop as new_event_loop
