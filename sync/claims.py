"""Answering scanner's claims: intent on disk first, then the request, and an answer in time.

Whatever the authority does, scanner hears something before its budget is over: `unreachable` if
nothing better. An answer that comes later is noted, and `sync.settle` gives back what was not used.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from store.mirror import Intent, Mirror, MirrorNotWritten
from sync.backend import Authority, Claim, ClaimResult, Refused, Taken, Unreachable
from sync.link import ScannerBabbles, ScannerGone

log = logging.getLogger(__name__)
MOST_AT_ONCE = 16
"""Claims in flight. Beyond that a hanging authority would collect threads without end."""
PROBE_BUDGET = 1.0
"""Seconds; scanner itself judges whether a probe was quick."""
_ON_THE_WAY = 0.02
"""Seconds kept of the budget for the way back to scanner."""

Send = Callable[[dict[str, Any]], None]


class ClaimDesk:
    """Takes claims and probes of one scanner connection.

    Args:
        send: Sends one message to scanner; raises `ScannerGone`.
        epoch: The journal's epoch as far as it is known.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        authority: Authority | None,
        mirror: Mirror,
        send: Send,
        epoch: Callable[[], bytes] = lambda: b"",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authority, self._mirror, self._send = authority, mirror, send
        self._epoch, self._monotonic = epoch, monotonic
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)

    def claim(self, message: dict[str, Any]) -> None:
        """Answer one claim by its deadline; returns at once.

        Raises:
            ScannerBabbles: no claim as docs/ipc.md has it.
        """
        began = self._monotonic()
        claim, budget = _claim(message)
        answer = _Answer(claim.presentation, self._tell)
        authority = self._authority
        if authority is None or not self._room.acquire(blocking=False):
            answer.give(Unreachable())
            return
        deadline = began + budget - min(_ON_THE_WAY, budget / 4)
        timer = threading.Timer(deadline - self._monotonic(), answer.give, (Unreachable(),))
        timer.daemon = True
        timer.start()

        def work() -> None:
            try:
                self._ask(authority, claim, deadline, answer)
            except MirrorNotWritten as error:  # no intent, no claim: the gate's policy decides
                log.error("claim %s: %s", claim.presentation.hex(), error)
                answer.give(Unreachable())
            finally:
                timer.cancel()
                self._room.release()

        threading.Thread(target=work, name="claim", daemon=True).start()

    def _ask(self, authority: Authority, claim: Claim, deadline: float, answer: "_Answer") -> None:
        self._mirror.intend(_intent(claim, authority.kind, self._epoch()))
        left = deadline - self._monotonic()
        if left <= 0:  # the disk took it all; nothing has left, so nothing is held
            self._mirror.close_intent(claim.presentation, "not_held")
            answer.give(Unreachable())
            return
        result = authority.claim(claim, left)
        # The guest waits for this, and nobody for the note: without it the journal settles all.
        answer.give(result)
        self._mirror.answered(claim.presentation, _name(result))

    def probe(self, number: int) -> None:
        """Ask the authority whether it is there and tell scanner; returns at once."""
        authority = self._authority
        if authority is None or not self._room.acquire(blocking=False):
            self._tell({"probed": number, "ok": False})
            return

        def work() -> None:
            try:
                self._tell({"probed": number, "ok": authority.probe(PROBE_BUDGET)})
            finally:
                self._room.release()

        threading.Thread(target=work, name="probe", daemon=True).start()

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._send(message)
        except ScannerGone as error:  # its connection is made anew by the role that reads it
            log.warning("an answer found nobody: %s", error)


class _Answer:
    """One answer to one claim: the first wins."""

    def __init__(self, presentation: bytes, tell: Send) -> None:
        self._presentation, self._tell = presentation, tell
        self._lock = threading.Lock()
        self._given = False

    def give(self, result: ClaimResult) -> None:
        with self._lock:
            if self._given:
                return
            self._given = True
        said = {"presentation": self._presentation.hex(), "result": _name(result)}
        self._tell({"answer": said | _details(result)})


def _claim(message: dict[str, Any]) -> tuple[Claim, float]:
    try:
        claim = Claim(
            bytes.fromhex(message["presentation"]),
            bytes.fromhex(message["ticket_key"]),
            str(message["list"]),
            str(message["direction"]),
            float(message["at"]),
            message.get("unlisted", False),
            bytes.fromhex(message["instead_of"]) if "instead_of" in message else None,
            str(message["code"]) if "code" in message else None,
        )
        budget = float(message["budget"])
    except (KeyError, TypeError, ValueError) as error:
        raise ScannerBabbles(f"claim: {error}") from error
    if not isinstance(claim.unlisted, bool):
        raise ScannerBabbles(f"claim: unlisted is a {type(claim.unlisted).__name__}")
    if not 0 < budget <= 10:
        raise ScannerBabbles(f"claim: a budget of {budget} s")
    return claim, budget


def _intent(claim: Claim, authority: str, epoch: bytes) -> Intent:
    return Intent(
        claim.presentation,
        claim.ticket_key,
        claim.list,
        claim.direction,
        claim.at,
        authority,
        epoch,
    )


def _name(result: ClaimResult) -> str:
    return type(result).__name__.lower()


def _details(result: ClaimResult) -> dict[str, Any]:
    if isinstance(result, Taken):
        return {"gate": result.gate, "at": result.at}
    if isinstance(result, Refused):
        return {"reason": result.reason}
    return {}
