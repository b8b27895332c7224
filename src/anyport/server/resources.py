"""Resources: the registry, ``resources/list``, ``resources/templates/list`` and ``resources/read``."""

from __future__ import annotations

import builtins
import functools
import inspect
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
from typing import cast

from msgspec import Struct
from pydantic_core import ValidationError
from typing_extensions import TypedDict

from anyport.protocol.calls import Call, Reply
from anyport.protocol.changes import RESOURCES_CHANGED
from anyport.protocol.errors import InvalidParams, LocalProtocolError, McpError, MethodNotFound
from anyport.protocol.types import (
    Annotations,
    CacheScope,
    Icon,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceContents,
    ResourceTemplate,
)
from anyport.protocol.types.json import JsonObject
from anyport.protocol.uri_templates import MAX_URI, Matched, UriTemplate
from anyport.server.cache_hints import NOT_KEPT, CacheHints, cache_hints
from anyport.server.context import Context, Surroundings
from anyport.server.declarations import DeclarationError, name_of
from anyport.server.functions import Functions, description_of
from anyport.server.manners import Manner
from anyport.server.pages import PAGE_SIZE, Catalogue
from anyport.server.resource_contents import contents_of, has_scheme, is_uri, mime_type_of
from anyport.server.results import MEDIA
from anyport.server.revision_fields import for_revision
from anyport.server.signature import Annotation, AnyFunction, Signature, compile_signature, input_errors, resolve_hints
from anyport.server.text_arguments import (
    is_written_as_json,
    properties_of,
    read_as_json,
    takes_compound,
    text_form,
)

_EXPLODED = re.compile(r"[{,+#./;?&]([A-Za-z0-9_.%]+)\*(?=[,}])")


class ResourceOptions(Struct, frozen=True, kw_only=True):
    """What a declaration may say about a resource; see `anyport.Server.resource`."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    size: int | None = None
    annotations: Annotations | None = None
    icons: Sequence[Icon] = ()
    meta: JsonObject | None = None
    cache_ttl: float = 0.0
    cache_scope: CacheScope = "private"


class Reader(Struct, frozen=True):
    """What reads a resource.

    Attributes:
        name: Name of the resource.
        function: What the author wrote.
        signature: Its compiled parameters: the variables of the template.
        mime_type: MIME type that the declaration names; ``None`` where each value says its own.
        hints: How long a read may be kept.
    """

    name: str
    function: AnyFunction
    signature: Signature
    mime_type: str | None
    hints: CacheHints


class RegisteredResource(Struct, frozen=True):
    """A resource.

    Attributes:
        definition: What ``resources/list`` says.
        reader: What reads it.
    """

    definition: Resource
    reader: Reader


class RegisteredTemplate(Struct, frozen=True):
    """A family of resources.

    Attributes:
        definition: What ``resources/templates/list`` says.
        reader: What reads one of them.
        template: What their URIs look like.
    """

    definition: ResourceTemplate
    reader: Reader
    template: UriTemplate


class Resources:
    """The resources of a server, in the order of their registration.

    Args:
        server: What contexts tell of the server.
        functions: Runs what authors wrote.
        page_size: Most entries on a page of a list.

    Attributes:
        static: Resources with a URI, by URI.
        templates: Families of resources, by URI template.
        elsewhere: Reads what a mounted server has; ``None`` in place of the contents for what none has.
    """

    elsewhere: Callable[[str, Call, Context], Awaitable[builtins.list[ResourceContents]] | None] | None = None

    def __init__(self, server: Surroundings, functions: Functions, page_size: int = PAGE_SIZE) -> None:
        self._server = server
        self._functions = functions
        changed = functools.partial(server.subscriptions.publish, RESOURCES_CHANGED)
        self.static = Catalogue[RegisteredResource]("resources", page_size, changed)
        self.templates = Catalogue[RegisteredTemplate]("templates", page_size, changed)

    def __iter__(self) -> Iterator[RegisteredResource | RegisteredTemplate]:
        yield from self.static
        yield from self.templates

    @property
    def version(self) -> int:
        """Counts the changes, also of mounted resources; 0 for a server that never had a resource."""
        return self.static.whole_version + self.templates.whole_version

    @property
    def uses_context(self) -> bool:
        """Whether any of their functions can report and log."""
        entries = itertools.chain[RegisteredResource | RegisteredTemplate](self.static.whole(), self.templates.whole())
        return any(entry.reader.signature.uses_context for entry in entries)

    def add(
        self, uri: str, function: AnyFunction, options: ResourceOptions, names: Mapping[str, object] | None = None
    ) -> None:
        """Compile and register a function.

        Args:
            uri: Its URI, or a template with variables for a family.
            function: Reads the resource.
            options: What the declaration says.
            names: Names beside the function's globals that its annotations may use.

        Raises:
            DeclarationError: It cannot work: no URI, one that is taken, a variable without a parameter.
        """
        try:
            template = UriTemplate(uri)
        except ValueError as error:
            raise DeclarationError(function, str(error)) from None
        if self.static.is_taken(uri) or self.templates.is_taken(uri):
            raise DeclarationError(function, f"a resource with the URI {uri!r} exists already")
        if template.variables:
            self.templates.add(uri, _compile_template(template, function, options, names or {}))
        else:
            self.static.add(uri, _compile_static(uri, function, options, names or {}))

    def remove(self, uri: str) -> None:
        """Take a resource or a family out.

        Args:
            uri: Its URI or URI template.

        Raises:
            LocalProtocolError: There is none of that URI.
        """
        if not (self.static.remove(uri) or self.templates.remove(uri)):
            raise LocalProtocolError(f"No resource has the URI {uri!r}")

    def find_template(self, uri: str) -> RegisteredTemplate | None:
        """Return the first family that a URI belongs to, or whose URI template it is."""
        exact = self.templates.entries.get(uri)
        if exact is not None:
            return exact
        return next((entry for entry in self.templates if entry.template.match(uri) is not None), None)

    async def list(self, call: Call, reply: Reply) -> ListResourcesResult:
        """Answer ``resources/list``, in the form that the revision knows."""
        self._check_offered(call)
        entries, cursor = self.static.page(call.params.get("cursor"))
        return ListResourcesResult(
            resources=[for_revision(entry.definition, call.revision) for entry in entries], next_cursor=cursor
        )

    async def list_templates(self, call: Call, reply: Reply) -> ListResourceTemplatesResult:
        """Answer ``resources/templates/list``, in the form that the revision knows."""
        self._check_offered(call)
        entries, cursor = self.templates.page(call.params.get("cursor"))
        return ListResourceTemplatesResult(
            resource_templates=[for_revision(entry.definition, call.revision) for entry in entries], next_cursor=cursor
        )

    async def read(self, call: Call, reply: Reply) -> ReadResourceResult:
        """Answer ``resources/read``: find the resource, run its function, make its contents (RSC-01, RSC-02)."""
        self._check_offered(call)
        uri = call.params.get("uri")
        if not isinstance(uri, str):
            raise InvalidParams('"uri" must be a string')
        reader, arguments = self._find(uri, call)
        context = self._server.context_type(call, reply, self._server)
        result = ReadResourceResult(contents=await self._run(reader, arguments, uri, call, context, whole=True))
        if call.revision.modern:
            # The retry of a request that asked for input depends on more than its parameters: it is not to be kept.
            retried = call.params.keys() & {"inputResponses", "requestState"}
            (NOT_KEPT if retried else reader.hints).mark(result)
        return result

    async def contents(self, uri: str, call: Call, context: Context) -> builtins.list[ResourceContents]:
        """Read a resource on behalf of a call that wants it for its own result.

        Args:
            uri: URI of the resource.
            call: The call.
            context: The call's context.

        Returns:
            The contents.

        Raises:
            McpError: There is no such resource, or it cannot be read.
        """
        if self.elsewhere is not None and (found := self.elsewhere(uri, call, context)) is not None:
            return await found
        reader, arguments = self._find(uri, call)
        return await self._run(reader, arguments, uri, call, context)

    def check(self, uri: str, call: Call) -> None:
        """Check that a URI is that of a resource, or of one of a family.

        Raises:
            McpError: It is not.
        """
        self._check_offered(call)
        self._find(uri, call)

    def manner(self, params: JsonObject) -> Manner:
        """Return how the resource that a call names asks; a template that asks stands for all of them."""
        uri = params.get("uri")
        static = self.static.entries.get(uri) if isinstance(uri, str) else None
        readers = [entry.reader for entry in (self.templates if static is None else (static,))]
        return "parked" if any(reader.signature.uses_context for reader in readers) else "silent"

    def _check_offered(self, call: Call) -> None:
        # Without the capability there is no such method (2026-07-28, resources, "Capabilities").
        if not self.version:
            raise MethodNotFound(call.method)

    def _find(self, uri: str, call: Call) -> tuple[Reader, dict[str, object]]:
        """Return what reads a URI, with the arguments in it: a resource before any family, families in their order."""
        if len(uri) > MAX_URI:
            raise InvalidParams(f"A URI may have at most {MAX_URI} characters")
        if not is_uri(uri):
            raise InvalidParams(f"Not a URI: {uri[:200]!r}", {"uri": uri})
        static = self.static.entries.get(uri)
        if static is not None:
            return static.reader, {}
        reasons: list[str] = []
        for entry in self.templates:
            values = entry.template.match(uri)
            if values is None:
                continue
            signature = entry.reader.signature
            try:
                return entry.reader, signature.bind_text({name: _as_text(value) for name, value in values.items()})
            except ValidationError as error:
                # It may still be of another family, whose variables have other types.
                reasons.append(input_errors(error, signature.schema))
        raise _not_found(uri, call, reasons)

    async def _run(
        self,
        reader: Reader,
        arguments: dict[str, object],
        uri: str,
        call: Call,
        context: Context,
        *,
        whole: bool = False,
    ) -> list[ResourceContents]:
        with self._functions.reported("resource", reader.name):
            run = self._functions.run_whole if whole else self._functions.run
            value = await run(reader.function, reader.signature, arguments, context)
            if value is None:
                raise _not_found(uri, call)
            encode = functools.partial(contents_of, value, uri, reader.mime_type)
            # Media may be files, which are not read on the loop.
            return await self._functions.pool.run(encode) if _has_media(value) else encode()


def _not_found(uri: str, call: Call, reasons: Sequence[str] = ()) -> McpError:
    message = "\n".join([f"Resource not found: {uri[:200]}", *reasons])
    return McpError(call.revision.not_found_code, message, {"uri": uri})


def _has_media(value: object) -> bool:
    items = cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(item, MEDIA) for item in items)


def _as_text(value: Matched) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# --- compiling --------------------------------------------------------------------------------------------------------


class _Described(TypedDict):
    """What resources and families say alike."""

    name: str
    title: str | None
    description: str | None
    mime_type: str | None
    annotations: Annotations | None
    icons: list[Icon] | None
    meta: JsonObject | None


def _compile_static(
    uri: str, function: AnyFunction, options: ResourceOptions, names: Mapping[str, object]
) -> RegisteredResource:
    if not uri.isascii() or not is_uri(uri):
        raise DeclarationError(function, f"{uri!r} is not a URI: a scheme, a colon, and what RFC 3986 allows after it")
    if options.size is not None and options.size < 0:
        raise DeclarationError(function, f"size must be a number of bytes; it is {options.size}")
    described = _describe(function, options, names)
    reader = _reader(described["name"], function, compile_signature(function, names=names, only=()), options)
    return RegisteredResource(Resource(uri=uri, size=options.size, **described), reader)


def _compile_template(
    template: UriTemplate, function: AnyFunction, options: ResourceOptions, names: Mapping[str, object]
) -> RegisteredTemplate:
    text = template.template
    if not has_scheme(text):
        raise DeclarationError(function, f"{text!r} does not begin with a scheme, such as shop:")
    if options.size is not None:
        raise DeclarationError(function, "a template has no size: its resources differ")
    form = functools.partial(_form, function, frozenset(_EXPLODED.findall(text)))
    signature = compile_signature(function, names=names, only=template.variables, form=form)
    missing = [name for name in template.variables if name not in properties_of(signature.schema)]
    if missing:
        raise DeclarationError(function, f"no parameter takes the variable {', '.join(missing)} of {text!r}")
    described = _describe(function, options, names)
    reader = _reader(described["name"], function, signature, options)
    return RegisteredTemplate(ResourceTemplate(uri_template=text, **described), reader, template)


def _form(function: AnyFunction, exploded: Container[str], name: str, annotation: Annotation) -> Annotation:
    """Return the type that the text of a variable is read as; what an exploded one gives is passed on as JSON."""
    if name in exploded:
        if not takes_compound(annotation):
            raise DeclarationError(function, f"{{{name}*}} gives a list or a mapping, which {name} does not take")
        return read_as_json(annotation)
    if is_written_as_json(annotation):
        raise DeclarationError(
            function, f"{{{name}}} gives one text, which {name} does not take; {{{name}*}} gives a list"
        )
    return text_form(name, annotation)


def _describe(function: AnyFunction, options: ResourceOptions, names: Mapping[str, object]) -> _Described:
    annotation = resolve_hints(function, names).get("return", inspect.Parameter.empty)
    return {
        "name": options.name or name_of(function),
        "title": options.title,
        "description": (options.description if options.description is not None else description_of(function)) or None,
        "mime_type": options.mime_type or mime_type_of(annotation),
        "annotations": options.annotations,
        "icons": [*options.icons] or None,
        "meta": options.meta,
    }


def _reader(name: str, function: AnyFunction, signature: Signature, options: ResourceOptions) -> Reader:
    try:
        hints = cache_hints(options.cache_ttl, options.cache_scope)
    except LocalProtocolError as error:
        raise DeclarationError(function, str(error)) from None
    return Reader(name, function, signature, options.mime_type, hints)
