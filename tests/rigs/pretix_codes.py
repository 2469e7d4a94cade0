"""Signed codes of pretix as its own generator makes them, for tests and measurements.

`VECTOR` and `PLAIN` were made by the generator of pretix 2026.8.0 with the seed 00 01 .. 1f, of
which `VALID_KEY` and `KEY` are the public half as pretix' API gives it, and raw.
"""

from base64 import b64encode

from nacl.signing import SigningKey

SEED = bytes(range(32))
KEY = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
VALID_KEY = (
    "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUNvd0JRWURLMlZ3QXlFQUE2RUh2L1BPRUw0ZGNOMFk1MHZBbVdm"
    "azFqQ2JwUTFmSGR5R1pCSlZNYmc9Ci0tLS0tRU5EIFBVQkxJQyBLRVktLS0tLQo="
)
VECTOR = (
    b"==AAT1CLOA+Hh/0K5aOu5kIKYg/W94a75xrr4JT++hZQGC+GMm7aX6KIjJL0XSlH+RCFle51B1ixXn5/eA/hvgWwGgdi"
    b"ZCKMGg9h4CKK4gRCSDRN0MjMxUGdhdUCKAEAcAQA"
)
"""Item 1234, variation 56, from 2026-11-21 18:00 until 2026-11-22 02:00 UTC."""
PLAIN = (
    b"=cAVSn7W3PA9eUWFm5vvKT3QJw3DsiFJ8PR0vhqlg13u4xFNP8eGG+9woQIP6eg5D+3YHs6fMsrMTLKrh1+bSlCAwAAKHA"
    b"RN0MjMxUGdhdUCKAEARAQA"
)
"""Item 7 and nothing else."""


def varint(number: int) -> bytes:
    """A number of 0 or more as protobuf writes it."""
    low, rest = number & 0x7F, number >> 7
    return bytes((low | 0x80,)) + varint(rest) if rest else bytes((low,))


def field(number: int, value: int | bytes) -> bytes:
    """One field: a number, or a text of its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def payload(
    item: int = 7,
    variation: int = 0,
    subevent: int = 0,
    *,
    valid_from: int = 0,
    valid_until: int = 0,
    seed: bytes = b"Gate12345",
) -> bytes:
    """The message of a ticket, its fields as pretix writes them."""
    parts = [field(1, seed), field(2, item)]
    parts += [field(n, value) for n, value in ((3, variation), (4, subevent)) if value]
    return b"".join([*parts, field(5, valid_from), field(6, valid_until)])


def wrapped(
    message: bytes, signature: bytes, version: int = 1, lengths: tuple[int, int] | None = None
) -> bytes:
    """The code of a message and a signature, whatever they are."""
    n, m = lengths or (len(message), len(signature))
    head = bytes((version,)) + n.to_bytes(2, "big") + m.to_bytes(2, "big")
    return b64encode(head + message + signature)[::-1]


def code(message: bytes | None = None, seed: bytes = SEED) -> bytes:
    """The code of a message, signed."""
    message = payload() if message is None else message
    return wrapped(message, SigningKey(seed).sign(message).signature)
