"""Whom a gate takes for its server: a pinned key, an authority, and what to do when it is neither.

A pin is the SHA-256 of the server's SubjectPublicKeyInfo (RFC 7469, 2.4), of the server's own
certificate. Whoever finishes the handshake holds that key; neither names nor dates are needed then,
which a gate that does not know the time cannot judge.
"""

import base64
import ssl
import time
from collections.abc import Collection
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sync.errors import ServerUnreachable
from tickets.errors import GateError


class WrongPin(ssl.SSLError):
    """The handshake was made with another key; its text is that key's pin."""


class CertificateRefused(ServerUnreachable):
    """Somebody answers, who is not the server that admit.toml names, or cannot show it."""

    def __init__(self, url: str, cause: str, remedy: str) -> None:
        GateError.__init__(self, f"server {url} is not trusted: {cause}", remedy)


def pin_of(certificate: bytes) -> bytes:
    """The pin of a certificate in DER. Raises ValueError: it is none."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def written(pin: bytes) -> str:
    """A pin as admit.toml has it."""
    return f"sha256/{base64.b64encode(pin).decode()}"


def check_pin(certificate: bytes | None, pins: Collection[bytes]) -> None:
    """See that the handshake was made with a pinned key.

    Raises:
        WrongPin: it was not.
    """
    try:
        found = pin_of(certificate or b"")
    except (ValueError, TypeError) as error:
        raise WrongPin("a key that cannot be read") from error
    if found not in pins:
        raise WrongPin(written(found))


_REASONS = {
    9: (
        "its certificate is not valid yet by this gate's clock, {now}",
        "A gate without a clock starts in the past: let it reach a time server, or set its clock; "
        "with pin = ... in admit.toml no clock is needed",
    ),
    10: (
        "its certificate has expired by this gate's clock, {now}",
        "If that date is right, renew the server's certificate; else set the gate's clock",
    ),
    62: (
        "its certificate is for another host name",
        "Write the name in the certificate into [server] url, or get a certificate for this name",
    ),
    64: (
        "its certificate is for another address",
        "Write the name in the certificate into [server] url, or get one for this address",
    ),
}
"""By OpenSSL's code of the verification, X509_V_ERR_*."""
_UNKNOWN = (
    "no authority that this gate knows vouches for its certificate",
    "For a server with a certificate of its own, name its ca_file or its pin in admit.toml; "
    "if it worked before, somebody may stand in between",
)


def refused(url: str, error: BaseException) -> CertificateRefused | None:
    """What is wrong with the server's certificate; None: the failure is another."""
    if isinstance(error, WrongPin):
        return CertificateRefused(
            url,
            f"its key is {error.args[0]}, admit.toml pins another",
            "Ask the organiser whether the key was changed, and only then add this pin; "
            "else somebody stands in between",
        )
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    cause, remedy = _REASONS.get(error.verify_code, _UNKNOWN)
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return CertificateRefused(url, cause.format(now=now), remedy)
