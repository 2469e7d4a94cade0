"""Secrets on their way to one reader: sealed boxes to an Ed25519 key, opened by its seed.

The writer keeps nothing that opens them. Construction: libsodium's sealed box (X25519, XSalsa20-
Poly1305) to the Curve25519 form of the Ed25519 key.
"""

from nacl.exceptions import CryptoError
from nacl.public import SealedBox
from nacl.signing import SigningKey, VerifyKey

from tickets.errors import GateError

OVERHEAD = 48
"""Bytes that sealing adds: a public key of one use and a tag."""


class NotSealedForUs(GateError):
    """Sealed bytes do not open with this key."""

    def __init__(self) -> None:
        super().__init__(
            "a sealed code does not open with this gate's key",
            "It was sealed for another key: look whether the gate's device.key was replaced",
        )


class Sealer:
    """Seals for one reader. Knows a public key alone; safe to print, log and keep."""

    def __init__(self, public: bytes) -> None:
        """
        Args:
            public: 32-byte Ed25519 public key of the reader.
        Raises:
            ValueError: it is none.
        """
        try:
            self._box = SealedBox(VerifyKey(public).to_curve25519_public_key())
        except (CryptoError, RuntimeError, TypeError) as error:
            raise ValueError("no Ed25519 public key") from error

    def seal(self, secret: bytes) -> bytes:
        """Return ``secret`` sealed: `OVERHEAD` bytes longer, and new at every call."""
        return self._box.encrypt(secret)


def open_sealed(seed: bytes, sealed: bytes) -> bytes:
    """Return what was sealed for the key with this 32-byte Ed25519 ``seed``.

    Raises:
        NotSealedForUs: for another key, changed, or cut short.
    """
    try:
        return SealedBox(SigningKey(seed).to_curve25519_private_key()).decrypt(sealed)
    except (CryptoError, ValueError, TypeError) as error:
        raise NotSealedForUs from error
