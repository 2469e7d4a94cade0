"""Certificates of a server on loopback, made here; and a server that shows them."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
AUTHORITY, SERVER, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
"""The key of an authority, of the server, and one of somebody else."""


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(
    key: Key,
    *,
    signer: Key | None = None,
    address: str = "127.0.0.1",
    since: datetime.datetime = NOW - DAY,
    until: datetime.datetime = NOW + DAY,
) -> x509.Certificate:
    """Of the server; signed by an authority's key, or by its own."""
    issuer = _named("authority" if signer else "server")
    builder = x509.CertificateBuilder(issuer, _named("server"), key.public_key())
    alone = signer is None
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(since).not_valid_after(until)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    builder = builder.add_extension(alternative, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(alone, None), critical=True)
    return builder.sign(signer or key, hashes.SHA256())


def authority_file(path: Path) -> Path:
    """Write the authority's own certificate; returns ``path``."""
    builder = x509.CertificateBuilder(
        _named("authority"), _named("authority"), AUTHORITY.public_key(), 1, NOW - DAY, NOW + DAY
    ).add_extension(x509.BasicConstraints(True, None), critical=True)
    path.write_bytes(builder.sign(AUTHORITY, hashes.SHA256()).public_bytes(PEM))
    return path


def der(made: x509.Certificate) -> bytes:
    """A certificate as its pin is made of it."""
    return made.public_bytes(serialization.Encoding.DER)


def shows(context: ssl.SSLContext, made: x509.Certificate, path: Path, key: Key = SERVER) -> None:
    """Have a server's context show a certificate from its next connection on.

    Args:
        path: File for both, written anew.
    """
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(PEM, *plain) + made.public_bytes(PEM))
    context.load_cert_chain(path)
