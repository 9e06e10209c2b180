"""The deployment's master key: 256 bits under which every other secret of the store is sealed.

It comes from the settings (`OBJSTORE_MASTER_KEY`, or a file), which keep it apart from the drives; or it is generated
at the first start and kept in the catalog, which protects nothing from whoever holds the drives but needs no care. The
catalog keeps a value sealed under it, so a start with another key is refused before anything is read or written by it.
A sealed value is a format byte, a nonce of 96 bits, and AES-256-GCM of the plaintext, bound to a context: what it is
and whose, so that no sealed value passes in the place of another.
https://csrc.nist.gov/pubs/sp/800/38/d/final
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from objstore.catalog.transaction import Transaction

KEY_BYTES = 32

_FORMAT = b"\x01"
_NONCE = 12
_STORED, _PROOF = "master key", "master key proof"
_ADVICE = "set OBJSTORE_MASTER_KEY_FILE to the one that it began with; nothing was changed"
_PROOF_CONTEXT, _PROOF_TEXT = b"objstore master key proof", b"objstore"


class MasterKeyError(Exception):
    """A master key is malformed, missing, or another than the one that sealed; the message says what to do."""


class MasterKey:
    """Seals and opens. Never shown in a repr, an error or a log."""

    __slots__ = ("_cipher", "_key")

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes; raises MasterKeyError for any other number."""
        if len(key) != KEY_BYTES:
            raise MasterKeyError(f"a master key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "MasterKey()"

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """29 bytes more than the plaintext."""
        nonce = os.urandom(_NONCE)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plaintext; raises MasterKeyError when key, context or a byte is another."""
        if sealed[:1] != _FORMAT:
            raise MasterKeyError("a sealed value has an unknown format: was it written by a newer version?")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], context)
        except InvalidTag:
            raise MasterKeyError("a sealed value does not open: it was altered, or sealed under another key") from None

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, always the same."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(self._key)


def parse(text: str) -> MasterKey:
    """A master key as settings have it: base64 of 32 bytes (`openssl rand -base64 32`). Raises MasterKeyError."""
    try:
        return MasterKey(base64.b64decode(text.strip(), validate=True))
    except ValueError:
        raise MasterKeyError("a master key is base64 of 32 bytes, as `openssl rand -base64 32` makes one") from None


def proved(tx: Transaction, given: MasterKey | None) -> bool:
    """Whether the given key, or else the stored one, is this deployment's; False where it has none yet.

    Raises MasterKeyError when it is another, or is not given though it once was.
    """
    known = _row(tx, _PROOF)
    if known is None:
        return False
    key = given or stored(tx)
    if key is None:
        raise MasterKeyError(f"the master key is missing: {_ADVICE}")
    try:
        key.open(known, _PROOF_CONTEXT)
    except MasterKeyError:
        raise MasterKeyError(f"the master key is not the one that this deployment began with: {_ADVICE}") from None
    return True


def keep(given: MasterKey | None) -> Callable[[Transaction], None]:
    """A transaction function that makes the given key this deployment's, or keeps a new one, unless it has one."""
    fresh = secrets.token_bytes(KEY_BYTES)
    proof = (given or MasterKey(fresh)).seal(_PROOF_TEXT, _PROOF_CONTEXT)

    def run(tx: Transaction) -> None:
        if proved(tx, given):
            return
        tx.run("INSERT INTO settings (name, value) VALUES (?, ?)", _PROOF, proof)
        if given is None:
            tx.run("INSERT INTO settings (name, value) VALUES (?, ?)", _STORED, fresh)

    return run


Resealer = Callable[[Transaction, MasterKey, MasterKey], int]
"""Opens all values of one kind with the first key, seals them under the second, and tells how many they were."""


def change(previous: MasterKey, given: MasterKey, resealers: Sequence[Resealer]) -> Callable[[Transaction], int | None]:
    """A transaction function that makes `given` the deployment's master key: how many values it sealed anew.

    `resealers` know all that is sealed. None where it is that key already. Raises MasterKeyError when neither key is
    the deployment's. A key that the catalog kept is forgotten.
    """
    proof = given.seal(_PROOF_TEXT, _PROOF_CONTEXT)

    def run(tx: Transaction) -> int | None:
        known = _row(tx, _PROOF)
        if known is None or _opens(given, known):
            return None
        if not _opens(previous, known):
            raise MasterKeyError(f"neither the master key nor the previous one is this deployment's: {_ADVICE}")
        done = sum(resealer(tx, previous, given) for resealer in resealers)
        tx.run("UPDATE settings SET value = ? WHERE name = ?", proof, _PROOF)
        tx.run("DELETE FROM settings WHERE name = ?", _STORED)
        return done

    return run


def known_by(key: MasterKey) -> Callable[[Transaction], bool]:
    """A transaction function that tells whether the deployment has a master key and this is it."""

    def run(tx: Transaction) -> bool:
        known = _row(tx, _PROOF)
        return known is not None and _opens(key, known)

    return run


def _opens(key: MasterKey, proof: bytes) -> bool:
    try:
        key.open(proof, _PROOF_CONTEXT)
    except MasterKeyError:
        return False
    return True


def stored(tx: Transaction) -> MasterKey | None:
    """The key that the catalog keeps; None where the settings must bring it."""
    key = _row(tx, _STORED)
    return None if key is None else MasterKey(key)


def _row(tx: Transaction, name: str) -> bytes | None:
    row = tx.one("SELECT value FROM settings WHERE name = ?", name)
    return None if row is None else bytes(row[0])
