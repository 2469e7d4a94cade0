"""AES-128 as an NTAG 424 DNA uses it: CMAC, its truncation, CBC and padding.

Sources: NIST SP 800-38B (CMAC); NXP NT4H2421Gx data sheet, section 9.1 (truncation, padding).
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

BLOCK = 16
"""Bytes of a key, a block and a whole CMAC."""
ZERO = bytes(BLOCK)


def cmac(key: bytes, message: bytes) -> bytes:
    """Return the 16-byte CMAC of ``message`` under the 16-byte ``key``."""
    made = CMAC(algorithms.AES128(key))
    made.update(message)
    return made.finalize()


def short_mac(key: bytes, message: bytes) -> bytes:
    """Return the 8 bytes of the CMAC that a card sends: those at odd places, counted from 0."""
    return cmac(key, message)[1::2]


def encrypt(key: bytes, data: bytes, iv: bytes = ZERO) -> bytes:
    """Return ``data``, whole blocks, encrypted in CBC mode."""
    cipher = Cipher(algorithms.AES128(key), modes.CBC(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def decrypt(key: bytes, data: bytes, iv: bytes = ZERO) -> bytes:
    """Return ``data``, whole blocks, decrypted in CBC mode."""
    cipher = Cipher(algorithms.AES128(key), modes.CBC(iv)).decryptor()
    return cipher.update(data) + cipher.finalize()


def padded(data: bytes) -> bytes:
    """Return ``data`` padded to whole blocks, always by at least one byte (ISO/IEC 9797-1, 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)
