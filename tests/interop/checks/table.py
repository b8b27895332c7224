"""Every check by its name, and how a peer runs them."""

from __future__ import annotations

import asyncio
import traceback
from typing import Final

from tests.interop.checks.arguments import ARGUMENT_CHECKS
from tests.interop.checks.behaviour import BEHAVIOUR_CHECKS
from tests.interop.checks.peer import Check, CheckFailed, Era, JsonObject, Peer
from tests.interop.checks.results import RESULT_CHECKS

CHECKS: Final[dict[str, Check]] = {**BEHAVIOUR_CHECKS, **ARGUMENT_CHECKS, **RESULT_CHECKS}
CHECK_LIMIT_S: Final = 10.0


def names_for(era: Era) -> list[str]:
    """Return the names of the checks that an era has."""
    return [name for name, check in CHECKS.items() if era in check.eras]


async def run_checks(peer: Peer) -> dict[str, JsonObject]:
    """Run every check of the peer's era on one connection, one after the other.

    Returns:
        For each check `ok`, and what went wrong as `detail`.
    """
    return {name: await _run(CHECKS[name], peer) for name in names_for(peer.era)}


async def _run(check: Check, peer: Peer) -> JsonObject:
    try:
        async with asyncio.timeout(CHECK_LIMIT_S):
            await check.run(peer)
    except CheckFailed as failure:
        return {"ok": False, "detail": str(failure)}
    except Exception:  # noqa: BLE001 - whatever the other library raises is the outcome of this check
        return {"ok": False, "detail": traceback.format_exc()}
    return {"ok": True, "detail": ""}
