"""Waiting for the enrolment: by the token of admit.toml, or by a set-up code shown to a camera.

admit.toml names server and organizer before any code is shown, so that a stranger's code enrols
this gate nowhere else; and an enrolled gate takes none.
"""

import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

from config.models import AdmitConfig
from store.withdrawn import read_mark
from sync.errors import ServerFault
from sync.http import Http, back_off
from sync.link import Link, ScannerBabbles, ScannerGone
from sync.pretix.enrolment import (
    IDENTITY_FILE,
    Enrolment,
    initialize,
    load,
    read_handshake,
    save,
)
from sync.pretix.errors import (
    DeviceRevoked,
    PretixIdentityMissing,
    TokenRefused,
    WrongServer,
)
from sync.withdrawal import token_hash
from tickets.errors import GateError

log = logging.getLogger(__name__)
LOOK = 1.0
_LONGEST = 15.0


class Awaiting:
    """Gets the enrolment, however long that takes.

    Args:
        directory: Where it is saved.
        socket: Path of scanner's `sync.sock`.
        alive: Called at least every few seconds, for the watchdog.
        wait: Pauses for seconds.
    """

    def __init__(
        self,
        config: AdmitConfig,
        http: Http,
        directory: Path,
        socket: Path,
        *,
        alive: Callable[[], object],
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._config, self._http = config, http
        self._directory, self._socket = directory, socket
        self._alive, self._wait = alive, wait
        self._fault: GateError = PretixIdentityMissing()

    def enrolment(self) -> Enrolment:
        """The saved one, or a new one.

        Raises:
            IdentityDamaged: a saved one cannot be read.
        """
        found, mark = load(self._directory), read_mark(self._directory)
        if found is not None and not (self._directory / IDENTITY_FILE).exists():
            save(self._directory, found)  # the power went between the two files
        token = self._config.server.token
        if found is None and mark is not None:
            self._fault = DeviceRevoked(self._http.url)
            if token is not None and token_hash(token.reveal()) == mark.token:
                token = None  # it was used by the device that is revoked
        if found is None and token is not None:
            found = self._by_token(token.reveal())
        return found or self._by_code()

    def _by_token(self, token: str) -> Enrolment | None:
        """By the token of admit.toml; None: it is of no use, which the screen then says."""
        attempt = 0
        while True:
            try:
                return self._initialize(token)
            except (TokenRefused, WrongServer) as error:
                log.warning("not enrolled yet: %s", error)
                if not isinstance(self._fault, DeviceRevoked):  # that says more
                    self._fault = error
                return None
            except ServerFault as error:
                attempt += 1
                log.warning("not enrolled yet: %s", error)
                self._alive()
                self._wait(back_off(attempt, random.random, most=_LONGEST))

    def _by_code(self) -> Enrolment:
        while True:
            try:
                return self._listen()
            except (ScannerGone, ScannerBabbles) as error:
                log.info("nobody shows a set-up code: %s", error)
            self._alive()
            self._wait(LOOK)

    def _listen(self) -> Enrolment:
        """Listen to scanner as long as it is there; what a code came to is told on the screen."""
        link = Link(self._socket)
        try:
            link.send({"op": "claims"})
            link.send({"server": _state(self._fault)})
            while True:
                self._alive()
                message = link.receive(LOOK)
                if message is None or "handshake" not in message:
                    continue
                if (found := self._try(str(message["handshake"]))) is not None:
                    return found
                link.send({"server": _state(self._fault)})
        finally:
            link.close()

    def _try(self, code: str) -> Enrolment | None:
        """Use a set-up code; None: it is of no use, or the server is away, as the screen says."""
        try:
            handshake = read_handshake(code)
            if handshake.url != self._http.url:
                raise WrongServer("server", self._http.url, handshake.url)
            return self._initialize(handshake.token)
        except GateError as error:
            log.warning("not enrolled yet: %s", error)
            self._fault = error
            return None

    def _initialize(self, token: str) -> Enrolment:
        server, gate = self._config.server, self._config.gate
        found = initialize(self._http, self._directory, token, gate.event, server.organizer)
        log.info("enrolled at pretix as device %d of %s", found.device_id, found.organizer)
        return found


def _state(fault: GateError) -> dict[str, object]:
    told = {"cause": fault.cause, "remedy": fault.remedy}
    return {"online": False, "last_contact": None, "waiting": 0, "parked": 0, "fault": told}
