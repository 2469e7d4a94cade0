"""Names of guests, each sealed under its own ticket's code: opened while that ticket is shown.

Whoever holds the list of names, and even the event key, opens none without the code of its ticket.
That holds for codes nobody can guess, see `tickets.strength`; a card's UID is no secret at all.
XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha); every name is padded to one length.
"""

from hashlib import blake2b

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from tickets.credential import Credential
from tickets.keys import TICKET_KEY_BYTES, ticket_key

SEALED_BYTES = 96
"""Length of a sealed name: 24 nonce, 56 padded text, 16 tag."""
NAME_ROW_BYTES = TICKET_KEY_BYTES + SEALED_BYTES
"""Length of one row of a names list: the ticket key, the sealed name."""
_NONCE = 24
_TEXT = 56
MOST_NAME = _TEXT - 1
"""Bytes of UTF-8 that are kept of a name; a longer one ends in an ellipsis."""
_PERSON = b"admit-name"
_NONCE_PERSON = b"admit-nonce"


def seal_name(event_key: bytes, credential: Credential, name: str) -> bytes:
    """Return ``name`` sealed (96 bytes) so that only this ticket's code opens it.

    Args:
        event_key: 32 bytes.
        credential: Of a format and strength whose code nobody guesses.
    """
    text = _cut(name).encode("utf-8")
    padded = bytes((len(text),)) + text.ljust(MOST_NAME, b"\0")
    key, bound = _name_key(event_key, credential), ticket_key(event_key, credential)
    # Made of the name: the same one again makes the same bytes, another one never the same nonce.
    nonce = blake2b(padded, digest_size=_NONCE, key=key, person=_NONCE_PERSON).digest()
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(padded, bound, nonce, key)


def open_name(event_key: bytes, credential: Credential, sealed: bytes) -> str | None:
    """Return the name in ``sealed``; None: it is not this ticket's, or was changed. Never raises.

    Args:
        event_key: 32 bytes.
        sealed: Untrusted bytes of any length.
    """
    if len(sealed) != SEALED_BYTES:
        return None
    key, bound = _name_key(event_key, credential), ticket_key(event_key, credential)
    nonce, box = sealed[:_NONCE], sealed[_NONCE:]
    try:
        padded = crypto_aead_xchacha20poly1305_ietf_decrypt(box, bound, nonce, key)
        return padded[1 : 1 + padded[0]].decode("utf-8")
    except (CryptoError, UnicodeDecodeError):
        return None


def fragment(name: str) -> str:
    """Return as much of ``name`` as lets a steward compare it: ``A. Lov…`` of Ada Lovelace.

    The initial of the first word, and of the last one at most three letters and never all of it.
    """
    words = name.split()
    if not words:
        return ""
    last = words[-1]
    start = f"{words[0][0]}. " if len(words) > 1 else ""
    return f"{start}{last[: max(1, min(3, len(last) - 1))]}…"


def _name_key(event_key: bytes, credential: Credential) -> bytes:
    identity = credential.ticket_id
    return blake2b(identity, digest_size=32, key=event_key, person=_PERSON).digest()


def _cut(name: str) -> str:
    if len(name.encode("utf-8")) <= MOST_NAME:
        return name
    return name.encode("utf-8")[: MOST_NAME - 3].decode("utf-8", "ignore") + "…"
