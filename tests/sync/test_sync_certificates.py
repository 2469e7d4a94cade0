"""Who answers is the server that admit.toml names, or is refused by name before a byte is sent.

Real TLS on loopback, with certificates made here.
"""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from sync.answers import Pong
from sync.certificates import CertificateRefused, pin_of, written
from sync.http import Http
from tests.rigs.certificates_rig import (
    AUTHORITY,
    DAY,
    NOW,
    SERVER,
    authority_file,
    certificate,
    der,
    shows,
)

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
Serve = Callable[[x509.Certificate], str]


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    """The authority's own certificate."""
    return authority_file(tmp_path / "ca.pem")


@pytest.fixture
def heard() -> list[bytes]:
    """What the server was sent inside TLS."""
    return []


@pytest.fixture
def serve(tmp_path: Path, heard: list[bytes]) -> Iterator[Serve]:
    """A server with a certificate; its address."""
    listeners: list[socket.socket] = []

    def start(made: x509.Certificate) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shows(context, made, tmp_path / "server.pem")
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=answer, args=(listener, context, heard), daemon=True).start()
        return f"https://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()


def answer(listener: socket.socket, context: ssl.SSLContext, heard: list[bytes]) -> None:
    """Answer every request with an empty object."""
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                if asked := connection.recv(65_536):
                    heard.append(asked)
                    connection.sendall(ANSWER)
        except OSError:  # the gate refused us
            continue


def ask(url: str, ca_file: Path | None = None, pins: tuple[bytes, ...] = ()) -> Pong:
    """One call; a warning of the libraries would be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        http = Http(url, ca_file, pins=pins)
        return http.ask(Pong, "GET", "/v1/ping", bearer="bearer-of-today", seconds=10.0)


def test_the_servers_own_authority_vouches_for_it(serve: Serve, ca_file: Path) -> None:
    assert ask(serve(certificate(SERVER, signer=AUTHORITY)), ca_file) == Pong()


@pytest.mark.parametrize(
    ("what", "change", "cause", "remedy"),
    [
        ("expired", {"since": NOW - 9 * DAY, "until": NOW - DAY}, "has expired", "clock"),
        ("clock behind", {"since": NOW + DAY, "until": NOW + 9 * DAY}, "not valid yet", "pin"),
        ("another host", {"address": "127.0.0.2"}, "another address", "url"),
        ("another authority", {"signer": SERVER}, "no authority", "ca_file"),
    ],
)
def test_a_certificate_that_does_not_hold_is_named(  # noqa: PLR0917
    serve: Serve,
    ca_file: Path,
    heard: list[bytes],
    what: str,
    change: dict[str, object],
    cause: str,
    remedy: str,
) -> None:
    """With what to do about it; and the server is told nothing."""
    made = certificate(SERVER, **({"signer": AUTHORITY} | change))  # type: ignore[arg-type]
    with pytest.raises(CertificateRefused, match=cause) as caught:
        ask(serve(made), ca_file)
    assert remedy in caught.value.remedy, what
    assert heard == []


def test_a_certificate_of_its_own_is_unknown_without_a_pin(serve: Serve) -> None:
    with pytest.raises(CertificateRefused, match="no authority") as caught:
        ask(serve(certificate(SERVER)))
    assert "pin" in caught.value.remedy


@pytest.mark.parametrize(
    "change", [{}, {"until": NOW - DAY / 2}, {"since": NOW + DAY / 2}, {"address": "127.0.0.2"}]
)
def test_a_pinned_key_alone_suffices(serve: Serve, change: dict[str, object]) -> None:
    """Self-signed, expired, not valid yet, of another name: the key is what was agreed on."""
    made = certificate(SERVER, **change)  # type: ignore[arg-type]
    assert ask(serve(made), pins=(pin_of(der(made)),)) == Pong()


def test_another_key_than_the_pinned_is_refused_before_anything_is_sent(
    serve: Serve, ca_file: Path, heard: list[bytes]
) -> None:
    """Also with a certificate by an authority that is trusted: no bearer reaches it."""
    made = certificate(SERVER, signer=AUTHORITY)
    url = serve(made)
    for trusted in (None, ca_file):
        with pytest.raises(CertificateRefused, match="pins another") as caught:
            ask(url, trusted, pins=(b"p" * 32,))
        assert written(pin_of(der(made))) in caught.value.cause
    assert heard == []


def test_with_an_authority_both_must_hold(serve: Serve, ca_file: Path) -> None:
    """The pinned key, and yet nobody vouches for it."""
    made = certificate(SERVER)
    with pytest.raises(CertificateRefused, match="no authority"):
        ask(serve(made), ca_file, pins=(pin_of(der(made)),))


def test_of_several_pins_one_suffices(serve: Serve) -> None:
    """The next key is pinned before the server changes to it."""
    made = certificate(SERVER)
    assert ask(serve(made), pins=(b"p" * 32, pin_of(der(made)))) == Pong()


@pytest.mark.parametrize("path", ["", "/%7egate", "/a/../gate"])
def test_the_pin_holds_however_the_address_is_written(
    serve: Serve, heard: list[bytes], path: str
) -> None:
    """The library writes some addresses anew before it looks for who connects to them."""
    url = serve(certificate(SERVER)) + path
    with pytest.raises(CertificateRefused, match="pins another"):
        ask(url, pins=(b"p" * 32,))
    assert heard == []
