"""Media types: what a request is written in, and which forms of an answer its client takes."""

from __future__ import annotations

from collections.abc import Mapping

from anyport.protocol.errors import RefusedRequest

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
    content_type, accept, coding = (headers.get(name) for name in ("content-type", "accept", "content-encoding"))
    kind = _media_type(content_type or "")
    if kind != "application/json":
        raise RefusedRequest(415, f"Content-Type must be application/json; it is {kind[:100] or 'missing'}")
    if coding is not None and coding.strip().lower() not in ("", "identity"):
        raise RefusedRequest(415, f"Content-Encoding {coding[:100]!r} is not read; send the body as it is")
    if accept is None:
        # RFC 9110, 12.5.1: without the field every type is acceptable.
        return True, True
    parts = accept.split(",")
    refused = {_media_type(part) for part in parts if _is_refused(part)}
    ranges = {_media_type(part) for part in parts} - refused
    accepts = (
        "application/json" not in refused and not ranges.isdisjoint(("*/*", "application/*", "application/json")),
        "text/event-stream" not in refused and not ranges.isdisjoint(("*/*", "text/*", "text/event-stream")),
    )
    if not any(accepts):
        raise RefusedRequest(406, "Accept must allow application/json or text/event-stream")
    return accepts


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _is_refused(media_range: str) -> bool:
    """Whether the weight of a media range is zero, which means "not this one"."""
    for parameter in media_range.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return not value.strip().strip("0.")
    return False
