"""Backend and authority of kind `admit`: the gate protocol. Source: docs/protocol.md."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from store.heads import Head, head_to_json
from sync.answers import (
    Annulled,
    Beat,
    ClaimAnswer,
    ConflictRow,
    Conflicts,
    KnownHead,
    OpenClaim,
    OpenClaims,
    Pong,
    RecordAnswers,
    Redemption,
    Redemptions,
    Statements,
    WireStatement,
)
from sync.backend import Claim, ClaimResult, Granted, Refused, Taken, Unreachable
from sync.errors import AnswerMalformed, ServerFault, ServerRefused
from sync.http import PAGE, SMALL, Http
from sync.identity import Bearers

_Answer = TypeVar("_Answer", bound=BaseModel)
_SECONDS = 20.0
"""For one call that no guest waits for."""
_LIST_SECONDS = 600.0
"""For the body of a list: 30 MB over a slow mobile link."""


class AdmitServer:
    """One server of the gate protocol; fills `Backend` and `Authority`. Thread-safe.

    Args:
        monotonic: Seconds that never jump.
    """

    kind = "admit"

    def __init__(
        self, http: Http, bearers: Bearers, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http, self._bearers, self._monotonic = http, bearers, monotonic
        self._lock = threading.Lock()
        self._contact: float | None = None

    @property
    def last_contact(self) -> float | None:
        """Monotonic seconds of the last good answer; None: never."""
        with self._lock:
            return self._contact

    @property
    def bearer_left(self) -> int | None:
        """Whole hours, in seconds, for which the bearer at hand is used; None: there is none."""
        return self._bearers.left

    def statements(self, after: int) -> tuple[list[WireStatement], int]:
        """See `Backend`."""
        page = self._ask(Statements, "GET", f"/v1/statements?after={after}", limit=PAGE)
        return page.statements, page.next

    def rows(self, digest: bytes, sink: Callable[[bytes], object], limit: int) -> None:
        """See `Backend`."""
        path = f"/v1/lists/{digest.hex()}"
        bearer = self._bearers.get(_SECONDS)
        try:
            self._http.fetch(path, sink, bearer=bearer, seconds=_LIST_SECONDS, limit=limit)
        except ServerRefused as error:
            self._note_refusal(error, bearer)
            raise
        self._in_contact()

    def redemptions(self, after: int) -> tuple[list[Redemption], int]:
        """See `Backend`."""
        page = self._ask(Redemptions, "GET", f"/v1/redemptions?after={after}", limit=PAGE)
        return page.redemptions, page.next

    def conflicts(self, after: int) -> tuple[list[ConflictRow], int]:
        """See `Backend`."""
        page = self._ask(Conflicts, "GET", f"/v1/conflicts?after={after}", limit=PAGE)
        return page.conflicts, page.next

    def push(
        self, epoch: bytes, entries: Sequence[dict[str, Any]], tip: tuple[int, bytes]
    ) -> RecordAnswers:
        """See `Backend`.

        Raises:
            AnswerMalformed: an answer for a record that was not sent, or one twice; a head that
                this gate never signed.
        """
        head = head_to_json(self._bearers.signed_head(epoch, tip))
        body = json.dumps({"epoch": epoch.hex(), "head": head, "records": list(entries)}).encode()
        said = self._ask(RecordAnswers, "POST", "/v1/records", body=body, limit=PAGE)
        seqs = [answer.seq for answer in said.answers]
        if len(set(seqs)) != len(seqs) or not set(seqs) <= {entry["seq"] for entry in entries}:
            raise AnswerMalformed(self._http.url, "answers for records that were not sent")
        self._check_own(said.known)
        return said

    def _check_own(self, known: KnownHead | None) -> None:
        if known is not None and not self._bearers.signed(Head(**known.model_dump())):
            raise AnswerMalformed(self._http.url, "a journal head that this gate never signed")

    def heartbeat(self, nonce: str, health: dict[str, Any]) -> Beat:
        """See `Backend`."""
        body = json.dumps({"nonce": nonce, "health": health}).encode()
        beat = self._ask(Beat, "POST", "/v1/heartbeat", body=body)
        self._check_own(beat.known)
        return beat

    def claim(self, claim: Claim, seconds: float) -> ClaimResult:
        """See `Authority`. Without a bearer at hand there is no time to ask for one."""
        bearer = self._bearers.held()
        if bearer is None:
            return Unreachable()
        body = json.dumps(_claim_body(claim)).encode()
        try:
            said = self._once(
                ClaimAnswer, "POST", "/v1/claims", body=body, bearer=bearer, seconds=seconds
            )
        except ServerFault:  # what it was shows in `online` and in the probes that follow
            return Unreachable()
        if said.presentation not in (None, claim.presentation):
            return Unreachable()
        return _claim_result(said)

    def annul(self, presentation: bytes) -> None:
        """See `Authority`."""
        self._ask(Annulled, "DELETE", f"/v1/claims/{presentation.hex()}")

    def open_claims(self) -> list[OpenClaim]:
        """See `Authority`."""
        return self._ask(OpenClaims, "GET", "/v1/claims?open=1", limit=PAGE).claims

    def probe(self, seconds: float) -> bool:
        """See `Authority`. Gets a bearer when there is none: claims need one at hand."""
        end = self._monotonic() + seconds
        try:
            bearer = self._bearers.get(seconds)
            left = end - self._monotonic()
            self._once(Pong, "GET", "/v1/ping", body=None, bearer=bearer, seconds=left)
        except ServerFault:  # the answer to a probe is yes or no
            return False
        return self._monotonic() <= end

    def _ask(
        self,
        answer: type[_Answer],
        method: str,
        path: str,
        body: bytes | None = None,
        limit: int = SMALL,
    ) -> _Answer:
        """One call; a bearer that ran out is renewed and the call made once more."""
        call = partial(self._once, answer, method, path, body=body, seconds=_SECONDS, limit=limit)
        try:
            return call(bearer=self._bearers.get(_SECONDS))
        except ServerRefused as error:
            if error.status != 401:
                raise
        return call(bearer=self._bearers.get(_SECONDS))

    def _once(
        self,
        answer: type[_Answer],
        method: str,
        path: str,
        *,
        body: bytes | None,
        bearer: str,
        seconds: float,
        limit: int = SMALL,
    ) -> _Answer:
        try:
            said = self._http.ask(
                answer, method, path, body=body, bearer=bearer, seconds=seconds, limit=limit
            )
        except ServerRefused as error:
            self._note_refusal(error, bearer)
            raise
        self._in_contact()
        return said

    def _note_refusal(self, error: ServerRefused, bearer: str) -> None:
        if error.status == 401:
            self._bearers.drop(bearer)

    def _in_contact(self) -> None:
        with self._lock:
            self._contact = self._monotonic()


def _claim_body(claim: Claim) -> dict[str, object]:
    body: dict[str, object] = {
        "presentation": claim.presentation.hex(),
        "ticket_key": claim.ticket_key.hex(),
        "list": claim.list,
        "direction": claim.direction,
        "at": claim.at,
    }
    if claim.unlisted:
        body["unlisted"] = True
    if claim.instead_of is not None:
        body["instead_of"] = claim.instead_of.hex()
    return body


def _claim_result(said: ClaimAnswer) -> ClaimResult:
    if said.result == "granted":
        return Granted()
    if said.result == "taken":
        return Taken(said.gate or "", said.at or 0.0)
    return Refused(said.reason or "")
