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
from sync.errors import ServerFault
from sync.http import Http, back_off
from sync.link import Link
from sync.pretix.enrolment import Enrolment, initialize, load, read_handshake
from sync.pretix.errors import PretixIdentityMissing, WrongServer
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
            TokenRefused, WrongServer: the token of admit.toml is of no use.
        """
        found = load(self._directory)
        if found is not None:
            return found
        token = self._config.server.token
        return self._by_code() if token is None else self._by_token(token.reveal())

    def _by_token(self, token: str) -> Enrolment:
        attempt = 0
        while True:
            try:
                return self._initialize(token)
            except ServerFault as error:
                attempt += 1
                log.warning("not enrolled yet: %s", error)
                self._alive()
                self._wait(back_off(attempt, random.random, most=_LONGEST))

    def _by_code(self) -> Enrolment:
        while True:
            try:
                if (found := self._listen()) is not None:
                    return found
            except GateError as error:  # scanner is not there yet, or the code did not work
                log.warning("not enrolled yet: %s", error)
                self._fault = error
            self._alive()
            self._wait(LOOK)

    def _listen(self) -> Enrolment | None:
        """Listen to scanner as long as it is there; what a code came to is told on the screen."""
        link = Link(self._socket)
        try:
            link.send({"op": "claims"})
            link.send({"server": _state(self._fault)})
            while True:
                self._alive()
                message = link.receive(LOOK)
                if message is not None and "handshake" in message:
                    return self._try(str(message["handshake"]))
        finally:
            link.close()

    def _try(self, code: str) -> Enrolment:
        """Use a set-up code. Raises GateError: it is of no use, or the server is away."""
        handshake = read_handshake(code)
        if handshake.url != self._http.url:
            raise WrongServer("server", self._http.url, handshake.url)
        return self._initialize(handshake.token)

    def _initialize(self, token: str) -> Enrolment:
        server, gate = self._config.server, self._config.gate
        found = initialize(self._http, self._directory, token, gate.event, server.organizer)
        log.info("enrolled at pretix as device %d of %s", found.device_id, found.organizer)
        return found


def _state(fault: GateError) -> dict[str, object]:
    told = {"cause": fault.cause, "remedy": fault.remedy}
    return {"online": False, "last_contact": None, "waiting": 0, "parked": 0, "fault": told}
