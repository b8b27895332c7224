"""URI templates, RFC 6570 level 4: expanded as the RFC says, and matched, which the RFC leaves open.

A match finds values that give the whole URI. Where several would, these rules choose:

- From left to right, each variable takes the longest text with which the rest still matches: ``{a}-{b}`` reads
  ``x-y-z`` as ``x-y`` and ``z``; of two adjacent variables the first takes all but one character. But an expression
  that brings its own mark is present where it can be: ``{name}{.ext}`` reads ``a.tar.gz`` as ``a.tar`` and ``gz``.
- ``{x}`` and ``{+x}`` take at least one character. Others may be empty; what is absent is missing from the result.
- A variable stops before ``/ ? #`` and, in ``{x,y}``, before the separator. But ``{+x}`` and ``{#x}`` run over
  ``/ ? #``, except a ``?`` or ``#`` that comes later in the template, and query values run over ``/ ?``.
- Parameters of ``{?x,y}``, ``{&x}`` and ``{;x}`` come in any order, each once, none undeclared.
- An exploded variable is a list, or a mapping if every item has a ``=``; of parameters, a list of those with its name
  or a mapping of all that no variable names. Any other value is one string, commas and all.

The reading so chosen must then hold, no other is tried: escapes are well formed and decode as UTF-8, ``{x:3}`` has at
most three characters, all occurrences of a variable agree, and no value in a path (``? & #`` apart) is a traversal, see
`is_traversal`; only ``{+x}`` may hold a decoded slash. Query and fragment values are free text: check one yourself
before you use it as a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, NoReturn, TypeAlias
from urllib.parse import quote, unquote

Expandable: TypeAlias = str | Sequence[str] | Mapping[str, str]
Matched: TypeAlias = str | list[str] | dict[str, str]

MAX_URI = 16 * 2**10  # characters; longer URIs match no template, nor would they fit the header that repeats them
_MAX_DECODES = 5  # nobody escapes an honest name that often
_RESERVED = ":/?#[]@!$&'()*+,;="
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_SEGMENT_END = re.compile(r"[/?#;]")
_CONTROL_OR_BACKSLASH = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE_OR_TEXT = re.compile(r"(%[0-9A-Fa-f]{2})|([^%]+|%)")
# What a prefix counts as one character: an escaped UTF-8 sequence is not split (RFC 6570, 2.4.1).
_CHARACTER = re.compile(r"%[0-9A-Fa-f]{2}(?:%[89ABab][0-9A-Fa-f]){0,3}|.", re.DOTALL)
# RFC 6570, 2.1, with the apostrophe that erratum 6937 adds; then 2.3 and 2.4.
_LITERAL = re.compile(r"""(?:[^\x00-\x20"%<>\\^`{|}\x7f-\x9f\ud800-\udfff]|%[0-9A-Fa-f]{2})+""")
_NAME = r"(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+"
_VARIABLE = re.compile(rf"({_NAME}(?:\.{_NAME})*)(?:(\*)|:([1-9][0-9]{{0,3}}))?(?=[,}}])")
# Adjacent parameter lists are one list when matched, for their order is free: {?a}{&b} is {?a,b}.
_PARAMETER_LISTS = re.compile(r"\{[?&][^{}]*\}(?:\{&[^{}]*\})+|\{;[^{}]*\}(?:\{;[^{}]*\})+")


class _NoMatch(Exception):
    """Ends a match from wherever it fails."""


class _Operator(NamedTuple):
    """A row of the table in RFC 6570, appendix A, and what matching adds to it."""

    first: str
    separator: str
    stops: str
    guard: Literal["segment", "path", "free"]
    named: bool = False
    reserved: bool = False

    def encode(self, text: str) -> str:
        if not self.reserved:
            return quote(text, safe="")
        return _ESCAPE_OR_TEXT.sub(lambda found: found[1] or quote(found[2], safe=_RESERVED), text)

    def decode(self, text: str) -> str:
        if "%" in text:
            if _BAD_ESCAPE.search(text):
                raise _NoMatch
            text = unquote(text, errors="strict")
        if self.guard != "free" and is_traversal(text, one_segment=self.guard == "segment"):
            raise _NoMatch
        return text


_OPERATORS = {
    "": _Operator("", ",", "/?#", "segment"),
    "+": _Operator("", ",", "", "path", reserved=True),
    "#": _Operator("#", ",", "", "free", reserved=True),
    ".": _Operator(".", ".", "/?#", "segment"),
    "/": _Operator("/", "/", "/?#", "segment"),
    ";": _Operator(";", ";", "/?#", "segment", named=True),
    "?": _Operator("?", "&", "#", "free", named=True),
    "&": _Operator("&", "&", "#", "free", named=True),
}


class _Variable(NamedTuple):
    name: str
    explode: bool
    prefix: int | None


class _Expression(NamedTuple):
    operator: _Operator
    variables: tuple[_Variable, ...]

    def expand(self, values: Mapping[str, Expandable]) -> str:
        defined = [variable for variable in self.variables if variable.name in values]
        pieces = [piece for variable in defined for piece in self._pieces(variable, values[variable.name])]
        return self.operator.first + self.operator.separator.join(pieces) if pieces else ""

    def _pieces(self, variable: _Variable, value: Expandable) -> list[str]:
        encode = self.operator.encode
        if isinstance(value, str):
            characters = _CHARACTER.findall(value) if self.operator.reserved else value
            items = [encode("".join(characters[: variable.prefix]))]
        elif variable.prefix is not None:
            raise ValueError(f"{variable.name}:{variable.prefix} takes a string, not a list or a mapping")
        elif not isinstance(value, Mapping):
            items = [encode(item) for item in value]
        elif variable.explode:
            return [self._pair(encode(key), encode(item), bare=self.operator.named) for key, item in value.items()]
        else:
            items = [encode(text) for pair in value.items() for text in pair]
        if items and not variable.explode:
            items = [",".join(items)]
        return [self._pair(variable.name, item, bare=True) for item in items] if self.operator.named else items

    def _pair(self, name: str, text: str, *, bare: bool) -> str:
        """Writes a parameter; an empty one without `=`, where it may be bare and is not in a query."""
        return name if bare and not text and self.operator.separator != "&" else f"{name}={text}"


class _Slot(NamedTuple):
    """What matching fills: the text of one variable, or all the parameters of a named expression."""

    operator: _Operator
    variables: tuple[_Variable, ...]
    lead: str
    stop: re.Pattern[str]

    @property
    def least(self) -> int:
        return 0 if self.lead else 1

    def starts(self, uri: str, after: bytearray) -> bytearray:
        """Marks from where a run of the slot's characters leads to a marked position."""
        found = bytearray(len(after))
        start = 0
        for end in [*(stop.start() for stop in self.stop.finditer(uri)), len(uri)]:
            last = after.rfind(1, start + self.least, end + 1) - self.least
            if last >= start:
                found[start : last + 1] = b"\1" * (last + 1 - start)
            start = end + 1
        return found

    def read(self, text: str) -> list[tuple[_Variable, Matched]]:
        """Decodes the slot's text, or raises `_NoMatch`."""
        if self.operator.named:
            return list(self._read_parameters(text))
        (variable,) = self.variables
        if variable.explode:
            return [(variable, self._read_exploded(text))]
        value = self.operator.decode(text)
        if variable.prefix is not None and len(value) > variable.prefix:
            raise _NoMatch
        return [(variable, value)]

    def _read_exploded(self, text: str) -> list[str] | dict[str, str]:
        decode = self.operator.decode
        items = text.split(self.operator.separator)
        if all("=" in item for item in items):
            pairs = [item.split("=", 1) for item in items]
            mapping = {decode(key): decode(value) for key, value in pairs}
            if len(mapping) == len(items):
                return mapping
        return [decode(item) for item in items]

    def _read_parameters(self, text: str) -> Iterator[tuple[_Variable, Matched]]:
        own: dict[str, list[str]] = {unquote(variable.name): [] for variable in self.variables}
        others: dict[str, str] = {}
        for parameter in text.split(self.operator.separator):
            name, value = (self.operator.decode(part) for part in parameter.partition("=")[::2])
            if name in own:
                own[name].append(value)
            elif name and name not in others:
                others[name] = value
            else:
                raise _NoMatch
        for variable in self.variables:
            values = own[unquote(variable.name)]
            if variable.explode and (values or others):
                yield variable, values or others
                others = others if values else {}
            elif len(values) > 1 or (values and len(values[0]) > (variable.prefix or MAX_URI)):
                raise _NoMatch
            elif values:
                yield variable, values[0]
        if others:
            raise _NoMatch


class UriTemplate:
    """A template, compiled once.

    Args:
        template: The template's text.

    Attributes:
        template: The same text.
        variables: The variables' names, each once, in order of appearance.

    Raises:
        ValueError: The template is malformed; the message says where and why.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self._parts = tuple(_parse(template))
        merged = _PARAMETER_LISTS.sub(lambda lists: re.sub(r"\}\{.", ",", lists[0]), template)
        self._atoms = tuple(_atoms(tuple(_parse(merged))))
        expressions = [part for part in self._parts if isinstance(part, _Expression)]
        self.variables = tuple(dict.fromkeys(variable.name for each in expressions for variable in each.variables))

    def expand(self, values: Mapping[str, Expandable]) -> str:
        """Writes the URI that the values give (RFC 6570, section 3).

        Args:
            values: By variable name. A name that is missing, or whose list or mapping is empty, is undefined and
                expands to nothing; names that the template does not have are ignored.

        Returns:
            The URI.

        Raises:
            ValueError: A prefix (`{x:3}`) meets a list or a mapping, or a value is not encodable as UTF-8.
        """
        return "".join(part if isinstance(part, str) else part.expand(values) for part in self._parts)

    def match(self, uri: str) -> dict[str, Matched] | None:
        """Reads the values from a URI, by the rules at the head of this module, in time linear in the URI's length.

        Args:
            uri: The URI. Characters outside ASCII are taken for their escapes (RFC 3987, section 3.1).

        Returns:
            The decoded values of the variables that are present, or `None` if the URI does not match.
        """
        if len(uri) > MAX_URI:
            return None
        try:
            if not uri.isascii():
                uri = _NOT_ASCII.sub(lambda run: quote(run[0]), uri)
            filled = [pair for slot, text in _fill(self._atoms, uri) for pair in slot.read(text)]
        except (_NoMatch, UnicodeError):
            return None
        values: dict[str, Matched] = {}
        # The longest first, because {x:1} has to be the start of {x}.
        for variable, value in sorted(filled, key=lambda pair: -(pair[0].prefix or MAX_URI)):
            known = values.setdefault(variable.name, value)
            if value != (known[: variable.prefix] if isinstance(known, str) else known):
                return None
        return values


def is_traversal(value: str, *, one_segment: bool = False) -> bool:
    """Tells whether a decoded value must not become part of a path.

    It must not if it has a backslash, a control character (NUL too), or a segment (up to ``/ ? # ;``) of dots, alone or
    with spaces; nor if escapes left in it hide one of these or do not decode. Absolute paths, drive letters and links
    are not its business: whoever opens a file checks that the resolved path lies inside its root.

    Args:
        value: The value, percent-decoded once.
        one_segment: Refuse a slash too, hidden or not.

    Returns:
        True if the value is to be refused.
    """
    for _ in range(_MAX_DECODES):
        if _CONTROL_OR_BACKSLASH.search(value) or (one_segment and "/" in value):
            return True
        if any("." in segment and not segment.strip(" .") for segment in _SEGMENT_END.split(value)):
            return True
        if not _ESCAPE.search(value):
            return False
        try:
            value = unquote(value, errors="strict")
        except UnicodeDecodeError:
            return True
    return True


def _parse(template: str) -> Iterator[str | _Expression]:
    position = 0
    while position < len(template):
        if template[position] == "{":
            end = template.find("}", position)
            if end < 0:
                _malformed(template, position, "the expression is not closed")
            yield _parse_expression(template, position + 1, end)
            position = end + 1
        else:
            literal = _LITERAL.match(template, position)
            if literal is None:
                _malformed(template, position, f"{template[position]!r} is not allowed here; percent-encode it")
            yield _OPERATORS["+"].encode(literal[0])
            position = literal.end()


def _parse_expression(template: str, position: int, end: int) -> _Expression:
    mark = template[position]
    if mark in _OPERATORS:
        position += 1
    variables: list[_Variable] = []
    while True:
        found = _VARIABLE.match(template, position, end + 1)
        if found is None:
            _malformed(template, position, "here belongs a variable: operator, name, * or :1 to :9999")
        variables.append(_Variable(found[1], found[2] is not None, int(found[3]) if found[3] else None))
        position = found.end()
        if position == end:
            return _Expression(_OPERATORS.get(mark, _OPERATORS[""]), tuple(variables))
        position += 1


def _malformed(template: str, position: int, reason: str) -> NoReturn:
    raise ValueError(f"malformed URI template {template!r}, at position {position}: {reason}")


def _atoms(parts: Sequence[str | _Expression]) -> Iterator[str | _Slot]:
    """Turns a template into what is matched one after the other: literals and slots."""
    for index, part in enumerate(parts):
        if isinstance(part, str):
            yield part
            continue
        operator, variables = part
        stops = operator.stops
        if operator.reserved:
            rest = "".join(each if isinstance(each, str) else each.operator.first for each in parts[index + 1 :])
            stops = "".join(mark for mark in "?#" if mark in rest)
        # The parameters of a named expression come in any order: one slot for all of them.
        groups = [variables] if operator.named else [(variable,) for variable in variables]
        lead = operator.first
        for group in groups:
            own = stops
            if group[0].explode:
                own = stops.replace(operator.separator, "")
            elif len(groups) > 1:
                own += operator.separator
            yield _Slot(operator, group, lead, re.compile(f"[{re.escape(own)}]" if own else r"(?!)"))
            lead = operator.separator


def _fill(atoms: Sequence[str | _Slot], uri: str) -> Iterator[tuple[_Slot, str]]:
    """Walks from left to right along the table, which says what leaves the rest a match."""
    if atoms and isinstance(atoms[0], str) and not uri.startswith(atoms[0]):
        raise _NoMatch
    table = _table(atoms, uri)
    position = 0
    for atom, (_, present), (goal, preferred) in zip(atoms, table, table[1:], strict=False):
        if isinstance(atom, str):
            position += len(atom)
        elif present[position]:
            start = position + len(atom.lead)
            stop = atom.stop.search(uri, start)
            limit = (stop.start() if stop else len(uri)) + 1
            position = preferred.rfind(1, start + atom.least, limit)
            if position < 0:
                position = goal.rfind(1, start + atom.least, limit)
            yield atom, uri[start:position]


def _table(atoms: Sequence[str | _Slot], uri: str) -> list[tuple[bytearray, bytearray]]:
    """Marks, from right to left, where in the URI each atom and all after it can match: nothing is tried twice.

    The second row of each pair leaves out where the atom is passed over as absent; the last pair is the template's end.
    """
    end = bytearray(len(uri) + 1)
    end[-1] = 1
    rows = [(end, end)]
    for atom in reversed(atoms):
        after, _ = rows[-1]
        present = _before(atom, uri, after) if isinstance(atom, str) else atom.starts(uri, after)
        goal = present
        if not isinstance(atom, str) and atom.lead:
            present = _before(atom.lead, uri, present)
            either = int.from_bytes(present) | int.from_bytes(after)  # bytes have no "or"
            goal = bytearray(either.to_bytes(len(after)))
        rows.append((goal, present))
    rows.reverse()
    if not rows[0][0][0]:
        raise _NoMatch
    return rows


def _before(text: str, uri: str, after: bytearray) -> bytearray:
    """Marks where the text stands right before a marked position."""
    found = bytearray(len(after))
    start = uri.find(text)
    while start >= 0:
        found[start] = after[start + len(text)]
        start = uri.find(text, start + 1)
    return found
