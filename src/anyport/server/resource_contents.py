"""What a resource is called and what it holds: URIs, MIME types, and the contents that a return value becomes."""

from __future__ import annotations

import base64
import inspect
import re
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Final, Literal, cast, get_args, get_origin

import msgspec
from msgspec import Struct, structs
from pydantic_core import to_json

from anyport.protocol.types import EmbeddedResource, ImageContent, ResourceContents
from anyport.protocol.types.content import AudioContent
from anyport.server.content import File, Media
from anyport.server.results import MEDIA
from anyport.server.signature import Annotation

TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"
JSON: Final = "application/json"

_READY: Final = (ResourceContents, EmbeddedResource, *MEDIA)
"""What says its own MIME type."""

# RFC 3986, 2 and 3.1; what is beyond ASCII stands for its escapes (RFC 3987, 3.1), but only in what a client sends.
_URI: Final = re.compile(
    r"""[A-Za-z][A-Za-z0-9+.\-]*:(?:[^\x00-\x20"%<>\\^`{|}\x7f-\x9f\ud800-\udfff]|%[0-9A-Fa-f]{2})+\Z"""
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def is_uri(text: str) -> bool:
    """Whether a text is a URI with a scheme (RFC 3986), or an IRI (RFC 3987)."""
    return _URI.match(text) is not None


def has_scheme(template: str) -> bool:
    """Whether a URI template begins with a scheme, so that every URI of it is one."""
    return _SCHEME.match(template) is not None


def mime_type_of(annotation: Annotation) -> str | None:
    """Return the MIME type of what a function returns, by its annotation; ``None`` where each value says its own.

    Args:
        annotation: The return annotation; `inspect.Parameter.empty` for none, which counts as text.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return mime_type_of(args[0])
    if origin in (typing.Union, types.UnionType):
        found = {mime_type_of(option) for option in args if option is not type(None)}
        return found.pop() if len(found) == 1 else None
    if annotation is inspect.Parameter.empty or _is_text(annotation):
        return TEXT
    if annotation in (bytes, bytearray):
        return BYTES
    if annotation in (object, type(None), *_READY) or (
        origin is None and getattr(annotation, "__module__", None) == "typing"
    ):
        return None
    if origin in (list, tuple) and any(option in _READY or mime_type_of(option) is None for option in args):
        return None
    return JSON


def _is_text(annotation: Annotation) -> bool:
    if get_origin(annotation) is Literal:
        return all(isinstance(value, str) for value in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, str)


def contents_of(value: object, uri: str, mime_type: str | None) -> list[ResourceContents]:
    """Make the contents of a resource from what its function returned.

    Args:
        value: Text, bytes, media, contents or a list of them, or else a value that has a JSON form.
        uri: The URI that was read.
        mime_type: What the declaration says; ``None`` for the type that goes with the value.

    Raises:
        ValueError: The value has no JSON form.
        OSError: A file that media name cannot be read.
    """
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        if any(isinstance(item, _READY) for item in items):
            return [_contents(item, item.uri if isinstance(item, File) else uri, mime_type) for item in items]
    return [_contents(cast("object", value), uri, mime_type)]


def _contents(value: object, uri: str, mime_type: str | None) -> ResourceContents:
    if isinstance(value, ResourceContents):
        return value
    if isinstance(value, EmbeddedResource):
        return value.resource
    if isinstance(value, MEDIA):
        return _of_media(value, uri)
    if isinstance(value, (bytes, bytearray)):
        # As a file of that type: bytes of a text type are sent as the text that they are.
        return _of_media(File(bytes(value), uri=uri, mime_type=mime_type or BYTES), uri)
    if isinstance(value, str):
        return ResourceContents(uri=uri, mime_type=mime_type or TEXT, text=value)
    text = to_json(value, bytes_mode="base64", fallback=_plain).decode()
    return ResourceContents(uri=uri, mime_type=mime_type or JSON, text=text)


def _of_media(media: Media, uri: str) -> ResourceContents:
    block = media.to_block()
    if isinstance(block, EmbeddedResource):
        return structs.replace(block.resource, uri=uri)
    if isinstance(block, (ImageContent, AudioContent)):
        return ResourceContents(uri=uri, mime_type=block.mime_type, blob=block.data)
    return ResourceContents(uri=uri, mime_type=media.mime_type, blob=base64.b64encode(media.read()).decode())


def _plain(value: object) -> object:
    if isinstance(value, Struct):
        return msgspec.to_builtins(value)
    raise ValueError(f"{type(value).__name__} has no JSON form")
