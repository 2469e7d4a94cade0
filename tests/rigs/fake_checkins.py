"""How a pretix server judges check-ins, as far as a gate's traffic needs it.

In the shape and order of pretix 2026.8, as tests/pretix/test_pretix_redeem.py sees them at a real
one: nonce, force, used, annul, reports of refused scans.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]
Reply = tuple[int, Any]
_UNKNOWN = {"detail": "Not found.", "status": "error", "reason": "invalid"}


class FakeCheckIns:
    """All check-ins of one organizer; `rows` are those that stand, with their nonce.

    Args:
        events: The server's events, see `FakePretix`.
        number: Gives ids.
    """

    def __init__(self, events: dict[str, Json], number: Callable[[], int], stamp: Any) -> None:
        self._events, self._number, self._stamp = events, number, stamp
        self.asked: list[tuple[str, Json]] = []
        """(call, body) as they came: redeem, annul, failed."""
        self.failed: list[Json] = []
        self.nonces: dict[int, tuple[str, bool]] = {}
        """Check-in -> its nonce and whether it was forced."""

    def call(self, parts: list[str], body: Json) -> Reply | None:
        """Answer a POST whose path goes on so after the organizer; None: it is no such call."""
        if parts[:2] == ["checkinrpc", "redeem"]:
            return self._redeem(body["lists"][0], body["secret"], body)
        if parts[:2] == ["checkinrpc", "annul"]:
            return self._annul(body)
        if parts[-1] == "redeem":
            return self._redeem(int(parts[3]), int(parts[5]), body)
        if parts[-1] == "failed_checkins":
            return self._report(int(parts[3]), body)
        return None

    def _tickets(self) -> list[tuple[Json, Json]]:
        return [
            (order, position)
            for event in self._events.values()
            for order in event["orders"]
            for position in order["positions"]
        ]

    def _list(self, number: int) -> Json:
        lists = (row for event in self._events.values() for row in event["checkinlists"])
        return next(row for row in lists if row["id"] == number)

    def _redeem(self, number: int, name: int | str, body: Json) -> Reply:
        self.asked.append(("redeem", body | {"name": name, "list": number}))
        fits = (t for t in self._tickets() if name in (t[1]["id"], t[1]["secret"]))
        order, position = next(fits, ({}, {}))
        if not position or position["canceled"]:
            return 404, _UNKNOWN
        before = {"checkins": list(position["checkins"])}
        if order["status"] == "c" and not body.get("force"):
            return 400, {"status": "error", "reason": "canceled", "position": before}
        here = [row for row in position["checkins"] if row["list"] == number]
        if any(self.nonces.get(row["id"], ("",))[0] == body["nonce"] for row in here):
            return 201, {"status": "ok", "position": before}
        rules = self._list(number)
        allowed = (
            body["type"] == "exit"
            or rules["allow_multiple_entries"]
            or all(row["type"] == "exit" for row in here)
            or (rules["allow_entry_after_exit"] and here[-1]["type"] == "exit")
        )
        if not allowed and not body.get("force"):
            return 400, {"status": "error", "reason": "already_redeemed", "position": before}
        row = {
            "id": self._number(),
            "datetime": body["datetime"],
            "list": number,
            "type": body["type"],
            "device_id": 7,
        }
        position["checkins"].append(row)
        order["last_modified"] = self._stamp()
        self.nonces[row["id"]] = (body["nonce"], not allowed)
        return 201, {"status": "ok", "position": before}

    def _annul(self, body: Json) -> Reply:
        self.asked.append(("annul", body))
        for order, position in self._tickets():
            for row in position["checkins"]:
                if self.nonces.get(row["id"], ("",))[0] != body["nonce"]:
                    continue
                late = _at(body["datetime"]) - _at(row["datetime"]) > timedelta(minutes=15)
                if late:
                    said = "Annulment is not allowed more than 15 minutes after check-in"
                    return 400, {"non_field_errors": [said]}
                position["checkins"].remove(row)
                order["last_modified"] = self._stamp()
                return 200, {"status": "ok"}
        if any(nonce == body["nonce"] for nonce, _ in self.nonces.values()):
            return 400, ["Cannot annul an unsuccessful checkin"]
        return 404, {"detail": "No check-in found based on nonce"}

    def _report(self, number: int, body: Json) -> Reply:
        self.asked.append(("failed", body | {"list": number}))
        if body["error_reason"] == "exchange":
            return 400, {"error_reason": ['"exchange" is not a valid choice.']}
        if body["nonce"] not in [row["nonce"] for row in self.failed]:
            self.failed.append(body)
        return 201, body


def _at(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)
