"""Reading a stick: statements and lists as from a server, then the enrolment, then the answers."""

import base64
import binascii
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.public import SealedBox
from nacl.signing import SigningKey
from pydantic import ValidationError

from store.mirror import Mirror, Parked
from store.stick import Index, StickFault, StickOfAnotherEvent
from store.stick_records import NotTheOrganisers
from sync.answers import Enrolled
from sync.errors import WrongEvent
from sync.identity import device_key, identity_of, load_identity, save_identity
from sync.pull import Puller
from sync.stick_server import StickServer
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Type
from tickets.errors import GateError
from tickets.keyring import Keyring
from tickets.statements import read_statement

log = logging.getLogger(__name__)


class StickOlder(StickFault):
    """What it says is older than what this gate has read before."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"the stick is older than one that was here before: {what}",
            "Put in the newer one, or make this one again: admit central stick DIR. "
            "Until then the gate keeps to what the newer one said",
        )


class StickForged(StickFault):
    """A statement on it is not the organiser's."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"the stick holds what the organiser has not signed: {what}",
            "Ask where the stick has been, and make it again. The gate keeps to what it had before",
        )


class EnrolmentAwaited(StickFault):
    """The stick has no key for this gate yet; its request is on the stick."""

    def __init__(self, gate: str, device: str) -> None:
        super().__init__(
            f"gate {gate} is not enrolled; its number is {device}",
            f"Take the stick to the server: admit central stick DIR --enrol {device}; "
            "then put it in here again",
        )


class StickPuller(Puller):
    """Keeps mirror, list files and identity at what the sticks have said.

    Args:
        gate: Its name in admit.toml.
        directory: Where list files and the identity live; other arguments as of `Puller`.
    """

    def __init__(
        self,
        server: StickServer,
        mirror: Mirror,
        roots: Keyring,
        event: str,
        directory: Path,
        *,
        gate: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(server, mirror, roots, event, directory, monotonic=monotonic)
        self._server, self._gate, self._directory = server, gate, directory
        server.list_keys = self._signing_lists

    def _signing_lists(self) -> dict[bytes, bytes]:
        return self._keyring.signing_lists()

    def _poll(self) -> GateError | None:
        completed = self.completed
        index = self._server.look()
        if self._resync.is_set():
            self._server.settled(False)
        refused = super()._poll()
        fault = self._in_our_words(refused) or self._server.torn or self._older(index)
        if fault is not None:
            self.completed = completed
            if not self._signing_lists():  # then nothing else on it can be told from a forgery
                return fault
        self._enrol(index)
        if self._server.is_news:
            self._take_answers(index)
        self._server.settled(fault is None)
        return fault

    def _in_our_words(self, refused: GateError | None) -> GateError | None:
        """What a server's statement is told of, in words for a stick."""
        if not isinstance(refused, StatementRejected):
            return refused
        if refused.attack is Attack.ROLL_BACK:
            return StickOlder(refused.cause)
        if refused.attack is Attack.WRONG_EVENT:
            return StickOfAnotherEvent(self._event, refused.cause)
        return StickForged(refused.cause)

    def _older(self, index: Index) -> StickOlder | None:
        """Older than what this very process has read: known, so nothing of it was refused."""
        newest = self._newest_rows()
        if newest is None or not self._server.is_news:
            return None
        found, _ = self._server.statements(0)
        wires = [wire.wire for wire in found if wire.type in (Type.LIST, Type.DELTA)]
        serials = [read_statement(wire, self._event, self._keyring).serial for wire in wires]
        if max(serials, default=0) >= newest.serial:
            return None
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(index.made))
        return StickOlder(f"it was made on {made} UTC, and lacks {newest.type} {newest.serial}")

    # Enrolment

    def _enrol(self, index: Index) -> None:
        """Take the event key that was sealed for this gate; ask for it where there is none."""
        identity = load_identity(self._directory)
        if identity is not None:
            if identity.event != self._event:
                raise WrongEvent(self._event, identity.event)
            return
        key = device_key(self._directory)
        name = f"enrolments/{self._server.device}"
        if name not in index.files:
            self._ask(key)
            raise EnrolmentAwaited(self._gate, self._server.device)
        identity = identity_of(_opened(name, self._server.signed("enrolment", name), key))
        if (identity.device, identity.event) != (self._server.device, self._event):
            raise NotTheOrganisers(name)
        save_identity(self._directory, identity)
        log.info("enrolled by the stick as %s", identity.device)

    def _ask(self, key: SigningKey) -> None:
        public = key.verify_key.encode().hex()
        request = json.dumps({"gate": self._gate, "public_key": public}).encode()
        name = f"requests/{self._server.device}.json"
        stick = self._server.stick
        if name not in stick.names("requests") or stick.read(name, 4096) != request:
            stick.write(name, request)

    # What became of our records

    def _take_answers(self, index: Index) -> None:
        """Acknowledge what the server has: it need not be exported again, and may be purged."""
        name = f"answers/{self._server.device}"
        if name not in index.files:
            return
        said = self._server.signed("answers", name)
        try:
            for epoch_hex, journal in said["journals"].items():
                epoch, up_to = bytes.fromhex(epoch_hex), int(journal["up_to"])
                parked = [
                    Parked(epoch, int(row["seq"]), str(row["reason"]), "{}")
                    for row in journal["parked"]
                ]
                # Also back: a server that was restored from a copy needs them once more.
                if up_to != self._mirror.position(f"records/{epoch.hex()}"):
                    self._mirror.acknowledge(epoch, (), up_to, parked)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotTheOrganisers(name) from error


def _opened(name: str, said: dict[str, object], key: SigningKey) -> Enrolled:
    try:
        sealed = base64.b64decode(str(said["sealed"]), validate=True)
        answer = SealedBox(key.to_curve25519_private_key()).decrypt(sealed)
        return Enrolled.model_validate_json(answer)
    except (KeyError, binascii.Error, CryptoError, ValueError, ValidationError) as error:
        raise NotTheOrganisers(name) from error
