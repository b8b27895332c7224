"""Every check by its name, and how a peer runs them."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Sequence
from typing import Final

from tests.interop.checks.arguments import ARGUMENT_CHECKS
from tests.interop.checks.behaviour import BEHAVIOUR_CHECKS
from tests.interop.checks.changes import CHANGE_CHECKS
from tests.interop.checks.peer import Check, CheckFailed, Era, JsonObject, Peer
from tests.interop.checks.primitives import PRIMITIVE_CHECKS
from tests.interop.checks.questions import QUESTION_CHECKS
from tests.interop.checks.results import RESULT_CHECKS

CHECKS: Final[dict[str, Check]] = {
    **BEHAVIOUR_CHECKS,
    **ARGUMENT_CHECKS,
    **RESULT_CHECKS,
    **PRIMITIVE_CHECKS,
    **QUESTION_CHECKS,
    **CHANGE_CHECKS,
}
COMPLAINTS: Final = "client: nothing to complain about"
CHECK_LIMIT_S: Final = 20.0
RUN_LIMIT_S: Final = 80.0


class Complaints(logging.Handler):
    """Keeps what the other library logs as a warning or worse: messages that it could not use, for one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


def names_for(era: Era, *, large: bool = True) -> list[str]:
    """Return the names of the checks that an era has.

    Args:
        era: Which.
        large: Those with answers of more than 1 MiB, too: the SSE reader of `mcp` 2.x ends at a larger event.
    """
    names = [name for name, check in CHECKS.items() if era in check.eras]
    return [*(name for name in names if large or not name.startswith("size: ")), COMPLAINTS]


async def run_checks(peer: Peer, complaints: Complaints, names: Sequence[str]) -> dict[str, JsonObject]:
    """Run checks on one connection, one after the other.

    Args:
        peer: The connected client.
        complaints: What its library logs.
        names: Which, of `names_for`.

    Returns:
        For each check `ok`, and what went wrong as `detail`.
    """
    end = asyncio.get_running_loop().time() + RUN_LIMIT_S
    outcomes = {name: await _run(CHECKS[name], peer, end) for name in names if name != COMPLAINTS}
    lines = complaints.lines
    return {**outcomes, COMPLAINTS: {"ok": not lines, "detail": "\n".join(lines)}}


async def _run(check: Check, peer: Peer, end: float) -> JsonObject:
    left = end - asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(max(0.0, min(CHECK_LIMIT_S, left))):
            await check.run(peer)
    except CheckFailed as failure:
        return {"ok": False, "detail": str(failure)}
    except Exception:  # noqa: BLE001 - whatever the other library raises is the outcome of this check
        return {"ok": False, "detail": traceback.format_exc()}
    return {"ok": True, "detail": ""}
