"""The network process: ``python -P -m sync --config FILE --state DIR --run DIR``.

Read this file first: it puts the parts of the exchange in their places. Crash-only: a role that
ends unexpectedly ends the process, the service manager starts it again, and the mirror tells the
rest.
"""

import argparse
import logging
import os
import random
import sys
import threading
import time
from hashlib import blake2b
from pathlib import Path

from config.memory import keep_off_disk
from config.models import AdmitConfig
from config.notify import notify
from config.read import read_config
from store.mirror import Mirror
from store.ownership import take_ownership
from store.stick import Stick
from store.withdrawn import CAUSE, REMEDY
from sync.admit import AdmitServer
from sync.errors import ServerFault, ServerRefused, WrongEvent
from sync.http import Http, back_off
from sync.identity import Bearers, Identity, device_key, enrol
from sync.names import NameFiles
from sync.pretix.api import Pretix
from sync.pretix.awaiting import Awaiting
from sync.pretix.codes import Codes
from sync.pretix.enrolment import Badge
from sync.pretix.roles import PretixPuller, PretixRoles
from sync.pretix.server import PretixServer
from sync.pretix.staging import Staging
from sync.pull import Puller
from sync.roles import Roles
from sync.rounds import Rounds
from sync.stick_pull import StickPuller
from sync.stick_roles import StickRoles
from sync.stick_server import StickServer
from sync.withdrawal import end_by, enrolled_anew, finish_wipe, may_enrol
from tickets.errors import GateError
from tickets.keyring import pinned

log = logging.getLogger("sync")


def main(arguments: list[str] | None = None) -> None:
    """Run for ever; a named error ends the process with code 1 and two lines."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    threading.excepthook = _die
    try:
        keep_off_disk()
        _run(read_config(options.config), options.state / "sync", options.run)
    except GateError as error:
        sys.stderr.write(f"{error.cause}\n{error.remedy}\n")
        sys.stderr.flush()
    except BaseException:
        log.critical("sync ends", exc_info=True)
    # No tidy end: closing the mirror would take away the -wal file that scanner reads.
    os._exit(1)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sync", description="Exchange with the server")
    parser.add_argument("--config", type=Path, required=True, help="the provisioning file")
    parser.add_argument(
        "--state", type=Path, default=Path("/var/lib/admit"), help="state directory"
    )
    parser.add_argument("--run", type=Path, default=Path("/run/admit"), help="scanner's sockets")
    return parser.parse_args(arguments)


def _run(config: AdmitConfig, directory: Path, run: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    take_ownership(directory, "sync")
    if config.server.kind == "none":
        log.info("this gate stands alone: there is no server to talk to")
        _watch(None)
    if config.server.kind == "admit" and not _may_enrol(config, directory):
        log.critical("%s. %s", CAUSE, REMEDY)
        _watch(None)
    if config.server.kind == "pretix":
        finish_wipe(directory)
    mirror = Mirror(directory / "mirror.db")
    if mirror.rebuilt is not None:
        log.error("%s; all of it is fetched again", mirror.rebuilt)
    parts = {"file": _by_stick, "pretix": _by_pretix}.get(config.server.kind, _by_network)
    roles = parts(config, mirror, directory, run / "sync.sock")
    for name, role in roles.all().items():
        threading.Thread(target=_for_ever, args=(role,), name=name, daemon=True).start()
    _watch(roles)


def _by_network(config: AdmitConfig, mirror: Mirror, directory: Path, socket: Path) -> Rounds:
    """The parts of a gate with a server."""
    http = Http(config.server.url or "", config.server.ca_file, pins=config.server.pin)
    notify("READY=1")
    identity = _enrolled(config, http, directory)
    enrolled_anew(directory, mirror)
    server = AdmitServer(http, Bearers(http, identity, device_key(directory)))
    roots = pinned(config.trust.root_keys, config.trust.threshold)
    puller = Puller(server, mirror, roots, config.gate.event, directory)
    puller.names = NameFiles(server, directory, config.screen.names != "none")
    authority = server if config.server.authority == "admit" else None
    token = config.server.token.reveal() if config.server.token else None
    withdrawn = end_by(directory, mirror, identity, token)
    return Roles(socket, server, authority, mirror, puller, withdrawn=withdrawn)


def _by_stick(config: AdmitConfig, mirror: Mirror, directory: Path, socket: Path) -> Rounds:
    """The parts of a gate whose server is a stick."""
    key, event = device_key(directory), config.gate.event
    device = blake2b(key.verify_key.encode(), digest_size=8).hexdigest()
    server = StickServer(Stick(config.server.directory or Path()), event, device)
    roots = pinned(config.trust.root_keys, config.trust.threshold)
    puller = StickPuller(server, mirror, roots, event, directory, gate=config.gate.name)
    puller.names = NameFiles(server, directory, config.screen.names != "none")
    return StickRoles(socket, server, mirror, puller, key)


def _by_pretix(config: AdmitConfig, mirror: Mirror, directory: Path, socket: Path) -> Rounds:
    """The parts of a gate that is a device of a pretix organizer."""
    server, event = config.server, config.gate.event
    http = Http(server.url or "", server.ca_file, pins=server.pin)
    notify("READY=1")
    waiting = Awaiting(config, http, directory, socket, alive=lambda: notify("WATCHDOG=1"))
    enrolment = waiting.enrolment()
    enrolled_anew(directory, mirror)
    if enrolment.event != event:
        raise WrongEvent(event, enrolment.event)
    badge = Badge(directory, enrolment)
    source = PretixServer(
        Pretix(http, badge.token, rolled=badge.rolling),
        badge,
        Staging(directory / "pretix.db", enrolment.notary.root.hex()),
        mirror,
        directory,
        events=server.events,
        lists=[lane.check_in_list for lane in config.lanes],
        signed_suffice=not config.policy.list_required,
        codes=Codes(socket, enrolment.notary),
    )
    puller = PretixPuller(source, mirror, pinned([enrolment.notary.root]), event, directory)
    identity = Identity(enrolment.device, event, enrolment.event_key)
    token = server.token.reveal() if server.token else None
    withdrawn = end_by(directory, mirror, identity, token)
    authority = source.authority() if server.authority == "pretix" else None
    return PretixRoles(socket, source, authority, mirror, puller, withdrawn=withdrawn)


def _may_enrol(config: AdmitConfig, directory: Path) -> bool:
    try:
        return may_enrol(directory, config.server.token.reveal() if config.server.token else None)
    except OSError as error:
        raise GateError(f"{CAUSE}, and not all is wiped: {error}", "Destroy the card") from error


def _enrolled(config: AdmitConfig, http: Http, directory: Path) -> Identity:
    """The identity, asked for until the server can be reached; its refusal is final."""
    device_key(directory)  # saved before the token is used
    token = None if config.server.token is None else config.server.token.reveal()
    attempt = 0
    while True:
        try:
            return enrol(http, directory, token, config.gate.name, config.gate.event)
        except ServerFault as error:
            if isinstance(error, ServerRefused) and error.status < 500:
                raise
            attempt += 1
            log.warning("not enrolled yet: %s", error)
            notify("WATCHDOG=1")
            time.sleep(back_off(attempt, random.random, most=15.0))


def _for_ever(role: object) -> None:
    if callable(role):
        role()
    raise RuntimeError("a role of sync came to an end")


def _watch(roles: Rounds | None) -> None:
    """The main thread: feeds the watchdog as long as every role gives signs of life."""
    notify("READY=1")
    while True:
        if roles is None or not (stuck := roles.stuck()):
            notify("WATCHDOG=1")
        else:
            log.error("no sign of life from: %s", ", ".join(stuck))
        time.sleep(5.0)


def _die(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "?"
    log.critical("thread %s ended; so does the process", name, exc_info=failure.exc_value or True)
    logging.shutdown()
    os._exit(1)


if __name__ == "__main__":
    main()
