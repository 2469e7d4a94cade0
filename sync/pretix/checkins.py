"""Check-ins at a pretix server: redeem, annul, report a refusal; and what each answer means.

Source: REST API of pretix 2026.8, resource "Check-in", as a real one was seen to answer
(tests/pretix/test_pretix_redeem.py).
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from sync.errors import AnswerMalformed
from sync.http import Reply
from sync.pretix import wire
from sync.pretix.api import Pretix, detail, event_path, organizer_path
from sync.pretix.errors import PretixRefused
from sync.pretix.intake import microseconds
from sync.pretix.places import Place, Sold

_SECONDS = 20.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING_HELD = "Cannot annul an unsuccessful checkin"
_NEVER_THERE = "No check-in found based on nonce"
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """The server's answer to a check-in."""

    ok: bool
    known: bool
    """Whether it knows the ticket."""
    reason: str
    """Its own name of why not; empty: none that it has a name for."""
    words: str
    before: tuple[wire.CheckIn, ...]
    """Check-ins of the ticket that stood before this one."""


class CheckIns:
    """The calls about scans. Thread-safe.

    Args:
        organizer: Its short form.
    """

    def __init__(self, api: Pretix, organizer: Callable[[], str]) -> None:
        self._api, self._organizer = api, organizer

    def redeem(
        self,
        place: Place,
        presentation: bytes,
        direction: str,
        at: float,
        *,
        code: str | None = None,
        force: bool = False,
        seconds: float = _SECONDS,
    ) -> Said:
        """Check a ticket in or out; the same presentation twice is one check-in.

        Args:
            at: Unix seconds of the scan.
            code: What was shown; None: the ticket is named by its position.
            force: It has happened; what the server holds against it is no reason any more.
        Raises:
            ServerFault: not judged; whether it arrived is not known.
        """
        body: dict[str, object] = {
            "nonce": presentation.hex(),
            "type": direction,
            "datetime": moment(at),
            "force": force,
            "questions_supported": False,
            "canceled_supported": True,
        }
        if code is None:
            path = f"checkinlists/{place.list}/positions/{place.position}/redeem/"
            where = event_path(self._organizer(), place.event, path)
        else:
            body |= {"secret": code, "lists": [place.list]}
            where = organizer_path(self._organizer(), "checkinrpc/redeem/")
        reply = self._api.tell(where, body, "a check-in", seconds)
        return self._said(reply)

    def annul(
        self, place: Place, presentation: bytes, at: float, seconds: float = _SECONDS
    ) -> bool:
        """Take a check-in back.

        Args:
            at: Unix seconds at which it was known that nobody entered.
        Returns:
            False: there is none, so far. True: there was one, and it counts no more.
        Raises:
            PretixRefused: status 400: it stands, and stays: more than 15 minutes have passed.
            ServerFault: not judged.
        """
        body = {"nonce": presentation.hex(), "lists": [place.list], "datetime": moment(at)}
        where = organizer_path(self._organizer(), "checkinrpc/annul/")
        reply = self._api.tell(where, body, "an annulment", seconds)
        said = detail(reply.body)
        if reply.status < 300 or _NOTHING_HELD in said:
            return True
        if _NEVER_THERE in said:
            return False
        raise PretixRefused(self._api.url, "an annulment", reply.status, said)

    def report(
        self,
        place: Place,
        presentation: bytes,
        direction: str,
        at: float,
        *,
        reason: str,
        words: str,
        code: bytes,
        sold: Sold | None,
    ) -> str:
        """Tell of a scan that was refused here; returns why the server does not take it, or empty.

        Args:
            reason: As pretix names it.
            code: What was shown.
            sold: What the ticket is, where it is known.
        Raises:
            ServerFault: not judged.
        """
        body: dict[str, object] = {
            # Not the claim's own: pretix annuls by nonce, and nothing that it finds twice.
            "nonce": f"{presentation.hex()}-refused",
            "type": direction,
            "datetime": moment(at),
            "error_reason": reason,
            "error_explanation": words[:500],
            "raw_barcode": printable(code),
            "position": place.position,
        }
        if sold is not None:
            body |= {
                "raw_item": sold.item,
                "raw_variation": sold.variation or None,
                "raw_subevent": sold.subevent or None,
            }
        path = f"checkinlists/{place.list}/failed_checkins/"
        where = event_path(self._organizer(), place.event, path)
        reply = self._api.tell(where, body, "a refused scan")
        return "" if reply.status < 300 else detail(reply.body) or f"status {reply.status}"

    def _said(self, reply: Reply) -> Said:
        try:
            said = wire.Redeemed.model_validate_json(reply.body)
        except ValidationError:
            if reply.status < 300:
                raise AnswerMalformed(
                    self._api.url, "a check-in's answer of another shape"
                ) from None
            return Said(False, reply.status != 404, "", detail(reply.body), ())
        before = tuple(said.position.checkins) if said.position else ()
        reason = said.reason or (said.status if said.status not in ("ok", "error") else "")
        words = said.reason_explanation or reason or detail(reply.body)
        return Said(reply.status < 300, reply.status != 404, reason, words, before)


def moment(at: float) -> str:
    """Unix seconds as the server reads them, to the microsecond in which they come back."""
    try:
        return (_EPOCH + timedelta(microseconds=microseconds(at))).isoformat()
    except OverflowError:  # a clock that never was set
        return _LATEST.isoformat()


def printable(code: bytes) -> str:
    """A code as a report holds it: text, or `binary:` and base64."""
    try:
        text = code.decode()
    except UnicodeDecodeError:
        text = ""
    if text and text.isprintable():
        return text
    return f"binary:{base64.b64encode(code).decode()}"
