"""Keys of the organisers' side, derived from the list key: what the database holds of a second
factor is of no use to who steals the database, or a copy of it, alone."""

import hmac
from hashlib import blake2b

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from central.errors import CentralFault
from central.event import Central


def _key(central: Central, use: bytes) -> bytes:
    """A key of 32 bytes for one use. Source: BLAKE2 (RFC 7693), keyed and personalised."""
    return blake2b(key=central.list_seed, person=use, digest_size=32).digest()


def seal(central: Central, secret: bytes) -> bytes:
    """``secret``, encrypted and authenticated (XSalsa20-Poly1305)."""
    return bytes(SecretBox(_key(central, b"admit-totp")).encrypt(secret))


def unseal(central: Central, sealed: bytes) -> bytes:
    """What `seal` was given.

    Raises:
        CentralFault: it was sealed under another list key.
    """
    try:
        return SecretBox(_key(central, b"admit-totp")).decrypt(sealed)
    except CryptoError as error:
        raise CentralFault(
            "the second factor was made under another list key",
            "Make it anew with: admit central user reset NAME",
        ) from error


def mark(central: Central, text: str) -> str:
    """A tag of 32 hex digits that only this server can make for ``text``."""
    key = _key(central, b"admit-browser")
    return blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def is_marked(central: Central, text: str, tag: str) -> bool:
    """Whether ``tag`` is the `mark` of ``text``; takes the same time either way."""
    return hmac.compare_digest(mark(central, text).encode(), tag.encode())
