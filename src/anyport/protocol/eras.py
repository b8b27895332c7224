"""Which era a peer speaks: what a server sees in an opening message, what a client tries next.

The specification's rules are in 2026-07-28, versioning, "Backward Compatibility", and on the pages of the bindings.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TypeGuard

from anyport.protocol.calls import META_VERSION
from anyport.protocol.errors import MODERN_CODES, UNSUPPORTED_VERSION, ErrorObject, RemoteProtocolError
from anyport.protocol.headers import SESSION, VERSION
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.revisions import LATEST_MODERN, SUPPORTED_NAMES, Era, Revision, find_revision
from anyport.protocol.types.json import JsonObject, JsonValue


def speaks_modern(message: Request | Notification) -> bool:
    """Whether a message carries the modern per-request metadata (VER-10)."""
    meta = message.params.get("_meta")
    return isinstance(meta, dict) and META_VERSION in meta


def http_era(message: Request | Notification, headers: Mapping[str, str]) -> Era:
    """Tell the era of a message that came as an HTTP POST.

    The body decides; where it has no metadata, a version header that no legacy revision has says that the peer meant
    a modern request, so that its error names what is missing. With a session id the message belongs to the session.

    Args:
        message: The decoded body.
        headers: Header fields, names in lower case.

    Returns:
        The era whose rules apply to the message.
    """
    if speaks_modern(message):
        return "modern"
    version = headers.get(VERSION)
    if version is None or SESSION in headers:
        return "legacy"
    row = find_revision(version)
    return "modern" if row is None or row.modern else "legacy"


def probe_era() -> Generator[Revision, Response | ErrorResponse | None, Revision | None]:
    """Lead a client through era detection (VER-02, VER-04, VER-05, VER-06).

    Yields:
        A modern revision to send ``server/discover`` in. Send back the answer, or ``None`` for silence and for
        anything that is no JSON-RPC answer.

    Returns:
        The modern revision to speak, or ``None`` when the server is legacy and wants ``initialize``.

    Raises:
        RemoteProtocolError: The server is modern, but no revision is spoken on both sides.
    """
    revision = LATEST_MODERN
    answer = yield revision
    if _refuses_version(answer):
        # Some servers refuse the first request and name the very version it was made in: one more try is due anyway.
        offered = mutual_revision(answer.error)
        if not offered.modern:
            return None
        revision = offered
        answer = yield revision
        if _refuses_version(answer):
            raise RemoteProtocolError(f"The server offers {revision.name} and refuses it")
    if isinstance(answer, Response):
        return _discovered(answer.result, revision)
    return revision if answer is not None and answer.error.code in MODERN_CODES else None


def mutual_revision(error: ErrorObject) -> Revision:
    """Return the newest revision that an ``UnsupportedVersion`` error offers and anyport speaks.

    Raises:
        RemoteProtocolError: There is none.
    """
    data = error.data
    offered = data.get("supported") if isinstance(data, dict) else None
    return _newest(offered if isinstance(offered, list) else [])


def _refuses_version(answer: Response | ErrorResponse | None) -> TypeGuard[ErrorResponse]:
    return isinstance(answer, ErrorResponse) and answer.error.code == UNSUPPORTED_VERSION


def _discovered(result: JsonObject, asked: Revision) -> Revision | None:
    """Return the modern revision that a `DiscoverResult` leads to; ``None`` for another result, or for legacy ones."""
    names = result.get("supportedVersions")
    if not isinstance(names, list):
        return None
    if asked.name in names:
        return asked
    newest = _newest(names)
    return newest if newest.modern else None


def _newest(names: list[JsonValue]) -> Revision:
    rows = [row for row in map(find_revision, names) if row is not None]
    if not rows:
        shown = ", ".join(str(name)[:40] for name in names[:8]) or "no named revision"
        raise RemoteProtocolError(f"The server speaks {shown}; anyport speaks {', '.join(SUPPORTED_NAMES)}")
    return max(rows, key=_age)


def _age(row: Revision) -> int:
    return row.index
