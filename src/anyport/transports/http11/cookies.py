"""Cookies of one origin: what balancers in front of a server tell its sessions apart by (RFC 6265).

They live as long as the connections do, and go back to where they came from alone: a pool has one origin.
"""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

_MOST: Final = 50
_LONGEST: Final = 4096
"""Characters of a cookie, its attributes included."""
_PAIR: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*([\x20-\x3a\x3c-\x7e\x80-\xff]*)\Z")


class Cookie(Struct, frozen=True):
    """A cookie.

    Attributes:
        value: Its value.
        path: The paths that it is for.
        ends: Time of the clock from which on it is none; ``None`` for the end of the jar.
    """

    value: str
    path: str
    ends: float | None


class Cookies:
    """The cookies that a server has set.

    Args:
        secure: Whether the connections are encrypted.
    """

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._found: dict[tuple[str, str], Cookie] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def take(self, fields: str, target: str) -> None:
        """Take the cookies of an answer.

        Args:
            fields: The values of its fields ``Set-Cookie``, one a line.
            target: Path and query of the request.
        """
        for field in fields.split("\n"):
            pair, *attributes = field.split(";")
            matched = _PAIR.match(pair.strip())
            if matched and len(field) <= _LONGEST:
                self._set(matched[1], matched[2], _read(attributes), _path(target))

    def of(self, target: str) -> str:
        """Return the value of the field ``Cookie`` for a request; empty where there is none to send."""
        path, now = _path(target), time.time()
        sent: list[str] = []
        for key, cookie in list(self._found.items()):
            if cookie.ends is not None and cookie.ends <= now:
                del self._found[key]
            elif _covers(cookie.path, path):
                sent.append(f"{key[0]}={cookie.value}")
        return "; ".join(sent)

    def _set(self, name: str, value: str, attributes: dict[str, str], path: str) -> None:
        if "secure" in attributes and not self._secure:
            return
        wanted = attributes.get("path", "")
        place = wanted if wanted.startswith("/") else path.rpartition("/")[0] or "/"
        ends = _ends(attributes)
        self._found.pop((name, place), None)
        if ends is not None and ends <= time.time():
            return
        if len(self._found) >= _MOST:
            del self._found[next(iter(self._found))]
        self._found[name, place] = Cookie(value, place, ends)


def _read(attributes: list[str]) -> dict[str, str]:
    pairs = (attribute.partition("=") for attribute in attributes)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _ends(attributes: dict[str, str]) -> float | None:
    """Return when a cookie ends; ``Max-Age`` counts more than ``Expires`` (RFC 6265, 5.3)."""
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?\d{1,15}", age):
        return time.time() + int(age)
    try:
        return parsedate_to_datetime(attributes["expires"]).timestamp()
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def _path(target: str) -> str:
    """Return the path of a target, which a proxy may be told with its origin."""
    return target.partition("?")[0]


def _covers(path: str, requested: str) -> bool:
    if requested == path:
        return True
    return requested.startswith(path if path.endswith("/") else f"{path}/")
