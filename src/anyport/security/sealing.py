"""Sealed state: what a server lets its clients carry for it, unreadable, unchangeable, and good for one request only.

A token is the Base64 of ``key id | salt | ciphertext``. Each token has an AES-256-GCM key and nonce of its own, derived
by HKDF-SHA256 from the secret and a random salt, so that no number of processes with one secret ever uses a nonce
twice. What a token is bound to is authenticated with it, and so is the time until which it is good.

The library is loaded when the first token is made or opened.
"""

from __future__ import annotations

import base64
import binascii
import functools
import importlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from anyport.protocol.errors import LocalProtocolError

logger = logging.getLogger("anyport.security")

MIN_SECRET: Final = 32
"""Fewest bytes of a secret: clients hold tokens, and could guess a short one in peace."""

_VERSION: Final = "1."
_KEY_ID: Final = 4
_SALT: Final = 16
_TIME: Final = 8
_KEY: Final = 32
_NONCE: Final = 12


class Unsealed(Exception):
    """A token that this secret did not make, or not for this use, or that is too old; the log says which at debug."""


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...


class _Derivation(Protocol):
    def derive(self, key_material: bytes) -> bytes: ...


class _Library(NamedTuple):
    aes: Callable[[bytes], _Cipher]
    hkdf: Callable[..., _Derivation]
    sha256: Callable[[], object]
    invalid: type[Exception]


@functools.cache
def _library() -> _Library:
    primitives = "cryptography.hazmat.primitives"
    return _Library(
        importlib.import_module(f"{primitives}.ciphers.aead").AESGCM,
        importlib.import_module(f"{primitives}.kdf.hkdf").HKDF,
        importlib.import_module(f"{primitives}.hashes").SHA256,
        importlib.import_module("cryptography.exceptions").InvalidTag,
    )


def _derive(secret: bytes, length: int, salt: bytes, purpose: bytes) -> bytes:
    library = _library()
    return library.hkdf(algorithm=library.sha256(), length=length, salt=salt, info=purpose).derive(secret)


class Sealer:
    """Seals and opens state.

    Args:
        secrets: The first seals, all of them open: a new one is put in front, and the old one goes once the last state
            that it sealed is too old. Each has at least 32 bytes. Empty for a random one, which no other process and no
            later start of this one knows.
        clock: Seconds since the epoch.

    Raises:
        LocalProtocolError: A secret is too short.
    """

    def __init__(self, secrets: Sequence[str | bytes] = (), clock: Callable[[], float] = time.time) -> None:
        given = [secret.encode() if isinstance(secret, str) else secret for secret in secrets]
        if any(len(secret) < MIN_SECRET for secret in given):
            raise LocalProtocolError(
                f"secret (or ANYPORT_SECRET) needs at least {MIN_SECRET} bytes: openssl rand -hex 32 makes one"
            )
        self._is_random = not given
        self._secrets = tuple(given) or (os.urandom(_KEY),)
        self._clock = clock

    @property
    def is_random(self) -> bool:
        """Whether nobody else can open what this one seals."""
        return self._is_random

    def share(self) -> bool:
        """Be one of several processes that are forked from this one: what they have in common includes the secret.

        Returns:
            Whether it is random: known to those processes, and to nobody after them.
        """
        random, self._is_random = self._is_random, False
        return random

    @functools.cached_property
    def _by_id(self) -> dict[bytes, bytes]:
        return {_derive(secret, _KEY_ID, b"", b"anyport key id"): secret for secret in self._secrets}

    def seal(self, state: bytes, bound: bytes, lifetime_s: float) -> str:
        """Make a token.

        Args:
            state: What it carries.
            bound: What it is bound to: it opens with the same bytes only.
            lifetime_s: Seconds for which it is good.

        Returns:
            ASCII text without spaces.
        """
        key_id, secret = next(iter(self._by_id.items()))
        salt = os.urandom(_SALT)
        until = int((self._clock() + lifetime_s) * 1000).to_bytes(_TIME, "big")
        cipher, nonce = _cipher(secret, salt)
        sealed = cipher.encrypt(nonce, until + state, bound)
        return _VERSION + base64.urlsafe_b64encode(key_id + salt + sealed).decode().rstrip("=")

    def open(self, token: str, bound: bytes) -> bytes:
        """Return what a token carries.

        Args:
            token: As it came back.
            bound: What it has to be bound to.

        Raises:
            Unsealed: It was changed, sealed by another secret, for another use, or is too old.
        """
        try:
            return self._open(token, bound)
        except Unsealed as error:
            logger.debug("Refused a sealed state: %s", error)
            raise

    def _open(self, token: str, bound: bytes) -> bytes:
        raw = _decoded(token)
        key_id, salt, sealed = raw[:_KEY_ID], raw[_KEY_ID : _KEY_ID + _SALT], raw[_KEY_ID + _SALT :]
        secret = self._by_id.get(key_id)
        if secret is None or len(salt) < _SALT:
            raise Unsealed("no secret of ours made it")
        cipher, nonce = _cipher(secret, salt)
        try:
            opened = cipher.decrypt(nonce, sealed, bound)
        except _library().invalid:
            raise Unsealed("it was changed, or is bound to another request or caller") from None
        if int.from_bytes(opened[:_TIME], "big") < self._clock() * 1000:
            raise Unsealed("it is too old")
        return opened[_TIME:]


def _cipher(secret: bytes, salt: bytes) -> tuple[_Cipher, bytes]:
    made = _derive(secret, _KEY + _NONCE, salt, b"anyport sealed state")
    return _library().aes(made[:_KEY]), made[_KEY:]


def _decoded(token: str) -> bytes:
    text = token.removeprefix(_VERSION)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unsealed("it is not Base64") from None
    # Base64 has several texts for the same bytes: only ours is taken, so that a token has one form.
    again = _VERSION + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if again != token:
        raise Unsealed("it is not a token of this version")
    return raw


def secrets_of(secret: str | bytes | Sequence[str | bytes] | None, variable: str | None) -> list[str | bytes]:
    """Return the secrets that a server was given.

    Args:
        secret: What code says: one, or several with the newest first.
        variable: What the environment says where code says nothing: one, or several separated by commas.
    """
    if secret is None:
        return [part.strip() for part in (variable or "").split(",") if part.strip()]
    return [secret] if isinstance(secret, (str, bytes)) else list(secret)
