"""Ids that tie what a peer reads of an error to what the log says about it."""

from __future__ import annotations

import os


def new_error_id() -> str:
    """Return eight hexadecimal digits that no other error of the day is likely to have."""
    return os.urandom(4).hex()
