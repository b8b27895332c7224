"""Media types: what a request is written in, and which forms of an answer its client takes."""

from __future__ import annotations

from collections.abc import Mapping

from anyport.protocol.errors import RefusedRequest
from anyport.protocol.exchange import check_json_body, media_type

Accepts = tuple[bool, bool]
"""Whether JSON and whether an event stream may be answered."""


def negotiate(headers: Mapping[str, str]) -> Accepts:
    """Return what may be answered to a request.

    Args:
        headers: Header fields, names in lower case.

    Raises:
        RefusedRequest: HTTP 415 for a body that is not JSON, or compressed; 406 for a client that takes neither JSON
            nor an event stream.
    """
    check_json_body(headers)
    accepts = _accepts(headers.get("accept"))
    if not any(accepts):
        raise RefusedRequest(406, "Accept must allow application/json or text/event-stream")
    return accepts


def check_accepts_stream(headers: Mapping[str, str]) -> None:
    """See that the answer to a GET may be an event stream (LEG-03).

    Raises:
        RefusedRequest: HTTP 406: it may not.
    """
    if not _accepts(headers.get("accept"))[1]:
        raise RefusedRequest(406, "Accept must allow text/event-stream")


def json_alone(accepts: Accepts) -> Accepts:
    """Return what may be answered where there are no streams.

    Raises:
        RefusedRequest: HTTP 406: the client takes nothing else.
    """
    if not accepts[0]:
        raise RefusedRequest(406, "Accept must allow application/json: this endpoint has no streams (json_only)")
    return True, False


def _accepts(accept: str | None) -> Accepts:
    if accept is None:
        # RFC 9110, 12.5.1: without the field every type is acceptable.
        return True, True
    parts = accept.split(",")
    refused = {media_type(part) for part in parts if _is_refused(part)}
    ranges = {media_type(part) for part in parts} - refused
    return (
        "application/json" not in refused and not ranges.isdisjoint(("*/*", "application/*", "application/json")),
        "text/event-stream" not in refused and not ranges.isdisjoint(("*/*", "text/*", "text/event-stream")),
    )


def _is_refused(media_range: str) -> bool:
    """Whether the weight of a media range is zero, which means "not this one"."""
    for parameter in media_range.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return not value.strip().strip("0.")
    return False
