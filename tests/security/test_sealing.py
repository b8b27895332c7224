"""Sealed state: what a client carries for the server, and cannot read, change or use elsewhere (MRTR-04, MRTR-05)."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport.protocol.errors import LocalProtocolError
from anyport.security.sealing import MIN_SECRET, Sealer, Unsealed, secrets_of

OLD, NEW = "o" * MIN_SECRET, "n" * MIN_SECRET
BOUND = b"alice tools/call buy"


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_sealed_opens_again_with_the_same_secret_elsewhere() -> None:
    """MRTR-04: another process with the same secret opens it, one with another secret does not."""
    token = Sealer([OLD]).seal(b"state", BOUND, 10)
    assert token.isascii()
    assert " " not in token
    assert Sealer([OLD]).open(token, BOUND) == b"state"
    with pytest.raises(Unsealed):
        Sealer([NEW]).open(token, BOUND)
    with pytest.raises(Unsealed):
        Sealer().open(Sealer().seal(b"state", BOUND, 10), BOUND)


def test_nothing_of_the_state_shows() -> None:
    token = Sealer([OLD]).seal(b"the user's answer", b"the user's name", 10)
    raw = base64.urlsafe_b64decode(token[2:] + "==")
    assert b"answer" not in raw
    assert b"name" not in raw


def test_two_tokens_of_the_same_state_have_nothing_in_common() -> None:
    first, second = (Sealer([OLD]).seal(b"state", BOUND, 10) for _ in range(2))
    assert first[10:40] != second[10:40]


@given(st.data())
def test_no_change_is_taken(data: st.DataObject) -> None:
    """MRTR-04: every character counts, and so does the length."""
    sealer = Sealer([OLD])
    token = sealer.seal(b"state", BOUND, 10)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda found: found != token[place]))
    changed = token[:place] + other + token[place + 1 :]
    for wrong in (changed, token[:place], token + other, token + "-TAMPERED"):
        with pytest.raises(Unsealed):
            sealer.open(wrong, BOUND)


@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_breaks(text: str) -> None:
    with pytest.raises(Unsealed):
        Sealer([OLD]).open(text, BOUND)


def test_a_token_opens_for_what_it_is_bound_to_alone() -> None:
    """MRTR-05."""
    sealer = Sealer([OLD])
    with pytest.raises(Unsealed):
        sealer.open(sealer.seal(b"state", BOUND, 10), b"bob tools/call buy")


def test_a_token_is_good_until_its_time_is_up() -> None:
    """MRTR-05: a short expiry, inside the seal."""
    clock = Clock()
    sealer = Sealer([OLD], clock)
    token = sealer.seal(b"state", BOUND, 10)
    clock.now += 10
    assert sealer.open(token, BOUND) == b"state"
    clock.now += 0.002
    with pytest.raises(Unsealed, match="too old"):
        sealer.open(token, BOUND)


def test_rotation() -> None:
    """The first secret seals, all of them open."""
    old = Sealer([OLD]).seal(b"state", BOUND, 10)
    both = Sealer([NEW, OLD])
    assert both.open(old, BOUND) == b"state"
    new = both.seal(b"state", BOUND, 10)
    assert Sealer([NEW]).open(new, BOUND) == b"state"
    with pytest.raises(Unsealed):
        Sealer([OLD]).open(new, BOUND)


@pytest.mark.parametrize("length", [0, MIN_SECRET - 1])
def test_a_short_secret_is_refused(length: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"at least {MIN_SECRET} bytes"):
        Sealer([OLD, "x" * length])
    assert Sealer(["x" * MIN_SECRET, "x" * (MIN_SECRET + 1)])


def test_where_secrets_come_from() -> None:
    """Code goes before the environment; both may name several."""
    assert secrets_of(None, None) == []
    assert secrets_of(None, "") == []
    assert secrets_of(None, " a, b ,") == ["a", "b"]
    assert secrets_of("a", "b") == ["a"]
    assert secrets_of(b"a", "b") == [b"a"]
    assert secrets_of(["a", b"b"], "c") == ["a", b"b"]


def test_the_library_is_loaded_with_the_first_token() -> None:
    code = (
        "import sys; from anyport.security.sealing import Sealer; made = Sealer(); "
        "assert 'cryptography' not in sys.modules; made.seal(b'', b'', 1); assert 'cryptography' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
