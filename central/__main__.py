"""The server process: `python -P -m central --db URL --keys DIR --port 8470`.

Prints one line of JSON, `{"url": …}`, once it listens; with `--demo-login` also `"login"`, a link
that works once. Killing it at any moment loses nothing that was answered.
"""

import argparse
import json
import logging
import socket
import ssl
import sys
import threading
from pathlib import Path

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from central.app import create_app
from central.errors import CentralFault
from central.event import Central
from central.lists import refresh
from central.organiser import accounts, backup
from central.organiser.app import make_pages
from central.organiser.links import is_loopback, login_link
from central.organiser.web import Site
from central.restored import catch_up
from central.setup import open_central
from central.wallet.app import make_wallet
from config.memory import keep_off_disk
from tickets.errors import GateError

REFRESH_SECONDS = 30.0
"""How often it is asked whether a list is due to be confirmed."""
_LOG = logging.getLogger("central")


def serve(
    central: Central,
    host: str,
    port: int,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    behind_proxy: bool = False,
    demo_login: bool = False,
) -> None:
    """Serve until the process is told to stop.

    Args:
        port: 0 takes any free one; the line printed says which.
        certificate, key: PEM files. Without them only loopback is served, unless a proxy on
            this network does the encryption.
        demo_login: Take one-time links instead of a login, and print one: on loopback alone.
    Raises:
        CentralFault: the address, the certificate or its key cannot be used.
    """
    if certificate is None and not behind_proxy and not is_loopback(host):
        raise CentralFault(
            f"{host} can be reached from outside, and the server has no certificate",
            "Give --certificate and --key, or --behind-proxy when a proxy encrypts",
        )
    if demo_login and (behind_proxy or not is_loopback(host)):
        raise CentralFault(
            "a login without password is for this computer alone",
            "Leave --demo-login out, or serve on 127.0.0.1 without a proxy",
        )
    secure = certificate is not None or behind_proxy
    pages = make_pages(Site(central, secure, demo_login))
    config = uvicorn.Config(
        create_app(central, pages, make_wallet(central)),
        http="h11",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=16_384,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        # Else whoever calls could say who they are, in the log and for the back-off.
        proxy_headers=behind_proxy,
    )
    _load(config, certificate, key)
    listener = _listen(host, port)
    threading.Thread(target=_keep_current, args=(central,), daemon=True, name="refresh").start()
    scheme = "https" if certificate else "http"
    # An import works in a thread of this process: a claim must not wait 5 ms for each of its steps.
    sys.setswitchinterval(0.0005)
    said = {"url": url_of(scheme, host, listener.getsockname()[1])}
    if demo_login:
        said["login"] = login_link(central, said["url"])
    elif accounts.count(central) == 0:
        _LOG.warning("nobody can log in yet; make an account with: admit central user add NAME")
    print(json.dumps(said), flush=True)  # noqa: T201
    with backup.serving(backup.file_of(central.database.engine.url)):
        uvicorn.Server(config).run(sockets=[listener])


def url_of(scheme: str, host: str, port: int) -> str:
    """The address as a browser takes it. Source: RFC 3986, section 3.2.2."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _load(config: uvicorn.Config, certificate: Path | None, key: Path | None) -> None:
    """Read the certificate now: the address that is printed must be one that answers."""
    remedy = "Give --certificate and --key: a PEM certificate chain and its private key"
    if certificate is None and key is not None:
        raise CentralFault(f"key {key} has no certificate", remedy)
    try:
        config.load()
    except ssl.SSLError as error:
        raise CentralFault(
            f"{certificate} and {key or 'the key in it'} are no certificate and its key", remedy
        ) from error
    except OSError as error:
        # The TLS library does not say which of the two.
        files = " or ".join(str(path) for path in (certificate, key) if path is not None)
        raise CentralFault(f"{files} cannot be read: {error.strerror}", remedy) from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise CentralFault(
            f"{host}:{port} cannot be served: {error}", "Stop what uses it, or choose another port"
        ) from error


def _keep_current(central: Central) -> None:
    """Confirm the list again and again, and stay ahead of what gates have. A database that is busy
    or full is tried again later.
    """
    wait = threading.Event()
    while not wait.wait(REFRESH_SECONDS):
        try:
            if not catch_up(central):
                refresh(central)
        except (SQLAlchemyError, GateError) as error:
            _LOG.error("the list could not be confirmed: %s", error)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="central", description="The reference server")
    parser.add_argument("--db", required=True, help="such as sqlite:////var/lib/central.db")
    parser.add_argument("--keys", required=True, type=Path, help="with list.toml and event.toml")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=8470, type=int)
    parser.add_argument("--demo-login", action="store_true", help="one-time links, on loopback")
    chosen = parser.parse_args(arguments)
    try:
        keep_off_disk()
        central = open_central(chosen.db, chosen.keys)
        serve(central, chosen.host, chosen.port, demo_login=chosen.demo_login)
    except GateError as error:
        sys.exit(f"{error.cause}\n{error.remedy}")


if __name__ == "__main__":
    main()
