"""A gate as a server sees one: a key, a bearer, calls, and a journal of its own."""

import base64
import itertools
import json
import os
from typing import Any

from nacl.signing import SigningKey

from cli.conformance.rules import expect
from cli.conformance.wire import Answer, Wire
from store.heads import head_to_json, sign_head
from store.records import GENESIS, Entry, Kind, Record, chain_hash, entry_to_json


class Gate:
    """Enrols when it is made.

    Args:
        name: What its token was made for.
        check_in_list: Of every claim and scan.
    """

    def __init__(self, wire: Wire, name: str, token: str, check_in_list: str) -> None:
        self.wire, self.name, self.token, self.list = wire, name, token, check_in_list
        self.key = SigningKey.generate()
        self.epoch, self.head = os.urandom(8), GENESIS
        self._seqs, self._written = itertools.count(1), 0
        self.bearer, self.device, self.event, self.event_key = "", "", "", b""
        self.enrolled = self.enrol()
        expect(self.enrolled.status == 201, f"enrolment: {self.enrolled}")
        found = self.enrolled.json
        self.device, self.event = str(found.get("device")), str(found.get("event"))
        self.event_key = bytes.fromhex(found["event_key"])
        self.granted = self.ask_bearer()
        expect(self.granted.status == 200, f"token: {self.granted}")
        self.bearer = str(self.granted.json.get("bearer"))

    def call(self, method: str, path: str, body: object = None, bearer: str | None = "") -> Answer:
        """One call. ``bearer``: empty: its own; None: without any. Bytes go out as they are."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer or self.bearer}"
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.wire(method, path, raw, headers)

    def enrol(self, **changes: str) -> Answer:
        """Ask to be enrolled with its token and key."""
        body = {"token": self.token, "gate": self.name, "software": "admit central-check"}
        body["public_key"] = self.key.verify_key.encode().hex()
        return self.call("POST", "/v1/enrol", body | changes, bearer=None)

    def ask_bearer(self, with_nonce: bytes | None = None, **changes: object) -> Answer:
        """Ask for a bearer; ``changes`` are made after signing."""
        once, at = (with_nonce or os.urandom(16)).hex(), 0
        text = f"admit-token\n{self.device}\n{at}\n{once}"
        signature = base64.b64encode(self.key.sign(text.encode()).signature).decode()
        body = {"device": self.device, "at": at, "nonce": once, "signature": signature}
        return self.call("POST", "/v1/token", body | changes, bearer=None)

    def claim(self, presentation: bytes, ticket_key: bytes, **changes: object) -> Answer:
        """Claim an entry."""
        body = {"presentation": presentation.hex(), "ticket_key": ticket_key.hex()}
        rest = {"list": self.list, "direction": "entry", "at": 1000.5}
        return self.call("POST", "/v1/claims", body | rest | changes)

    def annul(self, presentation: bytes) -> Answer:
        """Give a claim back."""
        return self.call("DELETE", f"/v1/claims/{presentation.hex()}")

    def open_claims(self) -> list[Any]:
        """The presentations whose outcome the server does not know."""
        found = self.call("GET", "/v1/claims?open=1").json.get("claims")
        expect(isinstance(found, list), f"claims is no list: {found!r}")
        return [row.get("presentation") for row in found]

    def signed_head(self) -> dict[str, Any]:
        """Where the journal stands, signed."""
        tip = self._written, self.head
        return head_to_json(sign_head(self.key, self.device, self.epoch, tip, 1000 + tip[0]))

    def send(self, *records: object, **changes: object) -> Answer:
        """Upload records with the journal's head; ``changes`` are of its fields, after signing."""
        body = {"epoch": self.epoch.hex(), "records": list(records)}
        return self.call("POST", "/v1/records", body | {"head": self.signed_head() | changes})

    def upload(self, *records: object) -> list[dict[str, Any]]:
        """Upload records; the answers, one for each."""
        answer = self.send(*records)
        expect(answer.status == 200, answer)
        found = answer.json.get("answers")
        whole = isinstance(found, list) and len(found) == len(records)
        expect(whole, f"{len(records)} records, answers {found!r}")
        return list(found)

    def results(self, *records: object) -> list[Any]:
        """Upload records; what became of each."""
        return [answer.get("result") for answer in self.upload(*records)]

    def record(self, kind: Kind, presentation: bytes, **facts: Any) -> dict[str, Any]:
        """The next record of the journal, as it is uploaded."""
        seq = self._written = next(self._seqs)
        told: dict[str, Any] = {"at": 1000.0 + seq, "event": self.event, "lane": "1"}
        row = Record(kind=kind, presentation=presentation, **(told | facts))
        entry = Entry(seq, row, self.head, chain_hash(seq, self.head, row))
        self.head = entry.hash
        return entry_to_json(entry)

    def scan(self, presentation: bytes, ticket_key: bytes, **facts: Any) -> dict[str, Any]:
        """A scan that admitted somebody."""
        told = {"ticket_key": ticket_key, "list": self.list, "direction": "entry"}
        return self.record(Kind.SCAN, presentation, **(told | {"verdict": "admitted"} | facts))

    def enter(self, ticket_key: bytes, outcome: Kind = Kind.PASSAGE) -> bytes:
        """Upload an admission with its outcome; return its presentation."""
        presentation = os.urandom(16)
        records = self.scan(presentation, ticket_key), self.record(outcome, presentation)
        expect(self.results(*records) == ["stored"] * 2, "new records were not stored")
        return presentation
