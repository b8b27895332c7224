"""URLs in parts, and what of them may be shown."""

from __future__ import annotations

import pytest

from anyport.protocol.urls import cut, one_line, parse_url, url_warnings


@pytest.mark.parametrize(
    ("text", "origin", "authority", "target"),
    [
        ("http://host", ("http", "host", 80), "host", "/"),
        ("https://host/a?b=c#d", ("https", "host", 443), "host", "/a?b=c"),
        ("http://HOST:8000/%20a", ("http", "host", 8000), "host:8000", "/%20a"),
        ("https://host:443/", ("https", "host", 443), "host", "/"),
        ("http://[::1]:9/x", ("http", "::1", 9), "[::1]:9", "/x"),
        ("http://[fe80::1%25eth0]/", ("http", "fe80::1%eth0", 80), "[fe80::1]", "/"),
        ("http://bücher.example/ä", ("http", "xn--bcher-kva.example", 80), "xn--bcher-kva.example", "/%C3%A4"),
        ("http://host/a%2Fb?x=[1]&y=é", ("http", "host", 80), "host", "/a%2Fb?x=[1]&y=%C3%A9"),
    ],
)
def test_parts_of_a_url(text: str, origin: tuple[str, str, int], authority: str, target: str) -> None:
    url = parse_url(text)
    assert (url.origin, url.authority, url.target, url.credentials) == (origin, authority, target, None)


def test_user_and_password() -> None:
    url = parse_url("http://me:p%40ss@host/x?key=secret")
    assert url.credentials == "Basic bWU6cEBzcw=="
    assert url.shown == "http://host/x?..."
    assert "me" not in url.text


@pytest.mark.parametrize(
    "text", ["ftp://h/", "http://", "x", "http://h:99999/", "http://[", "http://h/a b", "http://..ä/"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Not a") as caught:
        parse_url(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("b", "http://host/a/b"),
        ("/b?c", "http://host/b?c"),
        ("//other/b", "http://other/b"),
        ("?q", "http://host/a/x?q"),
    ],
)
def test_references(reference: str, text: str) -> None:
    assert parse_url("http://me:secret@host/a/x").join(reference).text == text


@pytest.mark.parametrize("reference", ["http://[", "mailto:x", "javascript:x"])
def test_references_that_lead_nowhere(reference: str) -> None:
    with pytest.raises(ValueError, match=r"^Not a"):
        parse_url("http://host/").join(reference)


def test_one_short_line() -> None:
    assert one_line("a\nb\x1b") == "a?b?"
    assert cut("x" * 101) == "x" * 100 + "..."


@pytest.mark.parametrize(
    ("url", "warning"),
    [
        ("http://example.com/", "not encrypted"),
        ("https://bank.example@evil.example/", "leads to evil.example"),
        ("https://xn--pple-43d.com/", "may look like others"),
        ("https://\u0430pple.com/", "may look like others"),
        ("https://10.0.0.1/", "an address without a name"),
        ("https://[::1]/", "an address without a name"),
        ("javascript:alert(1)", "cannot be opened"),
    ],
)
def test_what_a_user_is_warned_of(url: str, warning: str) -> None:
    """ELI-03: punycode above all."""
    assert any(warning in text for text in url_warnings(url))


def test_a_plain_url_gives_no_warning() -> None:
    """ELI-03."""
    assert url_warnings("https://example.com/pay?id=1") == []
