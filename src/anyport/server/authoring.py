"""What authors call on a server to declare resources, prompts and completions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, Unpack, overload

from typing_extensions import TypedDict

from anyport.protocol.types import Annotations, CacheScope, Icon
from anyport.protocol.types.json import JsonObject
from anyport.server.completions import Completions
from anyport.server.declarations import DeclarationError, names_of_caller
from anyport.server.files import MAX_FILE_BYTES, DirectoryReader, FileReader
from anyport.server.prompts import PromptOptions, Prompts
from anyport.server.resources import ResourceOptions, Resources

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])


class DescribedArguments(TypedDict, total=False):
    """The options of everything that a list shows."""

    name: str
    title: str
    description: str
    icons: Sequence[Icon]
    meta: JsonObject


class PromptArguments(DescribedArguments, total=False):
    """The options of `Server.prompt`."""


class FileArguments(DescribedArguments, total=False):
    """The options of `Server.add_file` and `Server.add_directory`."""

    mime_type: str
    annotations: Annotations
    cache_ttl: float
    cache_scope: CacheScope


class ResourceArguments(FileArguments, total=False):
    """The options of `Server.resource`."""

    size: int


class Authoring:
    """The declarations of a server beside its tools.

    Attributes:
        resources: What it lets clients read.
        prompts: The prompts that it offers.
        completions: Functions that complete arguments.
    """

    resources: Resources
    prompts: Prompts
    completions: Completions

    def resource(self, uri: str, **options: Unpack[ResourceArguments]) -> Callable[[FunctionT], FunctionT]:
        """Register a function that reads a resource, or a family of them.

        With variables in the URI (RFC 6570: ``shop://items/{id}{?lang}``) it is a template: each variable is passed as
        the parameter of its name, converted as its annotation says; a variable that may be missing has a default. A
        URI whose variables do not convert is tried with the next template.

        The function returns text, bytes, any value with a JSON form, `File`, `Image`, `Audio` or ``ResourceContents``,
        or a list of the last four; ``None`` says that there is no such resource.

        Args:
            uri: The URI, with a scheme, or a URI template.
            **options: ``name`` (default: the function's), ``title``, ``description`` (default: the docstring),
                ``mime_type`` (default: by return annotation, ``text/plain`` for ``str``), ``size`` in bytes,
                ``annotations``, ``icons``, ``meta`` (its ``_meta``), ``cache_ttl`` (seconds that a client may keep
                what it read, default 0), ``cache_scope`` (``private``, the default, or ``public``).

        Returns:
            A decorator, which returns the function unchanged.

        Raises:
            DeclarationError: The declaration cannot work; the message names file, line and reason.
        """
        if callable(uri):
            raise DeclarationError(uri, 'a resource needs its URI: @server.resource("shop://items")')
        return functools.partial(self._add_resource, uri, ResourceOptions(**options), names_of_caller())

    @overload
    def prompt(self, function: FunctionT, /) -> FunctionT: ...

    @overload
    def prompt(self, /, **options: Unpack[PromptArguments]) -> Callable[[FunctionT], FunctionT]: ...

    def prompt(
        self, function: FunctionT | None = None, /, **options: Unpack[PromptArguments]
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Register a function as a prompt; with or without parentheses.

        Its parameters are the prompt's arguments. On the wire they are strings: they are converted as the annotations
        say, from JSON where text does not spell the type, as for a list or a model.

        The function returns text, a content block, media, `UserMessage`, `AssistantMessage`, or a list of these.

        Args:
            function: A ``def`` (runs on a thread) or ``async def`` (runs on the event loop).
            **options: ``name``, ``title``, ``description``, ``icons``, ``meta`` (the prompt's ``_meta``).

        Returns:
            The function, or without one a decorator.

        Raises:
            DeclarationError: The declaration cannot work; the message names file, line and reason.
        """
        add = functools.partial(self._add_prompt, PromptOptions(**options), names_of_caller())
        return add if function is None else add(function)

    def completion(self, target: str, /, argument: str) -> Callable[[FunctionT], FunctionT]:
        """Register a function that completes an argument of a prompt, or a variable of a URI template.

        The function takes what was typed and, if it has a second parameter, the arguments that have a value already;
        a `Context` by annotation. It returns a list of strings, best first, of which 100 are sent, or a ``Completion``.

        Without a function, arguments with a list of values (``Literal``, enumerations, ``bool``) complete themselves.

        Args:
            target: Name of the prompt, or the URI template; it must be registered before.
            argument: Its argument or variable.

        Returns:
            A decorator, which returns the function unchanged.

        Raises:
            DeclarationError: There is no such target or argument, or it has a completion already.
        """
        return functools.partial(self._add_completion, target, argument, names_of_caller())

    def add_file(
        self,
        path: str | Path,
        uri: str | None = None,
        *,
        max_bytes: int = MAX_FILE_BYTES,
        **options: Unpack[FileArguments],
    ) -> None:
        """Register a file as a resource; it is read anew at each request.

        Args:
            path: The file.
            uri: Its URI; default: the ``file://`` URI of the path.
            max_bytes: Largest size that is served, in bytes.
            **options: As for `resource`; ``name`` defaults to the file's, ``mime_type`` to what the name or else the
                content tells.

        Raises:
            LocalProtocolError: There is no such file, the URI is taken or is none.
        """
        reader = FileReader(path, options.get("mime_type"), max_bytes)
        shown: FileArguments = {"name": reader.path.name, "description": "", **options}
        if reader.mime_type is not None:
            shown["mime_type"] = reader.mime_type
        self.resources.add(uri or reader.path.as_uri(), reader, ResourceOptions(size=reader.size, **shown))

    def add_directory(
        self,
        directory: str | Path,
        uri: str | None = None,
        *,
        hidden: bool = False,
        max_bytes: int = MAX_FILE_BYTES,
        **options: Unpack[FileArguments],
    ) -> None:
        """Register all files of a directory and of those below it as a family of resources.

        A path that leads out of the directory is refused, also through a link; so is what is not a regular file. The
        variable ``path`` of the template completes itself from what there is.

        Args:
            directory: The directory.
            uri: What the URIs begin with, such as ``docs://``; default: the ``file://`` URI of the directory.
            hidden: Serve names that begin with a dot too.
            max_bytes: Largest size that is served, in bytes.
            **options: As for `resource`; ``name`` defaults to the directory's, ``mime_type`` to what each file's name
                or else its content tells.

        Raises:
            LocalProtocolError: There is no such directory, or the URI is taken or is none.
        """
        reader = DirectoryReader(directory, options.get("mime_type"), hidden=hidden, max_bytes=max_bytes)
        prefix = uri or reader.root.as_uri()
        template = f"{prefix if prefix.endswith('/') else f'{prefix}/'}{{+path}}"
        shown: FileArguments = {"name": reader.root.name, "description": "", **options}
        self.resources.add(template, reader, ResourceOptions(**shown))
        self.completions.add(template, "path", reader.complete)

    def _add_resource(
        self, uri: str, options: ResourceOptions, names: Mapping[str, object], function: FunctionT
    ) -> FunctionT:
        self.resources.add(uri, function, options, names)
        return function

    def _add_prompt(self, options: PromptOptions, names: Mapping[str, object], function: FunctionT) -> FunctionT:
        self.prompts.add(function, options, names)
        return function

    def _add_completion(
        self, target: str, argument: str, names: Mapping[str, object], function: FunctionT
    ) -> FunctionT:
        self.completions.add(target, argument, function, names)
        return function
