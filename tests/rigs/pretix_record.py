"""Writes tests/pretix/recorded from a real pretix: `make record-pretix`.

plan.json       names, ids and codes of what was seeded
exchanges.json  one line per request: what a device of profile pretixscan asks in a first sync, in
                a second one after changes ("after"), and answers of each kind to a scan
verdicts.json   the matrix of pretix_verdicts.py

Sanitised: the address is http://pretix.test, tokens are made up; people never existed.
"""

import json
from collections.abc import Iterator
from typing import Any

import requests

from tests.rigs.pretix_api import Api
from tests.rigs.pretix_plan import Plan
from tests.rigs.pretix_rig import Server, pretix
from tests.rigs.pretix_verdicts import RECORDED, server_verdicts, verdict_to_json

EXCLUDED = (
    "downloads", "payments", "refunds", "fees", "payment_date", "payment_provider",
    "positions.downloads",
)  # fmt: skip
HEADERS = ("X-Page-Generated", "Last-Modified", "Content-Type", "Retry-After")
PER_EVENT = (
    "", "settings/", "items/", "categories/", "questions/", "subevents/", "checkinlists/",
    "revokedsecrets/", "blockedsecrets/",
)  # fmt: skip


class Recorder:
    """Keeps what is asked and answered."""

    def __init__(self, server: Server, plan: Plan) -> None:
        self.server, self.plan = server, plan
        self.kept: list[dict[str, Any]] = []
        self.api = Api(server.url, "")

    def keep(self, answer: requests.Response, when: str = "first") -> Any:
        """Take one exchange down; return the answer's body."""
        asked = answer.request
        body = json.loads(asked.body) if asked.body else None
        found = answer.json() if answer.content else None
        self.kept.append({
            "when": when, "method": asked.method, "path": str(asked.path_url),
            "sent": body, "status": answer.status_code,
            "headers": {name: answer.headers[name] for name in HEADERS if name in answer.headers},
            "body": found,
        })  # fmt: skip
        return found

    def handshake(self) -> None:
        """Initialise a device and use its token from now on."""
        device = self.server.device("recorder")
        body = {"token": device.token, "hardware_brand": "Admit", "hardware_model": "test"}
        body |= {"software_brand": "Admit", "software_version": "0.0.1"}
        first = self.keep(self.api.post("device/initialize", body))
        self.api = Api(self.server.url, first["api_token"])
        self.keep(self.api.get("device/info"))
        self.keep(self.api.get("version"))
        self.keep(self.api.get("device/eventselection"))
        self.keep(self.api.get("organizers/admit/events/"))

    def sync(self) -> str:
        """What a device without any data asks; returns where the next sync goes on."""
        stamps = [""]
        for event in self.plan.events:
            for path in PER_EVENT:
                found = self.keep(self.api.get(self.server.event_path(event, path)))
                while found.get("next"):
                    found = self.keep(self.api.get(found["next"]))
            pages = self.api.pages(self.server.event_path(event, "orders/"), exclude=EXCLUDED)
            for page in pages:
                self.keep(page)
                stamps.append(page.headers["X-Page-Generated"])
        self.keep(self.api.get("organizers/admit/reusablemedia/"))
        return min(filter(None, stamps))

    def difference(self, since: str) -> None:
        """Change tickets of "tokyo", then ask what a second sync asks."""
        tokyo, server = self.plan.event("tokyo"), self.server
        server.change(tokyo.ticket("paid").secret, "swap")
        server.change(tokyo.ticket("stays").secret, "cancel_order")
        server.change(tokyo.ticket("blocked").secret, "unblock")
        server.change(tokyo.ticket("two-extras+dinner").secret, "cancel")
        server.redeem(tokyo.list("everything"), tokyo.ticket("crew"), at=self.plan.now, nonce="n1")
        path = server.event_path("tokyo", "orders/")
        ask = {"ordering": "-last_modified", "modified_since": since, "exclude": EXCLUDED}
        self.keep(self.api.get(path, None, **ask), "after")
        for path, key in (("revokedsecrets/", "created"), ("blockedsecrets/", "updated")):
            found = {"ordering": f"-{key}", f"{key}_since": since}
            self.keep(self.api.get(server.event_path("tokyo", path), None, **found), "after")

    def scans(self) -> None:
        """One answer of each kind to a stored scan."""
        tokyo = self.plan.event("tokyo")
        for name in ("in-time", "crew", "pending", "asked", "exchange", "unknown", "blocked-old"):
            if name in tokyo.tickets:
                ticket = tokyo.ticket(name)
                self.keep(self._redeem(tokyo.list("everything"), ticket.secret, name), "scan")
        rpc = self.server.organizer_path("checkinrpc/annul/")
        body = {"lists": [tokyo.list("everything")], "nonce": "in-time"}
        late = {**body, "datetime": self.plan.now.isoformat()}
        self.keep(self.api.post(rpc, late), "scan")

    def _redeem(self, on: int, secret: str, nonce: str) -> requests.Response:
        body = {"secret": secret, "lists": [on], "nonce": nonce}
        body["datetime"] = self.plan.now.isoformat()
        return self.api.post(self.server.organizer_path("checkinrpc/redeem/"), body)

    def lines(self) -> Iterator[str]:
        """One exchange per line, without what belongs to this run alone."""
        token = self.api.session.headers["Authorization"].split()[1]
        for exchange in self.kept:
            text = json.dumps(exchange, ensure_ascii=False, separators=(",", ":"))
            text = text.replace(self.server.url, "http://pretix.test")
            yield text.replace(str(token), "an-api-token")


def recorded_exchanges() -> list[dict[str, Any]]:
    """The exchanges: when, method, path (with query), sent, status, headers, body."""
    return [json.loads(line) for line in (RECORDED / "exchanges.json").read_text().splitlines()]


def main() -> None:
    """Seed a server, write down what it says."""
    RECORDED.mkdir(parents=True, exist_ok=True)
    with pretix() as server:
        plan = server.seed("everything")
        recorder = Recorder(server, plan)
        recorder.handshake()
        since = recorder.sync()
        rows = [json.dumps(verdict_to_json(row)) for row in server_verdicts(server, plan)]
        recorder.scans()
        recorder.difference(since)
        exchanges = "\n".join(recorder.lines())
        known = json.dumps(server.raw_plan, indent=1)
    (RECORDED / "verdicts.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")
    (RECORDED / "exchanges.json").write_text(exchanges + "\n")
    (RECORDED / "plan.json").write_text(known + "\n")


if __name__ == "__main__":
    main()
