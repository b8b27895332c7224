"""URLs: what of them may be shown, whether they can be called, and the parts that a request needs."""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from msgspec import Struct

_SHOWN: Final = 100
_USER: Final = re.compile(r"//[^/@]*@")
_HIDDEN: Final = "..."
_ADDRESS: Final = re.compile(r"[0-9.]+|.*:.*")
_PORTS: Final = {"http": 80, "https": 443}
_KEPT: Final = "/%:=&?~#+!$,;'@()*[]"
"""What is left as it is in a path or query, beside letters and digits; the rest is percent-encoded."""


class Url(Struct, frozen=True):
    """An http or https URL in the parts that a request needs.

    Attributes:
        text: The URL without user and password.
        scheme: ``http`` or ``https``.
        host: Name or address in ASCII, without brackets.
        port: The port, the scheme's own where the URL names none.
        target: Path and query.
        credentials: User and password as a value of ``Authorization``; ``None`` where the URL has none.
    """

    text: str
    scheme: str
    host: str
    port: int
    target: str
    credentials: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What has to be equal for two URLs to be at one server (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The value of the header field ``Host``."""
        # The zone of an address is nobody's business but this machine's (RFC 6874, 4).
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL without anything that may be a secret."""
        return shown_url(self.text)

    def join(self, reference: str) -> Url:
        """Return what a reference means that was found at this URL (RFC 3986, 5).

        Raises:
            ValueError: It leads to no http or https URL; the text says why and does not repeat it.
        """
        try:
            joined = urljoin(self.text, reference)
        except ValueError:
            raise ValueError("Not a URL") from None
        return parse_url(joined)


def parse_url(text: str) -> Url:
    """Take a URL apart.

    Raises:
        ValueError: It is none that can be called; the text says why and does not repeat it.
    """
    problem = url_problem(text)
    if problem is not None:
        raise ValueError(problem)
    parts = urlsplit(text)
    # The zone of an address is behind a "%", which is encoded in a URL (RFC 6874).
    host = (parts.hostname or "").replace("%25", "%")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise ValueError("Not a URL: its host is no name") from None
    port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    whole = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    return Url(whole, parts.scheme, host, port, target, _credentials(parts))


def shown_url(url: str) -> str:
    """Return a URL without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return cut(_USER.sub("//", url.partition("?")[0]))
    place = parts.netloc.rpartition("@")[2]
    rest = f"?{_HIDDEN}" if parts.query else ""
    return cut(f"{parts.scheme}://{place}{parts.path}{rest}")


def url_problem(url: str) -> str | None:
    """Return why a text is no URL that can be called, without repeating it; ``None`` where it is one."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "Not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "Not an http or https URL with a host"
    return None if url.isprintable() and " " not in url else "Not a URL, which has no blanks in it"


def url_warnings(url: str) -> list[str]:
    """Return what is suspicious about a URL that a user is asked to open, in words; empty where nothing is."""
    try:
        found = parse_url(url)
    except ValueError as error:
        return [f"It cannot be opened: {error}"]
    warnings: list[str] = []
    if found.scheme != "https":
        warnings.append("It is not encrypted (http)")
    if found.credentials is not None:
        warnings.append(f"What stands before the @ is no part of the host: it leads to {found.host}")
    if any(label.startswith("xn--") for label in found.host.split(".")):
        warnings.append(f"Its host has letters that may look like others: {found.host}")
    if _ADDRESS.fullmatch(found.host):
        warnings.append(f"Its host is an address without a name: {found.host}")
    return warnings


def one_line(text: str) -> str:
    """Return a text with a question mark for whatever could break a line or a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def cut(line: str) -> str:
    """Return a text in one short line."""
    shown = one_line(line)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _credentials(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
